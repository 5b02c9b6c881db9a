"""Pool allocations by tag: the kernel's own counts in PoolTrackTable. The segment heap keeps them too."""

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
_PATHS = ("Key", "NonPagedAllocs", "NonPagedFrees", "NonPagedBytes", "PagedAllocs", "PagedFrees", "PagedBytes")


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
    layout = session.processes.records.layout("_POOL_TRACKER_TABLE", _PATHS)
    if place is None or count_place is None or layout.types is None:
        raise UnsupportedError(
            "the pool's counts can't be read without symbols: nt!PoolTrackTable, PoolTrackTableSize, "
            "_POOL_TRACKER_TABLE",
            "give the kernel's PDB with .sympath",
        )
    start, count = session.memory.read_pointer(place), session.memory.read_pointer(count_place)
    wanted = min(count, TABLE_LIMIT) * layout.size
    data = session.memory.read_available(start, wanted)
    if not data:
        raise MemoryReadError(start, max(wanted, 1))
    notes = []
    if len(data) < wanted:
        notes.append(f"only {len(data) // layout.size} of {count} rows can be read")
    elif count > TABLE_LIMIT:
        notes.append(f"cut after {TABLE_LIMIT} of {count} rows")
    if session.symbols.lookup("nt!ExPoolTagTables") is not None:
        notes.append("this build counts by processor (nt!ExPoolTagTables); these are the counts of the first")
    rows = []
    for at in range(0, len(data) - layout.size + 1, layout.size):
        record = Record(layout, start + at, data[at : at + layout.size])
        if record.number("Key"):
            rows.append(_usage(record))
    return rows, "; ".join(notes)


def _usage(record: Record) -> TagUsage:
    tag, _ = tag_text(record.bytes("Key"))
    return TagUsage(
        tag,
        record.number("NonPagedAllocs"),
        record.number("NonPagedFrees"),
        record.number("NonPagedBytes"),
        record.number("PagedAllocs"),
        record.number("PagedFrees"),
        record.number("PagedBytes"),
        describe_tag(tag),
    )
