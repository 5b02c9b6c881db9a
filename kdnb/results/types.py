"""Types and typed memory, as `dt` shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kdnb.results.base import TableResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas

__all__ = ["EnumInfo", "FieldInfo", "TypeDump", "TypeDumps", "TypeNames", "exact_frame"]


def exact_frame(rows: list[dict[str, Any]]) -> pandas.DataFrame:
    """Rows as a DataFrame in which a missing number doesn't turn 64-bit addresses into rounded floats."""
    import pandas

    columns = list(dict.fromkeys(name for row in rows for name in row))
    made = {}
    for name in columns:
        values = [row.get(name) for row in rows]
        numbers = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
        dtype: str | None = None
        if numbers and all(value is None or type(value) is int for value in values):
            dtype = "UInt64" if min(numbers) >= 0 else "Int64" if max(numbers) < 1 << 63 else "object"
            if len(numbers) == len(values):
                dtype = dtype.lower()
        made[name] = pandas.Series(values, dtype=dtype)
    return pandas.DataFrame(made, columns=columns)


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """One field of a struct: where it is, what it is, and (with an address) what it holds."""

    name: str
    offset: int
    size: int
    type: str
    """dt's words for the type: `Uint4B`, `Ptr64 _KTHREAD`, `[15] UChar`, `Pos 3, 2 Bits`."""
    depth: int = 0
    """How many levels below the struct that was asked for."""
    value: int | None = None
    """The number in memory, where the field is one number."""
    text: str | None = None
    """What `dt` prints for the value; None without an address."""
    problem: str = ""
    """Why the field can't be read; the others are shown all the same."""


@dataclass(frozen=True, slots=True, repr=False)
class TypeDump(TableResult):
    """A struct's layout, or its layout and values at an address. `dump["Field"]` gives a field's value."""

    name: str
    """`module!type`."""
    size: int
    fields: tuple[FieldInfo, ...]
    address_size: int
    address: int | None = None
    header: str = ""
    """What stands above the fields: the text of a string struct, the value of an enum."""
    offsets: bool = True
    indent: bool = True
    is_compact: bool = False
    """All fields in one line (`-c`)."""
    note: str = ""
    """What was left out, and why."""

    def __getitem__(self, name: str) -> int | None:
        """The number in a field; None for structs, arrays, and without an address."""
        return self.field(name).value

    def field(self, name: str) -> FieldInfo:
        """The field of that name, any case; `KeyError` where there is none."""
        for field in self.fields:
            if field.depth == 0 and field.name.lower() == name.lower():
                return field
        raise KeyError(name)

    def offset(self, name: str) -> int:
        """Bytes from the start of the struct to a field."""
        return self.field(name).offset

    def _ipython_key_completions_(self) -> list[str]:
        return [field.name for field in self.fields if field.depth == 0]

    def __iter__(self) -> Iterator[FieldInfo]:
        return iter(self.fields)

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "field": field.name,
                "depth": field.depth,
                "offset": field.offset,
                "size": field.size,
                "type": field.type,
                "value": field.value,
                "text": field.text,
            }
            for field in self.fields
        ]

    @property
    def df(self) -> pandas.DataFrame:
        return exact_frame(self.rows())


@dataclass(frozen=True, slots=True, repr=False)
class TypeDumps(TableResult):
    """Several elements: an array of a type, or the entries of a list (`dt -l`)."""

    dumps: tuple[TypeDump, ...]
    note: str = ""
    """Why a list ended early."""
    link: str = ""
    """The field by which a list was walked (`ActiveProcessLinks.Flink`); empty for an array."""

    def __len__(self) -> int:
        return len(self.dumps)

    def __iter__(self) -> Iterator[TypeDump]:
        return iter(self.dumps)

    def __getitem__(self, index: int) -> TypeDump:
        return self.dumps[index]

    def rows(self) -> list[dict[str, Any]]:
        return [{"address": dump.address, **{field.name: field.value for field in dump.fields}} for dump in self.dumps]

    @property
    def df(self) -> pandas.DataFrame:
        return exact_frame(self.rows())


@dataclass(frozen=True, slots=True, repr=False)
class TypeNames(TableResult):
    """Names of types that match a pattern (`dt nt!_KP*`)."""

    names: tuple[str, ...]
    """`module!type`."""
    left_out: int = 0
    variables: tuple[tuple[int, str], ...] = ()
    """Address and `module!name` of variables that match too."""
    address_size: int = 8
    sizes: Mapping[str, int] | None = None
    """Bytes of each, by name, where they were asked for (`-v`)."""
    header: str = ""

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def rows(self) -> list[dict[str, Any]]:
        return [{"name": name, "address": None} for name in self.names] + [
            {"name": name, "address": address} for address, name in self.variables
        ]

    @property
    def df(self) -> pandas.DataFrame:
        return exact_frame(self.rows())


@dataclass(frozen=True, slots=True, repr=False)
class EnumInfo(TableResult):
    """An enum: the name of each value."""

    name: str
    """`module!type`."""
    size: int
    values: dict[int, str]
    text: str = ""
    """What lies at an address as this enum, where one was given."""

    def __iter__(self) -> Iterator[str]:
        return iter(self.values.values())

    def __getitem__(self, name: str) -> int:
        for value, word in self.values.items():
            if word.lower() == name.lower():
                return value
        raise KeyError(name)

    def rows(self) -> list[dict[str, Any]]:
        return [{"name": word, "value": value} for value, word in self.values.items()]
