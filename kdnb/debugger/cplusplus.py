"""C++ expressions: `??`, `dx`, `@@c++(...)`. Types count here, and a symbol's value is what it holds.

A recursive descent that computes as it reads, over the operators that change nothing; registers have `@`, numbers
follow C's rules. Nothing is written, no function is called: assignments and calls are refused by name.
"""

from __future__ import annotations

import operator
import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.debugger.cplusplus_types import (
    BOOL,
    DOUBLE,
    INT,
    INT64,
    UINT,
    UINT64,
    arithmetic_type,
    basic_type,
    c_words,
    fitted,
    parse_type_name,
)
from kdnb.debugger.locals import typed_local
from kdnb.debugger.type_lookup import TypeLookup
from kdnb.debugger.type_rows import follow_path
from kdnb.debugger.typed import number_of
from kdnb.errors import ExpressionError, UnknownNameError, UnsupportedError
from kdnb.symbols.types import (
    Array,
    Function,
    Pointer,
    PointerTo,
    Scalar,
    StructType,
    Unknown,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.debugger.session import Session
    from kdnb.symbols.types import FieldType

__all__ = ["Value", "evaluate_cplusplus", "parse_leading_cplusplus"]

MAX_DEPTH = 64
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
_LEVELS: tuple[dict[str, Callable[[int, int], int]], ...] = (
    {"||": lambda a, b: a or b},
    {"&&": lambda a, b: a and b},
    {"|": operator.or_},
    {"^": operator.xor},
    {"&": operator.and_},
    {"==": operator.eq, "!=": operator.ne},
    {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge},
    {"<<": lambda a, b: a << b if 0 <= b < 64 else 0, ">>": lambda a, b: a >> min(max(b, 0), 64)},
    {"+": operator.add, "-": operator.sub},
    {"*": operator.mul, "/": operator.floordiv, "%": operator.mod},
)
"""Binary operators from loose to tight."""
_TRUTHS = {"==", "!=", "<", ">", "<=", ">=", "&&", "||"}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}
_TYPED_REGISTERS = {
    **{"$proc": "nt!_EPROCESS", "$curprocess": "nt!_EPROCESS", "$thread": "nt!_ETHREAD", "$curthread": "nt!_ETHREAD"},
    **{"$peb": "nt!_PEB", "$teb": "nt!_TEB"},
}
_DATA_MODEL = {"$curprocess": "$proc", "$curthread": "$thread"}


@dataclass(frozen=True, slots=True)
class Value:
    """What an expression is: a number of a type, or a place in memory that holds one."""

    type: FieldType
    number: int | float | None = None
    """None while it is a place that nobody has read, and for structs, arrays and functions."""
    address: int | None = None
    """Where it lies; None for what only was computed."""

    def number_or_address(self) -> int:
        """The 64 bits that a MASM expression gets: the number, of a struct or array the address."""
        number = self.number if self.number is not None else self.address
        return int(number or 0) & (1 << 64) - 1


def evaluate_cplusplus(text: str, session: Session) -> Value:
    """The value of a C++ expression, read from memory where it is a place. Raises `ExpressionError`."""
    parser = _Parser(text, session)
    value = parser.loaded(parser.expression())
    parser.end()
    return value


def parse_leading_cplusplus(text: str, session: Session) -> tuple[Value, str]:
    """The longest expression that `text` starts with, and the text behind it."""
    parser = _Parser(text, session)
    value = parser.loaded(parser.expression())
    return value, text[parser.at :].lstrip()


class _Parser:
    def __init__(self, text: str, session: Session) -> None:
        self._text = text
        self._session = session
        self._lookup = TypeLookup(session)
        self._depth = 0
        self._unused = 0
        """Greater than 0 in the branch of `?:`, `&&`, `||` that doesn't count: nothing is read there."""
        self.at = 0

    # --- words ----------------------------------------------------------------------------------

    def _peek(self) -> re.Match[str] | None:
        return _TOKEN.match(self._text, self.at)

    def _sign(self, *signs: str) -> str:
        """The sign that comes next, if it is one of these; it is taken then."""
        found = self._peek()
        if found is None or found["sign"] not in signs:
            return ""
        self.at = found.end()
        return found["sign"]

    def _expect(self, sign: str) -> None:
        if not self._sign(sign):
            raise ExpressionError(f"Syntax error at '{self._rest}'", f"'{sign}' is missing")

    @property
    def _rest(self) -> str:
        return self._text[self.at :].strip()[:60] or "<EOL>"

    def end(self) -> None:
        """Nothing may be left."""
        rest = self._text[self.at :].strip()
        if rest[:1] == "=" or rest[:2] in ("++", "--"):
            raise UnsupportedError("C++ expressions don't change anything here", "ed, eq and r do")
        if rest[:1] == "(":
            raise UnsupportedError("functions of the target can't be called", "bp and g let the target call them")
        if rest:
            raise ExpressionError(f"Extra character error in '{rest[:60]}'")

    # --- operators ------------------------------------------------------------------------------

    def expression(self) -> Value:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError(f"Syntax error at '{self._rest}'", "nested too deeply")
        value = self._binary(0)
        if self._sign("?"):
            chosen = bool(self._number(value))
            first = self._part(chosen, self.expression)
            self._expect(":")
            second = self._part(not chosen, self.expression)
            value = first if chosen else second
        self._depth -= 1
        return value

    def _part(self, counts: bool, parse: Callable[[], Value]) -> Value:
        """An operand that is read from memory only where it counts."""
        self._unused += not counts
        try:
            return self.loaded(parse())
        finally:
            self._unused -= not counts

    def _binary(self, level: int) -> Value:
        if level == len(_LEVELS):
            return self._unary()
        value = self._binary(level + 1)
        while sign := self._sign(*_LEVELS[level]):
            left = self._number(value)
            counts = not (sign == "&&" and not left) and not (sign == "||" and left)
            right = self._part(counts, lambda: self._binary(level + 1))
            value = self._combine(sign, _LEVELS[level][sign], value, left, right)
        return value

    def _combine(
        self, sign: str, function: Callable[[int, int], int], left: Value, number: float, right: Value
    ) -> Value:
        other = self._number(right)
        if sign in _TRUTHS:
            return Value(BOOL, int(bool(function(number, other))))  # type: ignore[arg-type]  # floats compare as well
        for pointer, count, value in ((left, other, number), (right, number, other)):
            step = _step(pointer.type)
            if step and sign in "+-":
                if _step(right.type) and pointer is left and sign == "-":
                    return Value(INT64, int(number - other) // step)
                return Value(_decayed(pointer.type, self._session.pointer_size), int(function(value, count * step)))  # type: ignore[arg-type]  # as above
        if sign in "/%" and not other:
            raise ExpressionError(f"Operand error at '{sign} {self._rest}'", "the divisor is 0")
        of = left.type if sign in ("<<", ">>") else right.type
        kind = arithmetic_type(left.type, of)
        if kind == DOUBLE:
            if sign not in "+-*/":
                raise ExpressionError(f"Operand error at '{sign} {self._rest}'", "of whole numbers only")
            return Value(kind, operator.truediv(number, other) if sign == "/" else function(number, other))  # type: ignore[arg-type]  # as above
        first, second = int(fitted(kind, number)), int(fitted(kind, other))
        if sign in "/%":  # C rounds towards zero, and what is left has the sign of the dividend
            quotient = abs(first) // abs(second) * (1 if (first < 0) == (second < 0) else -1)
            return Value(kind, fitted(kind, quotient if sign == "/" else first - quotient * second))
        return Value(kind, fitted(kind, function(first, second)))

    def _unary(self) -> Value:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError(f"Syntax error at '{self._rest}'", "nested too deeply")
        value = self._prefixed()
        self._depth -= 1
        return value

    def _prefixed(self) -> Value:
        if cast := self._cast():
            return cast
        match self._sign("-", "+", "~", "!", "*", "&", "++", "--"):
            case "*":
                return self._pointed(self._unary())
            case "&":
                value = self._unary()
                if value.address is None:
                    raise ExpressionError(f"Operand error at '{self._rest}'", "& needs something in memory")
                return Value(PointerTo.make(value.type, self._session.pointer_size), value.address)
            case "!":
                return Value(BOOL, int(not self._number(self._unary())))
            case "-" | "+" | "~" as sign:
                value = self._unary()
                number = self._number(value)
                kind = arithmetic_type(value.type, INT)
                if sign == "~" and kind == DOUBLE:
                    raise ExpressionError(f"Operand error at '~ {self._rest}'", "of whole numbers only")
                changed = ~int(number) if sign == "~" else -number if sign == "-" else number
                return Value(kind, fitted(kind, changed))
            case "++" | "--":
                raise UnsupportedError("C++ expressions don't change anything here", "ed, eq and r do")
        return self._postfixed(self._primary())

    def _cast(self) -> Value | None:
        """`(Type)operand`; None where the bracket holds no type."""
        before = self.at
        if not self._sign("("):
            return None
        of = self._type_name()
        if of is None or not self._sign(")"):
            self.at = before
            return None
        operand = self._unary()
        if isinstance(of, (StructType, Array)):
            raise ExpressionError(f"Operand error at '{self._rest}'", f"cast to a pointer: ({c_words(of)} *)")
        return Value(of, fitted(of, self._number(operand)))

    def _type_name(self) -> FieldType | None:
        """The type that stands here; nothing is taken where there is none of that name."""
        found = parse_type_name(self._text, self.at)
        of = self._named_type(found.name) if found is not None else None
        if found is None:
            return None
        if of is None:
            if found.pointers and self._text[found.end : found.end + 1] == ")":
                raise self._lookup.unknown(found.name)
            return None
        self.at = found.end
        for _ in range(min(found.pointers, 8)):
            of = PointerTo.make(of, self._session.pointer_size)
        return of

    def _named_type(self, name: str) -> FieldType | None:
        basic = basic_type(name, self._session.pointer_size)
        if basic is not None:
            return basic
        found = self._lookup.find(name)
        return found.type if found is not None else self._lookup.typedef(name)

    def _postfixed(self, value: Value) -> Value:
        while sign := self._sign(".", "->", "["):
            if sign == "[":
                index = int(self._number(self.expression()))
                self._expect("]")
                value = self._element(value, index)
                continue
            if sign == "->" or isinstance(value.type, Pointer):  # WinDbg takes a dot for an arrow as well
                value = self._pointed(value)
            value = self._member(value)
        return value

    def _element(self, value: Value, index: int) -> Value:
        if isinstance(value.type, Array):
            return Value(value.type.element, None, (value.address or 0) + index * value.type.element.size)
        if not isinstance(value.type, Pointer):
            raise ExpressionError(f"Type error at '[{index}]{self._rest}'", f"{c_words(value.type)} has no elements")
        target = value.type.target
        return Value(target, None, int(self._number(value)) + index * target.size & self._session.address_mask)

    def _member(self, value: Value) -> Value:
        found = self._peek()
        if found is None or not found["name"]:
            raise ExpressionError(f"Syntax error at '{self._rest}'", "the name of a field is missing")
        if not isinstance(value.type, StructType):
            raise ExpressionError(f"Type error at '{self._rest}'", f"{c_words(value.type)} has no fields")
        offset, of = follow_path(value.type, found["name"])
        self.at = found.end()
        return Value(of, None, (value.address or 0) + offset & self._session.address_mask)

    def _pointed(self, value: Value) -> Value:
        """What a pointer (or the first element of an array) points to."""
        if isinstance(value.type, Array):
            return Value(value.type.element, None, value.address)
        if not isinstance(value.type, Pointer):
            raise ExpressionError(f"Type error at '{self._rest}'", f"{c_words(value.type)} is no pointer: (Type *)")
        return Value(value.type.target, None, int(self._number(value)) & self._session.address_mask)

    # --- operands -------------------------------------------------------------------------------

    def _primary(self) -> Value:
        if self._sign("("):
            value = self.expression()
            self._expect(")")
            return value
        found = self._peek()
        if found is None or found["sign"]:
            raise ExpressionError(f"Syntax error at '{self._rest}'")
        self.at = found.end()
        if found["number"]:
            return _literal(found["number"], found["suffix"])
        if found["char"]:
            text = re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), found["char"])
            return Value(INT, int.from_bytes(text.encode("latin-1", "replace")[-4:], "big"))
        if found["evaluator"]:
            return Value(UINT64, self._masm())
        if found["register"]:
            return self._register(found["register"])
        if found["builtin"]:
            return self._builtin(found["builtin"].lstrip("#"))
        return self._name(found["name"], found.start())

    def _masm(self) -> int:
        """`@@(...)` and `@@masm(...)`: a MASM expression up to the bracket that closes it."""
        start, depth = self.at, 1
        for at in range(start, len(self._text)):
            depth += {"(": 1, ")": -1}.get(self._text[at], 0)
            if not depth:
                self.at = at + 1
                return self._session.evaluate(self._text[start:at])
        raise ExpressionError(f"Syntax error at '{self._rest}'", "')' is missing")

    def _register(self, name: str) -> Value:
        lowered = _DATA_MODEL.get(name.lower(), name.lower())
        environment = self._session.environment
        number = environment.pseudo_register(lowered[1:]) if name[0] == "$" else environment.register(lowered)
        if number is None:
            raise ExpressionError(f"Bad register error at '@{name[:60]}'", "r lists the registers")
        of: FieldType = UINT64 if self._session.pointer_size == 8 or number >> 32 else UINT
        typed = environment.typed.get(lowered[1:]) if name[0] == "$" else None
        struct_name = _TYPED_REGISTERS.get(name.lower())
        found = self._lookup.find(struct_name) if struct_name is not None else None
        if typed is not None and typed.number == number:
            of = typed.type
        elif found is not None:
            of = PointerTo.make(found.type, self._session.pointer_size)
        return Value(of, number)

    def _builtin(self, name: str) -> Value:
        """`sizeof(T)`, `#FIELD_OFFSET(T, F)`, `#CONTAINING_RECORD(A, T, F)`, from behind the bracket on."""
        if name == "sizeof":
            of = self._type_name()
            if of is None:
                of = self._part(False, self.expression).type
            self._expect(")")
            return Value(UINT64 if self._session.pointer_size == 8 else UINT, of.size)
        address = 0
        if name == "CONTAINING_RECORD":
            address = int(self._number(self.expression()))
            self._expect(",")
        of = self._type_name()
        if not isinstance(of, StructType):
            raise ExpressionError(f"Syntax error at '{self._rest}'", "the name of a struct is missing")
        self._expect(",")
        path = re.compile(r"\s*([\w$.]+)").match(self._text, self.at)
        if path is None:
            raise ExpressionError(f"Syntax error at '{self._rest}'", "the name of a field is missing")
        self.at = path.end()
        offset, _ = follow_path(of, path[1])
        self._expect(")")
        if name == "FIELD_OFFSET":
            return Value(INT, offset)
        return Value(PointerTo.make(of, self._session.pointer_size), address - offset & self._session.address_mask)

    def _name(self, name: str, start: int) -> Value:
        """A variable: local, then global. A name without a type is a place of unknown kind."""
        if name in ("true", "false"):
            return Value(BOOL, int(name == "true"))
        if name == "this" or "!" not in name:
            local = typed_local(self._session, name)
            if local is not None:
                of, address, data = local
                return Value(of, None, address) if address is not None else Value(of, _decode(of, data))
        variable = self._lookup.variable(name)
        if variable is not None:
            return Value(variable.type, None, variable.address)
        address = self._session.symbols.lookup(name)
        if address is None and (name[0] == "$" or self._session.registers.has(name)):
            raise ExpressionError(f"Couldn't resolve error at '{name[:60]}'", f"registers have @ in C++: @{name[:60]}")
        if address is None:
            near = self._session.symbols.near(name)
            hint = f"did you mean {', '.join(near[:3])}?" if near else "look names up with: x module!*pattern*"
            raise UnknownNameError(f"Couldn't resolve error at '{self._text[start:].strip()[:60]}'", hint, near)
        return Value(Function() if self._is_function(address) else Unknown(), None, address)

    def _is_function(self, address: int) -> bool:
        return self._session.symbols.function_start(address) == address

    # --- reading --------------------------------------------------------------------------------

    def loaded(self, value: Value) -> Value:
        """With its number, where it is a place that holds one."""
        if value.number is not None or value.address is None or isinstance(value.type, (StructType, Array, Function)):
            return value
        if self._unused:
            return Value(value.type, 0, value.address)
        if isinstance(value.type, Unknown) or not value.type.size:
            raise ExpressionError("Type information missing error", "&name is its address; a cast gives it a type")
        data = self._session.memory.read(value.address, value.type.size)
        return Value(value.type, _decode(value.type, data), value.address)

    def _number(self, value: Value) -> int | float:
        """The number that a value is in arithmetic; arrays and functions are their addresses."""
        if isinstance(value.type, (Array, Function)):
            return value.address or 0
        if isinstance(value.type, StructType):
            raise ExpressionError(f"Type error at '{self._rest}'", f"{c_words(value.type)} is no number")
        number = self.loaded(value).number
        return number if number is not None else 0


def _literal(text: str, suffix: str) -> Value:
    lowered = text.lower().replace("`", "")
    if "." in lowered:
        return Value(DOUBLE, float(lowered))
    bases = {"0x": 16, "0n": 10, "0t": 8, "0y": 2}
    base = bases.get(lowered[:2])
    try:
        if base is not None:
            number = int(lowered[2:], base)
        else:
            number = int(lowered, 8 if len(lowered) > 1 and lowered[0] == "0" else 10)
    except ValueError as error:
        raise ExpressionError(f"Syntax error at '{text[:60]}'", "no number") from error
    if number >> 64:
        raise ExpressionError(f"Numeric value overflow at '{text[:60]}'")
    wide = number >> 32 or "64" in suffix or suffix.lower().count("l") > 1
    unsigned = "u" in suffix.lower() or (base is not None and base != 10 and number >> (63 if wide else 31))
    if not wide and not unsigned and number >> 31:
        wide = True
    unsigned = unsigned or number >> 63
    return Value((UINT64 if unsigned else INT64) if wide else (UINT if unsigned else INT), number)


def _decode(of: FieldType, data: bytes) -> int | float | None:
    if isinstance(of, Scalar) and of.is_float:
        return float(struct.unpack("<f" if of.size == 4 else "<d", data)[0]) if of.size in (4, 8) else None
    return number_of(of, data)


def _step(of: FieldType) -> int:
    """Bytes that one more makes a pointer larger by; 0 for what is no pointer."""
    target = of.target if isinstance(of, Pointer) else of.element if isinstance(of, Array) else None
    return 0 if target is None else target.size or 1


def _decayed(of: FieldType, size: int) -> FieldType:
    return PointerTo.make(of.element, size) if isinstance(of, Array) else of
