"""The part of WinDbg's C++ expressions that addresses need: `@@c++(...)` inside a MASM expression.

Numbers (decimal, `0x`), `+ - *` and parentheses, registers (`@rsp`, `@$proc`), `sizeof(Type)`,
`#FIELD_OFFSET(Type, Field)`, `&((Type *)Address)->Field`, and `&Symbol`. Anything else is refused by name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kdnb.debugger.type_rows import follow_path
from kdnb.errors import ExpressionError, UnknownNameError, UnsupportedError

if TYPE_CHECKING:
    from kdnb.debugger.expression import Environment
    from kdnb.debugger.type_lookup import TypeLookup
    from kdnb.symbols.types import StructType

__all__ = ["evaluate_cplusplus"]

_NAME = r"(?:struct\s+|union\s+|enum\s+)?(?:\w+!)?[A-Za-z_$]\w*"
_PATTERN = re.compile(
    rf"""\s*(?:
      (?P<sizeof>sizeof\s*\(\s*(?P<of>{_NAME})\s*(?P<pointer>\**)\s*\))
    | (?P<offset>\#?FIELD_OFFSET\s*\(\s*(?P<type>{_NAME})\s*,\s*(?P<field>[\w.]+)\s*\))
    | (?P<member>&\s*\(\s*\(\s*(?P<struct>{_NAME})\s*\*\s*\)\s*)
    | (?P<symbol>&\s*(?P<symbol_name>(?:\w+!)?[A-Za-z_$]\w*))
    | (?P<register>@\$?\w+)
    | (?P<number>0[xX][\da-fA-F`]+|0n\d+|\d+)
    | (?P<sign>[-+*()])
    )""",
    re.VERBOSE,
)
_BASIC = {
    **{"char": 1, "bool": 1, "UCHAR": 1, "short": 2, "wchar_t": 2, "USHORT": 2, "int": 4, "long": 4, "ULONG": 4},
    **{"float": 4, "double": 8, "ULONG64": 8, "ULONGLONG": 8, "LARGE_INTEGER": 8},
}


def evaluate_cplusplus(text: str, environment: Environment, lookup: TypeLookup) -> int:
    """Value of a C++ expression of that subset."""
    parser = _Parser(text, environment, lookup)
    value = parser.sum()
    parser.end()
    return value


class _Parser:
    def __init__(self, text: str, environment: Environment, lookup: TypeLookup) -> None:
        self._text = text
        self._at = 0
        self._environment = environment
        self._lookup = lookup

    def _peek(self) -> re.Match[str] | None:
        return _PATTERN.match(self._text, self._at)

    def _sign(self, *signs: str) -> str:
        """The sign that comes next, if it is one of these; it is taken then."""
        found = self._peek()
        if found is None or found["sign"] not in signs:
            return ""
        self._at = found.end()
        return found["sign"]

    def sum(self) -> int:
        value = self._product()
        while sign := self._sign("+", "-"):
            other = self._product()
            value = value + other if sign == "+" else value - other
        return value

    def _product(self) -> int:
        value = self._term()
        while self._sign("*"):
            value *= self._term()
        return value

    def _term(self) -> int:
        if self._sign("-"):
            return -self._term()
        if self._sign("("):
            value = self.sum()
            self._close()
            return value
        found = self._peek()
        if found is None or found["sign"]:
            raise self._unknown()
        self._at = found.end()
        if found["number"]:
            return int(found["number"].replace("`", "").replace("0n", ""), 0)
        if found["register"]:
            return self._register(found["register"][1:])
        if found["sizeof"]:
            return self._environment.pointer_size if found["pointer"] else self._size(found["of"])
        if found["offset"]:
            return follow_path(self._struct(found["type"]), found["field"])[0]
        if found["member"]:
            return self._member(found["struct"])
        address = self._environment.symbol(found["symbol_name"])
        if address is None:
            raise UnknownNameError(f"Couldn't resolve error at '{found['symbol_name'][:60]}'")
        return address

    def _member(self, type_name: str) -> int:
        """`&((Type *)Address)->Field`, from the address on."""
        address = self._term()
        self._close()
        path = re.compile(r"\s*->\s*([\w.]+)").match(self._text, self._at)
        if path is None:
            raise self._unknown()
        self._at = path.end()
        return address + follow_path(self._struct(type_name), path[1])[0]

    def _register(self, name: str) -> int:
        plain = name.removeprefix("$").lower()
        value = self._environment.pseudo_register(plain) if name[:1] == "$" else self._environment.register(plain)
        if value is None:
            raise ExpressionError(f"Bad register error at '@{name[:60]}'")
        return value

    def _size(self, name: str) -> int:
        return _BASIC.get(name) or self._lookup.require(name).type.size

    def _struct(self, name: str) -> StructType:
        return self._lookup.require_struct(name)[1]

    def _close(self) -> None:
        if not self._sign(")"):
            raise self._unknown("')' is missing")

    def end(self) -> None:
        if self._text[self._at :].strip():
            raise self._unknown()

    def _unknown(self, why: str = "") -> ExpressionError | UnsupportedError:
        rest = self._text[self._at :].strip()[:60]
        if why:
            return ExpressionError(f"Syntax error at '{rest or '<EOL>'}'", why)
        return UnsupportedError(
            f"C++ expressions like '{rest}' are not available",
            "sizeof(T), #FIELD_OFFSET(T, F), &((T*)A)->F, &Symbol, @registers and + - * are",
        )
