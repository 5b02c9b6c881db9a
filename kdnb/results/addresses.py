"""How an address is written; the rule itself is in `kdnb.protocol.addresses`, since one-line summaries need it too."""

from __future__ import annotations

from dataclasses import dataclass

from kdnb.protocol.addresses import format_address

__all__ = ["Segment", "format_address", "format_place"]


@dataclass(frozen=True, slots=True)
class Segment:
    """The segment in which an address was given (`gs:188`): its selector and where it begins."""

    selector: int
    base: int


def format_place(address: int, size: int, segment: Segment | None) -> str:
    """A linear address as it was given: `002b:00000000`00000188` in a segment."""
    if segment is None:
        return format_address(address, size)
    return f"{segment.selector:04x}:{format_address(address - segment.base, size)}"
