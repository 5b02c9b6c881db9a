"""Values of C++ expressions, as `??` and `dx` show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kdnb.results.base import Result, TableResult
from kdnb.results.types import exact_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas

    from kdnb.results.types import TypeDump

__all__ = ["DataField", "DataView", "TypedValue"]


@dataclass(frozen=True, slots=True, repr=False)
class TypedValue(Result):
    """Type and value of a C++ expression (`??`); behaves as the number in Python."""

    type: str
    """C's words: `unsigned int64`, `struct _EPROCESS *`."""
    value: int | float | None
    """None for structs and arrays."""
    text: str
    """The value in WinDbg's words."""
    address: int | None
    """Where it lies in memory; None for what was only computed."""
    address_size: int
    dump: TypeDump | None = None
    """The fields of a struct, or of the struct that a pointer points to."""

    def __int__(self) -> int:
        if self.value is None:
            raise TypeError(f"{self.type} is no number")
        return int(self.value)

    def __index__(self) -> int:
        return int(self)


@dataclass(frozen=True, slots=True)
class DataField:
    """One row of `dx`: an expression, or a field below it."""

    name: str
    type: str
    text: str
    """Empty for structs."""
    value: int | float | None = None
    offset: int | None = None
    """Bytes from the start of the struct above; None for elements and the expression itself."""
    depth: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class DataView(TableResult):
    """What `dx` shows: the expression, and what lies below it."""

    fields: tuple[DataField, ...]
    note: str = ""
    """What was left out."""

    def __getitem__(self, name: str) -> int | float | None:
        """The number in a field of the first level."""
        for field in self.fields:
            if field.depth == 1 and field.name.lower() == name.lower():
                return field.value
        raise KeyError(name)

    def __iter__(self) -> Iterator[DataField]:
        return iter(self.fields)

    def rows(self) -> list[dict[str, Any]]:
        names = ("name", "depth", "offset", "type", "value", "text")
        return [{name: getattr(field, name) for name in names} for field in self.fields]

    @property
    def df(self) -> pandas.DataFrame:
        return exact_frame(self.rows())
