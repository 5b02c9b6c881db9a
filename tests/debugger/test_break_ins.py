"""Stopping a running target, and the breaks that come from a 62 too many, in virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.debugger.break_ins import ECHO_TIME
from kdnb.protocol.link import Link, Role
from kdnb.simulator.machine import Machine
from tests.debugger.virtual_machine import VirtualMachine, virtual_session

if TYPE_CHECKING:
    from pathlib import Path

    from kdnb.debugger.session import Session

TIMEOUT = 60.0
A_WHILE = 1.0
"""Longer than an echo needs, shorter than it is expected."""


@pytest.fixture
def machine() -> Machine:
    machine = Machine("idle")
    machine.boot()
    return machine


@pytest.fixture
def pump(machine: Machine) -> VirtualMachine:
    return VirtualMachine(machine)


@pytest.fixture
def session(pump: VirtualMachine, guest_symbols: Path) -> Session:
    session = virtual_session(pump, symbol_path=str(guest_symbols))
    session.connect(TIMEOUT)
    return session


def stray_break_in(pump: VirtualMachine) -> None:
    """A 62 that reaches the stopped target: it keeps it for the time when it runs again."""
    pump.send_break_in()
    pump.let_pass(1.0)


def test_a_machine_too_slow_for_the_first_break_in_does_not_stop_again_by_the_second(machine: Machine) -> None:
    pump = VirtualMachine(machine, latency=0.1, tick=0.05, asleep=[(0.7, 6.3)])
    session = virtual_session(pump)
    assert session.connect(TIMEOUT) is not None
    assert pump.statistics.break_ins > 1
    assert session.go(timeout=A_WHILE) is None
    assert session.break_ins.echoes == 1


@pytest.mark.parametrize("latency", [0.01, 0.4, 2.0])
def test_however_slow_the_line_is_only_who_asks_for_a_break_gets_one(machine: Machine, latency: float) -> None:
    session = virtual_session(VirtualMachine(machine, latency=latency))
    session.connect(TIMEOUT)
    for _ in range(2):
        assert session.go(timeout=A_WHILE) is None
        assert session.break_in(TIMEOUT).requested


def test_a_break_in_too_many_of_the_debugger_before_is_no_break_of_this_one(pump: VirtualMachine) -> None:
    first = virtual_session(pump)
    first.connect(TIMEOUT)
    stray_break_in(pump)
    pump.stub.detach()  # the first one was killed
    pump.link = Link(Role.HOST)
    pump.stub.attach(Link(Role.TARGET), pump.clock.now)
    second = virtual_session(pump)
    second.connect(TIMEOUT)
    assert pump.statistics.break_ins == 0
    assert second.go(timeout=A_WHILE) is None
    assert second.break_ins.echoes == 1


def test_a_break_that_was_asked_for_is_reported_though_an_echo_is_due(session: Session, pump: VirtualMachine) -> None:
    stray_break_in(pump)
    session.go(wait=False)
    assert session.break_in(TIMEOUT).requested
    assert session.break_ins.echoes == 0
    assert session.go(timeout=A_WHILE) is None


def test_a_break_that_was_asked_for_twice_stops_once(machine: Machine) -> None:
    pump = VirtualMachine(machine)
    session = virtual_session(pump)
    session.connect(TIMEOUT)
    session.go(wait=False)
    pump.asleep.append((pump.clock.now, pump.clock.now + 4.0))
    assert session.break_in(TIMEOUT).requested
    assert session.go(timeout=A_WHILE) is None


def test_an_int3_in_the_code_is_reported_though_an_echo_is_due(session: Session, pump: VirtualMachine) -> None:
    place = session.evaluate("nt!KeUpdateRunTime")
    session.memory.write(place, b"\xcc")
    stray_break_in(pump)
    stop = session.go(timeout=A_WHILE)
    assert stop is not None
    assert (stop.reason, stop.address) == ("break", place)


def test_a_breakpoint_where_breaks_happen_is_hit_by_an_echo_as_well(session: Session, pump: VirtualMachine) -> None:
    session.breakpoints.add("nt!DbgBreakPointWithStatus")
    stray_break_in(pump)
    stop = session.go(timeout=A_WHILE)
    assert stop is not None
    assert stop.breakpoints == (0,)


def test_an_echo_does_not_use_up_a_step_over(session: Session, pump: VirtualMachine) -> None:
    session.go(until=session.evaluate("nt!NtDelayExecution"), timeout=TIMEOUT)
    while not session.disassemble(session.registers.pc, 1)[0].is_call:
        session.step()
    call = session.disassemble(session.registers.pc, 1)[0]
    stray_break_in(pump)
    stop = session.step_over()
    assert (stop.reason, stop.address) == ("step", call.address + call.size)


def test_running_on_from_a_breakpoint_through_an_echo_comes_to_the_next_hit(
    session: Session, pump: VirtualMachine, machine: Machine
) -> None:
    breakpoint = session.breakpoints.add("nt!KeUpdateRunTime")
    session.go(timeout=TIMEOUT)
    before = machine.ticks
    stray_break_in(pump)
    stop = session.go(timeout=TIMEOUT)
    assert stop is not None
    assert stop.breakpoints == (0,)
    assert breakpoint.hits == 2
    assert machine.ticks > before


def test_after_a_while_a_break_that_nobody_asked_for_is_no_echo(session: Session, pump: VirtualMachine) -> None:
    assert session.go(timeout=ECHO_TIME + 1.0) is None
    pump.send_break_in()
    stop = session.execution.wait_for_stop(TIMEOUT)
    assert stop is not None
    assert (stop.reason, stop.requested) == ("break", False)


def test_echoes_are_counted_beside_the_link(session: Session, pump: VirtualMachine) -> None:
    stray_break_in(pump)
    session.go(timeout=A_WHILE)
    (counters,) = execute(session, ".link")
    assert "break-in echoes  1" in str(counters)


@pytest.mark.parametrize(("latency", "seconds"), [(0.2, 0.11), (0.2, 0.3), (0.2, 0.49), (0.45, 0.5)])
def test_a_stop_that_is_said_once_more_while_the_target_is_let_go_is_no_new_one(
    machine: Machine, guest_symbols: Path, latency: float, seconds: float
) -> None:
    pump = VirtualMachine(machine, latency=latency)
    session = virtual_session(pump, symbol_path=str(guest_symbols))
    session.connect(TIMEOUT)
    hits = session.breakpoints.add("nt!NtReadFile")
    session.go(timeout=TIMEOUT)
    session.breakpoints.disable(0)
    assert session.registers.pc == hits.address
    pump.send_break_in()  # heard at the stop: the target says it again
    pump.let_pass(seconds)
    stops: list[object] = []
    session.events.on_stop(stops.append)
    assert session.go(timeout=4 * A_WHILE) is None  # the echo is on its way for long
    assert pump.statistics.asked_again
    assert pump.stub.is_running
    assert (len(stops), session.is_running, session.break_ins.echoes) == (0, True, 1)
