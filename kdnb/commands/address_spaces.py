"""`.context`, `.cache`: whose user memory is seen, and what is kept of memory (the command reference, 7.10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.errors import ExpressionError, UsageError
from kdnb.results.values import Text

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

_FRAME = ~0xFFF
_CACHE_HELP = "Memory is kept page by page while the target is stopped, and forgotten when it runs."


@command(
    ".context",
    summary="Show or choose the page directory by which user addresses are read.",
    syntax=".context [PageDirectoryBase]",
    details="The base is that of a process (DirBase of !process); .process chooses by the EPROCESS. 0 goes back to "
    "the processor's own.",
    examples=(".context", ".context @cr3"),
    tier="C",
)
def page_directory(session: Session, arguments: Arguments) -> Result:
    """The base in force."""
    if not arguments.at_end:
        wanted = arguments.expression() & _FRAME
        arguments.finish()
        session.address_space.choose(_process(session, wanted) if wanted else None)
    chosen = session.address_space.process
    base = session.registers.get("cr3") if chosen is None else session.processes.directory_table_base(chosen)
    return Text(f"User-mode page directory base is {base & _FRAME:x}")


def _process(session: Session, base: int) -> int | None:
    """The process of a page directory; None where it is the processor's own."""
    if session.registers.get("cr3") & _FRAME == base:
        return None
    for address in session.processes.addresses()[0]:
        session.require_stopped()  # sees a cancel
        if session.processes.directory_table_base(address) & _FRAME == base:
            return address
    raise UsageError(f"no process has the page directory {base:x}", "!process 0 0 shows DirBase of each")


@command(
    ".cache",
    summary="Forget what was read of the target's memory.",
    syntax=".cache [flushall|flushu|flush Address|forcedecodeuser|noforcedecodeuser]",
    details="flushall and flushu forget all, flush Address the page. User addresses of a process chosen by .process or "
    ".context are always translated here (forcedecodeuser).",
    examples=(".cache", ".cache flushall", ".cache flush nt", ".cache forcedecodeuser"),
    tier="C",
)
def memory_cache(session: Session, arguments: Arguments) -> Result:
    """One line."""
    word = arguments.word().lower()
    if word in ("flushall", "flushu", "flush"):
        if not arguments.at_end:
            arguments.expression()  # one page of them
        session.memory.invalidate()
        session.physical.invalidate()
        return Text("Cached memory is forgotten.")
    if word in ("forcedecodeuser", "noforcedecodeuser", "forcedecodeptes", "noforcedecodeptes"):
        return Text("User addresses of a process chosen by .process are always translated by its page tables.")
    if word:
        raise ExpressionError(f"Syntax error at '{word[:60]}'", ".hh .cache shows the forms")
    return Text(_CACHE_HELP)
