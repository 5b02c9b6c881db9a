"""Text of the pool: `!pool !poolused !poolfind` (the command reference, 7.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.render.lines import lines
from kdnb.results.addresses import format_address
from kdnb.results.pool import PoolPage, PoolSearch, PoolUsage, TagUsage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.results.pool import LargeAllocation, PoolBlock

__all__: list[str] = []

WORD, WORDS_PER_LINE = 4, 4


@lines.register(PoolPage)
def _page(value: PoolPage) -> Iterator[str]:
    size = value.address_size
    yield f"Pool page {value.address:0{2 * size}x} region is {value.region}"
    chosen = value.chosen
    if value.large is not None:
        yield f"*{_large(value.large, size)}"
        yield from _description(value.large.tag, value.description)
    for block in value:
        yield _block(block, size, "*" if block is chosen else " ")
        if block is chosen:
            yield from _description(block.tag, value.description)
        if block.data:
            yield from _content(block, size)
    if value.note:
        yield f"WARNING: {value.note}"


def _block(block: PoolBlock, size: int, mark: str = "") -> str:
    state = "(Free)" if block.is_free else "(Allocated)"
    text = f"{block.address:0{2 * size}x} size: {block.size:4x} previous size: {block.previous_size:4x}  {state:<11}"
    return f"{mark}{text} {mark}{block.tag}{' (Protected)' if block.is_protected else ''}"


def _large(large: LargeAllocation, size: int) -> str:
    return f"{large.address:0{2 * size}x} : large page allocation, tag is {large.tag}, size is 0x{large.size:x} bytes"


def _description(tag: str, text: str) -> Iterator[str]:
    yield f"\t\tPooltag {tag} : {text}" if text else "\t\tOwning component : Unknown"


def _content(block: PoolBlock, size: int) -> Iterator[str]:
    """The first words behind the header."""
    start = block.address + (16 if size == 8 else 8)
    line = WORD * WORDS_PER_LINE
    for at in range(0, len(block.data), line):
        words = [block.data[begin : begin + WORD] for begin in range(at, min(at + line, len(block.data)), WORD)]
        shown = " ".join(f"{int.from_bytes(word, 'little'):08x}" for word in words)
        yield f" {start + at:0{2 * size}x}  {shown}"
    yield ""


@lines.register(PoolSearch)
def _search(value: PoolSearch) -> Iterator[str]:
    size = value.address_size
    start, end = format_address(value.start, size), format_address(value.end, size)
    yield f"Searching {value.region.lower()} ({start} : {end}) for tag {value.tag}"
    yield ""
    yield from (_large(large, size) for large in value.large)
    yield from (_block(block, size) for block in value)
    if value.note:
        yield f"WARNING: {value.note}"


@lines.register(PoolUsage)
def _usage(value: PoolUsage) -> Iterator[str]:
    yield f" Sorting by {value.sorted_by}"
    yield ""
    width = 50 if value.verbose else 25
    yield f"{'':15}{'NonPaged':<{width}} Paged"
    columns = ("Allocs", "Frees", "Diff", "Used") if value.verbose else ("Allocs", "Used")
    head = "".join(f"{name:>13}" for name in columns)
    yield f" Tag {head[2:]}{head[2:]}" if value.verbose else " Tag     Allocs         Used     Allocs         Used"
    yield ""
    for row in value:
        unknown = f"UNKNOWN pooltag '{row.tag}'"
        yield f" {row.tag}{_numbers(row, value.verbose)}\t{row.description or unknown}"
    yield f"TOTAL{_numbers(_total(value), value.verbose)}"
    if value.note:
        yield f"WARNING: {value.note}"


def _numbers(row: TagUsage, verbose: bool) -> str:
    if not verbose:
        return f"{row.nonpaged_count:>10}{row.nonpaged_bytes:>13}{row.paged_count:>11}{row.paged_bytes:>13}"
    nonpaged = (row.nonpaged_allocations, row.nonpaged_frees, row.nonpaged_count, row.nonpaged_bytes)
    paged = (row.paged_allocations, row.paged_frees, row.paged_count, row.paged_bytes)
    return "".join(f"{first:>11}{frees:>13}{left:>13}{used:>13}" for first, frees, left, used in (nonpaged, paged))


def _total(value: PoolUsage) -> TagUsage:
    return TagUsage(
        "",
        sum(row.nonpaged_allocations for row in value),
        sum(row.nonpaged_frees for row in value),
        sum(row.nonpaged_bytes for row in value),
        sum(row.paged_allocations for row in value),
        sum(row.paged_frees for row in value),
        sum(row.paged_bytes for row in value),
        "",
    )
