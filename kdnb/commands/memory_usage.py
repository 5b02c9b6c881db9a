"""`!vm`: how memory is used (the command reference, 7.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.debugger.memory_usage import memory_usage

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

WITHOUT_PROCESSES = 1


@command(
    "!vm",
    summary="Show how the system's memory is used: pages available, modified, committed, and by process.",
    syntax="!vm [Flags]",
    details="Flag 1 leaves the processes out. Counters that the target's build doesn't tell, or whose symbols are "
    "missing, are named in the last line. Paging files are known where the kernel's PDB has types.",
    examples=("!vm", "!vm 1"),
    tier="B",
)
def show_memory_usage(session: Session, arguments: Arguments) -> Result:
    """Counts of pages."""
    flags = arguments.expression(0)
    arguments.finish()
    return memory_usage(session, with_processes=not flags & WITHOUT_PROCESSES)
