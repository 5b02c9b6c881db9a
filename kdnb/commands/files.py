"""`.kdfiles`: files that the target may read from this computer (the command reference, 7.14)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.errors import UsageError
from kdnb.results.values import Text

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

MAP_LIMIT = 1 << 16


@command(
    ".kdfiles",
    summary="Give the target files of this computer in place of its drivers: a map from its names to files.",
    syntax=".kdfiles [MapFile]\n.kdfiles -a Folder\n.kdfiles -m OldName NewFile\n.kdfiles -s MapFile\n.kdfiles -c",
    details="-a allows a folder: only files that lie below one, links followed, are ever given, and only for reading. "
    "-m adds an entry: the target's whole path, or the file name alone. -s saves the map, -c clears it; alone it "
    "shows the map. A map file has three lines for each entry: map, old name, new file.",
    examples=(".kdfiles", ".kdfiles -c"),
    tier="B",
    needs_stop=False,
    touches_host=True,
)
def map_files(session: Session, arguments: Arguments) -> Result:
    """The map, or silence after a change."""
    files = session.target.files
    option = arguments.match(r"-([amsc])(?=\s|$)\s*")
    words = [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', arguments.all())]
    wanted = {"a": 1, "m": 2, "s": 1, "c": 0}[option[1]] if option else min(len(words), 1)
    if len(words) != wanted:
        raise UsageError(f"Syntax error at '{arguments.text[:60]}'", ".hh .kdfiles shows the syntax")
    match option[1] if option else "":
        case "a":
            files.allow(words[0])
        case "m":
            files.add(words[0], words[1])
        case "s":
            _save(words[0], files.text())
        case "c":
            files.clear()
        case _ if words:
            files.load(_load(words[0]))
        case _:
            lines = [f"  {old} -> {new}" for old, new in files] or ["  no files are mapped"]
            folders = [f"  {folder}" for folder in files.folders] or ["  none"]
            return Text("\n".join(["Files for the target:", *lines, "Allowed folders:", *folders]))
    return Text("")


def _load(name: str) -> str:
    try:
        with Path(name).expanduser().open("rb") as file:
            return file.read(MAP_LIMIT + 1).decode("utf-8-sig", "replace")
    except (OSError, ValueError) as error:
        raise UsageError(f"can't read the map {name[:200]}: {error}", "check the path") from error


def _save(name: str, text: str) -> None:
    try:
        Path(name).expanduser().write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"can't write the map {name[:200]}: {error}", "check the path") from error
