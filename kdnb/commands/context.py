"""`.trap .cxr .tss .ecxr`: look at the registers of other moments (the command reference, 7.9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.debugger.saved_registers import read_context, read_trap_frame
from kdnb.debugger.scope import RegisterContext
from kdnb.debugger.task_state import read_task
from kdnb.errors import UsageError
from kdnb.results.values import Text

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

INCOMPLETE = "NOTE: The trap frame does not contain all registers.\nSome register values may be zeroed or incorrect."
INTEGER_MASK = {8: 2, 4: 1}
"""Registers without segments: a trap frame has only two of them."""


def _set(
    session: Session,
    arguments: Arguments,
    read: Callable[[Session, int], dict[str, int]],
    mask: int = 0,
    note: str = "",
) -> Result:
    """Look at what `read` finds at the address that is given; without one, or with 0, back to the processor."""
    address = 0 if arguments.at_end else arguments.expression()
    arguments.finish()
    if not address:
        session.scope.reset()
        return Text("Resetting default scope")
    session.scope.set(RegisterContext(read(session, address), arguments.name))
    return session.scope.snapshot(mask, heading=note)


@command(
    ".trap",
    summary="Look at the registers of a trap frame; without an address back to those of the processor.",
    syntax=".trap [Address]",
    details="r, k, u and expressions use them until .trap without an address (or with 0), .cxr, or the next resume. "
    "kv shows where trap frames lie. They can't be changed.",
    examples=(".trap", ".trap @rsp-190"),
)
def trap_frame(session: Session, arguments: Arguments) -> Result:
    """The interrupted code's registers."""
    return _set(session, arguments, read_trap_frame, INTEGER_MASK[session.pointer_size], INCOMPLETE)


@command(
    ".cxr",
    summary="Look at the registers of a CONTEXT record; without an address back to those of the processor.",
    syntax=".cxr [Address]",
    details="r, k, u and expressions use them until .cxr without an address (or with 0), or the next resume. They "
    "can't be changed. Bug checks 3B and 7E give such an address among their parameters.",
    examples=(".cxr", ".cxr 0"),
)
def context_record(session: Session, arguments: Arguments) -> Result:
    """The record's registers."""
    return _set(session, arguments, read_context)


@command(
    ".tss",
    summary="Look at the registers that a task switch left in a TSS (x86); without a selector back to the processor's.",
    syntax=".tss [Selector]",
    details="r, k, u and expressions use them until .tss without a selector, .trap, .cxr, or the next resume. A double "
    "fault enters a task of its own (kv: FPO: TaskGate 28:0); .tss 28 shows where the stack ran out. They can't be "
    "changed.",
    examples=(".tss",),
    tier="B",
)
def task_state(session: Session, arguments: Arguments) -> Result:
    """The registers of the task that another one interrupted."""
    return _set(session, arguments, read_task)


@command(
    ".ecxr",
    summary="Look at the context of the stored exception: only dump files have one.",
    syntax=".ecxr",
    examples=(),
    tier="C",
)
def exception_context(session: Session, arguments: Arguments) -> Result:
    """A live kernel keeps no such record."""
    raise UsageError(
        "Unable to get exception context: a live kernel target stores none",
        ".exr -1 shows the exception of this stop, .cxr ADDRESS a context record",
    )
