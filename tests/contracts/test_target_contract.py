"""What every target keeps to, whatever stands behind it. Backends are rows of `OPENERS`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from kdnb.debugger.engine import clock
from kdnb.errors import RequestFailed
from kdnb.protocol.constants import Api, ContinueStatus
from kdnb.protocol.context.amd64 import AMD64Context
from kdnb.protocol.link import Link, Role
from kdnb.protocol.messages.execution import EmptyBody
from kdnb.protocol.messages.io import MsrBody
from kdnb.protocol.messages.version import VersionBody
from kdnb.target.base import Capability, StateChanged
from kdnb.target.live import LiveTarget
from kdnb.transport.pump import Pump
from kdnb.transport.registry import open_transport
from tests.debugger.simulated import TIMEOUT, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from kdnb.target.base import Target


@contextlib.contextmanager
def live_on_the_simulator() -> Iterator[Target]:
    with serve() as address:
        target = LiveTarget(Pump(open_transport(address), Link(Role.HOST)), clock=clock)
        try:
            yield target
        finally:
            target.close()


OPENERS: list[Callable[[], AbstractContextManager[Target]]] = [live_on_the_simulator]


@pytest.fixture(params=OPENERS, ids=lambda opener: opener.__name__)
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    """A target that is connected and has announced its stop."""
    with request.param() as target:
        target.connect(TIMEOUT, break_in=True)
        assert isinstance(next_stop(target), StateChanged)
        yield target


def next_stop(target: Target) -> StateChanged | None:
    deadline = clock() + TIMEOUT
    while clock() < deadline:
        event = target.wait(1.0)
        if isinstance(event, StateChanged):
            return event
        if event is None:
            target.break_in()
    return None


def version(target: Target) -> VersionBody:
    body = target.request(Api.GetVersion, EmptyBody(), processor=0xFFFF).body
    assert isinstance(body, VersionBody)
    return body


def test_reads_give_the_bytes_up_to_the_first_hole(target: Target) -> None:
    base = version(target).kernel_base
    assert target.read_virtual(base, 2) == b"MZ"
    assert len(target.read_virtual(base, 0x3000)) == 0x3000
    assert target.read_virtual(0x1000, 8) == b""
    assert target.read_virtual(base, 0) == b""


def test_writes_say_how_much_went_in(target: Target) -> None:
    if Capability.WRITE_VIRTUAL not in target.capabilities:
        pytest.skip("this target can't be written")
    context = AMD64Context.decode(target.get_context(0))
    below = context.rsp - 0x40
    assert target.write_virtual(below, b"kdnb") == 4
    assert target.read_virtual(below, 4) == b"kdnb"
    assert target.write_virtual(0x1000, b"kdnb") == 0


def test_contexts_are_whole_and_can_be_set(target: Target) -> None:
    data = target.get_context(0)
    assert len(data) == AMD64Context.SIZE
    if Capability.WRITE_REGISTERS in target.capabilities:
        changed = AMD64Context.decode(data).replace(r15=0x1234)
        target.set_context(0, changed.encode())
        assert AMD64Context.decode(target.get_context(0)).r15 == 0x1234


def test_control_space_names_the_processor_block(target: Target) -> None:
    pcr = int.from_bytes(target.read_control_space(0, 0, 8), "little")
    prcb = int.from_bytes(target.read_control_space(0, 1, 8), "little")
    assert prcb - pcr == 0x180
    assert len(target.read_control_space(0, 2, 0xF0)) >= 0xD8


def test_physical_memory_holds_the_page_tables(target: Target) -> None:
    special = target.read_control_space(0, 2, 0xF0)
    cr3 = int.from_bytes(special[0x10:0x18], "little") & ~0xFFF
    assert any(target.read_physical(cr3, 0x1000))


def test_what_the_target_refuses_is_an_error_with_its_status(target: Target) -> None:
    with pytest.raises(RequestFailed) as caught:
        target.request(Api.ReadMachineSpecificRegister, MsrBody(0x12345678))
    assert caught.value.status >= 0x80000000


@pytest.mark.parametrize("trace", [True, False])
def test_a_resumed_target_stops_again(target: Target, trace: bool) -> None:
    if Capability.EXECUTION not in target.capabilities:
        pytest.skip("this target can't run")
    context = AMD64Context.decode(target.get_context(0))
    target.set_context(0, context.replace(rip=context.rip + 1).encode())  # past the int3
    target.resume(0, ContinueStatus.DBG_CONTINUE, trace, 0x400)
    if not trace:
        target.break_in()
    stop = next_stop(target)
    assert stop is not None
    assert stop.change.exception is not None
    assert stop.change.exception.code == (0x80000004 if trace else 0x80000003)


def test_breakpoints_have_handles_and_can_be_taken_out_once(target: Target) -> None:
    if Capability.BREAKPOINTS not in target.capabilities:
        pytest.skip("this target has no breakpoints")
    context = AMD64Context.decode(target.get_context(0))
    handle = target.write_breakpoint(context.rip + 1)
    assert 1 <= handle <= 32
    assert target.restore_breakpoint(handle)
    assert not target.restore_breakpoint(handle)


def test_nothing_comes_from_a_stopped_target_by_itself(target: Target) -> None:
    assert target.wait(0.05) is None
