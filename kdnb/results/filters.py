"""Event filters, as `sx` shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kdnb.results.base import Result, TableResult

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["EventFilterRow", "EventFilterTable"]


@dataclass(frozen=True, slots=True, repr=False)
class EventFilterRow(Result):
    """One filter as it was when listed."""

    name: str
    """`ld`, `av`, `*`, or the eight digits of an exception."""
    title: str
    action: str
    """`break` at the first chance, `second` at the second only, `output`, `ignore`."""
    handled: bool | None
    """None for what is no exception."""
    pattern: str = ""
    commands: str = ""
    second_commands: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class EventFilterTable(TableResult):
    """The filters of a session (`sx`)."""

    filters: tuple[EventFilterRow, ...]

    def __len__(self) -> int:
        return len(self.filters)

    def __iter__(self) -> Iterator[EventFilterRow]:
        return iter(self.filters)

    def __getitem__(self, name: str) -> EventFilterRow:
        return next(row for row in self.filters if row.name == name)

    def rows(self) -> list[dict[str, Any]]:
        return [row.to_dict() for row in self.filters]
