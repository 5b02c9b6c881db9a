"""A struct's fields as rows: which are chosen, how deep they are opened, what they hold.

A struct is read in one piece, never field by field; a hole costs only the fields in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kdnb.debugger.typed import number_of, type_words, verbose_words
from kdnb.errors import ExpressionError, MemoryReadError
from kdnb.results.addresses import format_address
from kdnb.results.types import FieldInfo, TypeDump
from kdnb.symbols.types import Array, Pointer, StructField, StructType
from kdnb.symbols.wildcards import compile_wildcard

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kdnb.debugger.typed import TypedReader
    from kdnb.results.memory import MemoryReader
    from kdnb.symbols.types import FieldType

__all__ = ["FieldPath", "Selection", "dump_struct", "dump_variable", "follow_path"]

MAX_STRUCT = 0x10_0000
MAX_ROWS = 8192
MAX_ELEMENTS = 256
_PATH = re.compile(r"([A-Za-z_$<@][\w$<>@:-]*\*?)((?:\[\d+\])*)")


@dataclass(frozen=True, slots=True)
class FieldPath:
    """A field as it is typed: `Pcb.Header`, `Ima*`, `Header.`, `Prcb[3]`."""

    names: tuple[tuple[str, int | None], ...]
    """Name (perhaps with `*`) and subscript, level by level."""
    opened: int = 0
    """Levels that are opened below the last name: one for each dot behind it."""
    is_prefix: bool = False

    @classmethod
    def parse(cls, text: str, *, is_prefix: bool = False) -> FieldPath | None:
        """The path in `text`; None where it can't be one."""
        body = text.rstrip(".")
        names: list[tuple[str, int | None]] = []
        for part in body.split("."):
            found = _PATH.fullmatch(part)
            if found is None or found[2].count("[") > 1:
                return None
            names.append((found[1], int(found[2][1:-1]) if found[2] else None))
        opened = len(text) - len(body)
        return cls(tuple(names), opened, is_prefix or opened > 0)

    def matches(self, fields: Sequence[StructField]) -> list[StructField]:
        """The fields that the first name means: the one of that name, else those that begin like it."""
        name = self.names[0][0]
        exact = [entry for entry in fields if entry.name.lower() == name.lower()]
        if exact and not (self.is_prefix and not self.opened):
            return exact
        if name.endswith("*"):
            matches = compile_wildcard(name).fullmatch
            return [entry for entry in fields if matches(entry.name)]
        if self.is_prefix and len(self.names) == 1:
            return [entry for entry in fields if entry.name.lower().startswith(name.lower())]
        return []

    @property
    def rest(self) -> FieldPath:
        return replace(self, names=self.names[1:])


@dataclass(frozen=True, slots=True)
class Selection:
    """What of a struct is shown."""

    paths: tuple[FieldPath, ...] = ()
    """Fields; empty means all."""
    depth: int = 0
    """Levels of structs that are opened everywhere (`-r2`)."""
    follows: bool = True
    """Whether opening goes through pointers too (`-r` does, `-b` doesn't)."""
    elements: int = 0
    """Array elements that get a row of their own (`-a5`); 0: arrays stand in one row."""
    verbose: bool = False


def dump_struct(
    reader: TypedReader,
    name: str,
    of: StructType,
    address: int | None,
    chosen: Selection,
    memory: MemoryReader | None = None,
) -> TypeDump:
    """The chosen fields of a type, with what they hold where there is an address (in `memory`, else in virtual)."""
    size = min(of.size, MAX_STRUCT)
    data = None if address is None else _available(memory or reader.memory, address, size)
    rows = _Rows(reader, chosen)
    fields = tuple(rows.of_struct(of, data, address or 0, chosen.paths, chosen.depth, 0, ()))
    header = ""
    if data is not None and not chosen.paths:
        header = reader.string_header(of, data)
    if chosen.verbose:
        header = verbose_words(of) + (f"\n{header}" if header else "")
    return TypeDump(name, of.size, fields, reader.address_size, address, header, note=rows.note)


def dump_variable(
    reader: TypedReader, name: str, of: FieldType, address: int, chosen: Selection, memory: MemoryReader
) -> TypeDump:
    """A variable that is no struct (a number, a pointer, an array) as a dump of one field."""
    data = _available(memory, address, min(of.size, MAX_STRUCT))
    rows = _Rows(reader, replace(chosen, paths=()))
    entry = StructField(name.rpartition("!")[2], 0, of)
    fields = tuple(rows.of_field(entry, data, address, (), chosen.depth, 0, ()))
    return TypeDump(name, of.size, fields, reader.address_size, address, offsets=False, note=rows.note)


class _Rows:
    """Makes rows until there are too many."""

    def __init__(self, reader: TypedReader, chosen: Selection) -> None:
        self._reader = reader
        self._chosen = chosen
        self._count = 0
        self.note = ""

    def of_struct(
        self,
        of: StructType,
        data: bytes | None,
        address: int,
        paths: Sequence[FieldPath],
        opened: int,
        depth: int,
        above: tuple[object, ...],
    ) -> Iterator[FieldInfo]:
        fields = of.fields
        above = (*above, (of.name, address if data is not None else None))
        matching = [(path, {id(entry) for entry in path.matches(fields)}) for path in paths]
        for entry in fields:
            mine = [path for path, entries in matching if id(entry) in entries]
            if paths and not mine:
                continue
            yield from self.of_field(entry, data, address, mine, opened, depth, above)

    def of_field(
        self,
        entry: StructField,
        data: bytes | None,
        address: int,
        paths: Sequence[FieldPath],
        opened: int,
        depth: int,
        above: tuple[object, ...],
    ) -> Iterator[FieldInfo]:
        if self._count >= MAX_ROWS:
            self.note = f"cut after {MAX_ROWS} rows; choose fields or a smaller depth"
            return
        subscripts = {path.names[0][1] for path in paths} - {None}
        for index in sorted(index for index in subscripts if index is not None):
            element = _element(entry, index)
            if element is not None:
                inner = [
                    replace(p, names=((p.names[0][0], None), *p.names[1:])) for p in paths if p.names[0][1] == index
                ]
                yield from self.of_field(element, data, address, inner, opened, depth, above)
        paths = [path for path in paths if path.names[0][1] is None]
        if subscripts and not paths:
            return
        deeper = [path.rest for path in paths if len(path.names) > 1]
        shown = not paths or len(deeper) < len(paths)
        opened = max([opened, *(path.opened for path in paths if len(path.names) == 1)])
        row = self.row(entry, data, address, depth)
        self._count += 1
        opens = deeper if not shown else []
        elements = self._elements(entry, data, opened)
        yield replace(row, text="") if (opens or elements) and not row.problem else row
        for element in elements:
            self._count += 1
            is_opened = bool(opened) and isinstance(element.type, StructType)
            words = self.row(element, data, address, depth + 1)
            name = element.name[element.name.rindex("[") :].strip("[]")
            yield replace(words, name=f"[{int(name):02d}]", text="" if is_opened else words.text)
            if is_opened:
                yield from self._inside(element, data, address, (), opened - 1, depth, above)
        if opens or opened:
            yield from self._inside(entry, data, address, opens, opened - 1 if shown else opened, depth, above)

    def _inside(
        self,
        entry: StructField,
        data: bytes | None,
        address: int,
        paths: Sequence[FieldPath],
        opened: int,
        depth: int,
        above: tuple[object, ...],
    ) -> Iterator[FieldInfo]:
        """The rows of the struct that a field is, or points to."""
        of: FieldType = entry.type
        piece = None if data is None else data[entry.offset : entry.offset + of.size]
        at = address + entry.offset
        if isinstance(of, Pointer) and (paths or self._chosen.follows):
            target = of.target
            if not isinstance(target, StructType) or not target.fields:
                return
            if piece is not None:
                at = int.from_bytes(piece, "little")
                if not at or len(piece) < of.size:
                    return
                piece = _available(self._reader.memory, at, min(target.size, MAX_STRUCT))
            of = target
            if not paths and (of.name, at if piece is not None else None) in above:
                return  # seen on the way here: a list entry points back
        if isinstance(of, StructType) and len(above) < 32:
            yield from self.of_struct(of, piece, at, paths, max(opened, 0), depth + 1, above)

    def _elements(self, entry: StructField, data: bytes | None, opened: int) -> list[StructField]:
        """The elements of an array that get rows of their own: the first ones (`-a`), or all structs (`-b`)."""
        if not isinstance(entry.type, Array) or data is None:
            return []
        count = self._chosen.elements
        if not count and opened and not self._chosen.follows and isinstance(entry.type.element, StructType):
            count = entry.type.count
        elements = (_element(entry, index) for index in range(min(entry.type.count, count, MAX_ELEMENTS)))
        return [element for element in elements if element is not None]

    def row(self, entry: StructField, data: bytes | None, address: int, depth: int) -> FieldInfo:
        """One field of the struct whose bytes (up to a hole) are `data`."""
        words = verbose_words(entry.type) if self._chosen.verbose else type_words(entry.type)
        plain = FieldInfo(entry.name, entry.offset, entry.type.size, words, depth)
        if data is None:
            return plain
        piece = data[entry.offset : entry.offset + entry.type.size]
        if len(piece) < entry.type.size:
            hole = format_address(address + len(data), self._reader.address_size)
            return replace(plain, text="????", problem=f"can't read {hole}")
        return replace(plain, value=number_of(entry.type, piece), text=self._reader.words(entry.type, piece))


def follow_path(of: StructType, path: str) -> tuple[int, FieldType]:
    """Offset and type of a field in a struct, by a dotted path without pointers (`ActiveProcessLinks.Flink`)."""
    offset = 0
    inner: FieldType = of
    for part in path.split("."):
        entry = inner.field(part) if isinstance(inner, StructType) else None
        if entry is None:
            raise ExpressionError(f"{of.name} has no field {path[:60]!r}", f"dt {of.name} shows its fields")
        offset += entry.offset
        inner = entry.type
    return offset, inner


def _element(entry: StructField, index: int) -> StructField | None:
    if not isinstance(entry.type, Array) or index >= entry.type.count:
        return None
    element = entry.type.element
    return StructField(f"{entry.name}[{index}]", entry.offset + index * element.size, element)


def _available(memory: MemoryReader, address: int, size: int) -> bytes:
    try:
        return memory.read(address, size)
    except MemoryReadError as error:
        return error.partial
