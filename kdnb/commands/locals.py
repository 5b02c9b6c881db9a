"""`dv`: local variables (the command reference, 7.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.debugger.locals import local_variables
from kdnb.symbols.wildcards import compile_wildcard

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result


@command(
    "dv",
    summary="Show the local variables and parameters of the frame chosen by .frame.",
    syntax="dv [/i] [/t] [/v] [/V] [Pattern]",
    details="Needs a PDB with private symbols. /i says which are parameters, /t shows types, /v addresses, /V also the "
    "register or stack slot. A variable that the compiler keeps nowhere at the frame's instruction is unavailable.",
    examples=("dv", "dv /t /V"),
    tier="C",
)
def show_locals(session: Session, arguments: Arguments) -> Result:
    """The variables in the order of the debug records."""
    options = "".join(arguments.options({"i": False, "t": False, "v": False, "V": False}))
    pattern = arguments.word() or "*"
    arguments.finish()
    found = local_variables(session)
    matches = compile_wildcard(pattern)
    chosen = tuple(variable for variable in found.variables if matches.fullmatch(variable.name))
    return replace(found, variables=chosen, options=options)
