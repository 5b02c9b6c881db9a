"""`.fnent`: the unwind data of a function (the command reference, 7.14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.debugger.function_entry import function_entry

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result


@command(
    ".fnent",
    summary="Show the unwind data of the function around an address.",
    syntax=".fnent Address",
    details="Unwind codes as WinDbg shows them, chained records too. Below a handler's line kdnb adds what the handler "
    "reads: the scope table of __C_specific_handler; the unwind map, try map and IP map of C++ functions.",
    examples=(".fnent nt!KeBugCheckEx", ".fnent @rip"),
    tier="B",
)
def show_function_entry(session: Session, arguments: Arguments) -> Result:
    """The entry in the function table and its UNWIND_INFO."""
    address = arguments.expression()
    arguments.finish()
    return function_entry(session, address)
