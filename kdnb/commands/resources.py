"""`!locks`, `!qlocks`: resources and queued spin locks, who holds them and who waits (the command reference, 7.10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.debugger.queued_locks import queued_locks
from kdnb.debugger.resources import describe_resource, list_resources

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result


@command(
    "!locks",
    summary="Show the resources (ERESOURCE) that are held: their owners and who waits for them.",
    syntax="!locks [-v] [-p] [-d] [Address]",
    details="-v also shows the owning threads as !thread does, -p the count of contention where it is 0 too, -d also "
    "resources that nobody holds. With an Address only that one is shown. <*> marks an owner that is a thread. Threads "
    "that wait for each other in a circle are named below the list. Fast mutexes, push locks and spin locks are not "
    "in any list; !stacks shows who waits.",
    examples=("!locks", "!locks -d", "!locks -v"),
    tier="B",
)
def show_locks(session: Session, arguments: Arguments) -> Result:
    """All that are busy, or one."""
    letters = ""
    while (found := arguments.match(r"-([vpdVPD]+)(?!\S)")) is not None:
        letters += found[1].lower()
    address = 0 if arguments.at_end else arguments.expression() & session.address_mask
    arguments.finish()
    if address:
        return describe_resource(session, address, with_threads="v" in letters)
    return list_resources(session, every="d" in letters, with_threads="v" in letters, with_contention="p" in letters)


@command(
    "!qlocks",
    summary="Show the queued spin locks of the system: which processor owns each, and which wait for it.",
    syntax="!qlocks",
    details="O is the owner, 1 and on the order of those who wait, C a queue that makes no sense. Windows 8 and later "
    "use only some of them. In-stack queued spin locks are in no list.",
    examples=("!qlocks",),
    tier="C",
)
def show_queued_locks(session: Session, arguments: Arguments) -> Result:
    """All seventeen."""
    arguments.finish()
    return queued_locks(session)
