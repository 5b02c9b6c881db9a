"""A traced call: how many instructions each function executed (`wt`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kdnb.results.base import TableResult

if TYPE_CHECKING:
    from kdnb.results.events import Stop

__all__ = ["CallTrace", "TraceRow", "TracedFunction"]


@dataclass(frozen=True, slots=True)
class TraceRow:
    """A place where the trace went into or out of a function: what it had executed until then."""

    own: int
    children: int
    depth: int
    name: str
    value: int | None = None
    """What it returned, where it did so here."""


@dataclass(frozen=True, slots=True)
class TracedFunction:
    """All calls of one function."""

    name: str
    invocations: int
    least: int
    most: int
    total: int


@dataclass(frozen=True, slots=True, repr=False)
class CallTrace(TableResult):
    """What `wt` saw. `ended` is empty where the function returned."""

    title: str
    trace: tuple[TraceRow, ...]
    functions: tuple[TracedFunction, ...]
    instructions: int
    stop: Stop
    ended: str = ""
    elsewhere: int = 0
    """How often another thread had the processor; what it executed isn't counted."""
    with_calls: bool = True
    with_summary: bool = True
    return_register: str = ""
    """Show what functions returned in this register."""

    def __len__(self) -> int:
        return len(self.functions)

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"name": f.name, "invocations": f.invocations, "least": f.least, "most": f.most, "total": f.total}
            for f in self.functions
        ]
