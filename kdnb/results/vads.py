"""The ranges of a process's address space, as `!vad` shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kdnb.results.base import TableResult

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PROTECTIONS", "VadInfo", "VadList"]

PROTECTIONS = (
    "NO_ACCESS", "READONLY", "EXECUTE", "EXECUTE_READ", "READWRITE", "WRITECOPY", "EXECUTE_READWRITE",
    "EXECUTE_WRITECOPY",
)  # fmt: skip
"""The low three bits of a range's protection (public sources); two more say what else holds."""
_MORE = {1: "NOCACHE", 2: "GUARD", 3: "WRITECOMBINE"}
IMAGE = 2
"""VadImageMap of public sources."""


@dataclass(frozen=True, slots=True)
class VadInfo:
    """One range of pages."""

    address: int
    """Of the MMVAD."""
    level: int
    """Depth in the tree; the root is 0."""
    start: int
    """First address."""
    end: int
    """Last address."""
    commit: int
    """Pages that the process has promised for it."""
    is_private: bool
    type: int
    """MI_VAD_TYPE: 0 none, 1 physical memory, 2 an image, ..."""
    protection: int
    name: str = ""
    """Path of what is mapped."""

    @property
    def pages(self) -> int:
        return (self.end - self.start + 1) // 4096

    @property
    def protection_words(self) -> str:
        word, more = PROTECTIONS[self.protection & 7], _MORE.get(self.protection >> 3)
        return f"{word}_{more}" if more else word


@dataclass(frozen=True, slots=True, repr=False)
class VadList(TableResult):
    """The ranges of one tree by address."""

    root: int
    vads: tuple[VadInfo, ...]
    address_size: int
    note: str = ""

    def __len__(self) -> int:
        return len(self.vads)

    def __iter__(self) -> Iterator[VadInfo]:
        return iter(self.vads)

    def __getitem__(self, index: int) -> VadInfo:
        return self.vads[index]

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "start": each.start,
                "end": each.end,
                "pages": each.pages,
                "commit": each.commit,
                "private": each.is_private,
                "image": each.type == IMAGE,
                "protection": each.protection_words,
                "name": each.name,
                "vad": each.address,
            }
            for each in self.vads
        ]
