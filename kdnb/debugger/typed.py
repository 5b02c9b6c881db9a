"""Typed memory: what the fields of a struct hold, as `dt` words it and as Python values.

A struct is read in one piece, never field by field; a hole costs only the fields in it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kdnb.errors import MemoryReadError
from kdnb.results.addresses import format_address
from kdnb.results.types import FieldInfo, TypeDump
from kdnb.symbols.types import (
    Array,
    BitField,
    Enumeration,
    FieldType,
    Function,
    Pointer,
    Scalar,
    StructField,
    StructType,
    Unknown,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.results.memory import MemoryReader

__all__ = ["TypedReader", "type_words"]

TEXT_LIMIT = 512
"""Bytes of a string that are read behind a pointer."""
SHOWN_ELEMENTS = 8
MAX_STRUCT = 0x10000


def type_words(of: FieldType) -> str:
    """dt's words for a type."""
    match of:
        case Scalar(word=word) | Unknown(word=word):
            return word
        case Pointer(size=size):
            return f"Ptr{8 * size} {_target_words(of)}"
        case Array(element=element, count=count):
            return f"[{count}] {type_words(element)}"
        case BitField(position=position, length=length):
            return f"Pos {position}, {length} Bit{'s' if length != 1 else ''}"
        case StructType(name=name) | Enumeration(name=name):
            return name
        case Function():
            return "     void "
    return "<unknown>"


def _target_words(of: Pointer) -> str:
    target = of.target
    if isinstance(target, Pointer):
        return f"Ptr{8 * target.size} {_target_words(target)}" if not isinstance(target.target, Pointer) else "Ptr Ptr"
    return type_words(target)


@dataclass(frozen=True, slots=True)
class TypedReader:
    """Reads structs from memory. `name_at` gives `module!symbol` of an address, for function pointers."""

    memory: MemoryReader
    address_size: int
    name_at: Callable[[int], str | None]

    def layout(self, name: str, of: StructType) -> TypeDump:
        """The fields of a type without an address."""
        fields = tuple(_field(entry) for entry in of.fields)
        return TypeDump(name, of.size, fields, self.address_size)

    def dump(self, name: str, of: StructType, address: int) -> TypeDump:
        """The fields and what they hold at `address`."""
        data = self._available(address, min(of.size, MAX_STRUCT))
        fields = tuple(self.field(entry, data, address) for entry in of.fields)
        header = self._string_header(of, data)
        return TypeDump(name, of.size, fields, self.address_size, address, header)

    def field(self, entry: StructField, data: bytes, address: int, depth: int = 0) -> FieldInfo:
        """One field of the struct whose bytes (up to a hole) are `data`."""
        piece = data[entry.offset : entry.offset + entry.type.size]
        if len(piece) < entry.type.size:
            hole = address + len(data)
            problem = f"can't read {format_address(hole, self.address_size)}"
            return _field(entry, depth, None, "????", problem)
        return _field(entry, depth, number_of(entry.type, piece), self.words(entry.type, piece))

    def words(self, of: FieldType, data: bytes) -> str:
        """What `dt` prints for the bytes of a value."""
        match of:
            case Pointer():
                return self._pointer_words(of, int.from_bytes(data, "little"))
            case Array():
                return self._array_words(of, data)
            case StructType(name="_LIST_ENTRY" | "LIST_ENTRY", size=size) if size == 2 * self.address_size:
                links = [int.from_bytes(data[at : at + self.address_size], "little") for at in (0, self.address_size)]
                return f"_LIST_ENTRY [ {self._hex(links[0])} - {self._hex(links[1])} ]"
            case StructType(name=name):
                text = self._string_header(of, data)
                return f"{name}{text}" if text else name
        return scalar_words(of, data)

    def value(self, of: FieldType, data: bytes, address: int) -> Any:
        """The bytes as a Python value: numbers, bytes of character arrays, lists, dicts of structs."""
        match of:
            case StructType():
                return {
                    entry.name: self.value(entry.type, data[entry.offset : entry.offset + entry.type.size], address)
                    for entry in of.fields
                }
            case Array(element=Scalar(is_character=True)):
                return data
            case Array(element=element, count=count):
                size = element.size
                return [self.value(element, data[at * size : (at + 1) * size], address) for at in range(count)]
            case Scalar(is_float=True, size=4 | 8):
                return struct.unpack("<f" if of.size == 4 else "<d", data)[0]
            case Scalar(is_signed=True):
                return int.from_bytes(data, "little", signed=True)
        return number_of(of, data)

    # --- words ----------------------------------------------------------------------------------

    def _hex(self, value: int) -> str:
        return f"0x{format_address(value, self.address_size)}"

    def _pointer_words(self, of: Pointer, value: int) -> str:
        if value == 0:
            return "(null) "
        target = of.target
        if isinstance(target, Function):
            return f"{self._hex(value)}     {self.name_at(value) or ''}".rstrip()
        if isinstance(target, Scalar) and target.is_character:
            text = self._text(value, target.size)
            return f'{self._hex(value)}  "{text}"' if text is not None else f"{self._hex(value)} {target.word}"
        return f"{self._hex(value)} {type_words(target)}"

    def _array_words(self, of: Array, data: bytes) -> str:
        element = of.element
        if isinstance(element, Scalar) and element.is_character:
            return f'[{of.count}]  "{_clean(data, element.size)}"'
        if isinstance(element, (Scalar, Pointer)) and 0 < of.count <= SHOWN_ELEMENTS:
            size = element.size
            items = [scalar_words(element, data[at : at + size]) for at in range(0, len(data), size)]
            return f"[{of.count}] {' '.join(items)}"
        return f"[{of.count}] {type_words(element)}"

    def _string_header(self, of: StructType, data: bytes) -> str:
        """` "text"` for _UNICODE_STRING and _STRING."""
        width = {"_UNICODE_STRING": 2, "_STRING": 1, "_ANSI_STRING": 1}.get(of.name)
        buffer = of.field("Buffer")
        if width is None or buffer is None or len(data) < of.size:
            return ""
        length = min(int.from_bytes(data[:2], "little"), TEXT_LIMIT)
        at = int.from_bytes(data[buffer.offset : buffer.offset + self.address_size], "little")
        text = self._available(at, length) if at and length else b""
        return f' "{_clean(text, width, whole=True)}"'

    def _text(self, address: int, width: int) -> str | None:
        data = self._available(address, TEXT_LIMIT)
        return _clean(data, width) if data else None

    def _available(self, address: int, size: int) -> bytes:
        try:
            return self.memory.read(address, size)
        except MemoryReadError as error:
            return error.partial


def _field(
    entry: StructField, depth: int = 0, value: int | None = None, text: str | None = None, problem: str = ""
) -> FieldInfo:
    return FieldInfo(entry.name, entry.offset, entry.type.size, type_words(entry.type), depth, value, text, problem)


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
        case Scalar(is_character=True, size=1):
            byte = data[0]
            return (
                f"0x{byte:x} '{chr(byte) if 0x20 <= byte < 0x7F else ''}'" if 0x20 <= byte < 0x7F else f"0x{byte:x} ''"
            )
        case BitField(length=length):
            return f"0y{number:0{length}b}" if length < 12 else f"0x{number:x}"
        case Enumeration(values=values):
            known = values.get(number or 0)
            return f"0n{number} ( {known} )" if known else f"0n{number} (No matching name)"
        case Scalar(is_signed=True):
            return f"0n{number}"
        case Pointer(size=size):
            return f"0x{format_address(number or 0, size)}"
    return "<unknown>" if number is None else f"0x{number:x}"


def _clean(data: bytes, width: int, *, whole: bool = False) -> str:
    """Text up to its NUL (or all of it), without control characters."""
    text = data.decode("utf-16-le" if width == 2 else "latin-1", "replace")
    if not whole:
        text = text.split("\0", 1)[0]
    return "".join(char if char.isprintable() else "." for char in text)
