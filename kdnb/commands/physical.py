"""`!search`, `!ptov`, `!pte2va`: physical memory and the tables that map it (the command reference, 7.11)."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from kdnb.commands.declare import command
from kdnb.debugger.paging import MACHINE_WORDS, mapped_address, mappings
from kdnb.errors import ExpressionError, MemoryReadError
from kdnb.results.paging import PageMapping, PageMappings, PhysicalHit, PhysicalHits
from kdnb.results.values import Evaluation

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

PAGE_SHIFT = 12
PAGE_SIZE = 1 << PAGE_SHIFT
MOST_PAGES = 0x10000
"""Pages that are searched unless a range is given (256 MB)."""
MOST_HITS = 4096
MOST_MAPPINGS = 65536


@command(
    "!search",
    summary="Search physical memory for a pointer-sized value.",
    syntax="!search Value [Delta [StartPfn [EndPfn]]]",
    details="With a Delta values that far away count as well. StartPfn and EndPfn are page frame numbers; without an "
    "end the search goes to the last page, at most 256 MB. Only aligned values are found. Stop ends it.",
    examples=("!search @$thread 0 0 3ff",),
    tier="C",
)
def search_physical(session: Session, arguments: Arguments) -> Result:
    """The places, page by page."""
    value, delta = arguments.expression(), arguments.expression(0)
    first = arguments.expression(0)
    last = arguments.expression(min(_last_page(session), first + MOST_PAGES - 1))
    arguments.finish()
    if last < first or last >> 40:
        raise ExpressionError(f"Range error in '!search {arguments.text[:60]}'", "the last page lies before the first")
    size = session.pointer_size
    lowest = np.uint64(value - delta & session.address_mask)
    hits: list[PhysicalHit] = []
    note = ""
    for page in range(first, last + 1):
        session.require_stopped()  # sees a cancel
        data = session.physical.read_available(page << PAGE_SHIFT, PAGE_SIZE)
        words = np.frombuffer(data[: len(data) & -size], f"<u{size}").astype(np.uint64)
        places = np.flatnonzero(words - lowest <= np.uint64(min(2 * delta, (1 << 64) - 1))).tolist()
        hits += [PhysicalHit((page << PAGE_SHIFT) + at * size, int(words[at])) for at in places]
        if len(hits) >= MOST_HITS:
            note = f"cut after {MOST_HITS} hits"
            last = page
            break
    return PhysicalHits(first, last, tuple(hits[:MOST_HITS]), size, note)


def _last_page(session: Session) -> int:
    """The highest page frame, by the debugger data block."""
    block = session.debugger_data
    address = block.get("mm_highest_physical_page") if block is not None else None
    try:
        known = session.memory.read_pointer(address) if address else 0
    except MemoryReadError:
        known = 0
    return known if 0 < known < 1 << 40 else MOST_PAGES - 1


@command(
    "!ptov",
    summary="List all pages that a page directory maps, with their virtual addresses.",
    syntax="!ptov DirBase",
    details="DirBase is the physical address of the top table, or its page frame number; 0 is the present one.",
    examples=("!ptov @cr3",),
    tier="B",
)
def physical_to_virtual(session: Session, arguments: Arguments) -> Result:
    """Physical and virtual address of each page."""
    directory = arguments.expression(0) or session.registers.get("cr3")
    arguments.finish()
    if 0 < directory < 1 << PAGE_SHIFT:
        directory <<= PAGE_SHIFT
    found = [PageMapping(*page) for page in islice(mappings(session, directory), MOST_MAPPINGS + 1)]
    note = f"cut after {MOST_MAPPINGS} pages" if len(found) > MOST_MAPPINGS else ""
    words = MACHINE_WORDS[session.machine]
    return PageMappings(directory & ~(PAGE_SIZE - 1), words, tuple(found[:MOST_MAPPINGS]), note)


@command(
    "!pte2va",
    summary="Show the virtual address that a page table entry maps.",
    syntax="!pte2va PteAddress",
    details="PteAddress is where the system maps the entry, as !pte shows it.",
    tier="C",
)
def entry_to_virtual(session: Session, arguments: Arguments) -> Result:
    """The first address of the page."""
    entry = arguments.expression()
    arguments.finish()
    return Evaluation(mapped_address(session, entry), session.pointer_size)
