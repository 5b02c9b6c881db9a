"""`!dlls`: the images of a process, by its loader's lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.commands.session import command_help
from kdnb.debugger.dlls import read_dlls
from kdnb.errors import ExpressionError

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

_ORDERS = {"i": "initialization", "l": "load", "m": "memory"}


@command(
    "!dlls",
    summary="Show the loader's entries of the images of a process.",
    syntax="!dlls [-i|-l|-m] [-f] [-s] [-a] [-v] [-c ModuleAddress] [LoaderEntryAddress]",
    details="Those of the process that is seen (.process); system processes have none. In load order (-l), memory "
    "order (-m) or initialization order (-i), in which a program itself is not. -f shows file headers, -s section "
    "headers, -a both, -v the version resource; -c only the image around an address.",
    examples=(".process 1044; !dlls", ".process 1044; !dlls -m", ".process 1044; !dlls -f"),
    tier="C",
)
def show_dlls(session: Session, arguments: Arguments) -> Result:
    """The entries, in the order of one of the loader's lists."""
    order, parts, containing = "load", "", None
    while found := arguments.match(r"-([a-zA-Z])(?=\s|$)\s*"):
        letter = found[1]
        if letter in _ORDERS:
            order = _ORDERS[letter]
        elif letter == "c":
            containing = arguments.expression() & session.address_mask
        elif letter == "h":
            return command_help("!dlls")
        elif letter in "fsva":
            parts += "fs" if letter == "a" else letter
        else:
            raise ExpressionError(f"Syntax error at '-{letter}'", ".hh !dlls shows the options")
    entry = None if arguments.at_end else arguments.expression() & session.address_mask
    arguments.finish()
    return read_dlls(session, order, entry=entry, containing=containing, parts=parts)
