"""Values of C++ expressions in words: those of `??`, and those of `dx`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.debugger.cplusplus_operations import Value
from kdnb.debugger.cplusplus_types import BOOL, c_words
from kdnb.debugger.type_rows import Selection, dump_struct
from kdnb.debugger.typed import TypedReader, clean_text, number_of
from kdnb.errors import MemoryReadError
from kdnb.results.addresses import format_address
from kdnb.results.typed_values import DataField, DataView, TypedValue
from kdnb.symbols.types import Array, BitField, Enumeration, Function, Pointer, Scalar, StructType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.debugger.session import Session
    from kdnb.symbols.types import FieldType

__all__ = ["data_view", "describe"]

MAX_TEXT = 0x200
MAX_ELEMENTS = 100
MAX_FIELDS = 4096
MAX_STRUCT = 0x10_0000


def describe(session: Session, value: Value) -> TypedValue:
    """A value as `??` shows it."""
    words = _Words(session)
    of = value.type
    target = of.target if isinstance(of, Pointer) else of
    at = value.address if isinstance(of, StructType) else int(value.number or 0) if isinstance(of, Pointer) else None
    dump = None
    if isinstance(target, StructType) and at:
        dump = dump_struct(words.reader, target.name, target, at, Selection())
    return TypedValue(
        c_words(of), value.number, words.of(of, value.number, value.address), value.address, session.pointer_size, dump
    )


def data_view(session: Session, name: str, value: Value, depth: int) -> DataView:
    """A value as `dx` shows it, opened `depth` levels deep."""
    rows: list[DataField] = []
    note = ""
    for row in _Words(session, plain=True).rows(name, value, None, 0, depth):
        if len(rows) == MAX_FIELDS:
            note = f"cut after {MAX_FIELDS} rows"
            break
        rows.append(row)
    return DataView(tuple(rows), note)


class _Words:
    """`plain` is dx's style: decimal signed numbers, addresses without an accent."""

    def __init__(self, session: Session, *, plain: bool = False) -> None:
        self._session = session
        self._plain = plain
        self.reader = TypedReader(session.memory, session.pointer_size, session.symbols.name_at)

    def of(self, of: FieldType, number: float | None, address: int | None) -> str:
        """Words for a value; empty for structs."""
        if isinstance(of, (StructType, Array)):
            return self._struct_or_array(of, address)
        if isinstance(of, Function):
            return f"{self._address(address or 0)} {self._session.symbols.name_at(address or 0) or ''}".rstrip()
        if number is None:
            return "<unknown>"
        if isinstance(of, Pointer):
            return self._pointer(of, int(number))
        if isinstance(of, BitField):
            of = of.base
        if isinstance(of, Enumeration):
            name = of.values.get(int(number) & (1 << 8 * of.size) - 1, "<No matching enumerant>")
            return f"{name} ({number})" if self._plain else f"{name} (0n{number})"
        if isinstance(number, float) or (isinstance(of, Scalar) and of.is_float):
            return f"{number:g}"
        if of.size == 1 and (of == BOOL or (isinstance(of, Scalar) and of.word == "Bool")):
            return "true" if number else "false"
        signed = isinstance(of, Scalar) and of.is_signed
        text = (str(number) if self._plain else f"0n{number}") if signed else f"0x{number:x}"
        if isinstance(of, Scalar) and of.is_character:
            code = number & (1 << 8 * of.size) - 1
            text += f" '{chr(code)}'" if 0x20 <= code < 0x7F else " ''"
        return text

    def _address(self, address: int) -> str:
        if self._plain:
            return f"0x{address:x}"
        return f"0x{format_address(address, self._session.pointer_size)}"

    def _pointer(self, of: Pointer, number: int) -> str:
        target = of.target
        text = self._address(number)
        if number and isinstance(target, Scalar) and target.is_character and target.size in (1, 2):
            return f'{text} "{clean_text(self._available(number, MAX_TEXT), target.size)}"'
        if number and isinstance(target, Function):
            return f"{text} {self._session.symbols.name_at(number) or ''}".rstrip()
        return text

    def _struct_or_array(self, of: StructType | Array, address: int | None) -> str:
        if address is None:
            return ""
        if isinstance(of, StructType):
            header = self.reader.string_header(of, self._available(address, of.size)).strip() if self._plain else ""
            return header
        element = of.element
        at = "" if self._plain else self._address(address)
        if isinstance(element, Scalar) and element.is_character and element.size in (1, 2):
            text = clean_text(self._available(address, min(of.size, MAX_TEXT)), element.size)
            return f'{at} "{text}"'.strip()
        return at

    def _available(self, address: int, size: int) -> bytes:
        try:
            return self._session.memory.read(address, size)
        except MemoryReadError as error:
            return error.partial

    # --- dx -------------------------------------------------------------------------------------

    def rows(self, name: str, value: Value, offset: int | None, depth: int, left: int) -> Iterator[DataField]:
        """A row for a value, and rows for what lies below it while levels are left."""
        text = self.of(value.type, value.number, value.address)
        yield DataField(name, c_words(value.type, kind=False), text, value.number, offset, depth)
        if not left:
            return
        of: FieldType = value.type
        address = value.address
        if isinstance(of, Pointer):
            of, address = of.target, int(value.number or 0)
        if not address:
            return
        if isinstance(of, StructType):
            data = self._available(address, min(of.size, MAX_STRUCT))
            for field in of.fields:
                piece = data[field.offset : field.offset + field.type.size]
                yield from self.rows(
                    field.name,
                    self._field(field.type, piece, address + field.offset),
                    field.offset,
                    depth + 1,
                    left - 1,
                )
        elif isinstance(of, Array) and isinstance(value.type, Array) and of.element.size:
            data = self._available(address, min(of.size, MAX_STRUCT))
            size = of.element.size
            for index in range(min(of.count, MAX_ELEMENTS)):
                piece = data[index * size : (index + 1) * size]
                element = self._field(of.element, piece, address + index * size)
                yield from self.rows(f"[{index}]", element, None, depth + 1, left - 1)

    def _field(self, of: FieldType, piece: bytes, address: int) -> Value:
        if isinstance(of, (StructType, Array)) or len(piece) < of.size or not of.size:
            return Value(of, None, address)
        if isinstance(of, Scalar) and of.is_float:
            return Value(of, None, address)
        return Value(of, number_of(of, piece), address)
