"""What is reported and what goes on quietly; more of it is in `test_breakpoints` and `test_execution`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kdnb.protocol.constants import ContinueStatus
from kdnb.protocol.messages.state_change import CommandString, ExceptionRecord64, LoadSymbols, RawUnion
from tests.target.scripted import breakpoint_stop

if TYPE_CHECKING:
    from kdnb.debugger.session import Session
    from kdnb.protocol.messages.state_change import StateChange64
    from kdnb.results.events import ModuleEvent


def test_stepping_onto_a_breakpoint_does_not_use_up_a_pass(session: Session) -> None:
    session.go(until=session.evaluate("nt!NtDelayExecution"), timeout=30)
    _, _, third = session.disassemble(session.registers.pc, 3)
    added = session.breakpoints.add(third.address, passes=3)
    session.step(2)
    assert session.registers.pc == third.address
    assert added.remaining == 3


def test_an_image_that_loads_is_taken_in_and_the_target_goes_on(session: Session) -> None:
    events: list[ModuleEvent] = []
    session.events.on_module(events.append)
    path = b"\\SystemRoot\\late.sys\0"
    body = LoadSymbols(path_name_length=len(path), base=0xFFFFF80055000000, size_of_image=0x3000)
    cause, status = session.execution._decisions.decide(_changed(body, path))
    assert (cause, status) == (None, ContinueStatus.DBG_CONTINUE)
    assert session.modules["late"].base == 0xFFFFF80055000000
    assert events[0].path == "\\SystemRoot\\late.sys"


def test_the_first_stop_after_a_restart_is_the_initial_break_where_the_filter_wants_one(session: Session) -> None:
    decisions = session.execution._decisions
    path = b"\\SystemRoot\\system32\\ntoskrnl.exe\0"
    load = _changed(LoadSymbols(path_name_length=len(path), base=0xFFFFF80055000000, size_of_image=0x3000), path)
    decisions.restarted()
    assert decisions.decide(load)[0] is None
    session.filters.change("ibp", action="break", commands="lm")
    assert decisions.decide(load)[0] is None, "it was met already"
    decisions.restarted()
    cause, _ = decisions.decide(load)
    assert cause is not None
    assert (cause.reason, cause.requested, cause.commands) == ("break", True, ("lm",))
    assert decisions.decide(load)[0] is None


def test_a_command_that_the_target_sends_is_shown_and_run_only_where_it_is_allowed(session: Session) -> None:
    ran: list[str] = []
    prints: list[str] = []
    session.run_commands = lambda _, text: ran.append(text)
    session.events.on_print(lambda event: prints.append(event.text))
    change = _changed(CommandString(), b"verifier\0.echo \x1b[2Jowned\0", 0x3032)
    assert session.execution._decisions.decide(change) == (None, ContinueStatus.DBG_CONTINUE)
    assert ran == []
    assert prints == ["the target asks to run (not done): verifier .echo [2Jowned\n"]
    session.options["run_target_commands"] = True
    session.execution._decisions.decide(change)
    assert ran == [".echo \x1b[2Jowned"]


def test_first_and_second_chances_follow_the_filter_of_the_exception(session: Session) -> None:
    prints: list[str] = []
    session.events.on_print(lambda event: prints.append(event.text))
    decide = session.execution._decisions.decide

    def fault(code: int, first: int) -> StateChange64:
        return _changed(ExceptionRecord64(code=code, address=1, first_chance=first), state=0x3030)

    cause, status = decide(fault(0xC0000005, 1))
    assert cause is not None
    assert status == ContinueStatus.DBG_EXCEPTION_NOT_HANDLED
    assert decide(fault(0xC000001D, 1)) == (None, ContinueStatus.DBG_EXCEPTION_NOT_HANDLED)
    assert prints == ["Illegal instruction - code c000001d (first chance)\n"]
    cause, _ = decide(fault(0xC000001D, 0))
    assert cause is not None
    assert cause.reason == "exception"
    session.filters.change("av", action="ignore", handled=True)
    assert decide(fault(0xC0000005, 0)) == (None, ContinueStatus.DBG_CONTINUE)
    session.filters.reset()


def _changed(
    body: LoadSymbols | RawUnion | CommandString | ExceptionRecord64, data: bytes = b"", state: int = 0x3031
) -> StateChange64:
    return replace(breakpoint_stop(), new_state=state, body=body, data=data)


def test_an_unknown_state_change_is_reported(session: Session) -> None:
    cause, _ = session.execution._decisions.decide(_changed(RawUnion(), state=0x3077))
    assert cause is not None
    assert "0x3077" in cause.details
