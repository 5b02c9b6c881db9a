"""`g p t gu` and their kin on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.events import Running, Steps, Stop
from kdnb.results.registers import RegisterSet

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def test_a_step_shows_the_place_only(session: Session) -> None:
    (stop,) = execute(session, "t")
    assert isinstance(stop, Stop)
    assert stop.reason == "step"
    label, line = to_text(stop).split("\n")
    assert label.endswith(":")
    assert line.startswith(f"{stop.address >> 32:08x}`")


def test_a_count_is_hexadecimal_and_every_step_is_shown(session: Session) -> None:
    execute(session, "g nt!KeUpdateSystemTime")
    (steps,) = execute(session, "p 3")
    assert isinstance(steps, Steps)
    assert len(steps) == 3
    assert steps.stop.address == session.registers.pc
    assert len(to_text(steps).split("\n")) == 6
    assert len(steps.df) == 3


def test_the_time_of_g_may_be_a_whole_number(session: Session) -> None:
    session.options["go_timeout"] = 1
    try:
        execute(session, "g nt!KeUpdateSystemTime")
    finally:
        del session.options["go_timeout"]


def test_gu_leaves_the_function(session: Session) -> None:
    execute(session, "g nt!KeUpdateSystemTime")
    back = session.evaluate("@$ra")
    (stop,) = execute(session, "gu")
    assert isinstance(stop, Stop)
    assert stop.address == back


def test_g_to_an_address_is_a_breakpoint_for_once(session: Session) -> None:
    place = session.evaluate("nt!KeUpdateSystemTime")
    (stop,) = execute(session, "g nt!KeUpdateSystemTime")
    assert isinstance(stop, Stop)
    assert (stop.address, stop.breakpoints, len(session.breakpoints)) == (place, (), 0)


def test_steps_to_the_next_call_and_return(session: Session) -> None:
    execute(session, "g nt!KeClockInterruptNotify")
    (call,) = execute(session, "pc")
    assert isinstance(call, Stop)
    assert call.instruction is not None
    assert call.instruction.is_call
    (end,) = execute(session, "pt")
    assert isinstance(end, Stop)
    assert end.instruction is not None
    assert end.instruction.is_return


def test_steps_to_an_address_show_the_way(session: Session) -> None:
    execute(session, "g nt!KeClockInterruptNotify")
    (code,) = execute(session, "u @rip L3")
    goal = code.to_dict()["instructions"][2]["address"]
    (steps,) = execute(session, f"pa 0x{goal:x}")
    assert isinstance(steps, Steps)
    assert steps.stop.address == goal


def test_g_and_returns_at_once_and_commands_then_ask_for_a_stop(session: Session) -> None:
    (value,) = execute(session, "g &")
    assert value == Running(None)
    with pytest.raises(CommandError, match=r"running.*break in"):
        execute(session, "k")
    assert execute(session, ".echo still here")
    session.break_in()
    assert execute(session, "k")


def test_g_ends_when_its_time_is_up(session: Session) -> None:
    session.options["go_timeout"] = 0.05
    (value,) = execute(session, "g")
    assert value == Running(0.05)


def test_a_start_address_moves_the_instruction_pointer(session: Session) -> None:
    execute(session, "g nt!KeUpdateSystemTime")
    place = session.registers.pc
    first = session.disassemble(place, 1)[0]
    (stop,) = execute(session, f"t =0x{place + first.size:x}")
    assert isinstance(stop, Stop)
    assert stop.address > place + first.size


@pytest.mark.parametrize("command", ["p 0", "t 10001", "g 1 2 3 4 5 6 7 8 9 a b", "pa", "g nosuch!X"])
def test_nonsense_is_one_clear_line(session: Session, command: str) -> None:
    with pytest.raises(CommandError):
        execute(session, command)
    assert not session.is_running


def test_commands_and_registers_are_shown_behind_the_steps(session: Session) -> None:
    execute(session, "g nt!KeUpdateSystemTime")
    steps, value = execute(session, 'p 2 "? @rip"')
    assert isinstance(steps, Steps)
    assert to_text(value).endswith(f"{session.registers.pc & 0xFFFFFFFF:08x}")
    stop, registers = execute(session, "tr")
    assert isinstance(stop, Stop)
    assert isinstance(registers, RegisterSet)
    assert registers["rip"] == stop.address
    assert len(execute(session, "par @rip")) == 2


@pytest.mark.parametrize(("command", "kinds"), [("pct", "cr"), ("tct", "cr"), ("ph", "crj"), ("th", "crj")])
def test_steps_to_the_next_branch(session: Session, command: str, kinds: str) -> None:
    execute(session, "g nt!KeUpdateSystemTime")
    (stop,) = execute(session, command)
    assert isinstance(stop, Stop)
    here = stop.instruction
    assert here is not None
    found = {"c": here.is_call, "r": here.is_return, "j": here.is_jump}
    assert any(found[kind] for kind in kinds)


@pytest.mark.parametrize(
    "command", ["p = @rip+4 zz", "t = @rip+4 1 zz", "pa = @rip+4", "pc = @rip+4 zz", "g = @rip+4 )"]
)
def test_what_is_wrong_behind_a_start_address_leaves_the_instruction_pointer(session: Session, command: str) -> None:
    here = session.registers.pc
    with pytest.raises(CommandError):
        execute(session, command)
    assert session.registers.pc == here


def test_ga_stops_by_a_processor_breakpoint_for_once(session: Session) -> None:
    where = session.evaluate("nt!KeUpdateSystemTime")
    execute(session, "ga nt!KeUpdateSystemTime")
    assert session.registers.pc == where
    execute(session, "ga nt!KeClockInterruptNotify nt!KeBugCheckEx")
    assert session.registers.pc == session.evaluate("nt!KeClockInterruptNotify")
    assert not len(session.breakpoints)
