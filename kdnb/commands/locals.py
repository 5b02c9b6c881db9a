"""`dv`: local variables (the command reference, 7.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.debugger.locals import local_variables
from kdnb.symbols.wildcards import compile_wildcard

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result
    from kdnb.results.locals import Local


_ORDERS: dict[str, Callable[[Local], tuple[int, str]]] = {
    "a": lambda one: (one.address or 0, one.name),
    "n": lambda one: (0, one.name.lower()),
    "z": lambda one: (one.size, one.name),
}


@command(
    "dv",
    summary="Show the local variables and parameters of the frame chosen by .frame.",
    syntax='dv [/i] [/t] [/v] [/V] [/a|/A|/n|/N|/z|/Z] [Pattern]\ndv [...] /f Address ["Pattern"]',
    details="Needs a PDB with private symbols. /i says which are parameters, /t shows types, /v addresses, /V also the "
    "register or stack slot. /a /n /z sort by address, name or size, in capitals downwards. /f shows the variables of "
    "other code, without values. A variable that the compiler keeps nowhere at the frame's instruction is unavailable.",
    examples=("dv", "dv /t /V", "dv /f nt!KeClockInterruptNotify"),
    tier="C",
)
def show_locals(session: Session, arguments: Arguments) -> Result:
    """The variables in the order of the debug records."""
    chosen = arguments.options(dict.fromkeys("itvVaAnNzZf", False))
    at = arguments.expression() & session.address_mask if "f" in chosen else None
    quoted = arguments.quoted()
    pattern = quoted if quoted is not None else arguments.word() or "*"
    arguments.finish()
    found = local_variables(session, at)
    matches = compile_wildcard(pattern)
    variables = [variable for variable in found.variables if matches.fullmatch(variable.name)]
    order = next((letter for letter in chosen if letter.lower() in _ORDERS), "")
    if order:
        variables.sort(key=_ORDERS[order.lower()], reverse=order.isupper())
    options = "".join(chosen) + ("V" if "f" in chosen else "")
    return replace(found, variables=tuple(variables), options=options)
