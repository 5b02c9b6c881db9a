"""Text of `!vtop` and `!pte` (the command reference, 7.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.render.lines import lines
from kdnb.results.addresses import format_address
from kdnb.results.paging import PageEntry, PageMappings, PageTableEntries, PhysicalHits, Translation

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []

TRANSLATION_FAILS = 0xD0000147
"""What WinDbg says when an entry is not valid."""
COLUMN = 27
LETTERS = (("C", 9), ("G", 8), ("L", 7), ("D", 6), ("A", 5), ("N", 4), ("T", 3))
NAMES = {"PML4E": "PXE", "PDPE": "PPE", "PDE": "PDE", "PTE": "PTE"}


@lines.register(Translation)
def _translation(value: Translation) -> Iterator[str]:
    word = f"{value.machine}VtoP:"
    wide = value.address_size == 8
    yield f"{word} Virt {_plain(value.virtual, wide)}, pagedir {_plain(value.directory, wide)}"
    for entry in value.entries:
        if wide:
            yield f"{word} {entry.level} {entry.address:016x}"
        else:
            digits = 16 if value.pae else 8
            yield f"{word} {'PAE ' if value.pae else ''}{entry.level} {entry.address:x} - {entry.value:0{digits}x}"
    if value.physical is None:
        yield f"Virtual address {value.virtual:x} translation fails, error 0x{TRANSLATION_FAILS:X}."
        return
    page = "Large page mapped" if value.entries[-1].large else "Mapped"
    prefix = "PAE " if value.pae else ""
    yield f"{word} {prefix}{page} phys {_plain(value.physical, wide)}"
    yield f"Virtual address {value.virtual:x} translates to physical address {value.physical:x}."


def _plain(number: int, wide: bool) -> str:
    return f"{number:016x}" if wide else f"{number:x}"


@lines.register(PageTableEntries)
def _entries(value: PageTableEntries) -> Iterator[str]:
    walk = value.translation
    digits = 16 if walk.address_size == 8 else 8
    shown = walk.entries if walk.address_size == 8 else walk.entries[-2:]
    yield f"{'':{43 if digits == 16 else 20}}VA {walk.virtual:0{digits}x}"
    width = COLUMN
    yield "".join(f"{NAMES[e.level]} at {_place(e, digits)}".ljust(width) for e in shown).rstrip()
    entry_digits = 16 if walk.address_size == 8 or walk.pae else 8
    yield "".join(f"contains {e.value:0{entry_digits}X}".ljust(width) for e in shown).rstrip()
    yield "".join(_bits(e).ljust(width) for e in shown).rstrip()


def _place(entry: PageEntry, digits: int) -> str:
    return f"{entry.address if entry.virtual is None else entry.virtual:0{digits}X}"


def _bits(entry: PageEntry) -> str:
    if not entry.valid:
        return "not valid"
    bits = entry.value
    letters = "".join(letter if bits >> bit & 1 and (letter != "L" or entry.large) else "-" for letter, bit in LETTERS)
    letters += ("U" if bits & 4 else "K") + ("W" if bits & 2 else "R") + ("-" if bits >> 63 else "E") + "V"
    frame = bits >> 12 & 0xFF_FFFF_FFFF
    return f"pfn {frame:<9x} {letters}"


@lines.register(PageMappings)
def _mappings(value: PageMappings) -> Iterator[str]:
    yield f"{value.machine}PtoV: pagedir {value.directory:x}"
    for page in value.pages:
        size = "" if page.size == 0x1000 else f"  large page, {page.size:x} bytes"
        yield f"{page.physical:x} {page.virtual:x}{size}"
    if value.note:
        yield value.note


@lines.register(PhysicalHits)
def _hits(value: PhysicalHits) -> Iterator[str]:
    yield f"Searching PFNs in range {value.first:x} - {value.last:x}"
    if value.hits:
        yield "Pfn      Offset   Hit"
    for hit in value.hits:
        number = format_address(hit.value, value.address_size)
        yield f"{hit.address >> 12:08x} {hit.address & 0xFFF:08x} {number}"
    yield f"{len(value.hits)} hits"
    if value.note:
        yield value.note
