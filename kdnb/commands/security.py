"""`!token !sid !acl`: who a process runs as, and who may do what (the command reference, 7.10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.debugger.security import describe_token, process_token, read_acl, read_sid
from kdnb.errors import UsageError

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result


def _names_wanted(arguments: Arguments) -> bool:
    return arguments.match(r"-n(?!\S)") is not None


def _address(session: Session, arguments: Arguments, what: str) -> int:
    if arguments.at_end:
        raise UsageError(
            f"{arguments.name} needs the address of {what}", "!token shows a token's, dt nt!_TOKEN the rest"
        )
    address = arguments.expression() & session.address_mask
    arguments.finish()
    return address


@command(
    "!token",
    summary="Show a token: user, groups, privileges, logon session.",
    syntax="!token [-n] [Address]",
    details="Without an Address the primary token of the current process, or of the one that .process chose. -n adds "
    "the names of well-known identifiers. Tokens of threads that impersonate are not looked for.",
    examples=(".process 1044; !token -n",),
    tier="C",
)
def show_token(session: Session, arguments: Arguments) -> Result:
    """One token."""
    with_names = _names_wanted(arguments)
    if arguments.at_end:
        process = session.address_space.process or session.processes.current()
        return describe_token(session, process_token(session, process), process=process, with_names=with_names)
    return describe_token(session, _address(session, arguments, "a token"), with_names=with_names)


@command(
    "!sid",
    summary="Show a security identifier.",
    syntax="!sid [-n] Address",
    details="-n adds the name of a well-known identifier.",
    tier="C",
)
def show_sid(session: Session, arguments: Arguments) -> Result:
    """Its usual form."""
    with_names = _names_wanted(arguments)
    return read_sid(session, _address(session, arguments, "a SID"), with_name=with_names)


@command(
    "!acl",
    summary="Show an access control list with its entries.",
    syntax="!acl [-n] Address",
    details="-n adds the names of well-known identifiers.",
    tier="C",
)
def show_acl(session: Session, arguments: Arguments) -> Result:
    """The entries in order."""
    with_names = _names_wanted(arguments)
    return read_acl(session, _address(session, arguments, "an ACL"), with_names=with_names)
