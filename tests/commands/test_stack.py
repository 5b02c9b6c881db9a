"""`k*` on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.stack import Frame, Stack

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


@pytest.fixture(autouse=True)
def _in_the_clock_interrupt(session: Session) -> None:
    execute(session, "g nt!KeUpdateSystemTime")


def test_the_stack_begins_here_and_goes_through_the_interrupt(session: Session) -> None:
    (stack,) = execute(session, "k")
    assert isinstance(stack, Stack)
    symbols = [frame.symbol for frame in stack]
    assert symbols[0] == "nt!KeUpdateSystemTime"
    assert any(symbol.startswith("nt!KiClockInterrupt+") for symbol in symbols)
    assert stack[0].return_address == session.evaluate("@$ra")


def test_a_count_limits_the_frames(session: Session) -> None:
    (stack,) = execute(session, "k 2")
    assert isinstance(stack, Stack)
    assert len(stack) == 2
    assert len(to_text(stack).split("\n")) == 3
    with pytest.raises(CommandError, match="Range error"):
        execute(session, "k 0")


@pytest.mark.parametrize(("command", "head"), [("kb", "Args to Child"), ("kf", "Memory"), ("kc", "Call Site")])
def test_letters_choose_the_columns(session: Session, command: str, head: str) -> None:
    assert head in to_text(execute(session, command)[0]).split("\n")[0]


def test_kv_names_the_trap_frame(session: Session) -> None:
    assert "(TrapFrame @ " in to_text(execute(session, "kv")[0])


def test_one_frame(session: Session) -> None:
    (frame,) = execute(session, ".frame 1")
    assert isinstance(frame, Frame)
    assert frame.number == 1
    assert to_text(frame).startswith("01 ")
    with pytest.raises(CommandError, match="Cannot find frame"):
        execute(session, ".frame 77")


def test_the_words_on_the_stack(session: Session) -> None:
    assert "nt!KeClockInterruptNotify+" in to_text(execute(session, "kd 1")[0])


def test_kp_shows_typed_parameters(session: Session) -> None:
    execute(session, "g nt!KeClockInterruptNotify")
    (stack,) = execute(session, "kp 2")
    assert isinstance(stack, Stack)
    (parameter,) = stack[0].parameters
    assert (parameter.name, parameter.place) == ("TrapFrame", "@rcx")
    assert "nt!KeClockInterruptNotify(Ptr64 _KTRAP_FRAME TrapFrame = 0x" in to_text(stack)
    assert "nt!KeClockInterruptNotify(\n\t\t\tPtr64 _KTRAP_FRAME TrapFrame = 0x" in to_text(execute(session, "kP 1")[0])


def test_source_lines_are_shown_unless_hidden(session: Session) -> None:
    (stack,) = execute(session, "k 1")
    assert isinstance(stack, Stack)
    assert stack[0].source.startswith("ke.c @ ")
    assert f"[{stack[0].source}]" in to_text(stack)
    assert "[ke.c @" not in to_text(execute(session, "kL 1")[0])
