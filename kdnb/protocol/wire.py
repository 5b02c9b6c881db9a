"""How a fixed wire structure is declared: once, and everything else follows from it.

A structure is a frozen, slotted dataclass that derives from `Structure`; each annotation carries a construct field:

    @dataclass(frozen=True, slots=True)
    class MemoryBody(Structure):
        address: Annotated[int, u64("TargetBaseAddress", "virtual or physical address")] = 0
        transfer_count: Annotated[int, u32("TransferCount", "bytes asked for")] = 0
        unused: Annotated[bytes, padding(28)] = bytes(28)

From this come decode and encode (compiled construct, or `struct` where that can say it all), the numpy dtype for bulk
decode, the field map of the byte inspector and the reference page. Integers are little-endian. Padding is declared, so
that encode gives back the very bytes that were decoded; it is left out of repr. Fields without a construct field are
not on the wire.
"""

from __future__ import annotations

import dataclasses
import functools
import struct
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import construct

from kdnb.errors import DecodeError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy

__all__ = [
    "Field",
    "FieldInfo",
    "Structure",
    "array",
    "nested",
    "padding",
    "plain_struct",
    "raw",
    "u8",
    "u16",
    "u32",
    "u64",
    "u80",
    "u128",
]


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """One field of a structure or of a whole payload: where it is, what it is called, what it means."""

    name: str
    offset: int
    size: int
    wire_name: str
    meaning: str
    hidden: bool = False
    value: Any = None


@dataclass(frozen=True, slots=True)
class Field:
    """What an annotation carries. `load` and `dump` convert between construct's value and the dataclass's."""

    construct: Any
    size: int
    dtype: Any
    wire_name: str
    meaning: str = ""
    hidden: bool = False
    kind: str = ""
    format: str = ""  # of `struct`, for what one value of it can be
    count: int | None = None  # length that a bytes or array value must have
    load: Callable[[Any], Any] | None = None
    dump: Callable[[Any], Any] | None = None
    structure: type[Structure] | None = None
    is_integer: bool = False
    is_array: bool = False


def u8(wire_name: str, meaning: str = "") -> Field:
    """Unsigned 8-bit integer."""
    return Field(construct.Int8ul, 1, "u1", wire_name, meaning, kind="u8", format="B", is_integer=True)


def u16(wire_name: str, meaning: str = "") -> Field:
    """Unsigned 16-bit integer."""
    return Field(construct.Int16ul, 2, "<u2", wire_name, meaning, kind="u16", format="H", is_integer=True)


def u32(wire_name: str, meaning: str = "") -> Field:
    """Unsigned 32-bit integer."""
    return Field(construct.Int32ul, 4, "<u4", wire_name, meaning, kind="u32", format="I", is_integer=True)


def u64(wire_name: str, meaning: str = "") -> Field:
    """Unsigned 64-bit integer."""
    return Field(construct.Int64ul, 8, "<u8", wire_name, meaning, kind="u64", format="Q", is_integer=True)


def _load_integer(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _wide(size: int, wire_name: str, meaning: str) -> Field:
    """An unsigned integer that numpy has no type for: it sees bytes."""
    kind = f"u{8 * size}"
    integer = Field(construct.Bytes(size), size, f"V{size}", wire_name, meaning, kind=kind, is_integer=True)
    return dataclasses.replace(integer, load=_load_integer, dump=lambda value: value.to_bytes(size, "little"))


def u80(wire_name: str, meaning: str = "") -> Field:
    """Unsigned 80-bit integer (an x87 register)."""
    return _wide(10, wire_name, meaning)


def u128(wire_name: str, meaning: str = "") -> Field:
    """Unsigned 128-bit integer (a vector register)."""
    return _wide(16, wire_name, meaning)


def raw(size: int, wire_name: str, meaning: str = "") -> Field:
    """Exactly `size` bytes."""
    kind, form = f"{size} bytes", f"{size}s"
    return Field(construct.Bytes(size), size, f"V{size}", wire_name, meaning, kind=kind, format=form, count=size)


def padding(size: int, meaning: str = "unused") -> Field:
    """Bytes without meaning: kept, so that encode is exact, and never shown."""
    return dataclasses.replace(raw(size, "", meaning), hidden=True)


def array(count: int, element: Callable[[str, str], Field], wire_name: str, meaning: str = "") -> Field:
    """`count` integers in a row, a tuple in the dataclass: `array(15, u64, "ExceptionInformation")`."""
    one = element("", "")
    load, dump = one.load, one.dump
    return Field(
        construct.Array(count, one.construct),
        count * one.size,
        (one.dtype, (count,)),
        wire_name,
        meaning,
        kind=f"{count} x {one.kind}",
        count=count,
        load=tuple if load is None else lambda values: tuple(map(load, values)),
        dump=None if dump is None else lambda values: [dump(value) for value in values],
        is_array=True,
    )


def nested(structure: type[Structure], wire_name: str, meaning: str = "") -> Field:
    """Another structure inside this one."""
    layout = structure.layout()
    return Field(
        layout.construct,
        structure.SIZE,
        None,
        wire_name,
        meaning,
        kind=structure.__name__,
        load=lambda values: structure(*layout.load(values)),
        dump=lambda value: layout.dump(structure.__name__, value),
        structure=structure,
    )


class Layout:
    """The wire fields of one structure, and its construct, compiled on first use."""

    def __init__(self, fields: Iterable[tuple[str, Field]]) -> None:
        self.fields = tuple(fields)
        self.size = sum(field.size for _, field in self.fields)
        self.construct = construct.Sequence(*(name / field.construct for name, field in self.fields))
        self._names = tuple(name for name, _ in self.fields)
        self._counts = tuple((i, field.count) for i, (_, field) in enumerate(self.fields) if field.count is not None)
        self._dumps = tuple((i, field.dump) for i, (_, field) in enumerate(self.fields) if field.dump)
        self._loads = tuple((i, field.load) for i, (_, field) in enumerate(self.fields) if field.load)

    @functools.cached_property
    def compiled(self) -> Any:
        return self.construct.compile()

    @functools.cached_property
    def plain(self) -> struct.Struct | None:
        """The whole as one `struct`, where no field is more than that: ten times as quick as compiled construct, and
        every request of a session goes through it."""
        return plain_struct(self)

    @functools.cached_property
    def integers(self) -> dict[str, tuple[str, int | None]]:
        """Every single integer by name -> field and, for arrays, index: element 3 of `xmm` is `xmm3`."""
        places: dict[str, tuple[str, int | None]] = {}
        for name, field in self.fields:
            if field.is_integer:
                places[name] = (name, None)
            elif field.is_array:
                places.update({f"{name}{index}": (name, index) for index in range(field.count or 0)})
        return places

    def load(self, values: list[Any]) -> list[Any]:
        """Values of the dataclass from construct's."""
        for index, load in self._loads:
            values[index] = load(values[index])
        return values

    def dump(self, name: str, structure: object) -> list[Any]:
        """Values for construct from the dataclass; lengths are checked here, since compiled construct doesn't."""
        values = [getattr(structure, field_name) for field_name in self._names]
        for index, count in self._counts:
            if len(values[index]) != count:
                raise UsageError(f"{name}.{self._names[index]} has length {len(values[index])}, the wire has {count}")
        for index, dump in self._dumps:
            values[index] = dump(values[index])
        return values

    def place(self) -> Iterable[tuple[int, str, Field]]:
        """Offset, name and field, in wire order."""
        offset = 0
        for name, field in self.fields:
            yield offset, name, field
            offset += field.size


def plain_struct(*layouts: Layout) -> struct.Struct | None:
    """Structures in a row as one `struct`; None where a field is more than that can say."""
    formats = [field.format for layout in layouts for _, field in layout.fields]
    return struct.Struct("<" + "".join(formats)) if all(formats) else None


def _wire_fields(cls: type) -> list[tuple[str, Field]]:
    hints = typing.get_type_hints(cls, include_extras=True)
    pairs = []
    for name, hint in hints.items():
        field = next((extra for extra in getattr(hint, "__metadata__", ()) if isinstance(extra, Field)), None)
        if field is not None:
            pairs.append((name, field))
    return pairs


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_shown, value))})"
    return hex(value) if isinstance(value, int) and value > 9 else repr(value)


class Structure:
    """Base of all fixed wire structures; see the module's docstring for how one is declared."""

    __slots__ = ()
    SIZE: ClassVar[int] = 0
    _LAYOUT: ClassVar[Layout]

    def __init_subclass__(cls) -> None:
        # Runs before @dataclass, and a second time for the copy that slots=True makes: then there is nothing to do.
        if "__dataclass_fields__" in cls.__dict__:
            return
        layout = Layout(_wire_fields(cls))
        cls._LAYOUT = layout
        cls.SIZE = layout.size
        cls.__repr__ = Structure.__repr__  # type: ignore[method-assign]  # else @dataclass writes one that shows padding

    def __repr__(self) -> str:
        """Name and fields without padding; numbers above 9 are hexadecimal, as in the documents of the protocol."""
        hidden = {name for name, field in self._LAYOUT.fields if field.hidden}
        fields = dataclasses.fields(typing.cast("Any", self))
        shown = [field.name for field in fields if field.repr and field.name not in hidden]
        return f"{type(self).__name__}({', '.join(f'{name}={_shown(getattr(self, name))}' for name in shown)})"

    @classmethod
    def layout(cls) -> Layout:
        """The declaration as an object; for the codec, the reference page and tests."""
        return cls._LAYOUT

    @classmethod
    def decode(cls, data: bytes, offset: int = 0) -> Self:
        """The structure at `offset`; what follows it is left alone. Raises `DecodeError` when data is too short."""
        if offset < 0 or len(data) - offset < cls.SIZE:
            raise DecodeError(f"{cls.__name__} needs {cls.SIZE} bytes, {max(len(data) - offset, 0)} are left")
        layout = cls._LAYOUT
        if layout.plain is not None:
            return cls(*layout.plain.unpack_from(data, offset))
        return cls(*layout.load(layout.compiled.parse(data[offset:] if offset else data)))

    def encode(self) -> bytes:
        """Exactly SIZE bytes. Raises `UsageError` when a value doesn't fit its field."""
        name = type(self).__name__
        layout = self._LAYOUT
        try:
            values = layout.dump(name, self)
            encoded: bytes = layout.compiled.build(values) if layout.plain is None else layout.plain.pack(*values)
        except (struct.error, construct.ConstructError, OverflowError, TypeError) as error:
            raise UsageError(f"a value of {name} doesn't fit its field: {error}") from error
        return encoded

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        copy: Self = dataclasses.replace(typing.cast("Any", self), **changes)
        return copy

    @classmethod
    def fields(cls) -> tuple[FieldInfo, ...]:
        """The field map: every wire field, padding included (marked hidden)."""
        return tuple(
            FieldInfo(name, offset, field.size, field.wire_name, field.meaning, field.hidden)
            for offset, name, field in cls._LAYOUT.place()
        )

    def field_values(self, base: int = 0) -> list[FieldInfo]:
        """The field map of this value, offsets counted from `base`; nested structures are opened."""
        found = []
        for offset, name, field in self._LAYOUT.place():
            value = getattr(self, name)
            if isinstance(value, Structure):
                found += [
                    dataclasses.replace(inner, name=f"{name}.{inner.name}")
                    for inner in value.field_values(base + offset)
                ]
            else:
                found.append(
                    FieldInfo(name, base + offset, field.size, field.wire_name, field.meaning, field.hidden, value)
                )
        return found

    @classmethod
    def dtype(cls) -> numpy.dtype[Any]:
        """numpy's view of the structure, for decoding many at once with `numpy.frombuffer`."""
        import numpy as np

        names = [name for name, _ in cls._LAYOUT.fields]
        formats = [field.structure.dtype() if field.structure else field.dtype for _, field in cls._LAYOUT.fields]
        return np.dtype(list(zip(names, formats, strict=True)))
