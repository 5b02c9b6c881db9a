"""What stands behind a command's name, read piece by piece.

WinDbg's commands have no common shape of arguments: expressions separated by blanks, `/` options, quoted
strings, ranges. Each command function takes what it knows; `finish` refuses the rest.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kdnb.debugger.expression import parse_leading
from kdnb.debugger.ranges import parse_leading_range
from kdnb.errors import ExpressionError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kdnb.debugger.ranges import Range
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

__all__ = ["Arguments", "fitting"]

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"?')
_ESCAPES = {"n": "\n", "t": "\t"}


class Arguments:
    """The unread rest of a command's arguments. `name` is the command as declared, `suffix` what clung to it."""

    def __init__(
        self,
        session: Session,
        text: str = "",
        name: str = "",
        suffix: str = "",
        run: Callable[[str], Iterator[Result]] | None = None,
        trusted: bool = True,
    ) -> None:
        self.session = session
        self._run = run
        self.trusted = trusted
        """Whether the user typed it; what may come from the target can't touch files of this computer."""
        self.name = name
        self.suffix = suffix
        self.text = text.strip()
        """All of it, for error texts."""
        self.rest = self.text

    @property
    def at_end(self) -> bool:
        return not self.rest

    def _advance(self, rest: str) -> None:
        self.rest = rest.lstrip(" \t,")

    def expression(self, default: int | None = None) -> int:
        """The expression that comes next; `default` where nothing is left."""
        if self.at_end and default is not None:
            return default
        value, rest = parse_leading(self.rest, self.session.environment, self.session.radix)
        self._advance(rest)
        self.session.variables["exp"] = value
        return value

    def number(self, size: int) -> int:
        """The expression that comes next, as a number of `size` bytes."""
        text = self.rest
        return fitting(self.expression(), size, text)

    def range(self, unit: int, default_count: int | None, start: int | None = None) -> Range:
        """The range that comes next. With nothing left it begins at `start`."""
        text = self.rest
        if start is not None and (not text or re.match(r"[lL]\s*[?-]?\s*(0x)?[\da-fA-F]+$", text)):
            text = f"0x{start:x} {text}"
        found, rest = parse_leading_range(text, unit, default_count, self.session.environment, self.session.radix)
        self._advance(rest)
        return found

    def options(self, shapes: Mapping[str, bool]) -> dict[str, str]:
        """The `/x` options that come next. `shapes`: letters -> whether an expression or text follows.

        Options that nothing follows may share a slash (`/tV`).
        """
        found: dict[str, str] = {}
        longest_first = sorted(shapes, key=len, reverse=True)
        while self.rest.startswith("/"):
            word = rest = self.word()[1:]
            while rest or not word:
                name = next((letters for letters in longest_first if rest.startswith(letters)), None)
                if name is None:
                    known = " ".join(f"/{letters}" for letters in shapes) or "none"
                    raise ExpressionError(f"Syntax error at '/{word[:60]}'", f"options here: {known}")
                rest = rest[len(name) :]
                found[name] = ""
                if shapes[name]:
                    found[name], rest = rest or self.word(), ""
        return found

    def word(self) -> str:
        """The characters up to the next blank."""
        word = re.split(r"\s", self.rest, maxsplit=1)[0]
        self._advance(self.rest[len(word) :])
        return word

    def quoted(self) -> str | None:
        """The quoted string that comes next, with its escapes undone; None where none comes."""
        found = _QUOTED.match(self.rest)
        if found is None:
            return None
        self._advance(self.rest[found.end() :])
        return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), found[1])

    def match(self, pattern: str) -> re.Match[str] | None:
        """What comes next if it has this shape; it is taken then."""
        found = re.match(pattern, self.rest)
        if found is not None:
            self._advance(self.rest[found.end() :])
        return found

    def all(self) -> str:
        """Everything that is left."""
        rest, self.rest = self.rest, ""
        return rest

    def run(self, text: str) -> Iterator[Result]:
        """Run a block of commands: one value after the other."""
        return self._run(text) if self._run is not None else iter(())

    def require_trusted(self) -> None:
        """Raise where the text may come from the target."""
        if not self.trusted:
            raise UsageError(f"{self.name} can't be used in commands of breakpoints and targets", "type it yourself")

    def finish(self) -> None:
        """Raise when something is left over."""
        if self.rest:
            raise ExpressionError(f"Extra character error in '{self.rest[:60]}'", f".hh {self.name} shows the syntax")


def fitting(value: int, size: int, text: str) -> int:
    """A value as a number of `size` bytes; -1 is all ones in every size. `text` is what it was written as."""
    bits = 8 * size
    if value >> bits and value >> (bits - 1) != (1 << (65 - bits)) - 1:
        raise ExpressionError(f"Numeric value overflow at '{text[:60]}'", f"{value:#x} needs more than {size} bytes")
    return value & ((1 << bits) - 1)
