"""Pool allocations by tag: the kernel's own counts in PoolTrackTable. The segment heap keeps them too.

Since Windows 7 each processor counts in a table of its own (nt!ExPoolTagTables), of which PoolTrackTable is the first:
what one processor allocated, another may have freed, so that only the sums mean something.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.debugger.kernel_records import Record
from kdnb.debugger.pool import tag_pattern, tag_text
from kdnb.errors import MemoryReadError, UnsupportedError
from kdnb.protocol.pool_tags import describe_tag
from kdnb.results.pool import PoolUsage, TagUsage

if TYPE_CHECKING:
    from kdnb.debugger.session import Session

__all__ = ["BY_NONPAGED", "BY_PAGED", "VERBOSE", "pool_usage"]

VERBOSE, BY_NONPAGED, BY_PAGED = 1, 2, 4
"""Flags of `!poolused`."""
TABLE_LIMIT = 65_536
"""Rows that are read; Windows has some thousand."""
_COUNTS = ("NonPagedAllocs", "NonPagedFrees", "NonPagedBytes", "PagedAllocs", "PagedFrees", "PagedBytes")


def pool_usage(session: Session, flags: int = 0, tag: str = "*") -> PoolUsage:
    """The tags that have allocations now, with flag 1 also those that had some."""
    rows, note = _read(session)
    pattern = tag_pattern(tag or "*")
    kept = [row for row in rows if pattern.fullmatch(row.tag)]
    if not flags & VERBOSE:
        kept = [row for row in kept if row.nonpaged_count or row.paged_count]
    order = "Tag"
    kept.sort(key=lambda row: row.tag)
    if flags & BY_NONPAGED:
        order = "NonPaged Pool Consumed"
        kept.sort(key=lambda row: -row.nonpaged_bytes)
    elif flags & BY_PAGED:
        order = "Paged Pool Consumed"
        kept.sort(key=lambda row: -row.paged_bytes)
    return PoolUsage(tuple(kept), order, bool(flags & VERBOSE), note)


def _read(session: Session) -> tuple[list[TagUsage], str]:
    """The rows of the table that are in use, and what of it is missing."""
    block = session.debugger_data
    place = session.symbols.lookup("nt!PoolTrackTable") or (
        block.get("pool_track_table") if block is not None else None
    )
    count_place = session.symbols.lookup("nt!PoolTrackTableSize")
    layout = session.processes.records.layout("_POOL_TRACKER_TABLE", ("Key", *_COUNTS))
    if place is None or count_place is None or layout.types is None:
        raise UnsupportedError(
            "the pool's counts can't be read without symbols: nt!PoolTrackTable, PoolTrackTableSize, "
            "_POOL_TRACKER_TABLE",
            "give the kernel's PDB with .sympath",
        )
    tables, count = _tables(session, session.memory.read_pointer(place)), session.memory.read_pointer(count_place)
    wanted = min(count, TABLE_LIMIT) * layout.size
    notes = [f"cut after {TABLE_LIMIT} of {count} rows"] if count > TABLE_LIMIT else []
    totals: dict[bytes, list[int]] = {}
    for number, start in enumerate(tables):
        session.require_stopped()  # sees a cancel
        data = session.memory.read_available(start, wanted)
        if not data and not number:
            raise MemoryReadError(start, max(wanted, 1))
        if len(data) < wanted:
            notes.append(f"only {len(data) // layout.size} of {count} rows of table {number} can be read")
        for at in range(0, len(data) - layout.size + 1, layout.size):
            record = Record(layout, start + at, data[at : at + layout.size])
            if record.number("Key"):
                counts = totals.setdefault(record.bytes("Key"), [0] * len(_COUNTS))
                counts[:] = (total + record.number(path) for total, path in zip(counts, _COUNTS, strict=True))
    sizes = [layout.fields[path][1] if path in layout.fields else 1 for path in _COUNTS]
    return [_usage(key, counts, sizes) for key, counts in totals.items()], "; ".join(notes)


def _tables(session: Session, first: int) -> list[int]:
    """The addresses of the processors' tables; those that can't be read are left out."""
    place, size = session.symbols.lookup("nt!ExPoolTagTables"), session.pointer_size
    data = session.memory.read_available(place, session.processor_count * size) if place is not None else b""
    others = [int.from_bytes(data[at : at + size], "little") for at in range(0, len(data) - size + 1, size)]
    return list(dict.fromkeys([first, *(each for each in others if each)]))


def _usage(key: bytes, counts: list[int], sizes: list[int]) -> TagUsage:
    tag, _ = tag_text(key)
    allocated, freed, held, paged_allocated, paged_freed, paged_held = (
        count & ((1 << 8 * size) - 1) for count, size in zip(counts, sizes, strict=True)
    )
    return TagUsage(tag, allocated, freed, held, paged_allocated, paged_freed, paged_held, describe_tag(tag))
