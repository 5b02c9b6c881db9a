"""Control flow: `.if .for .while .do .foreach .block .catch j` (the command reference, 8).

These run blocks of other commands and give their values one after the other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.commands.host_files import read_text
from kdnb.errors import Cancelled, CommandError, ExpressionError
from kdnb.render.text import to_text
from kdnb.results.values import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

__all__ = ["ControlSignal", "check_cancel"]

TOKEN_LIMIT = 100_000
"""Tokens that one `.foreach` goes through."""
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|[(){}]|.', re.DOTALL)


class ControlSignal(Exception):  # it leaves a block, it reports no error
    """`.break`, `.continue` or `.leave` on its way to the block that it leaves."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


def check_cancel(session: Session) -> None:
    """Raise when the user wants the loop to end."""
    if session.cancel_requested():
        raise Cancelled("the command was stopped")


def _enclosed(arguments: Arguments, opening: str) -> str:
    """What stands between the braces or parentheses that come next."""
    text = arguments.rest.lstrip()
    closing = {"(": ")", "{": "}"}[opening]
    if not text.startswith(opening):
        raise ExpressionError(f"Syntax error at '{text[:60] or '<EOL>'}'", f"{opening} ... {closing} is missing")
    depth = 0
    for found in _PIECE.finditer(text):
        depth += {opening: 1, closing: -1}.get(found[0], 0)
        if depth == 0:
            arguments.rest = text[found.end() :].lstrip()
            return text[1 : found.start()]
    raise ExpressionError(f"Syntax error at '{text[:60]}'", f"{closing} is missing")


def _condition(arguments: Arguments) -> str:
    """A condition up to its block; the parentheses around it may be left out."""
    text = arguments.rest
    if text.startswith("(") and "{" in text:
        held = arguments.rest
        condition = _enclosed(arguments, "(")
        if arguments.rest.startswith("{"):
            return condition
        arguments.rest = held  # `(a) & (b) { ... }`
    condition, brace, _ = text.partition("{")
    if not brace:
        raise ExpressionError(f"Syntax error at '{text[:60] or '<EOL>'}'", "{ ... } is missing")
    arguments.rest = text[len(condition) :]
    return condition


@command(
    ".if",
    summary="Run a block when a condition holds.",
    syntax=".if (Condition) { Commands } [.elsif (Condition) { Commands }] [.else { Commands }]",
    examples=(".if (1) { .echo yes } .else { .echo no }", ".if (@rsp == 0) { k } .elsif (1) { r rsp }"),
    tier="B",
    needs_stop=False,
)
def if_else(session: Session, arguments: Arguments) -> Iterator[Result]:
    """The values of the block that was chosen."""
    branches: list[tuple[str, str]] = [(_condition(arguments), _enclosed(arguments, "{"))]
    while arguments.match(r"\.elsif\b\s*"):
        branches.append((_condition(arguments), _enclosed(arguments, "{")))
    if arguments.match(r"\.else\b\s*"):
        branches.append(("1", _enclosed(arguments, "{")))
    arguments.finish()
    for condition, block in branches:
        if session.evaluate(condition):
            yield from arguments.run(block)
            return


def _loop_body(arguments: Arguments, block: str) -> Iterator[Result]:
    """One turn. Raises `ControlSignal` for `.break`; `.continue` ends the turn."""
    try:
        yield from arguments.run(block)
    except ControlSignal as signal:
        if signal.word != ".continue":
            raise


def _repeat(session: Session, arguments: Arguments, condition: str, block: str, after: list[str]) -> Iterator[Result]:
    try:
        while session.evaluate(condition or "1"):
            check_cancel(session)
            yield from _loop_body(arguments, block)
            if session.execution.resume_pending:
                return
            for text in after:
                yield from arguments.run(text)
    except ControlSignal as signal:
        if signal.word != ".break":
            raise


@command(
    ".for",
    summary="Run a block again and again: start, condition, step.",
    syntax=".for (InitialCommand ; Condition ; IncrementCommands) { Commands }",
    examples=(".for (r $t0=0; @$t0 < 3; r $t0=@$t0+1) { ? @$t0 }",),
    tier="B",
    needs_stop=False,
)
def for_loop(session: Session, arguments: Arguments) -> Iterator[Result]:
    """The values of every turn."""
    initial, *rest = _enclosed(arguments, "(").split(";")
    block = _enclosed(arguments, "{")
    arguments.finish()
    if not rest:
        raise ExpressionError(f"Syntax error at '{arguments.text[:60]}'", ".for (start ; condition ; step) { ... }")
    yield from arguments.run(initial)
    yield from _repeat(session, arguments, rest[0].strip(), block, rest[1:])


@command(
    ".while",
    summary="Run a block while a condition holds.",
    syntax=".while (Condition) { Commands }",
    examples=("r $t0=2; .while (@$t0) { r $t0=@$t0-1 }",),
    tier="B",
    needs_stop=False,
)
def while_loop(session: Session, arguments: Arguments) -> Iterator[Result]:
    """The values of every turn."""
    condition, block = _condition(arguments), _enclosed(arguments, "{")
    arguments.finish()
    yield from _repeat(session, arguments, condition, block, [])


@command(
    ".do",
    summary="Run a block once, and again while a condition holds.",
    syntax=".do { Commands } (Condition)",
    examples=("r $t0=0; .do { r $t0=@$t0+1 } (@$t0 < 3)",),
    tier="B",
    needs_stop=False,
)
def do_loop(session: Session, arguments: Arguments) -> Iterator[Result]:
    """The values of every turn."""
    block = _enclosed(arguments, "{")
    condition = _enclosed(arguments, "(")
    arguments.finish()
    try:
        yield from _loop_body(arguments, block)
    except ControlSignal as signal:
        if signal.word != ".break":
            raise
        return
    yield from _repeat(session, arguments, condition, block, [])


@command(
    ".break",
    ".continue",
    ".leave",
    summary="Leave a loop (.break), end its turn (.continue), leave a .catch block (.leave).",
    syntax=".break|.continue|.leave",
    examples=(".for (r $t0=0; 1; r $t0=@$t0+1) { .if (@$t0 == 2) { .break } }", ".catch { .leave }"),
    tier="B",
    needs_stop=False,
)
def leave_block(session: Session, arguments: Arguments) -> Result:
    """Never a value."""
    arguments.finish()
    raise ControlSignal(arguments.name)


@command(
    ".block",
    summary="Run a block: aliases are looked up anew in it.",
    syntax=".block { Commands }",
    examples=(".block { .echo a }",),
    tier="B",
    needs_stop=False,
)
def run_block(session: Session, arguments: Arguments) -> Iterator[Result]:
    """The block's values."""
    block = _enclosed(arguments, "{")
    arguments.finish()
    yield from arguments.run(block)


@command(
    ".catch",
    summary="Run a block; a failure in it is shown and ends the block only.",
    syntax=".catch { Commands }",
    examples=(".catch { ? poi(0) }",),
    tier="B",
    needs_stop=False,
)
def catch_errors(session: Session, arguments: Arguments) -> Iterator[Result]:
    """The block's values, and the text of the failure."""
    block = _enclosed(arguments, "{")
    arguments.finish()
    try:
        yield from arguments.run(block)
    except CommandError as error:
        yield Text(str(error))
    except ControlSignal as signal:
        if signal.word != ".leave":
            raise


@command(
    ".foreach",
    syntax=".foreach [/pS Skip] [/ps Step] (Name { Commands }) { Commands }\n"
    '.foreach [/pS Skip] [/ps Step] /s (Name "Text") { Commands }\n'
    '.foreach [/pS Skip] [/ps Step] /f (Name "File") { Commands }',
    summary="Run a block for each word of a command's output, of a text, or of a file.",
    details="The name stands for the word where it stands alone or as ${Name}. /pS leaves out words at the start, /ps "
    "some behind each.",
    examples=('.foreach /s (w "1 2 3") { ? w }', ".foreach (m { lm1m }) { .echo m }"),
    tier="B",
    needs_stop=False,
)
def for_each(session: Session, arguments: Arguments) -> Iterator[Result]:
    """The values of every turn."""
    options = arguments.options({"pS": True, "ps": True, "s": False, "f": False})
    skip, step = (session.evaluate(options.get(name) or "0") for name in ("pS", "ps"))
    source = _enclosed(arguments, "(").strip()
    block = _enclosed(arguments, "{")
    arguments.finish()
    name, _, rest = source.partition(" ")
    arguments.rest = rest.strip()
    if "s" in options or "f" in options:
        quoted = arguments.quoted()
        text = arguments.all() if quoted is None else quoted
        if "f" in options:
            arguments.require_trusted()
            text = read_text(text)
    else:
        text = "\n".join(to_text(result) for result in arguments.run(_enclosed(arguments, "{")))
    words = text.split()[skip : skip + TOKEN_LIMIT : step + 1]
    pattern = re.compile(rf"\$\{{{re.escape(name)}\}}|(?<![^\s;{{}}(),\"]){re.escape(name)}(?![^\s;{{}}(),\"])")
    try:
        for word in words:
            check_cancel(session)
            yield from _loop_body(arguments, pattern.sub(word.replace("\\", r"\\"), block))
    except ControlSignal as signal:
        if signal.word != ".break":
            raise


@command(
    "j",
    summary="Run one of two commands.",
    syntax="j Condition 'Commands' ; 'Commands'",
    details="Nothing may follow on the line. Usual in breakpoints: bp X \"j (@rcx == 5) ''; 'gc'\".",
    examples=("j (1) '.echo yes' ; '.echo no'", "j (0) 'k'"),
    tier="B",
    needs_stop=False,
)
def execute_if_else(session: Session, arguments: Arguments) -> Iterator[Result]:
    """The values of the commands that were chosen."""
    value = arguments.expression()
    parts = [_quoted_part(arguments)]
    if arguments.match(r";\s*"):
        parts.append(_quoted_part(arguments))
    arguments.finish()
    chosen = parts[0] if value else parts[1] if len(parts) > 1 else ""
    yield from arguments.run(chosen)


def _quoted_part(arguments: Arguments) -> str:
    """Commands in single quotes, or unquoted ones up to the `;`."""
    found = arguments.match(r"'([^']*)'\s*") or arguments.match(r"([^;]*)")
    return found[1] if found is not None else ""
