"""What a target refuses is done in another way: the simulated machine is told to refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.protocol.constants import Api, Status
from kdnb.render.text import to_text
from kdnb.simulator import stub_system
from kdnb.simulator.stub_apis import HANDLERS
from kdnb.simulator.stub_halt import refuse
from tests.debugger.simulated import TIMEOUT, open_session, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.debugger.session import Session


@pytest.fixture
def session() -> Iterator[Session]:
    with serve() as address, open_session(address) as session:
        session.connect(TIMEOUT)
        session.step()  # past the int3 of the break-in, which nothing runs for
        yield session


def asked(session: Session) -> list[str]:
    assert session.log is not None
    packets = session.log.packets()
    return packets[packets["direction"] == "to_target"]["api"].dropna().tolist()


def test_a_context_comes_in_windows_where_getcontext_is_refused(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = session.registers.values()
    monkeypatch.setitem(HANDLERS, Api.GetContext, stub_system.unsupported)
    session.registers.invalidate()
    assert session.registers.values() == before
    session.registers.set("r15", 0x1234)
    session.registers.invalidate()
    assert session.registers.get("r15") == 0x1234
    assert asked(session).count("SetContextEx") == 2  # 1232 bytes in windows of 1024
    monkeypatch.undo()
    session.registers.set("r15", before["r15"])


@pytest.mark.parametrize("command", ["~1s", ".reboot", ".crash"])
def test_a_refused_request_to_go_away_is_one_line_and_the_stop_lasts(
    session: Session, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    stop, code = session.stop, session.memory.read(session.registers.pc, 4)
    for api in (Api.SwitchProcessor, Api.Reboot, Api.CauseBugCheck):
        monkeypatch.setitem(HANDLERS, api, stub_system.unsupported)
    with pytest.raises(CommandError, match="the target answers STATUS_UNSUCCESSFUL"):
        execute(session, command)
    assert session.stop is stop
    assert session.current_processor == 0
    assert session.memory.read(session.registers.pc, 4) == code
    monkeypatch.undo()
    assert session.step().reason == "step"


def test_registers_are_set_in_windows_where_setcontext_alone_is_refused(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = session.registers.get("r15")
    monkeypatch.setitem(HANDLERS, Api.SetContext, stub_system.unsupported)
    session.registers.set("r15", 0x1234)
    session.registers.invalidate()
    assert session.registers.get("r15") == 0x1234
    session.registers.set("r15", before)


def test_processors_are_found_where_control_space_is_refused(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = "!pcr 1; !prcb; !irql; !thread"
    before = [to_text(result) for result in execute(session, commands)]
    monkeypatch.setitem(HANDLERS, Api.ReadControlSpace, stub_system.unsupported)
    assert [to_text(result) for result in execute(session, commands)] == before


def test_a_refused_data_breakpoint_is_named_and_none_is_left_in_the_target(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = session.evaluate("nt!NtReadFile")
    original = session.memory.read(place, 1)
    execute(session, "bp nt!NtReadFile; ba w4 nt!KeTickCount")
    monkeypatch.setitem(HANDLERS, Api.WriteControlSpace, stub_system.unsupported)
    with pytest.raises(CommandError, match=r"unable to insert breakpoint 1 at .*bd 1"):
        execute(session, "g")
    session.drop_caches()
    assert session.memory.read(place, 1) == original
    execute(session, "bc 1; g")
    assert session.stop is not None
    assert session.stop.reason == "breakpoint"
    execute(session, "bc *")


@pytest.mark.parametrize(
    ("api", "command", "message"),
    [
        (Api.GetBusData, "!pci", "GetBusData: the target answers STATUS_NOT_IMPLEMENTED .*doesn't offer bus data"),
        (Api.ReadMachineSpecificRegister, "rdmsr 10", "^ReadMachineSpecificRegister: .*doesn't offer it"),
        (Api.WriteMachineSpecificRegister, "wrmsr 10 0", "^WriteMachineSpecificRegister: .*doesn't offer it"),
    ],
)
def test_what_a_target_does_not_know_is_not_told_as_something_else(
    session: Session, monkeypatch: pytest.MonkeyPatch, api: Api, command: str, message: str
) -> None:
    monkeypatch.setitem(HANDLERS, api, lambda _halt, request, _body: refuse(request, Status.NOT_IMPLEMENTED))
    with pytest.raises(CommandError, match=message):
        execute(session, command)


def test_breakpoints_go_in_one_request_only_where_the_user_wants_it(session: Session) -> None:
    kernel = session.modules["nt"]
    places = [kernel.base + rva for rva in (kernel.image.entry_point, kernel.image.entry_point + 0x20)]
    for place in places:
        session.breakpoints.add(place)
    session.step()
    assert asked(session).count("WriteBreakPoint") == 2
    assert "WriteBreakPointEx" not in asked(session)
    session.options["breakpoint_batches"] = True
    session.step()
    assert asked(session).count("WriteBreakPointEx") == 1
    assert asked(session).count("WriteBreakPoint") == 2


def test_a_refused_batch_is_tried_again_one_by_one(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = session.modules["nt"]
    for offset in (0, 0x20):
        session.breakpoints.add(kernel.base + kernel.image.entry_point + offset)
    session.options["breakpoint_batches"] = True
    monkeypatch.setitem(HANDLERS, Api.WriteBreakPointEx, stub_system.unsupported)
    session.step()
    assert asked(session).count("WriteBreakPoint") == 2


def test_nothing_that_is_known_to_crash_targets_is_sent_by_a_usual_session(session: Session) -> None:
    execute(session, "r; k; u; lm; db @rsp; dd /p 1000 L4; p; t; bp nt+1000; bc *; s nt L100 41; !irql; rdmsr c0000082")
    assert not {"GetBusData", "WriteBreakPointEx", "CheckLowMemory", "ClearAllInternalBreakpoints"} & {*asked(session)}
