"""Typed memory in dt's words: what a type is called, and what the bytes of a value say.

Strings behind pointers and the names of functions are looked up; everything else comes from the bytes given.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.errors import MemoryReadError
from kdnb.results.addresses import format_address
from kdnb.symbols.types import (
    Array,
    BitField,
    Enumeration,
    FieldType,
    Function,
    Pointer,
    Scalar,
    StructType,
    Unknown,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.results.memory import MemoryReader

__all__ = ["NoMemory", "TypedReader", "clean_text", "number_of", "scalar_words", "type_words", "verbose_words"]

TEXT_LIMIT = 512
"""Bytes of a string that are read behind a pointer."""
SHOWN_ELEMENTS = 8
POINTER_LEVELS = 8
STRING_STRUCTS = {"_UNICODE_STRING": 2, "_STRING": 1, "_ANSI_STRING": 1, "_OEM_STRING": 1}
"""Name -> bytes of a character."""
_WHOLE_NUMBERS = frozenset(("_LARGE_INTEGER", "_ULARGE_INTEGER"))


class NoMemory:
    """What a layout without a target is read from."""

    def read(self, address: int, size: int) -> bytes:
        raise MemoryReadError(address, size)


# --- types --------------------------------------------------------------------------------------------


def type_words(of: FieldType) -> str:
    """dt's words for a type."""
    match of:
        case Scalar(word=word) | Unknown(word=word):
            return word
        case Pointer():
            return _pointer_type(of, type_words)
        case Array(element=element, count=count):
            return f"[{count}] {type_words(element)}"
        case BitField(position=position, length=length):
            return f"Pos {position}, {length} Bit{'s' if length != 1 else ''}"
        case StructType(name=name) | Enumeration(name=name):
            return name
        case Function(returns=returns):
            return f"    {returns} "
    return "<unknown>"


def verbose_words(of: FieldType) -> str:
    """dt's words for a type with `-v`: what kind of thing it is, how many parts it has, how large it is."""
    match of:
        case Pointer():
            return _pointer_type(of, lambda target: f"to {verbose_words(target)}")
        case Array(element=element, count=count):
            return f"[{count}] {verbose_words(element)}"
        case BitField():
            return f"Bitfield {type_words(of)}"
        case StructType(name=name, kind=kind, size=size):
            return f"{kind} {name}, {len(of.fields)} elements, 0x{size:x} bytes"
        case Enumeration(name=name, values=values):
            return f"Enum {name},  {len(values)} total enums"
    return type_words(of)


def _pointer_type(of: Pointer, words: Callable[[FieldType], str]) -> str:
    """`Ptr64` for each level of pointers, then what lies at their end; a chain that leads to itself is cut."""
    parts: list[str] = []
    target: FieldType = of
    while isinstance(target, Pointer) and len(parts) < POINTER_LEVELS:
        parts.append(f"Ptr{8 * target.size}")
        target = target.target
    parts.append("Void" if isinstance(target, Pointer) else words(target))
    return " ".join(parts)


# --- values -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TypedReader:
    """Words for values. `name_at` gives `module!symbol` of an address, for function pointers."""

    memory: MemoryReader
    """Virtual memory, for what lies behind pointers."""
    address_size: int
    name_at: Callable[[int], str | None] = lambda address: None

    def words(self, of: FieldType, data: bytes) -> str:
        """What `dt` prints for the bytes of a value."""
        match of:
            case Pointer():
                return self._pointer_words(of, int.from_bytes(data, "little"))
            case Array():
                return self._array_words(of, data)
            case StructType(name="_LIST_ENTRY", size=size) if size == 2 * self.address_size:
                links = [int.from_bytes(data[at : at + self.address_size], "little") for at in (0, self.address_size)]
                return f"_LIST_ENTRY [ {self.hex(links[0])} - {self.hex(links[1])} ]"
            case StructType(name=name, size=8) if name in _WHOLE_NUMBERS:
                return f"{name} {self.hex(int.from_bytes(data, 'little'), 8)}"
            case StructType(name=name):
                return f"{name}{self.string_header(of, data)}"
        return scalar_words(of, data)

    def hex(self, value: int, size: int = 0) -> str:
        return f"0x{format_address(value, size or self.address_size)}"

    def string(self, of: StructType, data: bytes) -> str | None:
        """The text of a _UNICODE_STRING or _STRING; None for other structs, and where it can't be read."""
        width = STRING_STRUCTS.get(of.name)
        buffer = of.field("Buffer")
        if width is None or buffer is None or len(data) < of.size:
            return None
        length = min(int.from_bytes(data[:2], "little"), TEXT_LIMIT)
        at = int.from_bytes(data[buffer.offset : buffer.offset + self.address_size], "little")
        text = self._available(at, length) if at and length else b""
        return None if length and not text else clean_text(text, width, whole=True)

    def string_header(self, of: StructType, data: bytes) -> str:
        """` "text"` of a string struct; empty for others."""
        if of.name not in STRING_STRUCTS:
            return ""
        text = self.string(of, data)
        return ' "???"' if text is None else f' "{text}"'

    def _pointer_words(self, of: Pointer, value: int) -> str:
        if value == 0:
            return "(null) "
        target = of.target
        if isinstance(target, Function):
            return f"{self.hex(value)} {type_words(target)} {self.name_at(value) or ''}".rstrip()
        if isinstance(target, Scalar) and target.is_character:
            text = self._text(value, target.size)
            return f"{self.hex(value)} {target.word}" if text is None else f'{self.hex(value)}  "{text}"'
        words = type_words(target)
        return f"{self.hex(value)} {words}"

    def _array_words(self, of: Array, data: bytes) -> str:
        element = of.element
        if isinstance(element, Scalar) and element.is_character:
            return f'[{of.count}]  "{clean_text(data, element.size)}"'
        if isinstance(element, (Scalar, Pointer, Enumeration)) and 0 < of.count <= SHOWN_ELEMENTS and element.size:
            size = element.size
            items = [scalar_words(element, data[at : at + size]) for at in range(0, len(data), size)]
            return f"[{of.count}] {' '.join(items)}"
        return f"[{of.count}] {type_words(element)}"

    def _text(self, address: int, width: int) -> str | None:
        data = self._available(address, TEXT_LIMIT)
        return clean_text(data, width) if data else None

    def _available(self, address: int, size: int) -> bytes:
        try:
            return self.memory.read(address, size)
        except MemoryReadError as error:
            return error.partial


def number_of(of: FieldType, data: bytes) -> int | None:
    """The value of a field that is one number; None for structs, arrays and floats."""
    match of:
        case BitField(position=position, length=length):
            return int.from_bytes(data, "little") >> position & ((1 << length) - 1)
        case Scalar(is_float=True):
            return None
        case Scalar(is_signed=True):
            return int.from_bytes(data, "little", signed=True)
        case Scalar() | Pointer() | Enumeration():
            return int.from_bytes(data, "little")
    return None


def scalar_words(of: FieldType, data: bytes) -> str:
    """dt's form of one number: signed ones decimal (`0n-5`), unsigned ones hex, bit fields binary (`0y01`)."""
    number = number_of(of, data)
    match of:
        case Scalar(is_float=True, size=4 | 8):
            return f"{struct.unpack('<f' if of.size == 4 else '<d', data)[0]:g}"
        case Scalar(is_character=True, size=1 | 2):
            code = int.from_bytes(data, "little")
            shown = chr(code) if 0x20 <= code < 0x7F else ""
            return f"{_hex_or_zero(code)} '{shown}'"
        case BitField(length=length):
            return f"0y{number:0{length}b}" if length < 12 else f"0y{number:0{length}b} (0x{number:x})"
        case Enumeration(values=values):
            known = values.get(number or 0)
            return f"0n{number} ( {known} )" if known else f"0n{number} (No matching name)"
        case Scalar(is_signed=True):
            return f"0n{number}"
        case Pointer(size=size):
            return f"0x{format_address(number or 0, size)}"
    return "<unknown>" if number is None else _hex_or_zero(number)


def _hex_or_zero(number: int) -> str:
    return f"0x{number:x}" if number else "0"


def clean_text(data: bytes, width: int, *, whole: bool = False) -> str:
    """Text up to its NUL (or all of it), without control characters."""
    text = data.decode("utf-16-le" if width == 2 else "latin-1", "replace")
    if not whole:
        text = text.split("\0", 1)[0]
    return "".join(char if char.isprintable() else "." for char in text)
