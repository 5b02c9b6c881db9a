"""The loader's entries of a process's images, as `!dlls` shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kdnb.results.base import Result, TableResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.results.images import ImageHeaders

__all__ = ["DllEntry", "DllList"]


@dataclass(frozen=True, slots=True, repr=False)
class DllEntry(Result):
    """One LDR_DATA_TABLE_ENTRY."""

    address: int
    """Of the entry itself."""
    path: str
    base: int
    entry_point: int
    size: int
    flags: int
    flag_names: tuple[str, ...]
    load_count: int
    """65535 is an image that stays."""
    tls_index: int
    headers: ImageHeaders | None = None
    version: tuple[tuple[str, str], ...] = ()
    """What the version resource says: names and texts."""
    note: str = ""
    """Why headers or version are not there."""


@dataclass(frozen=True, slots=True, repr=False)
class DllList(TableResult):
    """Entries in the order of one of the loader's lists."""

    entries: tuple[DllEntry, ...]
    address_size: int
    order: str = "load"
    """`load`, `memory` or `initialization`."""
    containing: int | None = None
    """The address that was asked for; `entries` is then the one image around it, or empty."""
    note: str = ""
    """Why the list ends early."""

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[DllEntry]:
        return iter(self.entries)

    def __getitem__(self, index: int) -> DllEntry:
        return self.entries[index]

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "address": each.address,
                "base": each.base,
                "entry_point": each.entry_point,
                "size": each.size,
                "flags": each.flags,
                "load_count": each.load_count,
                "tls_index": each.tls_index,
                "path": each.path,
            }
            for each in self.entries
        ]
