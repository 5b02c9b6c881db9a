"""The words of C++ expressions: numbers, characters, names, registers and signs, taken one after the other."""

from __future__ import annotations

import re

from kdnb.errors import ExpressionError, UnsupportedError

__all__ = ["Tokens", "character_number"]

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>0[xX][\da-fA-F`]+|0[nN]\d+|0[tT][0-7]+|0[yY][01]+|\d+(?:\.\d+)?)(?P<suffix>[uUlL]*(?:[iI]64)?)(?!\w)
    | '(?P<char>(?:[^'\\]|\\.)+)'
    | (?P<evaluator>@@(?:c\+\+|masm)?\()
    | @(?P<register>\$?\w+)
    | (?P<builtin>\#?(?:FIELD_OFFSET|CONTAINING_RECORD)|sizeof)\s*\(
    | (?P<name>(?:\w+!)?~?[A-Za-z_$][\w$]*(?:::~?[A-Za-z_$][\w$]*)*)
    | (?P<sign>->|<<|>>|<=|>=|==|!=|&&|\|\||\+\+|--|[-+*/%&|^~!<>()\[\].?:,=])
    )""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}


class Tokens:
    """A text and how far it has been taken."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    @property
    def rest(self) -> str:
        """What is left, as error texts show it."""
        return self.text[self.at :].strip()[:60] or "<EOL>"

    def peek(self) -> re.Match[str] | None:
        """The word that comes next; None at the end and before what is no word."""
        return _TOKEN.match(self.text, self.at)

    def sign(self, *signs: str) -> str:
        """The sign that comes next, if it is one of these; it is taken then."""
        found = self.peek()
        if found is None or found["sign"] not in signs:
            return ""
        self.at = found.end()
        return found["sign"]

    def expect(self, sign: str) -> None:
        """Take this sign; an `ExpressionError` where another word stands."""
        if not self.sign(sign):
            raise ExpressionError(f"Syntax error at '{self.rest}'", f"'{sign}' is missing")

    def bracketed(self) -> str:
        """What stands before the bracket that closes one already taken; the bracket is taken as well."""
        start, depth = self.at, 1
        for at in range(start, len(self.text)):
            depth += {"(": 1, ")": -1}.get(self.text[at], 0)
            if not depth:
                self.at = at + 1
                return self.text[start:at]
        raise ExpressionError(f"Syntax error at '{self.rest}'", "')' is missing")

    def end(self) -> None:
        """Nothing may be left."""
        rest = self.text[self.at :].strip()
        if rest[:1] == "=" or rest[:2] in ("++", "--"):
            raise UnsupportedError("C++ expressions don't change anything here", "ed, eq and r do")
        if rest[:1] == "(":
            raise UnsupportedError("functions of the target can't be called", "bp and g let the target call them")
        if rest:
            raise ExpressionError(f"Extra character error in '{rest[:60]}'")


def character_number(text: str) -> int:
    """The number that a character constant is, from what stands between its quotes."""
    plain = re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), text)
    return int.from_bytes(plain.encode("latin-1", "replace")[-4:], "big")
