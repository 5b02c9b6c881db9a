"""Command files: `$< $>< $$< $$>< $$>a<` (the command reference, 1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kdnb.commands.aliases import aliases_of
from kdnb.commands.declare import command
from kdnb.commands.host_files import read_text
from kdnb.commands.lines import logical_lines
from kdnb.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

DEPTH_LIMIT = 20
"""Files that may run files."""


@command(
    "$<",
    "$><",
    "$$<",
    "$$><",
    "$$>a<",
    summary="Run a file of commands; with >< its lines are joined to one, with a it takes arguments.",
    syntax="$<File\n$><File\n$$<File\n$$><File\n$$>a<File [Argument ...]",
    details="Arguments are ${$arg1}, ${$arg2} ... in the file; ${$argc} counts them. After $< and $>< nothing may "
    "follow on the line. Not available in commands of breakpoints.",
    tier="B",
    needs_stop=False,
    touches_host=True,
)
def run_file(session: Session, arguments: Arguments) -> Iterator[Result]:
    """The values of the file's commands."""
    name, *values = _words(arguments) if arguments.name == "$$>a<" else [arguments.all().strip('" ')]
    text = read_text(name, "Command file execution failed: ")
    aliases = aliases_of(session)
    given = {f"$arg{number}": value for number, value in enumerate(values, 1)} | {"$argc": str(len(values))}
    depth = session.options.get("script_depth", 0)
    assert isinstance(depth, int)
    if depth >= DEPTH_LIMIT:
        raise UsageError(f"command files run each other {DEPTH_LIMIT} deep", "one of them runs itself")
    before = {key: aliases.get(key) for key in given}
    aliases.update(given)
    session.options["script_depth"] = depth + 1
    try:
        yield from arguments.run(_joined(text) if ">" in arguments.name else text)
    finally:
        session.options["script_depth"] = depth
        for key, value in before.items():
            aliases.pop(key, None)
            if value is not None:
                aliases[key] = value


def _words(arguments: Arguments) -> list[str]:
    """The file's name and the arguments; quotes hold blanks together."""
    words = [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', arguments.all())]
    return words or [""]


def _joined(text: str) -> str:
    """The lines as one, with `;` between them; comment lines would swallow what follows and are left out."""
    return " ; ".join(line for _, line in logical_lines(text) if not line.startswith("*"))
