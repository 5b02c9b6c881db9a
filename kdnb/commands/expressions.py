"""`?`, `.formats`, `n`: numbers (the command reference, 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import command, declared_commands
from kdnb.errors import ExpressionError
from kdnb.results.values import Evaluation, Formats, Text

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result


def command_list() -> Text:
    """Every command with its summary."""
    rows = [(", ".join(declared.names[:6]), declared.summary) for declared in declared_commands()]
    width = max(len(names) for names, _ in rows)
    listed = "\n".join(f"{names:<{width}}  {summary}" for names, summary in rows)
    return Text(f"{listed}\n\n.hh NAME shows syntax and examples.")


def _value(session: Session, arguments: Arguments) -> int:
    value = session.evaluate(arguments.all())
    session.variables["exp"] = value
    return value


@command(
    "?",
    summary="Evaluate an expression; without one, list the commands.",
    syntax="? [Expression]",
    details="Numbers are hexadecimal unless written 0n10, 0t17, 0y101. A name's value is its address. poi(x) is the "
    "pointer at x, dwo(x) the 32-bit number there; @rax is a register, $t0 to $t19 are variables.",
    examples=("? 8+8", "? nt", "? poi(@rsp)", "? @rip - nt"),
    needs_stop=False,
)
def evaluate_expression(session: Session, arguments: Arguments) -> Result:
    """The expression's value."""
    if arguments.at_end:
        return command_list()
    return Evaluation(_value(session, arguments), session.pointer_size)


@command(
    ".formats",
    summary="Show a number in all formats.",
    syntax=".formats Expression",
    examples=(".formats 4d5a", ".formats @rsp"),
    tier="B",
    needs_stop=False,
)
def show_formats(session: Session, arguments: Arguments) -> Result:
    """Hex, decimal, octal, binary, characters, time and floating point."""
    return Formats(_value(session, arguments), session.pointer_size)


@command(
    "n",
    summary="Show or set the radix of numbers: 8, 10 or 16.",
    syntax="n [8|10|16]",
    details="The number after n is always decimal.",
    examples=("n", "n 10", "n 16"),
    tier="B",
    needs_stop=False,
)
def number_base(session: Session, arguments: Arguments) -> Result:
    """The radix."""
    text = arguments.all()
    if text:
        if text not in ("8", "10", "16"):
            raise ExpressionError(f"Syntax error at '{text[:60]}'", "the radix is 8, 10 or 16")
        session.radix = int(text)
    return Text(f"base is {session.radix}")
