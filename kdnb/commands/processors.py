"""`~`: the processors of the target (the command reference, 1, 7.10).

WinDbg has only `~Ns` in the kernel; the other forms mean for processors what they mean for threads in user mode.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.commands.lines import cut
from kdnb.errors import ExpressionError, UsageError
from kdnb.results.processors import ProcessorState, ProcessorStates
from kdnb.results.values import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result


@command(
    "~",
    summary="List processors, switch to one (~1s), or run a command for one (~1k) or each (~*k).",
    syntax="~[.|*|N]\n~Ns\n~.|*|N Command\n~.|*|Ne Commands",
    details="Another processor's state can be looked at, not changed: switch first. e takes all commands of the line.",
    examples=("~", "~0s", "~*k 3", "~.", "~1 r rip", "~*e r rip; k 1"),
)
def processors(session: Session, arguments: Arguments) -> Result | Iterator[Result]:
    """Where the processors stand, the stop as another one sees it, or what a command gives for them."""
    found = arguments.match(r"(\d{1,5}|[.*#])?\s*")
    which = found[1] if found is not None else None
    numbers = _numbers(session, which)
    text = arguments.rest
    if which is None and text:
        raise ExpressionError(f"Syntax error at '~{arguments.text[:60]}'", "~1s switches, ~*k is for all processors")
    if not text:
        return _states(session, numbers)
    if text == "s":
        if which == "*":
            raise ExpressionError("Syntax error at '~*s'", "~1s switches to processor 1")
        arguments.all()
        return session.switch_processor(numbers[0])
    if text[0] in "fumnFUMN" and len(text) == 1:
        raise UsageError(f"~{which}{text} is for threads of user mode", "processors of a kernel stop and go together")
    arguments.all()
    block = text[1:].strip() if text.startswith(("e ", "E ")) else text
    return _for_each(session, arguments, numbers, block)


def _numbers(session: Session, which: str | None) -> list[int]:
    count = max(session.processor_count, 1)
    if which in (None, "*"):
        return list(range(count))
    number = session.current_processor if which in (".", "#") else int(which or 0)
    if number >= count:
        raise UsageError(f"{number} is not a valid processor number", f"the target has 0 to {count - 1}")
    return [number]


def _states(session: Session, numbers: list[int]) -> ProcessorStates:
    found = []
    for number in numbers:
        pc = session.registers.pc_of(number)
        found.append(ProcessorState(number, number == session.current_processor, pc, session.symbols.format(pc)))
    return ProcessorStates(tuple(found), session.pointer_size)


def _for_each(session: Session, arguments: Arguments, numbers: list[int], block: str) -> Iterator[Result]:
    """The commands for one processor after the other; each is named where there are several."""
    if numbers == [session.current_processor]:
        yield from arguments.run(block)
        return
    for number in numbers:
        if len(numbers) > 1:
            yield Text(f"Processor {number}:")
        yield from arguments.run("; ".join(f"{number}{piece}" for piece in cut(block)))
