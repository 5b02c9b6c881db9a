"""Words of the MASM expression language: numbers, names, operators, strings.

The tokenizer is lazy, because a command's arguments are expressions one behind the other and only the grammar
knows where one ends. Facts: the command reference, 2.1-2.3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

__all__ = ["Kind", "Token", "next_token", "parse_number"]


class Kind(Enum):
    """What a token is."""

    END = auto()
    WORD = auto()
    """Number or name: which of them depends on the radix."""
    REGISTER = auto()
    """`@name`, or `@$name`; the text is without `@`."""
    QUOTED_NAME = auto()
    """`@!"any text"`; the text is what stands between the quotes."""
    PSEUDO = auto()
    """`$name`, which may also be an operator or a function."""
    OPERATOR = auto()
    LOCAL = auto()
    """`$!name`; the text is the name."""
    STRING = auto()
    CHARACTERS = auto()
    """`'A'`; the text is what stands between the quotes."""
    EVALUATOR = auto()
    """`@@(`, `@@c++(`, `@@masm(`; the text is the evaluator's name."""
    SOURCE_LINE = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """A token with the text positions it covers."""

    kind: Kind
    text: str
    start: int
    end: int


# A word takes a trailing module!name with it; only behind the `!` may accents, quotes and `@` stand in a name.
_NAME = r"[A-Za-z_?$][\w?$]*(?:::~?[\w?$]+)*"
_QUALIFIED = r"[A-Za-z_?$][\w?$]*(?:::~?[\w?$`'@]+|[\w?$`'@])*"
_PATTERN = re.compile(
    rf"""
      (?P<EVALUATOR>@@(?P<evaluator>c\+\+|masm)?\()
    | (?P<QUOTED_NAME>@!"(?P<quoted>[^"]*)")
    | (?P<REGISTER>@(?P<register>\$?\w+))
    | (?P<STRING>@?"(?:[^"\\]|\\.)*")
    | '(?P<CHARACTERS>(?:[^'\\]|\\.)*)'
    | (?P<SOURCE_LINE>`[^`]*`)
    | (?P<NUMBER>(?:0[xX][\da-fA-F`]*|0[ntyNTY][\d`]*|[\da-fA-F]+`[\da-fA-F`]*[hH]?)(?!\w))
    | (?P<WORD>!{_QUALIFIED}|[\w?][\w?$]*!{_QUALIFIED}|(?!\$){_NAME}|\d\w*)
    | \$!(?P<LOCAL>[A-Za-z_?][\w?$]*)
    | (?P<PSEUDO>\$[\w]+)
    | (?P<OPERATOR>>>>|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%<>=&|^().,:\#])
    """,
    re.VERBOSE,
)


def next_token(text: str, position: int) -> Token:
    """The token at or behind `position`; `END` at the end of the text."""
    while position < len(text) and text[position].isspace():
        position += 1
    if position >= len(text):
        return Token(Kind.END, "", position, position)
    found = _PATTERN.match(text, position)
    if found is None:
        return Token(Kind.UNKNOWN, text[position], position, position + 1)
    for group, name in (("EVALUATOR", "evaluator"), ("QUOTED_NAME", "quoted"), ("REGISTER", "register")):
        if found[group] is not None:
            return Token(Kind[group], found[name] or "", found.start(), found.end())
    if found["NUMBER"] is not None:
        return Token(Kind.WORD, found["NUMBER"], found.start(), found.end())
    assert found.lastgroup is not None
    if found.lastgroup in ("LOCAL", "CHARACTERS"):
        return Token(Kind[found.lastgroup], found[found.lastgroup], found.start(), found.end())
    return Token(Kind[found.lastgroup], found[0], found.start(), found.end())


_PREFIXES = {"0x": 16, "0n": 10, "0t": 8, "0y": 2}
_DIGITS = "0123456789abcdef"


def parse_number(word: str, radix: int) -> int | None:
    """The number that `word` spells in `radix` (prefixes and the suffix `h` go before), or None if it spells none."""
    lowered = word.lower()
    base = _PREFIXES.get(lowered[:2])
    if base is not None:
        digits = lowered[2:].replace("`", "")
        return 0 if not digits else _digits_value(digits, base)
    if lowered.endswith("h"):
        return _digits_value(lowered[:-1].replace("`", ""), 16)
    return _digits_value(lowered.replace("`", ""), radix)


def _digits_value(digits: str, base: int) -> int | None:
    allowed = _DIGITS[:base]
    if not digits or any(digit not in allowed for digit in digits):
        return None
    return int(digits, base)
