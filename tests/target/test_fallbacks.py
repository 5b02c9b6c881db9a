"""What a target refuses is done in another way: the simulated machine is told to refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.protocol.constants import Api
from kdnb.simulator import stub_system
from kdnb.simulator.stub_apis import HANDLERS
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
