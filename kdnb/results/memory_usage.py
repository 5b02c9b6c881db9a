"""How the target's memory is used, as `!vm` shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kdnb.results.base import TableResult

__all__ = ["MemoryCounter", "MemoryUsage", "PagingFile", "ProcessCommit"]


@dataclass(frozen=True, slots=True)
class MemoryCounter:
    """One of the kernel's counts of pages."""

    name: str
    """As `!vm` words it: `Available Pages`."""
    pages: int


@dataclass(frozen=True, slots=True)
class PagingFile:
    """A file that pages are written to; sizes in pages."""

    name: str
    current: int
    free: int
    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True)
class ProcessCommit:
    """What a process has promised to itself, in pages."""

    process: int
    pid: int
    image: str
    commit: int
    shared_commit: int | None
    """None where the build doesn't tell."""


@dataclass(frozen=True, slots=True, repr=False)
class MemoryUsage(TableResult):
    """`!vm`: counts of the whole system, then processes by what they committed."""

    counters: tuple[MemoryCounter, ...]
    paging_files: tuple[PagingFile, ...]
    processes: tuple[ProcessCommit, ...]
    page_size: int
    missing: tuple[str, ...] = ()
    """Counters that this build keeps elsewhere, or whose symbols are not known."""
    note: str = ""

    def __getitem__(self, name: str) -> int:
        """Pages of a counter by its name."""
        for counter in self.counters:
            if counter.name == name:
                return counter.pages
        raise KeyError(name)

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"name": each.name, "pages": each.pages, "kilobytes": each.pages * self.page_size // 1024}
            for each in self.counters
        ]
