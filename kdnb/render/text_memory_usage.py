"""Text of `!vm` (the command reference, 7.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.render.lines import lines
from kdnb.results.memory_usage import MemoryUsage

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []


@lines.register(MemoryUsage)
def _usage(value: MemoryUsage) -> Iterator[str]:
    def kilobytes(pages: int) -> int:
        return pages * value.page_size // 1024

    for file in value.paging_files:
        yield f"Page File: {file.name}"
        yield f"  Current: {kilobytes(file.current):>9} Kb  Free Space: {kilobytes(file.free):>9} Kb"
        yield f"  Minimum: {kilobytes(file.minimum):>9} Kb  Maximum:    {kilobytes(file.maximum):>9} Kb"
    if value.paging_files:
        yield ""
    for counter in value.counters:
        yield f"{counter.name + ':':<24}{counter.pages:>10} ({kilobytes(counter.pages):>11} Kb)"
    if value.processes:
        yield ""
        yield "  Pid ImageName              Commit   SharedCommit"
        yield ""
        for each in value.processes:
            shared = "" if each.shared_commit is None else f"{kilobytes(each.shared_commit):>12} Kb"
            yield f"{each.pid:5x} {each.image:<17}{kilobytes(each.commit):>9} Kb{shared}"
    if value.missing:
        yield ""
        yield f"Not known in this build: {', '.join(value.missing)}"
    if value.note:
        yield f"WARNING: {value.note}"
