"""Running, stepping and stopping on the simulated machine."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from kdnb.debugger.engine import Engine
from kdnb.errors import Cancelled, LinkError, TargetRunningError
from kdnb.simulator.machine import Machine
from tests.debugger.simulated import TIMEOUT, open_session, serve
from tests.debugger.virtual_machine import VirtualMachine, virtual_session

if TYPE_CHECKING:
    from pathlib import Path

    from kdnb.debugger.session import Session
    from kdnb.results.events import DebugPrint, LinkStateChange, ModuleEvent, Stop


def virtual(scenario: str, **options: str) -> Session:
    """A session on a machine in virtual time, for what is said about seconds."""
    machine = Machine(scenario)
    machine.boot()
    return virtual_session(VirtualMachine(machine), **options)


def test_stepping_goes_into_a_call_and_stepping_over_does_not(session: Session) -> None:
    session.go(until=session.evaluate("nt!NtDelayExecution"), timeout=TIMEOUT)
    while not session.disassemble(session.registers.pc, 1)[0].is_call:
        session.step()
    call = session.disassemble(session.registers.pc, 1)[0]
    depth = session.registers.sp
    thread = session.stop.thread  # type: ignore[union-attr]  # stopped by the step
    over = session.step_over()
    assert (over.reason, over.address, over.thread) == ("step", call.address + call.size, thread)
    assert session.registers.sp == depth


def test_stepping_into_a_call_lands_at_its_target(session: Session) -> None:
    session.go(until=session.evaluate("nt!NtDelayExecution"), timeout=TIMEOUT)
    while not (call := session.disassemble(session.registers.pc, 1)[0]).is_call:
        session.step()
    assert session.step().address == call.target


def test_going_up_ends_behind_the_call_at_the_callers_depth(session: Session) -> None:
    stop = session.go(until=session.evaluate("nt!KeDelayExecutionThread"), timeout=TIMEOUT)
    assert stop is not None
    assert stop.reason == "temporary"
    caller = session.unwind(2)[1]
    after = session.step_out()
    assert after.address == caller.instruction_pointer
    assert after.thread == stop.thread
    assert session.registers.sp == caller.child_sp


def test_a_step_at_a_compiled_int3_only_passes_it(session: Session) -> None:
    at = session.registers.pc
    stop = session.step()
    assert (stop.reason, stop.address) == ("step", at + 1)


def test_several_steps_are_counted_and_each_runs_one_instruction(session: Session) -> None:
    session.go(until=session.evaluate("nt!NtDelayExecution"), timeout=TIMEOUT)
    first = session.disassemble(session.registers.pc, 3)
    assert session.step(2).address == first[2].address


def test_going_while_the_target_runs_waits_for_its_next_stop_and_starts_nothing(session: Session) -> None:
    assert session.go(timeout=0) is None
    with pytest.raises(TargetRunningError):
        session.go(wait=False)
    with pytest.raises(TargetRunningError):
        session.go(until=session.evaluate("nt!KeBugCheckEx"))
    session.request_break()
    stop = session.go(timeout=TIMEOUT)
    assert stop is not None
    assert stop.reason == "break"


def test_a_wish_to_stop_while_a_condition_is_judged_breaks_in(session: Session) -> None:
    session.breakpoints.add("nt!KeUpdateSystemTime", when=lambda _: session.request_cancel())
    stop = session.go(timeout=TIMEOUT)
    assert stop is not None
    assert (stop.reason, stop.requested) == ("break", True)
    session.breakpoints.remove_all()
    assert session.go(timeout=0) is None  # and it was for that time only


def test_a_wish_to_stop_beats_a_breakpoint_that_goes_on_by_itself(session: Session) -> None:
    session.run_commands = lambda session, _: session.go()
    session.breakpoints.add("nt!KeUpdateSystemTime", command="gc", when=lambda _: session.request_cancel() or True)
    stop = session.go(timeout=TIMEOUT)
    assert stop is not None
    assert stop.reason == "breakpoint"


def test_a_wish_to_stop_ends_a_run_of_steps(session: Session) -> None:
    steps: list[Stop] = []

    @session.events.on_stop
    def _(stop: Stop) -> None:
        steps.append(stop)
        if len(steps) == 3:
            session.request_cancel()

    with pytest.raises(Cancelled):
        session.step(50)
    assert len(steps) == 3
    session.clear_cancel()
    assert session.step().reason == "step"


def test_a_callback_that_wants_to_run_the_target_is_told_no_and_the_session_goes_on(session: Session) -> None:
    session.breakpoints.add("nt!KeUpdateSystemTime", when=lambda _: session.go())
    stop = session.go(timeout=TIMEOUT)
    assert stop is not None
    assert "a callback can't let the target run" in stop.details
    session.breakpoints.clear_temporary()

    @session.events.on_stop
    def _(_: Stop) -> None:
        session.step()

    assert session.step().reason == "step"
    assert "a callback can't let the target run" in str(session.events.failures[-1])


def test_a_user_who_moves_the_instruction_pointer_starts_there(session: Session) -> None:
    returns = session.registers.pc + 1
    session.registers.set("rip", returns)
    after = session.memory.read_pointer(session.registers.sp)
    assert session.step().address == after


def test_prints_reach_their_callbacks_while_the_target_runs(guest_symbols: Path) -> None:
    prints: list[DebugPrint] = []
    with serve("storm") as address, open_session(address, symbol_path=str(guest_symbols)) as session:

        @session.events.on_print
        def _(event: DebugPrint) -> None:
            prints.append(event)
            if len(prints) > 20:
                session.request_break()

        session.connect(TIMEOUT)
        prints.clear()
        stop = session.go(timeout=TIMEOUT)
        assert stop is not None
        assert stop.requested
        assert len(prints) > 20
        assert all(event.text for event in prints)


def test_a_target_that_only_prints_is_stopped_within_a_second() -> None:
    stop = virtual("storm").connect(1.0)
    assert stop is not None
    assert stop.requested


def test_a_callback_that_fails_is_kept_and_hurts_nobody(session: Session) -> None:
    reached: list[Stop] = []

    def broken(stop: Stop) -> None:
        raise ValueError("mine")

    session.events.on_stop(broken)
    session.events.on_stop(reached.append)
    session.step()
    assert len(reached) == 1
    assert "mine" in str(session.events.failures[-1])


def test_a_bug_check_is_told_with_its_code(session: Session) -> None:
    stop = session.execution.crash()
    assert stop is not None
    assert stop.reason == "bugcheck"
    assert "0x000000e2" in stop.details
    assert session.evaluate("$bug_code") == 0xE2


def test_after_a_reboot_the_machine_is_met_again(session: Session) -> None:
    states: list[LinkStateChange] = []
    session.events.on_state(states.append)
    session.execution.reboot()
    session.request_break()
    stop = session.break_in(TIMEOUT)
    assert stop.reason == "break"
    assert "restarted" in [state.state for state in states]
    assert "nt" in session.modules


def test_image_loads_at_boot_are_events_and_can_be_stops(guest_symbols: Path) -> None:
    loads: list[ModuleEvent] = []
    session = virtual("boot", symbol_path=str(guest_symbols))
    session.events.on_module(loads.append)
    session.filters.change("ld", action="break")
    stop = session.connect(TIMEOUT)
    assert stop is not None
    assert stop.reason == "load"
    assert stop.details.startswith("Loaded ")
    first = len(loads)
    session.filters.change("ld", action="ignore")
    session.breakpoints.add("nt!KeBugCheckEx")
    assert session.go(timeout=5.0) is None
    assert len(loads) > first
    assert "disk" in session.modules


def test_a_bug_check_at_boot_stops_by_itself(guest_symbols: Path) -> None:
    with serve("bugcheck") as address, open_session(address, symbol_path=str(guest_symbols)) as session:
        stop = session.connect(TIMEOUT)
        while stop is not None and stop.reason != "bugcheck":
            stop = session.go(timeout=TIMEOUT)  # exceptions are left to the system
        assert stop is not None
        assert stop.details.startswith("*** Fatal System Error: 0x")


def test_a_lost_reply_is_asked_for_again_by_reset(guest_symbols: Path) -> None:
    with (
        serve() as address,
        open_session(address, faults="drop=0.0001,seed=5", symbol_path=str(guest_symbols)) as session,
    ):
        session.connect(60)
        data = session.memory.read(session.modules["nt"].base, 0x1000)
        assert data[:2] == b"MZ"
        session.step()
        assert session.step().reason == "step"


def test_an_engine_serves_events_while_nobody_asks(session: Session) -> None:
    stopped = threading.Event()
    engine = Engine(session)
    try:
        session.events.on_stop(lambda _: stopped.set())
        engine.call(session.go, wait=False)
        session.request_break()
        assert stopped.wait(TIMEOUT)
        assert engine.call(lambda: session.stop).reason == "break"
    finally:
        engine.close()


def test_others_are_answered_while_one_caller_waits_for_a_stop(session: Session) -> None:
    engine = Engine(session)
    outcome: list[object] = []
    waiting = threading.Event()
    session.events.on_state(lambda state: waiting.set() if state.state == "running" else None)
    caller = threading.Thread(target=lambda: outcome.append(engine.call(session.go)))
    try:
        caller.start()
        assert waiting.wait(TIMEOUT)
        with pytest.raises(TargetRunningError):
            engine.call(session.registers.snapshot)
        session.request_break()
        caller.join(TIMEOUT)
        assert outcome[0].requested  # type: ignore[attr-defined]  # a Stop
    finally:
        engine.close()


def test_giving_up_a_wait_leaves_the_session_usable(session: Session) -> None:
    engine = Engine(session)
    waiting = threading.Event()
    session.events.on_state(lambda state: waiting.set() if state.state == "running" else None)
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            engine.call(session.go)
        except Cancelled as error:
            errors.append(error)

    caller = threading.Thread(target=wait)
    try:
        caller.start()
        assert waiting.wait(TIMEOUT)
        session.execution.give_up()
        caller.join(TIMEOUT)
        assert isinstance(errors[0], Cancelled)
        assert engine.call(session.break_in, TIMEOUT).reason == "break"
    finally:
        engine.close()


def test_a_line_that_goes_away_says_so_and_keeps_the_log(guest_symbols: Path) -> None:
    with serve() as address:
        opened = open_session(address, symbol_path=str(guest_symbols))
        session = opened.__enter__()
        session.connect(TIMEOUT)
        session.go(wait=False)
    with pytest.raises(LinkError, match="lost"):
        session.execution._wait(None)
    assert session.lost
    assert len(session.log.packets()) > 100  # type: ignore[union-attr]  # it has a log
    opened.__exit__(None, None, None)


def test_a_break_that_was_asked_for_at_a_stop_does_not_stop_the_next_run(session: Session) -> None:
    session.request_break()
    assert session.break_in() is session.stop
    assert session.go(timeout=0.2) is None
