"""Text of the `k` commands (the command reference, 7.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.render.lines import lines
from kdnb.results.addresses import format_address
from kdnb.results.stack import Frame, FrameRegisters, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["stack_foot", "stack_head", "stack_rows"]

_ARGUMENTS_WIDTH = {8: 71, 4: 26}
"""Four words of the home space on x64, three stack words on x86."""


@lines.register(Stack)
def _stack(value: Stack) -> Iterator[str]:
    yield from stack_head(value)
    for row in stack_rows(value):
        yield from row.split("\n")
    yield from stack_foot(value)


def stack_head(value: Stack) -> Iterator[str]:
    """The lines above the frames."""
    if value.heading:
        yield value.heading
    yield _header(value.address_size, value.columns[1:], _with_arguments(value), _is_numbered(value))


def stack_rows(value: Stack) -> Iterator[str]:
    """Each frame's text: a line, or several. That the following frames may be wrong is said once for one reason."""
    previous: Frame | None = None
    for frame in value.frames:
        options = value.columns[1:]
        row = _row(frame, previous, value.address_size, options, _with_arguments(value), _is_numbered(value))
        is_new = frame.warning and (frame.is_guess or previous is None or frame.warning != previous.warning)
        yield f"{frame.warning}\n{row}" if is_new else row
        previous = frame


def stack_foot(value: Stack) -> Iterator[str]:
    """The line below the frames: why they end, unless the last frame's warning said so."""
    if value.note and (not value.frames or value.note != value.frames[-1].warning):
        yield value.note


def _with_arguments(value: Stack) -> bool:
    return "b" in value.columns[1:] or "v" in value.columns[1:]


def _is_numbered(value: Stack) -> bool:
    return value.address_size == 8 or "n" in value.columns[1:]


def _header(size: int, options: str, with_arguments: bool, numbered: bool) -> str:
    start = " # " if numbered else ""
    if "c" in options:
        return f"{start}Call Site"
    if "f" in options:
        start += "  Memory  "
    if size == 4:
        return f"{start}ChildEBP RetAddr" + ("  Args to Child" if with_arguments else "")
    start += "Child-SP          RetAddr               "
    if with_arguments:
        return f"{start}: {'Args to Child':<{_ARGUMENTS_WIDTH[8]}} : Call Site"
    return f"{start}Call Site"


def _row(frame: Frame, previous: Frame | None, size: int, options: str, with_arguments: bool, numbered: bool) -> str:
    start = f"{frame.number:02x} " if numbered else ""
    if "c" in options:  # a clean trace: modules and functions
        return start + (frame.symbol.partition("+")[0] if "!" in frame.symbol else frame.symbol)
    site = _with_parameters(frame, one_in_a_line="P" in options)
    if "v" in options:
        trap = f"TrapFrame @ {format_address(frame.trap_frame, size)}" if frame.trap_frame is not None else ""
        notes = " ".join(note for note in (frame.frame_summary, trap) if note)
        site += f" ({notes})" if notes else ""
    if frame.source and "L" not in options:
        site += f" [{frame.source}]"
    if "f" in options:
        distance = f"{frame.child_sp - previous.child_sp:x}" if previous is not None else ""
        start += f"{distance:>9} "
    start += f"{format_address(frame.child_sp, size)} {format_address(frame.return_address, size)}"
    if size == 8:
        start += "    "
    if not with_arguments:
        return f"{start} {site}"
    arguments = " ".join(format_address(argument, size) for argument in frame.arguments)
    if size == 4:
        return f"{start} {arguments:<{_ARGUMENTS_WIDTH[4]}} {site}"
    return f"{start} : {arguments:<{_ARGUMENTS_WIDTH[8]}} : {site}"


def _with_parameters(frame: Frame, *, one_in_a_line: bool) -> str:
    """`nt!f(unsigned long n = 0x5)+0x12`; the symbol alone without parameters."""
    if not frame.parameters:
        return frame.symbol
    name, plus, displacement = frame.symbol.partition("+")
    words = [f"{p.type} {p.name} = {p.value}" for p in frame.parameters]
    inside = ",\n\t\t\t".join(["", *words])[1:] if one_in_a_line else ", ".join(words)
    return f"{name}({inside}){plus}{displacement}"


@lines.register(Frame)
def _frame(value: Frame) -> Iterator[str]:
    """One frame as `.frame` shows it."""
    size = 4 if max(value.child_sp, value.return_address, value.instruction_pointer) < 1 << 32 else 8
    yield _row(value, None, size, "", False, True)


@lines.register(FrameRegisters)
def _frame_registers(value: FrameRegisters) -> Iterator[str]:
    yield from _frame(value.frame)
    yield from lines(value.registers)
