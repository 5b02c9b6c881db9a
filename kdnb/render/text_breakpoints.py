"""Text of `bl`, in the classic layout (the command reference, 7.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.render.lines import lines
from kdnb.results.addresses import format_address
from kdnb.results.breakpoints import BreakpointInfo, BreakpointList

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []


@lines.register(BreakpointList)
def _list(value: BreakpointList) -> Iterator[str]:
    for entry in value.breakpoints:
        yield from _rows(entry, value.address_size)


@lines.register(BreakpointInfo)
def _one(value: BreakpointInfo) -> Iterator[str]:
    """What `bp` has to say comes first, then the breakpoint as `bl` shows it."""
    if value.message:
        yield value.message
    yield from _rows(value, value.address_size)


def _rows(entry: BreakpointInfo, size: int) -> Iterator[str]:
    state = "e" if entry.enabled else "d"
    deferred = "u" if entry.address is None else " "  # unresolved: a resolved bu or bm looks like any other
    width = len(format_address(0, size))
    address = "" if entry.address is None else format_address(entry.address, size)
    access = f"{entry.kind} {entry.size}" if entry.kind in ("e", "r", "w", "i") else ""
    name = f"({entry.expression})" if entry.address is None else entry.symbol or entry.expression
    passes = f"{entry.remaining:04x} ({entry.passes:04x})"
    line = f"{entry.number:2} {state}{deferred}{address:<{width}} {access:<3} {passes} {name}"
    if entry.command:
        line += f' "{entry.command}"'
    yield line
    for what, number in (("process", entry.process), ("thread", entry.thread)):
        if number is not None:
            yield f"     Match {what} data {format_address(number, size)}"
    if entry.max_depth is not None:
        yield f"     Call stack shallower than {entry.max_depth}"
    if entry.min_depth is not None:
        yield f"     Call stack deeper than {entry.min_depth}"
