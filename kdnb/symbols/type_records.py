"""Type records of a PDB (CodeView leaves): one record's bytes to one value.

Knows single records, not how they refer to each other; `types` joins them. Both generations that are still met are
read: names with a NUL (and their `2` forms of newer compilers), and names with a length byte (`_ST`).
Layouts: Microsoft's published `cvinfo.h`; checked against `llvm-pdbutil dump -types`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from kdnb.errors import SymbolFileError
from kdnb.symbols.names import printable_name

__all__ = [
    "ArrayRecord",
    "BaseClass",
    "BitFieldRecord",
    "EnumRecord",
    "Enumerator",
    "FieldList",
    "Member",
    "ModifierRecord",
    "NestedType",
    "PointerRecord",
    "ProcedureRecord",
    "Record",
    "StaticMember",
    "StructRecord",
    "parse_record",
]

FORWARD_REFERENCE = 0x0080
HAS_UNIQUE_NAME = 0x0200


@dataclass(frozen=True, slots=True)
class ModifierRecord:
    """const, volatile or unaligned in front of a type."""

    type_index: int
    flags: int


@dataclass(frozen=True, slots=True)
class PointerRecord:
    type_index: int
    size: int
    mode: int
    """0 pointer, 1 lvalue reference, 2 and 3 pointers to members, 4 rvalue reference."""


@dataclass(frozen=True, slots=True)
class ProcedureRecord:
    return_type: int
    argument_list: int


@dataclass(frozen=True, slots=True)
class ArrayRecord:
    element_type: int
    size: int
    """In bytes."""
    name: str


@dataclass(frozen=True, slots=True)
class BitFieldRecord:
    type_index: int
    position: int
    length: int


@dataclass(frozen=True, slots=True)
class StructRecord:
    """A class, struct, interface or union."""

    kind: str
    properties: int
    field_list: int
    size: int
    name: str
    unique_name: str

    @property
    def is_forward(self) -> bool:
        return bool(self.properties & FORWARD_REFERENCE)


@dataclass(frozen=True, slots=True)
class EnumRecord:
    properties: int
    underlying: int
    field_list: int
    name: str
    unique_name: str

    @property
    def is_forward(self) -> bool:
        return bool(self.properties & FORWARD_REFERENCE)


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    offset: int
    type_index: int


@dataclass(frozen=True, slots=True)
class StaticMember:
    name: str
    type_index: int


@dataclass(frozen=True, slots=True)
class BaseClass:
    type_index: int
    offset: int
    is_virtual: bool


@dataclass(frozen=True, slots=True)
class NestedType:
    name: str
    type_index: int


@dataclass(frozen=True, slots=True)
class Enumerator:
    name: str
    value: int


@dataclass(frozen=True, slots=True)
class FieldList:
    """The parts of a struct or enum; `continuation` is the index of the list that goes on, or 0."""

    members: tuple[Member, ...]
    statics: tuple[StaticMember, ...]
    bases: tuple[BaseClass, ...]
    nested: tuple[NestedType, ...]
    enumerators: tuple[Enumerator, ...]
    vtable: int
    """Type of the pointer to the virtual function table, or 0."""
    continuation: int


Record = (
    ModifierRecord
    | PointerRecord
    | ProcedureRecord
    | ArrayRecord
    | BitFieldRecord
    | StructRecord
    | EnumRecord
    | FieldList
)

_NUMERIC = {
    0x8000: struct.Struct("<b"),
    0x8001: struct.Struct("<h"),
    0x8002: struct.Struct("<H"),
    0x8003: struct.Struct("<i"),
    0x8004: struct.Struct("<I"),
    0x8009: struct.Struct("<q"),
    0x800A: struct.Struct("<Q"),
}


class _Cursor:
    """Reads one record; running over its end is a `SymbolFileError`."""

    __slots__ = ("at", "counted", "data", "end")

    def __init__(self, data: bytes, at: int, end: int, counted: bool) -> None:
        self.data, self.at, self.end, self.counted = data, at, end, counted

    def number(self, size: int) -> int:
        start, self.at = self.at, self.at + size
        if self.at > self.end:
            raise SymbolFileError("a type record is shorter than its kind says")
        return int.from_bytes(self.data[start : self.at], "little")

    def numeric(self) -> int:
        """A CodeView numeric leaf: small values are themselves, larger ones name their width."""
        leaf = self.number(2)
        if leaf < 0x8000:
            return leaf
        form = _NUMERIC.get(leaf)
        if form is None or self.at + form.size > self.end:
            raise SymbolFileError(f"a type record holds a number of unknown form {leaf:#x}")
        (value,) = form.unpack_from(self.data, self.at)
        self.at += form.size
        return int(value)

    def name(self) -> str:
        if self.counted:
            size = self.number(1)
            stop = after = min(self.at + size, self.end)
        else:
            stop = self.data.find(b"\0", self.at, self.end)
            stop = self.end if stop < 0 else stop
            after = stop + 1
        text = self.data[self.at : stop].decode("utf-8", "replace")
        self.at = after
        return printable_name(text)

    def unique_name(self, properties: int) -> str:
        return self.name() if properties & HAS_UNIQUE_NAME and self.at < self.end else ""


_STRUCTS = {0x1504: "class", 0x1505: "struct", 0x1519: "interface", 0x1004: "class", 0x1005: "struct"}
_STRUCTS2 = {0x1608: "class", 0x1609: "struct", 0x160B: "interface"}
_COUNTED = frozenset((0x1003, 0x1004, 0x1005, 0x1006, 0x1007))


def parse_record(kind: int, data: bytes, start: int, end: int) -> Record | None:
    """The record of `kind` in `data[start:end]` (behind length and kind); None for kinds that `dt` has no use for."""
    cursor = _Cursor(data, start, end, kind in _COUNTED)
    match kind:
        case 0x1001:
            return ModifierRecord(cursor.number(4), cursor.number(2))
        case 0x1002:
            return _pointer(cursor)
        case 0x1008:
            return_type = cursor.number(4)
            cursor.number(4)
            return ProcedureRecord(return_type, cursor.number(4))
        case 0x1009:
            return_type = cursor.number(4)
            cursor.number(12)
            return ProcedureRecord(return_type, 0)
        case 0x1203:
            return _field_list(cursor)
        case 0x1205:
            base, length, position = cursor.number(4), cursor.number(1), cursor.number(1)
            return BitFieldRecord(base, position, length)
        case 0x1503 | 0x1003:
            element = cursor.number(4)
            cursor.number(4)
            return ArrayRecord(element, cursor.numeric(), cursor.name())
        case 0x1507 | 0x1007:
            cursor.number(2)
            properties, underlying, fields = cursor.number(2), cursor.number(4), cursor.number(4)
            return EnumRecord(properties, underlying, fields, cursor.name(), cursor.unique_name(properties))
        case 0x1506 | 0x1006 | 0x160A:
            return _union(cursor, is_second=kind == 0x160A)
    if kind in _STRUCTS:
        cursor.number(2)
        properties, fields = cursor.number(2), cursor.number(4)
        cursor.number(8)
    elif kind in _STRUCTS2:  # wide properties first, the count behind (seen in one public reader only)
        properties, fields = cursor.number(4), cursor.number(4)
        cursor.number(10)
    else:
        return None
    size, name = cursor.numeric(), cursor.name()
    words = _STRUCTS.get(kind) or _STRUCTS2[kind]
    return StructRecord(words, properties, fields, size, name, cursor.unique_name(properties))


def _pointer(cursor: _Cursor) -> PointerRecord:
    referent, attributes = cursor.number(4), cursor.number(4)
    size = attributes >> 13 & 0x3F
    return PointerRecord(referent, size or (8 if attributes & 0x1F == 0x0C else 4), attributes >> 5 & 7)


def _union(cursor: _Cursor, *, is_second: bool) -> StructRecord:
    if is_second:
        properties, fields = cursor.number(4), cursor.number(4)
        cursor.number(2)
    else:
        cursor.number(2)
        properties, fields = cursor.number(2), cursor.number(4)
    size, name = cursor.numeric(), cursor.name()
    return StructRecord("union", properties, fields, size, name, cursor.unique_name(properties))


_COUNTED_FIELDS = frozenset((0x0403, 0x1405, 0x1406, 0x1407, 0x1408, 0x140B))
_INTRODUCING_VIRTUAL = (4, 6)


class _Parts:
    """Collects the parts of one field list."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.statics: list[StaticMember] = []
        self.bases: list[BaseClass] = []
        self.nested: list[NestedType] = []
        self.enumerators: list[Enumerator] = []
        self.vtable = 0
        self.continuation = 0

    def data(self, leaf: int, cursor: _Cursor) -> bool:
        """Take a part that has a place in memory or a value; False for other leaves."""
        match leaf:
            case 0x150D | 0x1405:
                cursor.number(2)
                index, offset = cursor.number(4), cursor.numeric()
                self.members.append(Member(cursor.name(), offset, index))
            case 0x1502 | 0x0403:
                cursor.number(2)
                value = cursor.numeric()
                self.enumerators.append(Enumerator(cursor.name(), value))
            case 0x1400 | 0x151A:
                cursor.number(2)
                index = cursor.number(4)
                self.bases.append(BaseClass(index, cursor.numeric(), False))
            case 0x1401 | 0x1402:
                cursor.number(2)
                index = cursor.number(4)
                cursor.number(4)
                cursor.numeric()
                self.bases.append(BaseClass(index, cursor.numeric(), True))
            case 0x1404:
                cursor.number(2)
                self.continuation = cursor.number(4)
            case 0x1409:
                cursor.number(2)
                self.vtable = cursor.number(4)
            case _:
                return False
        return True

    def declaration(self, leaf: int, cursor: _Cursor) -> bool:
        """Take a part that is only declared here: methods, nested types, statics; False for unknown leaves."""
        match leaf:
            case 0x150E | 0x1406:
                cursor.number(2)
                index = cursor.number(4)
                self.statics.append(StaticMember(cursor.name(), index))
            case 0x150F | 0x1407:
                cursor.number(6)
                cursor.name()
            case 0x1510 | 0x1408 | 0x1512:
                cursor.number(2)
                index = cursor.number(4)
                self.nested.append(NestedType(cursor.name(), index))
            case 0x1511 | 0x140B:
                attributes = cursor.number(2)
                cursor.number(4)
                if attributes >> 2 & 7 in _INTRODUCING_VIRTUAL:
                    cursor.number(4)
                cursor.name()
            case _:
                return False
        return True


def _field_list(cursor: _Cursor) -> FieldList:
    parts = _Parts()
    while cursor.at + 2 <= cursor.end:
        leaf = cursor.number(2)
        cursor.counted = leaf in _COUNTED_FIELDS
        if not parts.data(leaf, cursor) and not parts.declaration(leaf, cursor):
            break  # an unknown part has no length: what came before it stands
        while cursor.at < cursor.end and cursor.data[cursor.at] > 0xF0:
            cursor.at += cursor.data[cursor.at] & 0x0F
    return FieldList(
        tuple(parts.members),
        tuple(parts.statics),
        tuple(parts.bases),
        tuple(parts.nested),
        tuple(parts.enumerators),
        parts.vtable,
        parts.continuation,
    )
