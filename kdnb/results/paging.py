"""Address translation, as `!vtop` and `!pte` show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kdnb.results.base import TableResult, plain

__all__ = [
    "PageEntry",
    "PageMapping",
    "PageMappings",
    "PageTableEntries",
    "PhysicalHit",
    "PhysicalHits",
    "Translation",
]


@dataclass(frozen=True, slots=True)
class PageEntry:
    """One step of a page walk."""

    level: str
    """`PML4E`, `PDPE`, `PDE` or `PTE`."""
    address: int
    """Physical address of the entry."""
    value: int
    virtual: int | None = None
    """Where the system maps the entry itself; None where its PTE base is not known."""
    large: bool = False
    """The entry maps a large page: the walk ends here."""

    @property
    def valid(self) -> bool:
        return bool(self.value & 1)


@dataclass(frozen=True, slots=True, repr=False)
class Translation(TableResult):
    """A virtual address on its way to a physical one; `physical` is None where the way ends early."""

    virtual: int
    directory: int
    machine: str
    entries: tuple[PageEntry, ...]
    physical: int | None
    address_size: int
    pae: bool = False

    def __int__(self) -> int:
        if self.physical is None:
            raise ValueError(f"{self.virtual:#x} has no physical address")
        return self.physical

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"level": entry.level, "physical": entry.address, "entry": entry.value, "valid": entry.valid}
            for entry in self.entries
        ]


@dataclass(frozen=True, slots=True, repr=False)
class PageTableEntries(TableResult):
    """The same walk as `!pte` shows it: the entries with their bits."""

    translation: Translation

    def rows(self) -> list[dict[str, Any]]:
        return self.translation.rows()


@dataclass(frozen=True, slots=True)
class PageMapping:
    """A page that an address space maps."""

    physical: int
    virtual: int
    size: int
    """Bytes: 0x1000, or those of a large page."""


@dataclass(frozen=True, slots=True, repr=False)
class PageMappings(TableResult):
    """All pages of an address space (`!ptov`), by virtual address."""

    directory: int
    machine: str
    """`Amd64` or `X86`."""
    pages: tuple[PageMapping, ...]
    note: str = ""
    """Why the list ends early."""

    def __len__(self) -> int:
        return len(self.pages)

    def rows(self) -> list[dict[str, Any]]:
        return [plain(page) for page in self.pages]


@dataclass(frozen=True, slots=True)
class PhysicalHit:
    """A word found in physical memory."""

    address: int
    value: int


@dataclass(frozen=True, slots=True, repr=False)
class PhysicalHits(TableResult):
    """What `!search` found, by physical address."""

    first: int
    last: int
    """Page frames that were searched."""
    hits: tuple[PhysicalHit, ...]
    address_size: int
    note: str = ""

    def __len__(self) -> int:
        return len(self.hits)

    def rows(self) -> list[dict[str, Any]]:
        return [plain(hit) for hit in self.hits]
