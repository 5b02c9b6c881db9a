"""`!vad`: what an address space is made of (the command reference, 7.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.debugger.vads import list_vads, vad_root

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result


@command(
    "!vad",
    summary="Show the ranges of a process's address space: private memory, mapped files, images.",
    syntax="!vad [Root]",
    details="Without a Root the tree of the current process, or of the one that .process chose; Root is the address of "
    "a tree's topmost MMVAD. Start and End are page numbers. Needs the kernel's types.",
    examples=(".process 1044; !vad",),
    tier="C",
)
def show_vads(session: Session, arguments: Arguments) -> Result:
    """One tree."""
    root = arguments.expression(0) & session.address_mask
    arguments.finish()
    if not root:
        root = vad_root(session, session.address_space.process or session.processes.current())
    return list_vads(session, root)
