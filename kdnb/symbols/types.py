"""Types of a PDB by name and by index: what `dt` and typed access stand on.

The stream is scanned once for where records begin (lazily); a record is parsed when it is asked for.
Everything is bounded: indices that lead nowhere become `Unknown`, chains of forward references and modifiers end.
"""

from __future__ import annotations

import difflib
import struct
from dataclasses import dataclass, field
from functools import cached_property

from kdnb.errors import SymbolFileError
from kdnb.symbols.type_records import (
    ArrayRecord,
    BitFieldRecord,
    EnumRecord,
    FieldList,
    ModifierRecord,
    PointerRecord,
    ProcedureRecord,
    Record,
    StructRecord,
    parse_record,
)
from kdnb.symbols.wildcards import compile_wildcard

__all__ = [
    "Array",
    "BitField",
    "Enumeration",
    "FieldType",
    "Function",
    "Pointer",
    "PointerTo",
    "Scalar",
    "StructField",
    "StructType",
    "TypeTable",
    "Unknown",
]

FIRST_INDEX = 0x1000
CHAIN_LIMIT = 64
FIELD_LIMIT = 65_536
NEAR_CANDIDATES = 20_000
"""Names that are compared when one was mistyped: a second at most."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A basic type; `word` is dt's name for it (`Uint4B`), `size` in bytes."""

    word: str
    size: int
    is_signed: bool = False
    is_float: bool = False
    is_character: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """A type that this reader can't name."""

    word: str = "<unknown>"
    size: int = 0


@dataclass(frozen=True, slots=True)
class Pointer:
    """A pointer; its target is looked up when asked for, since types point at each other."""

    table: TypeTable = field(repr=False, compare=False)
    type_index: int
    size: int

    @property
    def target(self) -> FieldType:
        return self.table.type_at(self.type_index)


@dataclass(frozen=True, slots=True)
class PointerTo(Pointer):
    """A pointer that no record of a PDB describes: that of a cast, or `&x`."""

    to: FieldType

    @classmethod
    def make(cls, to: FieldType, size: int) -> PointerTo:
        return cls(_NO_TABLE, 0, size, to)

    @property
    def target(self) -> FieldType:
        return self.to


@dataclass(frozen=True, slots=True)
class Array:
    element: FieldType
    count: int
    size: int


@dataclass(frozen=True, slots=True)
class BitField:
    base: FieldType
    position: int
    length: int

    @property
    def size(self) -> int:
        return self.base.size


@dataclass(frozen=True, slots=True)
class Function:
    returns: str = "void"
    """C's words for what it gives back."""
    size: int = 0


@dataclass(frozen=True, slots=True)
class Enumeration:
    name: str
    base: FieldType
    values: dict[int, str]
    """Name of each value, by the unsigned number that stands in memory (compilers differ in how they write -1)."""

    @property
    def size(self) -> int:
        return self.base.size


@dataclass(frozen=True, slots=True)
class StructField:
    name: str
    offset: int
    type: FieldType


@dataclass(frozen=True, slots=True)
class StructType:
    """A struct, class or union; its fields are read when asked for."""

    table: TypeTable = field(repr=False, compare=False)
    kind: str
    name: str
    size: int
    field_list: int

    @property
    def fields(self) -> tuple[StructField, ...]:
        """Base classes' fields first, then the vtable pointer, then its own, all in declared order."""
        return self.table.fields_of(self)

    def field(self, name: str) -> StructField | None:
        """The field of that name, any case."""
        wanted = name.lower()
        return next((entry for entry in self.fields if entry.name.lower() == wanted), None)


FieldType = Scalar | Pointer | Array | BitField | Function | Enumeration | StructType | Unknown

_SCALARS = {
    0x03: Scalar("Void", 0),
    0x08: Scalar("Int4B", 4, True),
    0x10: Scalar("Char", 1, True, False, True),
    0x68: Scalar("Char", 1, True),
    0x70: Scalar("Char", 1, True, False, True),
    0x7C: Scalar("Char", 1, False, False, True),
    0x20: Scalar("UChar", 1, False, False, True),
    0x69: Scalar("UChar", 1),
    0x71: Scalar("Wchar", 2, False, False, True),
    0x7A: Scalar("Wchar", 2, False, False, True),
    0x7B: Scalar("Uint4B", 4, False, False, True),
    0x11: Scalar("Int2B", 2, True),
    0x72: Scalar("Int2B", 2, True),
    0x21: Scalar("Uint2B", 2),
    0x73: Scalar("Uint2B", 2),
    0x12: Scalar("Int4B", 4, True),
    0x74: Scalar("Int4B", 4, True),
    0x22: Scalar("Uint4B", 4),
    0x75: Scalar("Uint4B", 4),
    0x13: Scalar("Int8B", 8, True),
    0x76: Scalar("Int8B", 8, True),
    0x23: Scalar("Uint8B", 8),
    0x77: Scalar("Uint8B", 8),
    0x14: Scalar("Int16B", 16, True),
    0x78: Scalar("Int16B", 16, True),
    0x24: Scalar("Uint16B", 16),
    0x79: Scalar("Uint16B", 16),
    0x30: Scalar("Bool", 1),
    0x31: Scalar("Uint2B", 2),
    0x32: Scalar("Uint4B", 4),
    0x33: Scalar("Uint8B", 8),
    0x40: Scalar("Float", 4, True, True),
    0x41: Scalar("Double", 8, True, True),
    0x42: Scalar("Float10", 10, True, True),
}
_C_WORDS = {
    "Void": "void",
    "Char": "char",
    "UChar": "unsigned char",
    "Wchar": "wchar_t",
    "Int2B": "short",
    "Uint2B": "unsigned short",
    "Int4B": "long",
    "Uint4B": "unsigned long",
    "Int8B": "int64",
    "Uint8B": "unsigned int64",
    "Bool": "bool",
    "Float": "float",
    "Double": "double",
}
_POINTER_SIZES = {0x1: 2, 0x2: 4, 0x3: 4, 0x4: 4, 0x5: 6, 0x6: 8, 0x7: 16}
_NAMED_KINDS = frozenset(
    (0x1504, 0x1505, 0x1506, 0x1507, 0x1519, 0x1004, 0x1005, 0x1006, 0x1007, 0x1608, 0x1609, 0x160A)
)


def _c_words(of: FieldType) -> str:
    """C's name for the type that a function gives back, as dt shows it."""
    match of:
        case Scalar(word=word):
            return _C_WORDS.get(word, word)
        case StructType(name=name) | Enumeration(name=name):
            return name
        case Pointer():
            target = of.target
            return "void*" if isinstance(target, (Pointer, Function)) else f"{_c_words(target)}*"
    return "void"


class TypeTable:
    """The type stream (TPI) of one PDB."""

    def __init__(self, stream: bytes) -> None:
        if len(stream) < 56:
            raise SymbolFileError("the PDB has no type stream")
        _version, header, self.first, self.last, size = struct.unpack_from("<5I", stream)
        if self.first < FIRST_INDEX or self.last < self.first or header > len(stream):
            raise SymbolFileError("the PDB's type stream has an impossible header")
        self._stream = stream
        self._start = header
        self._end = min(header + size, len(stream))
        self._fields: dict[int, tuple[StructField, ...]] = {}

    def __len__(self) -> int:
        return len(self._offsets)

    @cached_property
    def _offsets(self) -> list[int]:
        """Where each record begins; ends early where the stream is damaged."""
        offsets: list[int] = []
        append, at, end, read = offsets.append, self._start, self._end, struct.Struct("<H").unpack_from
        stream = self._stream
        limit = self.last - self.first
        while at + 4 <= end and len(offsets) < limit:
            append(at)
            size = read(stream, at)[0]
            if size < 2:
                break
            at += 2 + size
        return offsets

    @cached_property
    def _names(self) -> dict[str, int]:
        """Lower-case name -> index of the definition, or of a forward reference where there is no definition."""
        names: dict[str, int] = {}
        forward: dict[str, int] = {}
        for number, at in enumerate(self._offsets):
            if int.from_bytes(self._stream[at + 2 : at + 4], "little") not in _NAMED_KINDS:
                continue
            record = self._record(self.first + number)
            if isinstance(record, (StructRecord, EnumRecord)):
                (forward if record.is_forward else names).setdefault(record.name.lower(), self.first + number)
        return {**forward, **names}

    @cached_property
    def _spelling(self) -> list[str]:
        """Names of all structs, unions and enums as they are spelled, sorted without regard to case."""
        found = []
        for index in self._names.values():
            record = self._record(index)
            if isinstance(record, (StructRecord, EnumRecord)):
                found.append(record.name)
        return sorted(found, key=str.lower)

    def lookup(self, name: str) -> StructType | Enumeration | None:
        """The struct, union or enum of that name, any case."""
        index = self._names.get(name.lower())
        found = None if index is None else self.type_at(index)
        return found if isinstance(found, (StructType, Enumeration)) else None

    def search(self, pattern: str) -> list[str]:
        """Names that match a WinDbg wildcard, sorted."""
        matches = compile_wildcard(pattern).fullmatch
        return [name for name in self._spelling if matches(name)]

    def near(self, name: str, count: int = 5) -> list[str]:
        """Names close to a mistyped one, best first, for error messages."""
        keys = {key.lower(): key for key in self._spelling[:NEAR_CANDIDATES]}
        return [keys[match] for match in difflib.get_close_matches(name.lower(), keys, count, 0.7)]

    def type_at(self, index: int, depth: int = 0) -> FieldType:
        """The type of an index; `Unknown` where it leads nowhere."""
        if index < FIRST_INDEX:
            return self._simple(index)
        record = self._record(index)
        if depth > CHAIN_LIMIT:
            return Unknown("<endless>")
        match record:
            case ModifierRecord(type_index=inner):
                return self.type_at(inner, depth + 1)
            case PointerRecord(type_index=inner, size=size):
                return Pointer(self, inner, size)
            case ArrayRecord(element_type=inner, size=size):
                element = self.type_at(inner, depth + 1)
                return Array(element, size // element.size if element.size else 0, size)
            case BitFieldRecord(type_index=inner, position=position, length=length):
                return BitField(self.type_at(inner, depth + 1), position, length)
            case ProcedureRecord(return_type=inner):
                return Function(_c_words(self.type_at(inner, depth + 1)))
            case StructRecord():
                return self._struct(record)
            case EnumRecord():
                return self._enumeration(record, depth)
        return Unknown()

    def fields_of(self, of: StructType, depth: int = 0) -> tuple[StructField, ...]:
        """The fields of a struct; those of its base classes come first."""
        known = self._fields.get(of.field_list)
        if known is not None:
            return known
        fields: list[StructField] = []
        for part in self._field_lists(of.field_list):
            for base in part.bases:
                inner = self.type_at(base.type_index)
                if isinstance(inner, StructType) and depth < CHAIN_LIMIT and not base.is_virtual:
                    fields += [
                        StructField(entry.name, entry.offset + base.offset, entry.type)
                        for entry in self.fields_of(inner, depth + 1)
                    ]
            if part.vtable:
                fields.append(StructField("__VFN_table", 0, self.type_at(part.vtable)))
            fields += [StructField(entry.name, entry.offset, self.type_at(entry.type_index)) for entry in part.members]
        self._fields[of.field_list] = tuple(fields[:FIELD_LIMIT])
        return self._fields[of.field_list]

    def _record(self, index: int) -> Record | None:
        number = index - self.first
        if not 0 <= number < len(self._offsets):
            return None
        at = self._offsets[number]
        size, kind = struct.unpack_from("<HH", self._stream, at)
        return parse_record(kind, self._stream, at + 4, min(at + 2 + size, self._end))

    def _field_lists(self, index: int) -> list[FieldList]:
        parts: list[FieldList] = []
        while index and len(parts) < CHAIN_LIMIT:
            record = self._record(index)
            if not isinstance(record, FieldList):
                break
            parts.append(record)
            index = record.continuation
        return parts

    def _struct(self, record: StructRecord) -> StructType:
        if record.is_forward:
            defined = self._record(self._names.get(record.name.lower(), 0))
            if isinstance(defined, StructRecord):
                record = defined
        return StructType(self, record.kind, record.name, record.size, record.field_list)

    def _enumeration(self, record: EnumRecord, depth: int) -> Enumeration:
        if record.is_forward:
            defined = self._record(self._names.get(record.name.lower(), 0))
            if isinstance(defined, EnumRecord):
                record = defined
        values = {
            entry.value: entry.name for part in self._field_lists(record.field_list) for entry in part.enumerators
        }
        return Enumeration(record.name, self.type_at(record.underlying, depth + 1), values)

    def _simple(self, index: int) -> FieldType:
        scalar = _SCALARS.get(index & 0xFF)
        mode = index >> 8 & 0x0F
        if mode == 0:
            return scalar or Unknown()
        size = _POINTER_SIZES.get(mode)
        return Unknown() if size is None else Pointer(self, index & 0xFF, size)


_NO_TABLE = TypeTable(struct.pack("<5I", 0, 56, FIRST_INDEX, FIRST_INDEX, 0).ljust(56, b"\0"))
"""The type stream of no PDB: what is no record points nowhere."""
