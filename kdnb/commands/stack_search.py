"""`!findstack`, `!uniqstack`: the stacks of all threads (the command reference, 7.10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.errors import ExpressionError
from kdnb.results.processes import FoundStacks, StackGroup, StackGroups

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result
    from kdnb.results.processes import ThreadInfo

WAITS_AND_STACKS = 6


def _threads(session: Session) -> list[ThreadInfo]:
    return [thread for process in session.processes.listing(flags=WAITS_AND_STACKS) for thread in process.threads]


@command(
    "!findstack",
    summary="Show the threads that have a name on their stack.",
    syntax="!findstack Symbol [DisplayLevel]",
    details="Symbol is a part of module!name. Level 0 shows the threads only, 1 the frames with that name, 2 (without "
    "a level) whole stacks.",
    examples=("!findstack KeWaitForSingleObject 0", "!findstack nt!ExpWorkerThread"),
    tier="C",
)
def find_stack(session: Session, arguments: Arguments) -> Result:
    """The threads."""
    wanted = arguments.word().lower()
    level = arguments.expression(2)
    arguments.finish()
    if not wanted:
        raise ExpressionError("Syntax error at '<EOL>'", "!findstack nt!KeWaitForSingleObject")
    threads = _threads(session)
    found = [
        thread
        for thread in threads
        if thread.stack is not None and any(wanted in frame.symbol.lower() for frame in thread.stack.frames)
    ]
    return FoundStacks(tuple(found), wanted, level, len(threads))


@command(
    "!uniqstack",
    summary="Show the stacks of all threads, each one once.",
    syntax="!uniqstack",
    details="Stacks are the same when their functions are. Threads whose stack can't be walked are left out.",
    examples=("!uniqstack",),
    tier="C",
)
def unique_stacks(session: Session, arguments: Arguments) -> Result:
    """A group for each stack, the largest first."""
    arguments.finish()
    groups: dict[tuple[str, ...], list[ThreadInfo]] = {}
    threads = _threads(session)
    for thread in threads:
        if thread.stack is not None and thread.stack.frames:
            names = tuple(frame.symbol.rpartition("+")[0] or frame.symbol for frame in thread.stack.frames)
            groups.setdefault(names, []).append(thread)
    found = [StackGroup(tuple(group)) for group in sorted(groups.values(), key=len, reverse=True)]
    return StackGroups(tuple(found), len(threads))
