"""The kernel's pool, as `!pool`, `!poolused` and `!poolfind` show it. Sizes are bytes and include a block's header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kdnb.results.base import TableResult

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LargeAllocation", "PoolBlock", "PoolPage", "PoolSearch", "PoolUsage", "TagUsage"]


@dataclass(frozen=True, slots=True)
class PoolBlock:
    """One block of a pool page."""

    address: int
    """Of its header."""
    size: int
    previous_size: int
    """Of the block before it in the page, as its header says; 0 for the first."""
    pool_type: int
    """As in the header: 0 for a free block."""
    tag: str
    is_protected: bool = False
    """The tag says that only its owner may free it."""
    data: bytes = b""
    """What is behind the header, where it was asked for."""

    @property
    def is_free(self) -> bool:
        return not self.pool_type


@dataclass(frozen=True, slots=True)
class LargeAllocation:
    """An allocation of whole pages, which has no header."""

    address: int
    size: int
    tag: str


@dataclass(frozen=True, slots=True, repr=False)
class PoolPage(TableResult):
    """The blocks of the page that holds an address."""

    address: int
    """That was asked for."""
    region: str
    """`Nonpaged pool`, `Paged pool`, or `Unknown`."""
    blocks: tuple[PoolBlock, ...]
    address_size: int
    large: LargeAllocation | None = None
    """Where the page is part of one."""
    description: str = ""
    """What the tag of the block at `address` stands for."""
    note: str = ""
    """What is wrong with the chain of headers."""

    def __len__(self) -> int:
        return len(self.blocks)

    def __iter__(self) -> Iterator[PoolBlock]:
        return iter(self.blocks)

    @property
    def chosen(self) -> PoolBlock | None:
        """The block that holds the address."""
        return next((each for each in self.blocks if each.address <= self.address < each.address + each.size), None)

    def rows(self) -> list[dict[str, Any]]:
        return _rows(self.blocks)


@dataclass(frozen=True, slots=True, repr=False)
class PoolSearch(TableResult):
    """Blocks with a tag (`!poolfind`)."""

    tag: str
    region: str
    start: int
    end: int
    blocks: tuple[PoolBlock, ...]
    large: tuple[LargeAllocation, ...]
    address_size: int
    note: str = ""

    def __len__(self) -> int:
        return len(self.blocks)

    def __iter__(self) -> Iterator[PoolBlock]:
        return iter(self.blocks)

    def rows(self) -> list[dict[str, Any]]:
        return _rows(self.blocks)


def _rows(blocks: tuple[PoolBlock, ...]) -> list[dict[str, Any]]:
    names = ("address", "size", "previous_size", "tag", "is_free")
    return [{name: getattr(block, name) for name in names} for block in blocks]


@dataclass(frozen=True, slots=True)
class TagUsage:
    """What the kernel has counted for one tag."""

    tag: str
    nonpaged_allocations: int
    nonpaged_frees: int
    nonpaged_bytes: int
    paged_allocations: int
    paged_frees: int
    paged_bytes: int
    description: str

    @property
    def nonpaged_count(self) -> int:
        return self.nonpaged_allocations - self.nonpaged_frees

    @property
    def paged_count(self) -> int:
        return self.paged_allocations - self.paged_frees


@dataclass(frozen=True, slots=True, repr=False)
class PoolUsage(TableResult):
    """Allocations by tag (`!poolused`)."""

    tags: tuple[TagUsage, ...]
    sorted_by: str
    """`Tag`, `NonPaged Pool Consumed` or `Paged Pool Consumed`."""
    verbose: bool = False
    note: str = ""

    def __len__(self) -> int:
        return len(self.tags)

    def __iter__(self) -> Iterator[TagUsage]:
        return iter(self.tags)

    def __getitem__(self, tag: str) -> TagUsage:
        """The row of a tag; trailing blanks may be left out."""
        for row in self.tags:
            if row.tag == tag.ljust(4):
                return row
        raise KeyError(tag)

    def rows(self) -> list[dict[str, Any]]:
        names = (
            "tag", "nonpaged_count", "nonpaged_bytes", "paged_count", "paged_bytes", "nonpaged_allocations",
            "nonpaged_frees", "paged_allocations", "paged_frees", "description",
        )  # fmt: skip
        return [{name: getattr(each, name) for name in names} for each in self.tags]
