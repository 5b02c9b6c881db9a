"""A text cut into commands: lines, blocks, `;` (the command reference, 1). No command name is looked at."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["cut", "first", "logical_lines"]

_PIECE = re.compile(r"""("(?:[^"\\]|\\.)*"|'[^']{1,4}')|([{}])|([()])|(;)|(.)""", re.DOTALL)
_PATH_COMMANDS = re.compile(r"\.sympath\+?\s+[^\s;]", re.IGNORECASE)
"""Paths may hold `;`: only one with a blank behind it ends the command."""
_WHOLE_LINE = re.compile(r"(?:\*|as\s(?!\s*/(?:e|x|ma|mu|msa|msu)\s)|\$<|\$><|j[\s(]|~(?:\d+|[*.#])e\s)", re.IGNORECASE)
"""Commands that take the rest of the line, `;` included; `as` only in lower case, and not with most options."""


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """(number, line) with lines joined while a brace is open or a block follows; empty lines are left out."""
    held, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or (held and _depth(held) > 0 and stripped.startswith("*")):
            continue
        # A line break ends a command, but a block belongs to what stands before it.
        belongs = stripped.startswith(("{", ".elsif", ".else"))
        if held and not belongs and (_depth(held) <= 0 or held.startswith(("*", "$$ "))):
            yield start, held
            held = ""
        if held:
            held += (" " if belongs or stripped.startswith("}") or held.endswith("{") else " ; ") + stripped
        else:
            held, start = stripped, number
    if held:
        yield start, held


def _depth(line: str) -> int:
    return sum({"{": 1, "}": -1}.get(found[2], 0) for found in _PIECE.finditer(line))


def cut(line: str) -> list[str]:
    """The commands of one line, comments left out."""
    found = []
    rest = line.strip()
    while rest:
        if rest.startswith("*"):
            break
        piece, rest = first(rest)
        if piece and not re.match(r"\$\$(?!>?[<>])", piece):
            found.append(piece)
    return found


def first(line: str) -> tuple[str, str]:
    """What stands before the first `;` outside quotes and braces, and what stands behind it."""
    if _WHOLE_LINE.match(line) and not line.startswith(("aS", "AS")):
        return line.strip(), ""
    braces = parentheses = 0
    is_path = _PATH_COMMANDS.match(line) is not None
    for found in _PIECE.finditer(line):
        if found[2]:
            braces += 1 if found[2] == "{" else -1
        elif found[3]:
            parentheses += 1 if found[3] == "(" else -1
        elif found[4] and is_path and line[found.end() : found.end() + 1].strip():
            continue
        elif found[4] and braces <= 0 and (parentheses <= 0 or not line.startswith(".for")):
            return line[: found.start()].strip(), line[found.end() :].strip()
    return line.strip(), ""
