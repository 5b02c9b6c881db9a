"""`!irp !irpfind`: I/O request packets (the command reference, 7.12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.debugger.irps import CRITERIA, describe_irp, find_irps
from kdnb.debugger.pool import NONPAGED, PAGED
from kdnb.errors import UnsupportedError, UsageError

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result


@command(
    "!irp",
    summary="Show an I/O request packet and what each driver of the stack is asked for.",
    syntax="!irp Address [Detail]",
    details="The lowest driver comes first; > marks the one that has the IRP. Behind each location stand the words "
    "for which its completion routine is called, and pending where the driver has marked it. With a Detail other than "
    "0 the fields of the IRP are shown too.",
    examples=("!irp poi(poi(buggy!BuggyDevice)+20)", "!irp poi(poi(buggy!BuggyDevice)+20) 1"),
    tier="B",
)
def show_irp(session: Session, arguments: Arguments) -> Result:
    """One IRP."""
    if arguments.at_end:
        raise UsageError(
            "!irp needs the address of an IRP", "!irp @rdx in a dispatch routine; !thread lists a thread's"
        )
    address = arguments.expression() & session.address_mask
    details = arguments.expression(0)
    arguments.finish()
    return describe_irp(session, address, details=bool(details))


@command(
    "!irpfind",
    summary="Find the IRPs of the pool.",
    syntax="!irpfind [-v] [PoolType [Restart [Criterion Value]]]",
    details="PoolType: 0 nonpaged (unless given), 1 paged. Restart is the address to begin at, 0 the start. Criteria: "
    "arg, device, fileobject, thread, userevent, each with the value to look for. -v shows each IRP as !irp does. The "
    "whole region is read, up to 256 MB; Stop ends it.",
    examples=("!irpfind", "!irpfind 0 0 device poi(buggy!BuggyDevice)", "!irpfind -v 0 0 thread @$thread"),
    tier="C",
)
def find_request_packets(session: Session, arguments: Arguments) -> Result:
    """IRPs by a search through one region of the pool."""
    whole = arguments.match(r"-v(?!\S)") is not None
    kind = arguments.expression(NONPAGED)
    start = arguments.expression(0) & session.address_mask
    name = arguments.word().lower()
    if name and name not in CRITERIA:
        raise UsageError(f"{name[:20]} is no criterion", f"one of {' '.join(CRITERIA)}, and its value")
    criterion = (name, arguments.expression() & session.address_mask) if name else None
    arguments.finish()
    if kind not in (NONPAGED, PAGED):
        raise UnsupportedError(f"pool of type {kind:x} is not searched", "0 is nonpaged, 1 paged pool")
    return find_irps(session, kind, start, criterion, whole=whole)
