"""Structs of the target as Python objects: `process.ImageFileName`, `thread.Process.deref()`, lists of them.

A struct's bytes are read once, in one piece; its fields are decoded from them when asked for, so they stay what they
were at that stop. What needs memory later (pointers, strings, lists) raises `StaleError` once the target has run.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, overload

from kdnb.debugger.lists import walk_list
from kdnb.debugger.type_lookup import TypeLookup
from kdnb.debugger.type_rows import MAX_STRUCT, Selection, dump_struct, follow_path
from kdnb.debugger.typed import NoMemory, TypedReader, number_of, type_words
from kdnb.errors import ExpressionError, KdnbError, MemoryReadError, StaleError
from kdnb.results.base import present
from kdnb.results.types import exact_frame
from kdnb.symbols.types import Array, BitField, Enumeration, Function, Pointer, Scalar, StructType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas

    from kdnb.debugger.engine import Engine
    from kdnb.debugger.session import Session
    from kdnb.results.types import TypeDump
    from kdnb.symbols.types import FieldType

__all__ = ["EnumValue", "Source", "Struct", "StructList", "TypedPointer"]


class Source:
    """The way back to the target from objects of one stop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.sequence = engine.session.sequence
        self.address_size = engine.session.pointer_size

    def call(self, job: Callable[[Session], Any]) -> Any:
        """`job(session)` on the engine's thread, as long as the target has not run since."""
        return self._engine.call(self._checked, job)

    def _checked(self, job: Callable[[Session], Any]) -> Any:
        session = self._engine.session
        if session.is_running or session.sequence != self.sequence:
            raise StaleError("this was taken at an earlier stop", "ask again at the present one")
        return job(session)

    def read(self, address: int, size: int) -> bytes:
        data: bytes = self._engine.look(self._checked, lambda session: session.memory.read(address, size))
        return data

    def struct(self, of: StructType, address: int) -> Struct:
        """A struct read now; what lies behind a hole is missing until it is asked for."""
        size = min(of.size, MAX_STRUCT)
        data = self._engine.look(self._checked, lambda session: session.memory.read_available(address, size))
        return Struct(self, of, address, data)


class Struct:
    """A struct at an address. Fields are attributes (`s.Pcb`) and items (`s["Pcb.Header"]`), in either case."""

    __slots__ = ("_data", "_of", "_source", "address")

    def __init__(self, source: Source, of: StructType, address: int, data: bytes) -> None:
        self._source = source
        self._of = of
        self._data = data
        self.address = address

    @property
    def type_name(self) -> str:
        """Name of the struct, as the PDB has it."""
        return self._of.name

    @property
    def size(self) -> int:
        return self._of.size

    def __getitem__(self, path: str) -> Any:
        """A field's value; dots lead into structs and through pointers."""
        name, _, rest = path.partition(".")
        field = self._of.field(name)
        if field is None:
            raise KeyError(f"{self._of.name} has no field {name!r}")
        value = value_of(self._source, field.type, self.raw(field.name), self.address + field.offset)
        return value[rest] if rest else value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in Struct.__slots__:
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(error.args[0]) from None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._ipython_key_completions_()]

    def _ipython_key_completions_(self) -> list[str]:
        return [field.name for field in self._of.fields]

    def __iter__(self) -> Iterator[str]:
        """The names of the fields."""
        return iter(self._ipython_key_completions_())

    def __bytes__(self) -> bytes:
        return self._data

    def __eq__(self, other: object) -> bool:
        """The same type at the same address with the same bytes."""
        if not isinstance(other, Struct):
            return NotImplemented
        return (self._of, self.address, self._data) == (other._of, other.address, other._data)

    def __hash__(self) -> int:
        return hash((self._of.name, self.address))

    def raw(self, name: str) -> bytes:
        """The bytes of a field; `MemoryReadError` where a part of it couldn't be read."""
        offset, of = follow_path(self._of, name)
        data = self._data[offset : offset + of.size]
        if len(data) < of.size:
            raise MemoryReadError(self.address + offset, of.size, data)
        return data

    def offset(self, name: str) -> int:
        """Bytes from the start of the struct to a field."""
        return follow_path(self._of, name)[0]

    def string(self) -> str | None:
        """The text of a _UNICODE_STRING or _STRING; None where it can't be read."""

        def job(session: Session) -> str | None:
            return TypedReader(session.memory, session.pointer_size).string(self._of, self._data)

        text: str | None = self._source.call(job)
        return text

    def walk(self, head: str, type_name: str, link: str) -> StructList:
        """The structs of the list whose head is the field `head`.

        `process.walk("ThreadListHead", "nt!_ETHREAD", "ThreadListEntry")`
        """
        return walk_structs(self._source, self.address + self.offset(head), type_name, link)

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain values; structs become dicts, and what couldn't be read None."""
        found: dict[str, Any] = {}
        for field in self._of.fields:
            try:
                found[field.name] = _plain(self[field.name])
            except MemoryReadError:
                found[field.name] = None
        return found

    @property
    def df(self) -> pandas.DataFrame:
        """One row a field: offset, type, value."""
        return self.dump().df

    def dump(self) -> TypeDump:
        """The value of `dt` for it. Strings behind pointers are left out once the target has run."""
        data, at = self._data, self.address

        class Held:
            """The bytes that were read."""

            def read(self, address: int, size: int) -> bytes:
                if len(data) < size:
                    raise MemoryReadError(address, size, data)
                return data[address - at :][:size]

        def job(session: Session | None) -> TypeDump:
            reader = TypedReader(NoMemory(), self._source.address_size)
            if session is not None:
                reader = TypedReader(session.memory, session.pointer_size, session.symbols.name_at)
            return dump_struct(reader, self._of.name, self._of, at, Selection(), Held())

        try:
            made: TypeDump = self._source.call(job)
        except KdnbError:
            made = job(None)
        return made

    def __repr__(self) -> str:
        return f"{self._of.name} at {self.address:#x}\n{self.dump()}"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return present(self.dump())


class TypedPointer(int):
    """A pointer: its number, and the way to what lies there. Fields of a struct can be taken straight through it."""

    _source: Source
    _target: FieldType

    def __new__(cls, value: int, source: Source, target: FieldType) -> TypedPointer:
        made = super().__new__(cls, value)
        made._source = source
        made._target = target
        return made

    @property
    def type_name(self) -> str:
        """dt's words for what it points to."""
        return type_words(self._target)

    def deref(self, index: int = 0) -> Any:
        """What lies there: a `Struct`, a number, a string for a pointer to characters."""
        target = self._target
        if isinstance(target, StructType):
            return self._source.struct(target, int(self) + index * target.size)
        if isinstance(target, Scalar) and target.is_character:
            wide = target.size == 2
            at = int(self) + index * target.size
            return self._source.call(lambda session: session.memory.read_string(at, wide=wide))
        if isinstance(target, Function) or not target.size:
            raise ExpressionError(
                f"a pointer to {self.type_name.strip()} has nothing to read", "kd.read(pointer, size)"
            )
        at = int(self) + index * target.size
        return value_of(self._source, target, self._source.read(at, target.size), at)

    def __getitem__(self, path: str | int) -> Any:
        return self.deref(path) if isinstance(path, int) else self.deref()[path]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not isinstance(self._target, StructType):
            raise AttributeError(name)
        if self._target.field(name) is None:
            raise AttributeError(f"{self._target.name} has no field {name!r}")
        return self.deref()[name]

    def __dir__(self) -> list[str]:
        fields = self._target.fields if isinstance(self._target, StructType) else ()
        return [*super().__dir__(), *(field.name for field in fields)]

    def __repr__(self) -> str:
        return f"<{int(self):#x} {self.type_name.strip()}>"


class EnumValue(int):
    """A number with its name in an enum; `name` is empty for numbers that have none."""

    name: str

    def __new__(cls, value: int, name: str) -> EnumValue:
        made = super().__new__(cls, value)
        made.name = name
        return made

    def __repr__(self) -> str:
        return f"<{self.name}: {int(self)}>" if self.name else str(int(self))


class StructList:
    """The structs of a list, read when they are asked for; `note` says why the list was left early."""

    def __init__(self, source: Source, of: StructType, addresses: tuple[int, ...], note: str = "") -> None:
        self._source = source
        self._of = of
        self.addresses = addresses
        self.note = note

    def __len__(self) -> int:
        return len(self.addresses)

    def __iter__(self) -> Iterator[Struct]:
        return (self._source.struct(self._of, address) for address in self.addresses)

    @overload
    def __getitem__(self, index: int) -> Struct: ...
    @overload
    def __getitem__(self, index: slice) -> StructList: ...
    def __getitem__(self, index: int | slice) -> Struct | StructList:
        if isinstance(index, slice):
            return StructList(self._source, self._of, self.addresses[index], self.note)
        return self._source.struct(self._of, self.addresses[index])

    @property
    def df(self) -> pandas.DataFrame:
        """One row a struct: its address and its fields."""
        return exact_frame([{"address": one.address, **one.to_dict()} for one in self])

    def __repr__(self) -> str:
        note = f", {self.note}" if self.note else ""
        return f"<{len(self)} {self._of.name}{note}>"


def walk_structs(source: Source, head: int, type_name: str, link: str) -> StructList:
    """The structs behind a list head, each linked in by its field `link` (a _LIST_ENTRY)."""

    def job(session: Session) -> StructList:
        _, of = TypeLookup(session).require_struct(type_name)
        offset, _ = follow_path(of, link.removesuffix(".Flink"))
        walk = walk_list(session.memory, head)
        return StructList(source, of, tuple(entry - offset for entry in walk), walk.note)

    made: StructList = source.call(job)
    return made


def value_of(source: Source, of: FieldType, data: bytes, address: int) -> Any:
    """The bytes of a field as a Python value."""
    match of:
        case StructType():
            return Struct(source, of, address, data)
        case Pointer():
            return TypedPointer(int.from_bytes(data, "little"), source, of.target)
        case Array(element=Scalar(is_character=True, size=size)):
            text = data.decode("utf-16-le" if size == 2 else "latin-1", "replace")
            return text.split("\0", 1)[0]
        case Array(element=element, count=count):
            size = element.size
            return [
                value_of(source, element, data[at * size : (at + 1) * size], address + at * size) for at in range(count)
            ]
        case Enumeration(values=values):
            plain = int.from_bytes(data, "little")
            return EnumValue(plain, values.get(plain, ""))
        case BitField(base=Scalar(word="Bool")) | Scalar(word="Bool"):
            return bool(number_of(of, data))
        case Scalar(is_float=True, size=4 | 8):
            return struct.unpack("<f" if of.size == 4 else "<d", data)[0]
    number = number_of(of, data)
    return data if number is None else number


def _plain(value: Any) -> Any:
    if isinstance(value, Struct):
        return value.to_dict()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, (TypedPointer, EnumValue)) else value
