"""The breakpoint table, and breakpoints that fire on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.errors import ExpressionError, UsageError
from tests.debugger.simulated import TIMEOUT, packets

if TYPE_CHECKING:
    from kdnb.debugger.session import Session
    from kdnb.results.events import DebugPrint, Stop

PLACE = "nt!NtDelayExecution"


def go(session: Session) -> Stop:
    stop = session.go(timeout=TIMEOUT)
    assert stop is not None
    return stop


def test_a_breakpoint_fires_and_memory_never_shows_it(session: Session) -> None:
    added = session.breakpoints.add(PLACE)
    code = session.memory.read(added.address or 0, 4)
    stop = go(session)
    assert (stop.reason, stop.breakpoints, stop.address) == ("breakpoint", (0,), added.address)
    assert stop.hit(0)
    assert session.memory.read(added.address or 0, 4) == code
    assert added.hits == 1


def test_going_on_from_a_breakpoint_reaches_it_again(session: Session) -> None:
    session.breakpoints.add(PLACE)
    first, second = go(session), go(session)
    assert first.address == second.address
    assert session.breakpoints[0].hits == 2


def test_a_breakpoint_that_is_set_waits_for_the_resume(session: Session) -> None:
    before = packets(session)
    session.breakpoints.add(PLACE)
    session.breakpoints.add(PLACE, passes=3)
    session.breakpoints.disable(0)
    assert packets(session) == before


def test_pass_counts_let_the_first_hits_go_by(session: Session) -> None:
    session.breakpoints.add(PLACE, passes=3)
    stop = go(session)
    assert stop.hit(0)
    assert (session.breakpoints[0].hits, session.breakpoints[0].remaining) == (3, 1)


def test_a_condition_in_python_is_asked_at_each_hit(session: Session) -> None:
    seen: list[Stop] = []

    def third(stop: Stop) -> bool:
        seen.append(stop)
        return len(seen) == 3

    session.breakpoints.add(PLACE, when=third)
    assert go(session).hit(0)
    assert len(seen) == 3
    assert all(stop.symbol == PLACE for stop in seen)


def test_a_condition_that_fails_stops_the_target_and_is_kept(session: Session) -> None:
    session.breakpoints.add(PLACE, when=lambda stop: 1 // 0)
    stop = go(session)
    assert stop.hit(0)
    assert stop.details.startswith("condition of breakpoint 0 failed: ZeroDivisionError")
    assert isinstance(session.events.failures[-1], ZeroDivisionError)
    session.breakpoints.add(PLACE)
    assert go(session).details == ""


def test_a_hit_that_is_nobodys_business_still_hears_the_user(session: Session) -> None:
    session.breakpoints.add(PLACE, when=lambda stop: session.request_break())
    stop = go(session)
    assert stop.requested
    assert stop.breakpoints == ()


def test_commands_of_a_breakpoint_can_let_it_go_on(session: Session) -> None:
    ran: list[str] = []

    def run(session: Session, text: str) -> None:
        ran.append(text)
        if len(ran) < 3:
            assert session.go() is None
            assert session.execution.resume_pending

    session.run_commands = run
    session.breakpoints.add(PLACE, command="k; g")
    assert go(session).hit(0)
    assert ran == ["k; g"] * 3


def test_a_command_that_fails_is_said_and_leaves_the_target_stopped(session: Session) -> None:
    prints: list[DebugPrint] = []
    session.events.on_print(prints.append)

    def run(session: Session, text: str) -> None:
        raise UsageError("no such command")

    session.run_commands = run
    session.breakpoints.add(PLACE, command="nonsense")
    assert go(session).hit(0)
    assert prints[-1].text == "command of breakpoint 0 failed: no such command\n"


def test_a_one_shot_breakpoint_is_gone_after_its_hit(session: Session) -> None:
    session.breakpoints.add(PLACE, one_shot=True)
    assert go(session).hit(0)
    assert len(session.breakpoints) == 0


def test_disabled_and_cleared_breakpoints_do_not_fire(session: Session) -> None:
    session.breakpoints.add(PLACE)
    session.breakpoints.add("nt!KiSwapContext")
    session.breakpoints.disable(0)
    assert go(session).hit(1)
    session.breakpoints.remove([0, 1])
    assert session.go(timeout=0.2) is None


@pytest.mark.parametrize(("kind", "size", "place"), [("w", 4, "nt!KeTickCount"), ("e", 1, PLACE)])
def test_hardware_breakpoints_fire_again_and_again(session: Session, kind: str, size: int, place: str) -> None:
    session.breakpoints.add(place, kind=kind, size=size)
    first = go(session)
    assert first.hit(0)
    assert go(session).hit(0)
    assert session.registers.get("dr0") == session.evaluate(place)
    session.breakpoints.remove(0)
    assert session.go(timeout=0.2) is None


def test_numbers_are_the_lowest_free_ones_and_an_address_has_one(session: Session) -> None:
    table = session.breakpoints
    for place in ("nt!NtClose", "nt!NtReadFile", "nt!NtWriteFile"):
        table.add(place)
    table.remove(1)
    assert table.add("nt!NtOpenFile").number == 1
    again = table.add("nt!NtClose", passes=4)
    assert (again.number, again.passes, again.message) == (0, 4, "breakpoint 0 redefined")
    assert [b.number for b in table] == [0, 1, 2]
    with pytest.raises(UsageError, match="no breakpoint 9"):
        table.remove(9)


def test_names_that_are_not_there_yet_are_deferred_and_nonsense_is_refused(session: Session) -> None:
    added = session.breakpoints.add("late!DriverEntry")
    assert (added.address, added.symbolic) == (None, True)
    assert "adding deferred bp" in added.message
    with pytest.raises(ExpressionError):
        session.breakpoints.add("1 +")
    with pytest.raises(UsageError, match="aligned"):
        session.breakpoints.add(0xFFFFF80041E00001, kind="w", size=4)
    with pytest.raises(UsageError, match="size 1"):
        session.breakpoints.add(PLACE, kind="e", size=4)


def test_a_deferred_breakpoint_takes_effect_when_its_module_loads(session: Session) -> None:
    added = session.breakpoints.add("late!late")
    session.modules.loaded(r"\SystemRoot\late.sys", session.modules["disk"].base, 0x5000)
    session.breakpoints.resolve_deferred()
    assert added.address is None
    added.expression = "late"
    session.breakpoints.resolve_deferred()
    assert added.address == session.modules["late"].base


def test_more_than_the_hardware_has_is_refused_in_one_line(session: Session) -> None:
    for slot in range(4):
        session.breakpoints.add(0xFFFFF80041E13260 + 8 * slot, kind="w", size=8)
    with pytest.raises(UsageError, match="4 hardware breakpoints"):
        session.breakpoints.add(0xFFFFF80041E13300, kind="r", size=4)
    for slot in range(32):
        session.breakpoints.add(0xFFFFF80041E02000 + slot)
    with pytest.raises(UsageError, match="32 software breakpoints"):
        session.breakpoints.add(0xFFFFF80041E03000)


def test_a_thread_filter_lets_other_threads_pass(session: Session) -> None:
    session.breakpoints.add(PLACE)
    first = go(session)
    session.breakpoints.add(PLACE, thread=first.thread)
    for _ in range(3):
        assert go(session).thread == first.thread


def test_detaching_leaves_nothing_in_the_target(session: Session) -> None:
    session.breakpoints.add(PLACE)
    session.breakpoints.add("nt!KeTickCount", kind="w", size=4)
    go(session)
    session.detach()
    session.request_break()
    session.break_in(TIMEOUT)
    assert session.registers.get("dr0") == 0
    assert session.go(timeout=0.2) is None


def test_code_that_came_with_a_stop_is_not_asked_for_but_where_a_breakpoint_may_show_in_it(session: Session) -> None:
    place = session.breakpoints.add(PLACE).address or 0
    go(session)
    before = packets(session)
    session.disassemble(place, 1)
    assert packets(session) == before
    assert not session.breakpoints.show_in(place, b"\x90\x90")
    assert session.breakpoints.show_in(place, b"\xcc\x90")
    assert session.breakpoints.show_in(place - 1, b"\x90\xcc")
    assert not session.breakpoints.show_in(place + 1, b"\xcc\xcc")
