"""Page tables walked by physical reads: x64 (four levels), x86 with and without PAE.

The tables are the target's and may be wrong: an entry that is not valid ends the walk, and nothing is followed
beyond the physical address width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.errors import UnsupportedError, UsageError
from kdnb.protocol.constants import MachineType
from kdnb.results.paging import PageEntry, Translation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.debugger.session import Session
    from kdnb.results.memory import MemoryReader

__all__ = ["mapped_address", "mappings", "physical_address", "translate", "walk"]

FRAME_MASK = 0x000F_FFFF_FFFF_F000
LARGE = 0x80
PAGE_MASK = 0xFFF
X86_PTE_BASE = 0xC000_0000
"""Where x86 maps its page tables, in every build."""
MACHINE_WORDS = {MachineType.AMD64: "Amd64", MachineType.I386: "X86"}


@dataclass(frozen=True, slots=True)
class Level:
    """One level of tables: which bits of the address choose the entry, and what a large page here covers."""

    name: str
    shift: int
    bits: int
    may_be_large: bool = False


X64 = (Level("PML4E", 39, 9), Level("PDPE", 30, 9, True), Level("PDE", 21, 9, True), Level("PTE", 12, 9))
X86 = (Level("PDE", 22, 10, True), Level("PTE", 12, 10))
X86_PAE = (Level("PDPE", 30, 2), Level("PDE", 21, 9, True), Level("PTE", 12, 9))


def walk(
    physical: MemoryReader, directory: int, address: int, levels: tuple[Level, ...]
) -> tuple[list[PageEntry], int | None]:
    """The entries on the way, and the physical address; raises `MemoryReadError` where a table can't be read."""
    size = 4 if levels is X86 else 8
    table = directory & (FRAME_MASK if levels is not X86_PAE else 0xFFFF_FFE0)
    entries: list[PageEntry] = []
    for level in levels:
        index = address >> level.shift & ((1 << level.bits) - 1)
        at = table + index * size
        value = int.from_bytes(physical.read(at, size), "little")
        large = level.may_be_large and bool(value & LARGE)
        entries.append(PageEntry(level.name, at, value, large=large))
        if not value & 1:
            return entries, None
        table = value & FRAME_MASK
        if large or level is levels[-1]:
            offset = (1 << level.shift) - 1
            return entries, (table & ~offset) | (address & offset)
    return entries, None


def translate(session: Session, address: int, directory: int | None = None) -> Translation:
    """Walk the page tables of `directory` (CR3 of the current processor without it)."""
    levels, pae = _levels(session)
    if directory is None:
        directory = session.registers.get("cr3")
    directory &= FRAME_MASK if not pae else 0xFFFF_FFE0
    entries, physical = walk(session.physical, directory, address, levels)
    base = _pte_base(session)
    if base is not None and levels is X64:
        entries = _with_virtual(entries, address, base)
    machine = MACHINE_WORDS[session.machine]
    return Translation(address, directory, machine, tuple(entries), physical, session.pointer_size, pae)


def physical_address(session: Session, address: int) -> int:
    """An address as physical memory knows it: constants and registers of a 32-bit target come sign-extended (2.1)."""
    extended = session.pointer_size == 4 and address >> 32 == 0xFFFF_FFFF
    return address & session.address_mask if extended else address


def _levels(session: Session) -> tuple[tuple[Level, ...], bool]:
    if session.machine == MachineType.AMD64:
        return X64, False
    if session.machine != MachineType.I386:
        raise UnsupportedError("page tables of this machine are not read", "x64 and x86 are")
    pae = bool(session.registers.get("cr4") & 0x20)
    return (X86_PAE if pae else X86), pae


def _pte_base(session: Session) -> int | None:
    data = session.debugger_data
    return data.get("pte_base") if data is not None else None


def _with_virtual(entries: list[PageEntry], address: int, base: int) -> list[PageEntry]:
    """The same entries with the addresses at which the system maps them (the tables map themselves)."""
    places = []
    at = address
    for _ in X64:
        at = base + (at >> 9 & 0x7F_FFFF_FFF8)
        places.append(at)
    return [
        PageEntry(entry.level, entry.address, entry.value, place, entry.large)
        for entry, place in zip(entries, reversed(places), strict=False)
    ]


def mapped_address(session: Session, entry: int) -> int:
    """The virtual address whose page table entry the system maps at `entry`."""
    levels, _ = _levels(session)
    size = 4 if levels is X86 else 8
    base = _pte_base(session) if levels is X64 else X86_PTE_BASE
    if base is None:
        raise UnsupportedError("the target doesn't say where its page table entries are mapped", "!vtop walks them")
    pages = 1 << (36 if levels is X64 else 20)
    number, odd = divmod((entry & session.address_mask) - base, size)
    if not 0 <= number < pages or odd:
        limit = base + pages * size
        raise UsageError(f"{entry:x} is no page table entry", f"they are mapped at {base:x} to {limit:x}")
    address = number << 12
    return address | 0xFFFF << 48 if levels is X64 and address >> 47 else address


def mappings(session: Session, directory: int) -> Iterator[tuple[int, int, int]]:
    """(physical address, virtual address, bytes) of each valid page, in the order of virtual addresses.

    Every table is read whole; a table that can't be read has no entries.
    """
    levels, pae = _levels(session)
    yield from _mapped(session, directory & (0xFFFF_FFE0 if pae else FRAME_MASK), 0, levels, 4 if levels is X86 else 8)


def _mapped(
    session: Session, table: int, base: int, levels: tuple[Level, ...], size: int
) -> Iterator[tuple[int, int, int]]:
    session.require_stopped()  # sees a cancel
    level = levels[0]
    data = session.physical.read_available(table, size << level.bits)
    for index in range(len(data) // size):
        value = int.from_bytes(data[index * size : (index + 1) * size], "little")
        if not value & 1:
            continue
        address = base | index << level.shift
        if level.shift == X64[0].shift and index >> level.bits - 1:
            address |= 0xFFFF << 48
        if len(levels) == 1 or (level.may_be_large and value & LARGE):
            yield value & FRAME_MASK & ~((1 << level.shift) - 1), address, 1 << level.shift
        else:
            yield from _mapped(session, value & FRAME_MASK, address, levels[1:], size)
