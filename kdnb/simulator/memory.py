"""The machine's RAM and its x86-64 page tables, as the loader fills them and the debugger's side reads them."""

from __future__ import annotations

import ctypes
import mmap

__all__ = ["LARGE_PAGE", "PAGE", "RAM_SIZE", "PageTables", "PhysicalMemory"]

PAGE = 0x1000
LARGE_PAGE = 0x200000
RAM_SIZE = 16 * 1024 * 1024

_PRESENT, _WRITABLE, _LARGE, _NO_EXECUTE = 1, 2, 0x80, 1 << 63
_FRAME = 0x000F_FFFF_FFFF_F000


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

    def read_u64(self, address: int) -> int:
        return int.from_bytes(self.read(address, 8), "little")

    def write_u64(self, address: int, value: int) -> None:
        self.write(address, value.to_bytes(8, "little"))


class PageTables:
    """Four-level tables below `root`; new tables come from `allocate`, which gives the address of a zeroed page."""

    def __init__(self, memory: PhysicalMemory, root: int, next_page: int = 0) -> None:
        self._memory = memory
        self.root = root
        self.next_page = next_page

    def map(self, virtual: int, physical: int, size: int, *, writable: bool = True, executable: bool = False) -> None:
        """Map a range by 4 KiB pages. Both addresses are page-aligned."""
        flags = _PRESENT | (_WRITABLE if writable else 0) | (0 if executable else _NO_EXECUTE)
        for offset in range(0, size, PAGE):
            table = self._descend(virtual + offset, level=1)
            self._memory.write_u64(table + _index(virtual + offset, 1) * 8, physical + offset | flags)

    def map_large(self, virtual: int, physical: int, size: int) -> None:
        """Map a range by 2 MiB pages, writable and not executable."""
        for offset in range(0, size, LARGE_PAGE):
            table = self._descend(virtual + offset, level=2)
            entry = physical + offset | _PRESENT | _WRITABLE | _LARGE | _NO_EXECUTE
            self._memory.write_u64(table + _index(virtual + offset, 2) * 8, entry)

    def reserve_upper_half(self) -> None:
        """Give every upper entry of the root a table, so that each process can share them by copying the root."""
        for index in range(256, 512):
            self._next_table(self.root + index * 8)

    def _descend(self, virtual: int, level: int) -> int:
        table = self.root
        for upper in range(4, level, -1):
            table = self._next_table(table + _index(virtual, upper) * 8)
        return table

    def _next_table(self, entry_address: int) -> int:
        entry = self._memory.read_u64(entry_address)
        if not entry & _PRESENT:
            entry = self.next_page | _PRESENT | _WRITABLE
            self.next_page += PAGE
            self._memory.write_u64(entry_address, entry)
        return entry & _FRAME


def translate(memory: PhysicalMemory, root: int, virtual: int) -> int | None:
    """Physical address of a virtual one by the tables at `root` (a CR3 value), None where nothing is mapped."""
    if virtual >> 47 not in (0, 0x1FFFF):
        return None
    table = root & _FRAME
    for level in (4, 3, 2, 1):
        entry = memory.read_u64(table + _index(virtual, level) * 8)
        if not entry & _PRESENT:
            return None
        if level > 1 and entry & _LARGE:
            span = 1 << (12 + 9 * (level - 1))
            return (entry & _FRAME & ~(span - 1)) | (virtual & (span - 1))
        table = entry & _FRAME
    return table | (virtual & (PAGE - 1))


def _index(virtual: int, level: int) -> int:
    return virtual >> (12 + 9 * (level - 1)) & 0x1FF
