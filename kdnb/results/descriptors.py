"""Segment descriptors, as `dg` shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kdnb.results.base import TableResult, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Descriptor", "DescriptorTable"]


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One entry of the global descriptor table."""

    selector: int
    base: int
    limit: int
    """Offset of the last byte, granularity applied."""
    access: int
    """The access byte: type in bits 0-3, S 4, DPL 5-6, present 7."""
    flags: int
    """Four bits: available, long, default size, granularity."""

    @property
    def is_system(self) -> bool:
        """TSS, LDT or gate; code and data are not."""
        return not self.access & 0x10

    @property
    def privilege(self) -> int:
        """DPL, 0-3."""
        return self.access >> 5 & 3

    @property
    def is_present(self) -> bool:
        return bool(self.access & 0x80)

    @property
    def is_long(self) -> bool:
        """64-bit code."""
        return bool(self.flags & 2)


@dataclass(frozen=True, slots=True, repr=False)
class DescriptorTable(TableResult):
    """A run of descriptors."""

    descriptors: tuple[Descriptor, ...]
    address_size: int

    def __len__(self) -> int:
        return len(self.descriptors)

    def __iter__(self) -> Iterator[Descriptor]:
        return iter(self.descriptors)

    def __getitem__(self, index: int) -> Descriptor:
        return self.descriptors[index]

    def rows(self) -> list[dict[str, Any]]:
        return [plain(descriptor) for descriptor in self.descriptors]
