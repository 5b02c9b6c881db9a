"""Breakpoints, as `bl` shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kdnb.results.base import Result, TableResult

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BreakpointInfo", "BreakpointList"]


@dataclass(frozen=True, slots=True, repr=False)
class BreakpointInfo(Result):
    """One breakpoint as it was when listed."""

    number: int
    kind: str
    """`software`, or `e`, `r`, `w`, `i` for a processor breakpoint."""
    address: int | None
    """None while deferred."""
    expression: str
    enabled: bool = True
    symbolic: bool = False
    """Set by `bu`: follows its name over unload and load."""
    size: int = 1
    passes: int = 1
    remaining: int = 1
    command: str = ""
    symbol: str = ""
    one_shot: bool = False
    process: int | None = None
    thread: int | None = None
    hits: int = 0
    message: str = ""
    """What `bp` has to say: `breakpoint 0 redefined`, or why it is deferred."""
    max_depth: int | None = None
    min_depth: int | None = None
    """Call stack depths between which it stops (`/c`, `/C`)."""
    address_size: int = 8


@dataclass(frozen=True, slots=True, repr=False)
class BreakpointList(TableResult):
    """The breakpoint table."""

    breakpoints: tuple[BreakpointInfo, ...]
    address_size: int

    def __len__(self) -> int:
        return len(self.breakpoints)

    def __iter__(self) -> Iterator[BreakpointInfo]:
        return iter(self.breakpoints)

    def __getitem__(self, index: int) -> BreakpointInfo:
        return self.breakpoints[index]

    def rows(self) -> list[dict[str, Any]]:
        return [breakpoint.to_dict() for breakpoint in self.breakpoints]
