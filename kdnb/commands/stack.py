"""`k*`, `.frame`: the call stack (the command reference, 7.4)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.commands.memory_display import display_pointers
from kdnb.debugger.locals import parameters
from kdnb.debugger.register_names import program_counter, stack_pointer
from kdnb.debugger.scope import RegisterContext
from kdnb.debugger.stacks import walk
from kdnb.errors import ExpressionError
from kdnb.protocol.constants import MachineType
from kdnb.results.stack import Frame, FrameRegisters

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
    syntax="k[b|c|p|P|v][n][f][L][M] [FrameCount]\nk[...] = StackPtr [InstructionPtr] [FrameCount]   (x64, ARM64)\n"
    "k[...] = BasePtr [StackPtr InstructionPtr] [FrameCount]   (x86)",
    details="b adds four words of the home space (x64: seldom the true arguments) or three stack words (x86), v "
    "adds trap frames, n frame numbers, f the size of each frame, c names only, L hides source lines; p shows typed "
    "parameters where the PDB has private symbols, P one in a line. The count is in the radix (hex). After .trap, .cxr "
    "or .frame /c the stack begins there. The = forms begin at registers of your choice; a second number up to ffff is "
    "the count. A frame behind a WARNING line that speaks of a scan of the stack is a guess.",
    examples=("k", "kb", "kn 2", "kv", "kf", "kc", "kL 5", "kp 3", "k = @rsp 2", "k = @rsp @rip 2"),
    suffix="[bcpPvnfLM]*",
)
def show_stack(session: Session, arguments: Arguments) -> Result:
    """The frames of the current scope."""
    registers = _start(session, arguments) if arguments.match("=") else None
    usual = session.options.get("kframes", FRAME_LIMIT)
    assert isinstance(usual, int)
    count = arguments.expression(usual)
    arguments.finish()
    if not 0 < count <= MOST_FRAMES:
        raise ExpressionError(f"Range error in 'k {arguments.text[:60]}'", "give 1 to ffff frames")
    stack = walk(session, count + 1, registers)  # the words of a frame's home space lie in its caller's
    note = "" if len(stack.frames) >= count else stack.note
    frames = stack.frames[:count]
    if "p" in arguments.suffix.lower():
        frames = tuple(replace(frame, parameters=parameters(session, stack, frame)) for frame in frames)
    hidden = "L" if session.options.get("hide_lines") else ""
    return replace(stack, frames=frames, columns="k" + arguments.suffix + hidden, note=note)


def _start(session: Session, arguments: Arguments) -> dict[str, int]:
    """The registers of a `k =` form; a count is left in the arguments."""
    registers = session.scope.values()
    names = ["ebp", "esp", "eip"]
    if session.machine != MachineType.I386:
        names = [stack_pointer(session.machine), program_counter(session.machine)]
    registers[names[0]] = arguments.expression() & session.address_mask
    values: list[int] = []
    while not arguments.at_end and len(values) < len(names) - 1:
        values.append(arguments.expression() & session.address_mask)
    if len(values) == 1 and values[0] <= MOST_FRAMES:
        arguments.rest = f"0x{values[0]:x} {arguments.rest}"  # the only number behind the first pointer is the count
    elif len(values) == len(names) - 1:
        registers.update(zip(names[1:], values, strict=True))
    elif values:
        raise ExpressionError(f"Range error in 'k {arguments.text[:60]}'", "k = BasePtr StackPtr InstructionPtr")
    return registers


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
    arguments.finish()
    arguments.name = "dps"
    arguments.rest = f"0x{session.scope.sp:x} L0x{count:x}"
    return display_pointers(session, arguments)


@command(
    ".frame",
    summary="Choose and show one frame of the stack.",
    syntax=".frame [/c] [/r] [FrameNumber]\n.frame [/c] [/r] = BasePtr [FrameIncrement]   (x86)\n"
    ".frame [/c] [/r] = BasePtr StackPtr InstructionPtr   (x86)",
    details="dv shows the variables of the chosen frame, $frame is its number. /r also shows its registers; /c makes "
    "them the register context, as .cxr does, so that r, u and k begin there. Only registers that functions preserve "
    "are those of the frame; the others are as in the frames inside it. The = forms count from a frame of your choice.",
    examples=(".frame", ".frame 1", ".frame /r 1"),
    tier="B",
)
def show_frame(session: Session, arguments: Arguments) -> Result:
    """Frame `FrameNumber`, or the one chosen before."""
    options = arguments.options({"c": False, "r": False})
    registers = _start(session, arguments) if arguments.match("=") else None
    number = arguments.expression(session.scope.frame if registers is None else 0)
    arguments.finish()
    if number > MOST_FRAMES:
        raise ExpressionError(f"Range error in '.frame {arguments.text[:60]}'")
    stack = walk(session, number + 1, registers)
    if number >= len(stack.frames):
        raise ExpressionError(f"Cannot find frame 0x{number:x}", f"the stack has {len(stack.frames)} frames")
    frame: Frame = stack.frames[number]
    described = session.scope.describe(dict(frame.registers)) if "r" in options else None
    if "c" in options or registers is not None:
        session.scope.set(RegisterContext(frame.registers, ".frame /c"))
    else:
        session.scope.set(session.scope.context, number)
    return FrameRegisters(frame, described) if described is not None else frame
