"""The pool before the segment heap: pages of blocks, each behind a header that tells its size and that before it.

Sizes in a POOL_HEADER count units of the header's own size: 8 bits of 16 bytes each on 64-bit targets, 9 bits of 8
bytes each on x86 (public PDBs). Since Windows 10 1903 the kernel's pool is a segment heap, whose blocks form no chain;
there only the table of large allocations is looked at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kdnb.errors import MemoryReadError, UnsupportedError
from kdnb.protocol.pool_tags import describe_tag
from kdnb.results.pool import LargeAllocation, PoolBlock, PoolPage, PoolSearch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.debugger.session import Session

__all__ = ["NONPAGED", "PAGED", "PoolRegion", "describe_page", "find_blocks", "page_blocks", "region_of_type",
           "regions", "scan_blocks", "tag_pattern", "tag_text"]  # fmt: skip

PAGE_SIZE = 0x1000
CONTENT = 32
"""Bytes that are shown of a block."""
LARGE_TABLE_LIMIT = 65_536
"""Rows of PoolBigPageTable that are looked at."""
SEARCH_LIMIT = 0x1000_0000
"""Bytes of a region that a search goes through: an hour on a serial line."""
RUN = 0x10000
FOUND_LIMIT = 65_536
NONPAGED, PAGED = 0, 1
PROTECTED = 0x80
"""In the last byte of a tag."""
SEGMENT_HEAP_BUILD = 18362
"""Windows 10 1903."""
_REGIONS = {NONPAGED: ("mm_non_paged_pool_start", "mm_non_paged_pool_end", "Nonpaged pool"),
            PAGED: ("mm_paged_pool_start", "mm_paged_pool_end", "Paged pool")}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PoolRegion:
    """Where one kind of pool lies."""

    kind: int
    name: str
    start: int
    end: int


def regions(session: Session) -> Iterator[PoolRegion]:
    """Where pool lies, as far as the debugger data block tells."""
    block = session.debugger_data
    if block is None:
        return
    for kind, (first, last, name) in _REGIONS.items():
        places = block.get(first), block.get(last)
        if places[0] is None or places[1] is None:
            continue
        try:
            start, end = (session.memory.read_pointer(place) for place in places if place is not None)
        except MemoryReadError:
            continue
        if 0 < start < end:
            yield PoolRegion(kind, name, start, end)


def region_of_type(session: Session, kind: int) -> PoolRegion:
    """The region of nonpaged (0) or paged (1) pool; `UnsupportedError` where the target doesn't tell."""
    _refuse_segment_heap(session)
    found = next((region for region in regions(session) if region.kind == kind), None)
    if found is None:
        name = _REGIONS[kind][2].lower() if kind in _REGIONS else f"pool of type {kind}"
        raise UnsupportedError(
            f"where {name} lies is not told by this target", "!pool ADDRESS lists one page, !poolused counts by tag"
        )
    return found


def _refuse_segment_heap(session: Session) -> None:
    """`nt!ExPoolState` is in every public PDB since Windows 10 1903, and in none before."""
    kernel, build = session.modules.kernel, session.version.minor if session.version is not None else 0
    if session.symbols.lookup("nt!ExPoolState") is not None:
        raise UnsupportedError(
            "this target's pool is a segment heap (nt!ExPoolState): its blocks form no chain of headers",
            "!poolused counts by tag; dt nt!_POOL_HEADER at an allocation's address minus 10 shows its own header",
        )
    if build >= SEGMENT_HEAP_BUILD and (kernel is None or kernel.types is None):
        raise UnsupportedError(
            "since Windows 10 1903 the pool is a segment heap, whose blocks form no chain of headers",
            "give the kernel's PDB with .sympath to see large allocations and counts by tag",
        )


def tag_text(data: bytes) -> tuple[str, bool]:
    """A tag's four bytes as text, and whether it is protected; what can't be shown is a dot."""
    plain = (*data[:3], data[3] & ~PROTECTED) if len(data) == 4 else tuple(data)
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in plain), bool(data[3:] and data[3] & PROTECTED)


def tag_pattern(text: str) -> re.Pattern[str]:
    """What a tag has to match: `*` any characters, `?` one; a short tag without `*` is filled with blanks."""
    if "*" not in text:
        text = text.ljust(4)
    return re.compile("".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in text), re.DOTALL)


def page_blocks(data: bytes, page: int, pointer_size: int) -> tuple[list[PoolBlock], str]:
    """The blocks of one page from its bytes, and where their chain breaks."""
    bits, unit = (8, 16) if pointer_size == 8 else (9, 8)
    mask = (1 << bits) - 1
    blocks: list[PoolBlock] = []
    at = previous = 0
    while at + unit <= len(data):
        low = int.from_bytes(data[at : at + 2], "little")
        high = int.from_bytes(data[at + 2 : at + 4], "little")
        size, claimed = (high & mask) * unit, (low & mask) * unit
        problem = ""
        if not size:
            problem = "has size 0"
        elif at + size > PAGE_SIZE:
            problem = f"has size {size:x}, which leads out of its page"
        elif claimed != previous:
            problem = f"says that the block before it has size {claimed:x}; that says {previous:x}"
        if problem:
            return blocks, f"the pool block at {page + at:0{2 * pointer_size}x} {problem}"
        tag, is_protected = tag_text(data[at + 4 : at + 8])
        content = data[at + unit : at + min(size, unit + CONTENT)]
        blocks.append(PoolBlock(page + at, size, claimed, high >> bits, tag, is_protected, content))
        at, previous = at + size, size
    return blocks, "" if at == PAGE_SIZE else f"the page can't be read from {page + at:0{2 * pointer_size}x} on"


def describe_page(session: Session, address: int, *, contents: bool = False) -> PoolPage:
    """The pool page that holds `address`."""
    page = address & ~(PAGE_SIZE - 1)
    size = session.pointer_size
    region = next((each.name for each in regions(session) if each.start <= address < each.end), "")
    large = next((each for each in _large(session) if each.address <= address < each.address + each.size), None)
    if large is not None:
        return PoolPage(address, region or "Unknown", (), size, large, describe_tag(large.tag))
    _refuse_segment_heap(session)
    data = session.memory.read_available(page, PAGE_SIZE)
    if not data:
        raise MemoryReadError(page, PAGE_SIZE)
    blocks, note = page_blocks(data, page, size)
    if not contents:
        blocks = [replace(block, data=b"") for block in blocks]
    if not region:
        region = "Unknown"
    found = PoolPage(address, region, tuple(blocks), size, note=note)
    chosen = found.chosen
    return replace(found, description=describe_tag(chosen.tag)) if chosen is not None else found


def _large(session: Session) -> Iterator[LargeAllocation]:
    """Allocations of whole pages, from PoolBigPageTable; none where it isn't known."""
    table, count = (session.symbols.lookup(f"nt!{name}") for name in ("PoolBigPageTable", "PoolBigPageTableSize"))
    layout = session.processes.records.layout("_POOL_TRACKER_BIG_PAGES", ["Va", "Key", "NumberOfBytes"])
    places = [layout.fields.get(name) for name in ("Va", "Key", "NumberOfBytes")]
    if table is None or count is None or None in places:
        return
    va, key, length = (place for place in places if place is not None)
    try:
        start, rows = session.memory.read_pointer(table), session.memory.read_pointer(count)
    except MemoryReadError:
        return
    data = session.memory.read_available(start, min(rows, LARGE_TABLE_LIMIT) * layout.size)
    for at in range(0, len(data) - layout.size + 1, layout.size):
        address = int.from_bytes(data[at + va[0] : at + sum(va)], "little")
        if address and not address & 1:  # bit 0 marks a row that is free
            tag = tag_text(data[at + key[0] : at + sum(key)])[0]
            yield LargeAllocation(address, int.from_bytes(data[at + length[0] : at + sum(length)], "little"), tag)


def scan_blocks(session: Session, region: PoolRegion, start: int = 0) -> Iterator[PoolBlock]:
    """The blocks of a region, page by page; pages that are no chain of headers are passed over."""
    at = max(region.start, start) & ~(PAGE_SIZE - 1)
    end = min(region.end, at + SEARCH_LIMIT)
    while at < end:
        session.require_stopped()  # sees a cancel
        data = session.memory.read_available(at, min(RUN, end - at))
        whole = len(data) & ~(PAGE_SIZE - 1)
        for offset in range(0, whole, PAGE_SIZE):
            page = data[offset : offset + PAGE_SIZE]
            if page[:4] != bytes(4):
                yield from page_blocks(page, at + offset, session.pointer_size)[0]
        at += whole or PAGE_SIZE


def find_blocks(session: Session, tag: str, kind: int = NONPAGED) -> PoolSearch:
    """The blocks of a region whose tag matches, with `*` and `?`."""
    region = region_of_type(session, kind)
    pattern = tag_pattern(tag)
    blocks: list[PoolBlock] = []
    note = f"searched up to {region.start + SEARCH_LIMIT:x}" if region.end - region.start > SEARCH_LIMIT else ""
    for block in scan_blocks(session, region):
        if pattern.fullmatch(block.tag):
            blocks.append(replace(block, data=b""))
        if len(blocks) >= FOUND_LIMIT:
            note = f"cut after {FOUND_LIMIT} blocks"
            break
    large = [
        each for each in _large(session) if region.start <= each.address < region.end and pattern.fullmatch(each.tag)
    ]
    return PoolSearch(
        tag, region.name, region.start, region.end, tuple(blocks), tuple(large), session.pointer_size, note
    )
