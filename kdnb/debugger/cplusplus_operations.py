"""What the operators of C++ expressions do: arithmetic by C's rules on typed values, and places in memory."""

from __future__ import annotations

import operator
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
    c_words,
    fitted,
)
from kdnb.debugger.type_rows import follow_path
from kdnb.debugger.typed import number_of
from kdnb.errors import ExpressionError
from kdnb.symbols.types import Array, Function, Pointer, PointerTo, Scalar, StructType, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.debugger.cplusplus_tokens import Tokens
    from kdnb.debugger.session import Session
    from kdnb.symbols.types import FieldType

__all__ = ["Operations", "Value", "decode", "literal"]

_BINARY: dict[str, Callable[[int, int], int]] = {
    "||": lambda a, b: a or b,
    "&&": lambda a, b: a and b,
    "|": operator.or_,
    "^": operator.xor,
    "&": operator.and_,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "<<": lambda a, b: a << b if 0 <= b < 64 else 0,
    ">>": lambda a, b: a >> min(max(b, 0), 64),
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.floordiv,
    "%": operator.mod,
}
_TRUTHS = {"==", "!=", "<", ">", "<=", ">=", "&&", "||"}


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


class Operations:
    """The operators on one target; `tokens` says where an expression stands, for the texts of errors."""

    def __init__(self, session: Session, tokens: Tokens) -> None:
        self._session = session
        self._tokens = tokens
        self.unused = 0
        """Greater than 0 in the branch of `?:`, `&&`, `||` that doesn't count: nothing is read there."""

    def loaded(self, value: Value) -> Value:
        """With its number, where it is a place that holds one."""
        if value.number is not None or value.address is None or isinstance(value.type, (StructType, Array, Function)):
            return value
        if self.unused:
            return Value(value.type, 0, value.address)
        if isinstance(value.type, Unknown) or not value.type.size:
            raise ExpressionError("Type information missing error", "&name is its address; a cast gives it a type")
        data = self._session.memory.read(value.address, value.type.size)
        return Value(value.type, decode(value.type, data), value.address)

    def number(self, value: Value) -> int | float:
        """The number that a value is in arithmetic; arrays and functions are their addresses."""
        if isinstance(value.type, (Array, Function)):
            return value.address or 0
        if isinstance(value.type, StructType):
            raise ExpressionError(f"Type error at '{self._tokens.rest}'", f"{c_words(value.type)} is no number")
        number = self.loaded(value).number
        return number if number is not None else 0

    def binary(self, sign: str, left: Value, right: Value) -> Value:
        """`left sign right`, pointers in steps of what they point to."""
        function = _BINARY[sign]
        number, other = self.number(left), self.number(right)
        if sign in _TRUTHS:
            return Value(BOOL, int(bool(function(number, other))))  # type: ignore[arg-type]  # floats compare as well
        for pointer, count, value in ((left, other, number), (right, number, other)):
            step = _step(pointer.type)
            if step and sign in "+-":
                if _step(right.type) and pointer is left and sign == "-":
                    return Value(INT64, int(number - other) // step)
                return Value(_decayed(pointer.type, self._session.pointer_size), int(function(value, count * step)))  # type: ignore[arg-type]  # as above
        if sign in "/%" and not other:
            raise ExpressionError(f"Operand error at '{sign} {self._tokens.rest}'", "the divisor is 0")
        of = left.type if sign in ("<<", ">>") else right.type
        kind = arithmetic_type(left.type, of)
        if kind == DOUBLE:
            if sign not in "+-*/":
                raise ExpressionError(f"Operand error at '{sign} {self._tokens.rest}'", "of whole numbers only")
            return Value(kind, operator.truediv(number, other) if sign == "/" else function(number, other))  # type: ignore[arg-type]  # as above
        first, second = int(fitted(kind, number)), int(fitted(kind, other))
        if sign in "/%":  # C rounds towards zero, and what is left has the sign of the dividend
            quotient = abs(first) // abs(second) * (1 if (first < 0) == (second < 0) else -1)
            return Value(kind, fitted(kind, quotient if sign == "/" else first - quotient * second))
        return Value(kind, fitted(kind, function(first, second)))

    def unary(self, sign: str, value: Value) -> Value:
        """`sign value`, of the signs that change no memory."""
        match sign:
            case "*":
                return self.pointed(value)
            case "&":
                if value.address is None:
                    raise ExpressionError(f"Operand error at '{self._tokens.rest}'", "& needs something in memory")
                return Value(PointerTo.make(value.type, self._session.pointer_size), value.address)
            case "!":
                return Value(BOOL, int(not self.number(value)))
        number = self.number(value)
        kind = arithmetic_type(value.type, INT)
        if sign == "~" and kind == DOUBLE:
            raise ExpressionError(f"Operand error at '~ {self._tokens.rest}'", "of whole numbers only")
        changed = ~int(number) if sign == "~" else -number if sign == "-" else number
        return Value(kind, fitted(kind, changed))

    def cast(self, of: FieldType, value: Value) -> Value:
        """`(of)value`, to numbers and pointers."""
        if isinstance(of, (StructType, Array)):
            raise ExpressionError(f"Operand error at '{self._tokens.rest}'", f"cast to a pointer: ({c_words(of)} *)")
        return Value(of, fitted(of, self.number(value)))

    def pointed(self, value: Value) -> Value:
        """What a pointer (or the first element of an array) points to."""
        if isinstance(value.type, Array):
            return Value(value.type.element, None, value.address)
        if not isinstance(value.type, Pointer):
            raise ExpressionError(
                f"Type error at '{self._tokens.rest}'", f"{c_words(value.type)} is no pointer: (Type *)"
            )
        return Value(value.type.target, None, int(self.number(value)) & self._session.address_mask)

    def element(self, value: Value, index: int) -> Value:
        """`value[index]`."""
        if isinstance(value.type, Array):
            return Value(value.type.element, None, (value.address or 0) + index * value.type.element.size)
        if not isinstance(value.type, Pointer):
            raise ExpressionError(
                f"Type error at '[{index}]{self._tokens.rest}'", f"{c_words(value.type)} has no elements"
            )
        target = value.type.target
        return Value(target, None, int(self.number(value)) + index * target.size & self._session.address_mask)

    def member(self, value: Value, name: str) -> Value:
        """`value.name`."""
        if not isinstance(value.type, StructType):
            raise ExpressionError(f"Type error at '{self._tokens.rest}'", f"{c_words(value.type)} has no fields")
        offset, of = follow_path(value.type, name)
        return Value(of, None, (value.address or 0) + offset & self._session.address_mask)


def literal(text: str, suffix: str) -> Value:
    """A number as it is written, of the type that C gives it."""
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


def decode(of: FieldType, data: bytes) -> int | float | None:
    """The number that the bytes of a value are; None where the type holds none."""
    if isinstance(of, Scalar) and of.is_float:
        return float(struct.unpack("<f" if of.size == 4 else "<d", data)[0]) if of.size in (4, 8) else None
    return number_of(of, data)


def _step(of: FieldType) -> int:
    """Bytes that one more makes a pointer larger by; 0 for what is no pointer."""
    target = of.target if isinstance(of, Pointer) else of.element if isinstance(of, Array) else None
    return 0 if target is None else target.size or 1


def _decayed(of: FieldType, size: int) -> FieldType:
    return PointerTo.make(of.element, size) if isinstance(of, Array) else of
