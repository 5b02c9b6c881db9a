"""Handles of a process and what they stand for, as `!handle` shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kdnb.results.base import TableResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.results.objects import ObjectInfo
    from kdnb.results.processes import ProcessInfo

__all__ = ["HandleInfo", "HandleList", "HandleLists"]

PROTECT, INHERIT, AUDIT = 1, 2, 4
"""Attributes of a handle (OBJ_PROTECT_CLOSE, OBJ_INHERIT, OBJ_AUDIT_OBJECT_CLOSE of public headers)."""


@dataclass(frozen=True, slots=True)
class HandleInfo:
    """One entry of a handle table; `object` is 0 where the entry is free."""

    handle: int
    entry: int
    """Address of the HANDLE_TABLE_ENTRY."""
    object: int
    """Body of the object."""
    access: int
    attributes: int
    """1 protected from closing, 2 inherited, 4 audited."""
    type: str
    name: str
    """Of a file its path, of a process its image, of a thread its ids; else the name in the namespace."""
    details: ObjectInfo | None = None
    """What `!object` says of it, where asked for."""
    note: str = ""
    """Why nothing more is known."""

    @property
    def is_free(self) -> bool:
        return not self.object


@dataclass(frozen=True, slots=True, repr=False)
class HandleList(TableResult):
    """Handles of one process, or entries of the table of ids (`process` is None)."""

    process: ProcessInfo | None
    table: int
    count: int
    """How many are open, as the table says."""
    handles: tuple[HandleInfo, ...]
    address_size: int
    note: str = ""

    def __len__(self) -> int:
        return len(self.handles)

    def __iter__(self) -> Iterator[HandleInfo]:
        return iter(self.handles)

    def __getitem__(self, index: int) -> HandleInfo:
        return self.handles[index]

    def rows(self) -> list[dict[str, Any]]:
        names = ("handle", "type", "name", "object", "access", "attributes", "entry")
        image = self.process.image if self.process is not None else ""
        return [{"process": image} | {name: getattr(each, name) for name in names} for each in self.handles]


@dataclass(frozen=True, slots=True, repr=False)
class HandleLists(TableResult):
    """Handles of several processes."""

    lists: tuple[HandleList, ...]
    note: str = ""

    def __len__(self) -> int:
        return len(self.lists)

    def __iter__(self) -> Iterator[HandleList]:
        return iter(self.lists)

    def rows(self) -> list[dict[str, Any]]:
        return [row for each in self.lists for row in each.rows()]
