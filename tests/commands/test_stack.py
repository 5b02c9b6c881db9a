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
    assert "nt!KeClockInterruptNotify(struct _KTRAP_FRAME * TrapFrame = 0x" in to_text(stack)
    one_in_a_line = "nt!KeClockInterruptNotify(\n\t\t\tstruct _KTRAP_FRAME * TrapFrame = 0x"
    assert one_in_a_line in to_text(execute(session, "kP 1")[0])


def test_source_lines_are_shown_unless_hidden(session: Session) -> None:
    (stack,) = execute(session, "k 1")
    assert isinstance(stack, Stack)
    assert stack[0].source.startswith("ke.c @ ")
    assert f"[{stack[0].source}]" in to_text(stack)
    assert "[ke.c @" not in to_text(execute(session, "kL 1")[0])


def test_a_clean_trace_has_modules_and_functions_only(session: Session) -> None:
    text = to_text(execute(session, "kc 3")[0])
    assert text.split("\n")[:2] == [" # Call Site", "00 nt!KeUpdateSystemTime"]
    assert "+0x" not in text
    assert "[" not in text


@pytest.mark.parametrize(
    ("command", "frames"), [("k = @rsp 3", 3), ("k = @rsp @rip 3", 3), ("k = @rsp 0n2", 2), ("kn = @rsp @rip 1", 1)]
)
def test_a_stack_begins_at_registers_of_ones_choice(session: Session, command: str, frames: int) -> None:
    (stack,) = execute(session, command)
    (usual,) = execute(session, f"k {frames:x}")
    assert isinstance(stack, Stack)
    assert isinstance(usual, Stack)
    assert stack.frames == usual.frames


def test_without_a_count_all_frames_are_shown(session: Session) -> None:
    (usual,) = execute(session, "k")
    for command in ("k = @rsp", "k = @rsp @rip"):
        (stack,) = execute(session, command)
        assert isinstance(stack, Stack)
        assert isinstance(usual, Stack)
        assert stack.frames == usual.frames


def test_a_frame_is_counted_from_a_stack_pointer_of_ones_choice(session: Session) -> None:
    (second,) = execute(session, ".frame 1")
    (frame,) = execute(session, ".frame = @rsp 1")
    assert isinstance(frame, Frame)
    assert frame == second
    assert session.scope.pc == frame.instruction_pointer
