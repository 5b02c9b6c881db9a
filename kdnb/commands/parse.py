"""A text as a list of command invocations (the command reference, 1).

A line is cut at `;` outside quotes and braces; the longest known command name wins, so that `lmvm nt`, `bp0`,
`dd@rsp` and `k5` need no blank. Names are found without regard to case unless another name differs only by it.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.commands import families
from kdnb.commands.declare import COMMANDS, exact_name
from kdnb.commands.lines import cut, first, logical_lines
from kdnb.commands.not_built import NOT_BUILT
from kdnb.errors import UsageError

if TYPE_CHECKING:
    from kdnb.commands.declare import Command

__all__ = ["Invocation", "command_name", "is_exact", "parse", "pieces", "split"]

FAMILIES = families.FAMILIES
"""Named here so that the table is full before anything is parsed."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One command as typed."""

    text: str
    name: str
    """As declared: `dd` for `DD @rsp`."""
    command: Command
    suffix: str
    arguments: str
    processor: int | None = None
    """From a processor prefix (`1k`)."""
    line: int = 1
    """1-based line of the cell."""


def split(text: str) -> list[Invocation]:
    """The commands of a cell or line, comments left out. Raises `UsageError` at the first unknown command."""
    return [parse(piece, line) for line, piece in pieces(text)]


def pieces(text: str) -> list[tuple[int, str]]:
    """(line, command text) for each command, before any name is looked up."""
    return [(number, piece) for number, line in logical_lines(text) for piece in cut(line)]


def parse(text: str, line: int = 1) -> Invocation:
    """One command. Raises `UsageError` when there is no such command."""
    found = _match(text)
    if found is not None:
        name, suffix, arguments = found
        return Invocation(text, name, COMMANDS[name], suffix, arguments, None, line)
    prefixed = re.match(r"(\d+)([A-Za-z.!?].*)", text, re.DOTALL)
    if prefixed is not None and (found := _match(prefixed[2])) is not None:
        name, suffix, arguments = found
        return Invocation(text, name, COMMANDS[name], suffix, arguments, int(prefixed[1]), line)
    missing = _not_built(text)
    if missing is not None:
        raise UsageError(f"{missing} is not built yet", "see docs/explanation/differences-from-windbg.md")
    word = re.split(r"\s", text, maxsplit=1)[0][:40]
    near = difflib.get_close_matches(word, COMMANDS, 3, 0.6)
    hint = f"did you mean {', '.join(near)}?" if near else ".help lists the commands"
    kind = "extension" if word.startswith("!") else "command"
    raise UsageError(f"Unknown {kind} '{word}'", hint)


def command_name(line: str) -> str | None:
    """The command that a line starts with, as declared; None where it starts with none (comments too).

    WinDbg's commands that are not built count: `parse` says so in one line.
    """
    text = line.strip()
    if not text or text.startswith(("*", "$$")):
        return None
    piece = first(text)[0]
    try:
        return parse(piece).name
    except UsageError:
        return _not_built(piece)


def _not_built(text: str) -> str | None:
    """WinDbg's command of that name, where kdnb has none."""
    word = re.match(r"[!.]?\w+", text)
    return word[0].lower() if word is not None and word[0].lower() in NOT_BUILT else None


def is_exact(word: str) -> bool:
    """Whether a word is all of a command, with the letters that may cling to it (`kv`, `lmv`).

    Its case counts (`K` may be a Python name to be), and so do digits: `k5` is rather a name than a count.
    """
    if word in COMMANDS or word in NOT_BUILT:
        return True
    found = _match(word)
    return found is not None and word.startswith(found[0]) and found[1].isalpha() and not found[2]


def _match(text: str) -> tuple[str, str, str] | None:
    """Declared name, suffix and arguments of a command text."""
    if text[:1] in (".", "!"):
        word = re.split(r"[\s({\"]", text, maxsplit=1)[0]
        arguments = text[len(word) :]
        name = exact_name(word) or exact_name(re.sub(r"^!\w+\.", "!", word))  # !kdexts.process is !process
        return (name, "", arguments.strip()) if name is not None else None
    longest = max((len(name) for name in COMMANDS), default=0)
    for length in range(min(longest, len(text)), 0, -1):
        name = exact_name(text[:length])
        if name is None or name[0] in ".!":
            continue
        suffix = re.match(COMMANDS[name].suffix, text[length:])
        clung = suffix[0] if suffix is not None else ""
        rest = text[length + len(clung) :]
        # A letter behind the name makes it another word: `print` is no `p`, `kernel` no `k`.
        if not (name[-1].isalpha() and re.match(r"[A-Za-z_]", rest)):
            return name, clung, rest.strip()
    return None
