"""The machine's RAM and its page tables, as the loader fills them and the debugger's side reads them.

The tables are those of long mode, or of protected mode without PAE.
"""

from __future__ import annotations

import ctypes
import mmap
from dataclasses import dataclass

__all__ = ["LONG_MODE", "PAGE", "PROTECTED_MODE", "RAM_SIZE", "PageTables", "Paging", "PhysicalMemory", "translate"]

PAGE = 0x1000
RAM_SIZE = 16 * 1024 * 1024

_PRESENT, _WRITABLE, _LARGE = 1, 2, 0x80


@dataclass(frozen=True, slots=True)
class Paging:
    """A form of page tables: how many levels, and what their entries look like."""

    levels: int
    index_bits: int
    entry_size: int
    frame: int
    no_execute: int

    @property
    def large_page(self) -> int:
        """Bytes that one entry of the second level can map."""
        return PAGE << self.index_bits

    def index(self, virtual: int, level: int) -> int:
        return virtual >> (12 + self.index_bits * (level - 1)) & ((1 << self.index_bits) - 1)

    def is_canonical(self, virtual: int) -> bool:
        bits = 12 + self.index_bits * self.levels
        return virtual >> 32 == 0 if bits == 32 else virtual >> (bits - 1) in (0, (1 << (65 - bits)) - 1)


LONG_MODE = Paging(4, 9, 8, 0x000F_FFFF_FFFF_F000, 1 << 63)
PROTECTED_MODE = Paging(2, 10, 4, 0xFFFF_F000, 0)


class PhysicalMemory:
    """RAM at physical address 0, one buffer that every processor maps. Accesses stop at its end."""

    def __init__(self, size: int = RAM_SIZE) -> None:
        self.size = size
        self._buffer = mmap.mmap(-1, size)
        self._view = ctypes.c_char.from_buffer(self._buffer)
        self.host_address = ctypes.addressof(self._view)

    def clear(self) -> None:
        """All zero, as after a reset."""
        ctypes.memset(self.host_address, 0, self.size)

    def read(self, address: int, size: int) -> bytes:
        """What lies inside RAM of `address` .. `address + size`."""
        return self._buffer[address : min(address + size, self.size)] if 0 <= address < self.size else b""

    def write(self, address: int, data: bytes) -> int:
        """Bytes written: those that lie inside RAM."""
        if not 0 <= address < self.size:
            return 0
        data = data[: self.size - address]
        self._buffer[address : address + len(data)] = data
        return len(data)

    def read_number(self, address: int, size: int) -> int:
        return int.from_bytes(self.read(address, size), "little")


class PageTables:
    """Tables below `root`; new tables come from `allocate`, which gives the address of a zeroed page."""

    def __init__(self, memory: PhysicalMemory, root: int, next_page: int = 0, paging: Paging = LONG_MODE) -> None:
        self._memory = memory
        self._paging = paging
        self.root = root
        self.next_page = next_page

    def map(
        self,
        virtual: int,
        physical: int,
        size: int,
        *,
        writable: bool = True,
        executable: bool = False,
        present: bool = True,
    ) -> None:
        """Map a range by 4 KiB pages. Both addresses are page-aligned. Without `present` the guest does the rest."""
        flags = (_WRITABLE if writable else 0) | (0 if executable else self._paging.no_execute)
        flags |= _PRESENT if present else 0
        for offset in range(0, size, PAGE):
            table = self._descend(virtual + offset, level=1)
            self._write(self._entry(table, virtual + offset, 1), physical + offset | flags)

    def map_large(self, virtual: int, physical: int, size: int) -> None:
        """Map a range by the large pages of the second level, writable and not executable."""
        for offset in range(0, size, self._paging.large_page):
            table = self._descend(virtual + offset, level=2)
            entry = physical + offset | _PRESENT | _WRITABLE | _LARGE | self._paging.no_execute
            self._write(self._entry(table, virtual + offset, 2), entry)

    def reserve_upper_half(self) -> None:
        """Give every upper entry of the root a table, so that each process can share them by copying the root."""
        count = PAGE // self._paging.entry_size
        for index in range(count // 2, count):
            self._next_table(self.root + index * self._paging.entry_size)

    def _descend(self, virtual: int, level: int) -> int:
        table = self.root
        for upper in range(self._paging.levels, level, -1):
            table = self._next_table(self._entry(table, virtual, upper))
        return table

    def _next_table(self, entry_address: int) -> int:
        entry = self._memory.read_number(entry_address, self._paging.entry_size)
        if not entry & _PRESENT:
            entry = self.next_page | _PRESENT | _WRITABLE
            self.next_page += PAGE
            self._write(entry_address, entry)
        return entry & self._paging.frame

    def _entry(self, table: int, virtual: int, level: int) -> int:
        """Physical address of the entry for `virtual`."""
        return table + self._paging.index(virtual, level) * self._paging.entry_size

    def _write(self, address: int, entry: int) -> None:
        self._memory.write(address, entry.to_bytes(self._paging.entry_size, "little"))


def translate(memory: PhysicalMemory, root: int, virtual: int, paging: Paging = LONG_MODE) -> int | None:
    """Physical address of a virtual one by the tables at `root` (a CR3 value), None where nothing is mapped."""
    if not paging.is_canonical(virtual):
        return None
    table = root & paging.frame
    for level in range(paging.levels, 0, -1):
        entry = memory.read_number(table + paging.index(virtual, level) * paging.entry_size, paging.entry_size)
        if not entry & _PRESENT:
            return None
        if level > 1 and entry & _LARGE:
            span = 1 << (12 + paging.index_bits * (level - 1))
            return (entry & paging.frame & ~(span - 1)) | (virtual & (span - 1))
        table = entry & paging.frame
    return table | (virtual & (PAGE - 1))
