"""MASM expressions: text to an unsigned 64-bit number.

A recursive descent over the grammar of the command reference, 2.2, that computes as it reads: there are no side
effects, and WinDbg's error texts quote the rest of the text behind the place of failure.
What names mean is asked of an `Environment`; this module knows no target.
"""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Protocol

from kdnb.debugger.expression_tokens import Kind, Token, next_token, parse_number
from kdnb.errors import ExpressionError, MemoryReadError, RequestFailed, UnknownNameError
from kdnb.results.addresses import Segment
from kdnb.symbols.wildcards import compile_wildcard

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Environment", "evaluate", "leading_segment", "parse_leading"]

MASK = (1 << 64) - 1


class Environment(Protocol):
    """What an expression may ask about the target."""

    @property
    def pointer_size(self) -> int: ...

    @property
    def instruction_pointer(self) -> int: ...

    @property
    def sign_extend(self) -> bool:
        """Whether 32-bit constants and registers are widened with ones (32-bit targets: 2.1)."""

    @property
    def is_cplusplus(self) -> bool:
        """Whether expressions are read as C++ (`.expr /s c++`)."""

    def register(self, name: str) -> int | None:
        """Value of a register; None when the machine has no such register."""

    def pseudo_register(self, name: str) -> int | None:
        """Value of `$name` (given without the `$`, in lower case); None when unknown or unavailable."""

    def symbol(self, name: str) -> int | None:
        """Address of `module!name`, `name` or a module."""

    def local(self, name: str) -> int | None:
        """Address of a local variable of the present frame."""

    def source_line(self, module: str, file: str, line: int) -> int | None:
        """First address of a source line; in every module whose symbols are there where `module` is empty."""

    def function_result(self, address: int) -> str:
        """C's words for what the function at an address gives back; empty where nothing tells."""

    def segment(self, selector: int | str) -> int:
        """Base address of a segment, by the name of its register or by its selector."""

    def cplusplus(self, text: str) -> int:
        """Value of a C++ expression (`@@c++(...)`)."""

    def leading_cplusplus(self, text: str) -> tuple[int, str]:
        """`parse_leading` for C++."""

    def near(self, name: str) -> list[str]:
        """Known names close to `name`, best first."""

    def read(self, address: int, size: int) -> bytes: ...

    def read_physical(self, address: int, size: int) -> bytes: ...


def evaluate(text: str, environment: Environment, radix: int = 16) -> int:
    """The value of `text`; all of it must be one expression. Raises `ExpressionError`."""
    value, rest = parse_leading(text, environment, radix)
    if rest:
        if rest[:2] in ("&&", "||"):
            word = "and" if rest[0] == "&" else "or"
            raise ExpressionError(
                f"Numeric expression missing from '{_shown(rest[1:])}'", f"MASM has no {rest[:2]}: write {word}"
            )
        raise ExpressionError(f"Extra character error in '{_shown(rest)}'")
    return value


def parse_leading(text: str, environment: Environment, radix: int = 16) -> tuple[int, str]:
    """The longest expression that `text` starts with, and the text behind it without leading blanks."""
    if environment.is_cplusplus and not text.lower().startswith("@@masm("):
        return environment.leading_cplusplus(text)
    parser = _Parser(text, environment, radix)
    value = parser.expression()
    return value, text[parser.token.start :]


def leading_segment(text: str, environment: Environment, radix: int = 16) -> Segment | None:
    """The segment of an address that begins with one (`gs:188`, `30:0`)."""
    found = re.match(r"\s*(\w+):(?!:)", text)
    if found is None or environment.is_cplusplus:
        return None
    name = found[1].lower()
    of = name if name in _SEGMENTS else parse_number(name, radix)
    selector = environment.register(name) if isinstance(of, str) else of
    return Segment(selector, environment.segment(of)) if of is not None and selector is not None else None


def _shown(rest: str, limit: int = 60) -> str:
    """The rest of a text as an error quotes it; texts may come from anywhere, so its length is bounded."""
    rest = rest.strip()
    if not rest:
        return "<EOL>"
    return rest if len(rest) <= limit else rest[:limit] + "..."


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


_LEVELS: tuple[dict[str, Callable[[int, int], int]], ...] = (
    {"or": operator.or_, "|": operator.or_},
    {"xor": operator.xor, "^": operator.xor},
    {"and": operator.and_, "&": operator.and_},
    {
        "=": operator.eq,
        "==": operator.eq,
        "!=": operator.ne,
        "<": operator.lt,
        ">": operator.gt,
        "<=": operator.le,
        ">=": operator.ge,
    },
    {
        "<<": lambda a, b: a << b if b < 64 else 0,
        ">>": lambda a, b: a >> b if b < 64 else 0,
        ">>>": lambda a, b: _signed(a) >> min(b, 63),
    },
    {"+": operator.add, "-": operator.sub},
    {"*": operator.mul, "/": operator.floordiv, "%": operator.mod, "mod": operator.mod},
)
"""Binary operators from loose to tight; every one of them associates to the left."""

_READS = {"by": 1, "wo": 2, "dwo": 4, "qwo": 8, "poi": 0}
_UNARY: dict[str, Callable[[int], int]] = {
    "+": lambda a: a,
    "-": lambda a: -a,
    "not": lambda a: int(a == 0),
    "hi": lambda a: a >> 16 & 0xFFFF,
    "low": lambda a: a & 0xFFFF,
}
_WORD_OPERATORS = {"or", "xor", "and", "mod"}
_SEGMENTS = {"cs", "ds", "es", "fs", "gs", "ss"}
_LONGEST_CHARACTERS = 8
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}
_SOURCE_LINE = re.compile(r"`(?:(\w+)!)?([^`:]*)(?::(\d+))?`")


class _Parser:
    """One pass over a text; `token` is the next one to be read."""

    def __init__(self, text: str, environment: Environment, radix: int) -> None:
        self.text = text
        self.environment = environment
        self.radix = radix
        self.token = next_token(text, 0)

    def take(self) -> Token:
        token = self.token
        self.token = next_token(self.text, token.end)
        return token

    @property
    def rest(self) -> str:
        return _shown(self.text[self.token.start :])

    def expect(self, text: str) -> None:
        if self.token.kind is not Kind.OPERATOR or self.token.text != text:
            raise ExpressionError(f"Syntax error at '{self.rest}'", f"'{text}' is missing")
        self.take()

    def expression(self) -> int:
        return self.binary(0)

    def binary(self, level: int) -> int:
        if level == len(_LEVELS):
            return self.unary()
        value = self.binary(level + 1)
        while (function := self.operator(_LEVELS[level])) is not None:
            at = self.token.start
            self.take()
            right = self.binary(level + 1)
            if right == 0 and function in (operator.floordiv, operator.mod):
                raise ExpressionError(f"Operand error at '{_shown(self.text[at:])}'", "the divisor is 0")
            value = int(function(value, right)) & MASK
        return value

    def operator(self, operators: dict[str, Callable[[int, int], int]]) -> Callable[[int, int], int] | None:
        if self.token.kind not in (Kind.OPERATOR, Kind.WORD):
            return None
        return operators.get(self.token.text.lower())

    def unary(self) -> int:
        token = self.token
        word = token.text.lower()
        if token.kind in (Kind.OPERATOR, Kind.WORD) and word in _UNARY:
            self.take()
            return _UNARY[word](self.unary()) & MASK
        if token.kind is Kind.WORD and word in _READS:
            self.take()
            return self.read(self.unary(), _READS[word], self.environment.read)
        if token.kind is Kind.PSEUDO and word[1:2] == "p" and word[2:] in _READS:
            self.take()
            return self.read(self.unary(), _READS[word[2:]], self.environment.read_physical)
        return self.primary()

    def read(self, address: int, size: int, read: Callable[[int, int], bytes]) -> int:
        try:
            return int.from_bytes(read(address, size or self.environment.pointer_size), "little")
        except (MemoryReadError, RequestFailed) as error:
            raise ExpressionError(f"Memory access error at '{self.rest}'", f"can't read {address:#x}") from error

    def primary(self) -> int:
        token = self.take()
        match token.kind:
            case Kind.WORD:
                return self.word(token)
            case Kind.REGISTER:
                return self.register(token)
            case Kind.PSEUDO:
                return self.pseudo(token)
            case Kind.QUOTED_NAME:
                return self.symbol(token)
            case Kind.EVALUATOR:
                return self.evaluator(token)
            case Kind.LOCAL:
                return self.local(token)
            case Kind.CHARACTERS:
                return self.characters(token)
            case Kind.SOURCE_LINE:
                return self.source_line(token)
            case Kind.OPERATOR if token.text == "(":
                value = self.expression()
                self.expect(")")
                return value
            case Kind.OPERATOR if token.text == ".":
                return self.environment.instruction_pointer
            case Kind.OPERATOR if token.text == "%":  # a flat address, as all of them are
                return self.unary()
            case Kind.OPERATOR if token.text in ("&", "#"):
                return self.real_mode(token)
            case Kind.END:
                raise ExpressionError("Numeric expression missing from '<EOL>'")
            case Kind.OPERATOR:
                raise ExpressionError(f"Numeric expression missing from '{_shown(self.text[token.start :])}'")
            case _:
                raise ExpressionError(f"Syntax error at '{_shown(self.text[token.start :])}'")

    def word(self, token: Token) -> int:
        """A bare word is a number, else a register, else a symbol (2.3; registers go before symbols)."""
        if self.token.text == ":" and self.token.start == token.end:
            return self.segmented(token)
        number = parse_number(token.text, self.radix)
        if number is not None:
            if number > MASK:
                raise ExpressionError(f"Numeric value overflow at '{_shown(self.text[token.start :])}'")
            return number if "`" in token.text else self.extended(number)
        if token.text.lower() in _WORD_OPERATORS:
            raise ExpressionError(f"Numeric expression missing from '{_shown(self.text[token.start :])}'")
        value = self.environment.register(token.text.lower())
        return self.extended(value) if value is not None else self.symbol(token)

    def segmented(self, token: Token) -> int:
        """`gs:188`, `30:0`: an offset in a segment."""
        name = token.text.lower()
        selector = name if name in _SEGMENTS else parse_number(name, self.radix)
        if selector is None:
            raise ExpressionError(f"Syntax error at '{_shown(self.text[token.start :])}'", "segments are cs to gs")
        self.take()
        return (self.environment.segment(selector) + self.unary()) & MASK

    def real_mode(self, token: Token) -> int:
        """`&seg:off`, `#seg:off`: a virtual-86 or real-mode address."""
        at = self.take()
        segment = parse_number(at.text, self.radix) if at.kind is Kind.WORD else None
        if segment is None:
            raise ExpressionError(f"Numeric expression missing from '{_shown(self.text[token.start :])}'")
        self.expect(":")
        return (segment << 4) + self.unary() & MASK

    def characters(self, token: Token) -> int:
        """`'A'`; of several characters the first one is the highest byte."""
        text = re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), token.text, flags=re.DOTALL)
        data = text.encode("latin-1", "replace")
        if not 0 < len(data) <= _LONGEST_CHARACTERS:
            raise ExpressionError(f"Syntax error at '{_shown(self.text[token.start :])}'", "one to eight characters")
        return int.from_bytes(data, "big")

    def local(self, token: Token) -> int:
        value = self.environment.local(token.text)
        if value is None:
            raise UnknownNameError(f"Couldn't resolve error at '{_shown(self.text[token.start :])}'", "dv lists them")
        return value & MASK

    def source_line(self, token: Token) -> int:
        found = _SOURCE_LINE.fullmatch(token.text)
        value = None
        if found is not None and found[2] and found[3]:
            value = self.environment.source_line(found[1] or "", found[2], int(found[3]))
        if value is None:
            shown = _shown(self.text[token.start :])
            raise UnknownNameError(
                f"Couldn't resolve error at '{shown}'", "`module!file.c:line`; needs a PDB with source lines"
            )
        return value & MASK

    def extended(self, value: int) -> int:
        if self.environment.sign_extend and 0x80000000 <= value <= 0xFFFFFFFF:
            return value | 0xFFFFFFFF_00000000
        return value

    def symbol(self, token: Token) -> int:
        name = token.text.removeprefix("!")
        value = self.environment.symbol(name)
        if value is None:
            near = self.environment.near(name)
            hint = f"did you mean {', '.join(near[:3])}?" if near else "look names up with: x module!*pattern*"
            shown = _shown(self.text[token.start :])
            raise UnknownNameError(f"Couldn't resolve error at '{shown}'", hint, near)
        return value & MASK

    def register(self, token: Token) -> int:
        if token.text.startswith("$"):
            return self.pseudo(token)
        value = self.environment.register(token.text.lower())
        if value is None:
            raise ExpressionError(f"Bad register error at '@{_shown(self.text[token.start + 1 :])}'", "r lists them")
        return self.extended(value)

    def pseudo(self, token: Token) -> int:
        name = token.text[1:].lower()
        if self.token.text == "(" and name in ("scmp", "sicmp", "spat", "vvalid", "iment", "fnsucc"):
            return self.function(name) & MASK
        value = self.environment.pseudo_register(name)
        if value is None:
            raise ExpressionError(
                f"Syntax error at '{_shown(self.text[token.start :])}'", f"${name} is unknown or not available here"
            )
        return value & MASK

    def function(self, name: str) -> int:
        self.expect("(")
        value = self.call(name)
        self.expect(")")
        return value

    def call(self, name: str) -> int:
        match name:
            case "scmp" | "sicmp" | "spat":
                left = self.string()
                self.expect(",")
                right = self.string()
                if name == "spat":
                    return int(compile_wildcard(right).fullmatch(left) is not None)
                if name == "sicmp":
                    left, right = left.lower(), right.lower()
                return (left > right) - (left < right)
            case "vvalid":
                address = self.expression()
                self.expect(",")
                return self.is_readable(address, self.expression())
            case "iment":
                base = self.expression()
                header = self.read(base + 0x3C, 4, self.environment.read)
                return base + self.read(base + header + 0x28, 4, self.environment.read)
            case _:
                return self.is_success()

    def is_success(self) -> int:
        """`$fnsucc(Function, Value, Flag)`: the type that it gives back decides, else the flag."""
        function = self.expression()
        self.expect(",")
        value = self.expression()
        self.expect(",")
        flag = self.expression()
        of = self.environment.function_result(function)
        if of == "HRESULT":
            return int(not value >> 31 & 1)
        if of == "bool":
            return int(value & 0xFF != 0)
        return int(value == 0 if flag and not of.endswith("*") else value != 0)

    def is_readable(self, address: int, size: int) -> int:
        """1 when all of the range can be read. One byte a page is asked for."""
        if size > 1 << 28:
            raise ExpressionError("Range error in '$vvalid'", "at most 256 MB")
        places = {address, address + max(size, 1) - 1, *range((address | 0xFFF) + 1, address + size, 0x1000)}
        try:
            for place in sorted(places):
                self.environment.read(place, 1)
        except (MemoryReadError, RequestFailed):
            return 0
        return 1

    def string(self) -> str:
        token = self.take()
        if token.kind is not Kind.STRING:
            raise ExpressionError(
                f"Syntax error at '{_shown(self.text[token.start :])}'", "a string in quotes is missing"
            )
        if token.text.startswith("@"):
            return token.text[2:-1]
        return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], token.text[1:-1])

    def evaluator(self, token: Token) -> int:
        if token.text != "masm":
            return self.cplusplus(token.end)
        value = self.expression()
        self.expect(")")
        return value

    def cplusplus(self, start: int) -> int:
        """The C++ expression up to the bracket that closes it."""
        depth = 1
        for at in range(start, len(self.text)):
            depth += {"(": 1, ")": -1}.get(self.text[at], 0)
            if not depth:
                self.token = next_token(self.text, at + 1)
                return self.environment.cplusplus(self.text[start:at])
        raise ExpressionError(f"Syntax error at '{_shown(self.text[start:])}'", "')' is missing")
