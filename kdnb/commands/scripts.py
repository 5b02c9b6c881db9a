"""Command files: `$< $>< $$< $$>< $$>a<` (the command reference, 1)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from kdnb.commands.aliases import aliases_of
from kdnb.commands.declare import command
from kdnb.commands.lines import logical_lines
from kdnb.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

SIZE_LIMIT = 1 << 20
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
    text = _read(name)
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


def _read(name: str) -> str:
    path = Path(name).expanduser()
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_LIMIT + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"Command file execution failed: {name[:200]}: {reason}", "check the path") from error
    if len(data) > SIZE_LIMIT:
        raise UsageError(f"{name[:200]} is longer than 1 MB", "is it a command file?")
    return data.decode("utf-8-sig", "replace")


def _joined(text: str) -> str:
    """The lines as one, with `;` between them; comment lines would swallow what follows and are left out."""
    return " ; ".join(line for _, line in logical_lines(text) if not line.startswith("*"))
