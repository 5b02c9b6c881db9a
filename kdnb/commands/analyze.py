"""`!analyze`: what a bug check or an exception is about (the command reference, 7.9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.debugger.analysis import analyze
from kdnb.errors import ExpressionError
from kdnb.protocol.names import bugcheck_name, bugcheck_parameters, bugcheck_text
from kdnb.results.values import BugCheckHelp

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result


@command(
    "!analyze",
    summary="Triage the bug check or exception at which the target stopped.",
    syntax="!analyze [-v] [-f]\n!analyze -show Code [Parameter1 ... Parameter4]",
    details="Explains the bug check and its parameters, finds the faulting instruction and its stack, and names the "
    "first frame outside the kernel. It uses only what the target says; the suspect is where to look first, "
    "not a verdict.",
    examples=("!analyze", "!analyze -v", "!analyze -show d1"),
)
def analyze_stop(session: Session, arguments: Arguments) -> Result:
    """An `Analysis`; with -show only the words for a code."""
    options: list[str] = []
    while found := arguments.match(r"-(v|f|hang|show)\b\s*"):
        options.append(found[1])
    if "hang" in options:
        raise ExpressionError("!analyze -hang is not there", "!running, !stacks and !thread show who waits for what")
    if "show" in options:
        code = arguments.expression()
        values = []
        while not arguments.at_end:
            values.append(arguments.expression())
        return BugCheckHelp(
            code, bugcheck_name(code) or "", bugcheck_text(code) or "", tuple(values), bugcheck_parameters(code)
        )
    arguments.finish()
    return analyze(session, verbose="v" in options)
