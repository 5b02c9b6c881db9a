"""`k*`: the call stack (the command reference, 7.4)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.commands.memory_display import display_pointers
from kdnb.errors import ExpressionError
from kdnb.results.stack import Stack

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

FRAME_LIMIT = 256
"""Frames shown unless a count is given, as in current builds."""
MOST_FRAMES = 0xFFFF


@command(
    "k",
    summary="Show the call stack.",
    syntax="k[b|c|v][n][f][L] [FrameCount]",
    details="b adds four words of the home space (x64: seldom the true arguments) or three stack words (x86), v "
    "adds trap frames, n frame numbers, f the size of each frame, c names only. The count is in the radix (hex).",
    examples=("k", "kb", "kn 2", "kv", "kf", "kc", "kL 5"),
    suffix="[bcpPvnfLM]*",
)
def show_stack(session: Session, arguments: Arguments) -> Result:
    """The frames of the current processor."""
    count = arguments.expression(FRAME_LIMIT)
    if not 0 < count <= MOST_FRAMES:
        raise ExpressionError(f"Range error in 'k {arguments.text[:60]}'", "give 1 to ffff frames")
    stack = session.unwind(count)
    return Stack(
        stack.frames[:count],
        stack.machine,
        stack.processor,
        stack.address_size,
        "k" + arguments.suffix,
        "" if len(stack.frames) >= count else stack.note,
    )


@command(
    "kd",
    summary="Show the words on the stack with their symbols (dps @$csp).",
    syntax="kd [WordCount]",
    examples=("kd 4",),
    tier="B",
)
def show_stack_words(session: Session, arguments: Arguments) -> Result:
    """Raw stack words."""
    count = arguments.expression(0x10)
    arguments.name = "dps"
    arguments.rest = f"0x{session.registers.sp:x} L0x{count:x}"
    return display_pointers(session, arguments)


@command(
    ".frame",
    summary="Show one frame of the stack.",
    syntax=".frame [FrameNumber]",
    examples=(".frame", ".frame 1"),
    tier="B",
)
def show_frame(session: Session, arguments: Arguments) -> Result:
    """Frame `FrameNumber`, 0 unless given."""
    number = arguments.expression(0)
    if number > MOST_FRAMES:
        raise ExpressionError(f"Range error in '.frame {arguments.text[:60]}'")
    stack = session.unwind(number + 1)
    if number >= len(stack.frames):
        raise ExpressionError(f"Cannot find frame 0x{number:x}", f"the stack has {len(stack.frames)} frames")
    return replace(stack.frames[number])
