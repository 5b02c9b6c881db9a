"""Puts the guest's images into RAM, builds page tables and the block that the guest kernel starts from.

The block is LOADER_PARAMETER_BLOCK of `guest/source/nt.h`. The images are linked to their addresses, so loading is
copying sections and resolving imports.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache
from importlib import resources

from kdnb.simulator.memory import LARGE_PAGE, PAGE, PageTables, PhysicalMemory

__all__ = ["SCENARIOS", "STARTUP_STACKS", "GuestFile", "LoadedGuest", "guest_exports", "guest_files", "load_guest"]

SCENARIOS = ("idle", "boot", "syscalls", "bugcheck", "storm")
"""Their places are the numbers that the guest knows them by."""

IMAGE_NAMES = {"ntoskrnl.exe": "ntkrnlmp.pdb", "disk.sys": "disk.pdb", "ntfs.sys": "ntfs.pdb", "buggy.sys": "buggy.pdb"}
"""Images in load order, with their PDBs."""

PROCESSOR_COUNT = 2
PAGE_TABLES = 0x1000
LOADER_BLOCK = 0xFFFFF80040000000
SHARED_DATA = 0xFFFFF78000000000
POOL, POOL_SIZE = 0xFFFFC98000000000, 0x200000
PHYSICAL_MAP = 0xFFFFA00000000000
STACKS, STACK_SLOT, STACK_SIZE, STACK_COUNT = 0xFFFFFB0600000000, 0x8000, 0x6000, 40
STARTUP_STACKS = tuple(STACKS + (number + 1) * STACK_SLOT - 0x40 for number in range(PROCESSOR_COUNT))
"""Stack pointers of the processors at start-up; the return address there is zero."""

_IMAGE_SCN_EXECUTE, _IMAGE_SCN_WRITE, _IMAGE_SCN_DISCARDABLE = 0x20000000, 0x80000000, 0x02000000
_EXPORTS, _IMPORTS, _EXCEPTIONS = 0, 1, 3
_PAGES_FOR_PROCESSES = 32


@dataclass(frozen=True, slots=True)
class GuestFile:
    """One image of the guest and its PDB, as the files in `guest/images`."""

    name: str
    image: bytes
    pdb_name: str
    pdb: bytes


@dataclass(frozen=True, slots=True)
class LoadedGuest:
    """What the machine needs to start: addresses, and the top-level page table.

    `end_of_code` is where unicorn is told to end: the address behind the kernel's code. The byte before it must be
    mapped code, else unicorn raises a fault of its own at the end of each run and the guest's is lost.
    """

    root: int
    entry: int
    kernel_base: int
    end_of_code: int


@cache
def guest_files() -> tuple[GuestFile, ...]:
    """The committed images and PDBs."""
    folder = resources.files("kdnb.simulator.guest") / "images"
    return tuple(
        GuestFile(name, (folder / name).read_bytes(), pdb, (folder / pdb).read_bytes())
        for name, pdb in IMAGE_NAMES.items()
    )


@cache
def guest_exports() -> dict[str, int]:
    """Addresses of what the kernel exports."""
    kernel = guest_files()[0]
    return _Image(kernel.name, kernel.image).exports()


class _Image:
    """A PE32+ file laid out as in memory; just what loading needs."""

    def __init__(self, name: str, data: bytes) -> None:
        header = struct.unpack_from("<I", data, 0x3C)[0]
        sections, self.timestamp, optional_size = struct.unpack_from("<2xH I 8x H", data, header + 4)
        optional = header + 24
        self.name = name
        self.entry_rva = struct.unpack_from("<I", data, optional + 16)[0]
        self.base = struct.unpack_from("<Q", data, optional + 24)[0]
        self.size, headers_size, self.checksum = struct.unpack_from("<III", data, optional + 56)
        self.directories = [struct.unpack_from("<II", data, optional + 112 + 8 * i) for i in range(16)]
        self.memory = bytearray(self.size)
        self.memory[:headers_size] = data[:headers_size]
        self.sections: list[tuple[int, int, int]] = []
        for i in range(sections):
            at = optional + optional_size + 40 * i
            size, rva, raw_size, raw = struct.unpack_from("<IIII", data, at + 8)
            flags = struct.unpack_from("<I", data, at + 36)[0]
            content = data[raw : raw + min(size, raw_size)]
            self.memory[rva : rva + len(content)] = content
            self.sections.append((rva, size, flags))

    def text(self, rva: int) -> str:
        return self.memory[rva : self.memory.index(0, rva)].decode("ascii")

    def exports(self) -> dict[str, int]:
        """Name to address."""
        rva = self.directories[_EXPORTS][0]
        if not rva:
            return {}
        count, functions, names, ordinals = struct.unpack_from("<IIII", self.memory, rva + 24)
        result = {}
        for i in range(count):
            ordinal = struct.unpack_from("<H", self.memory, ordinals + 2 * i)[0]
            target = struct.unpack_from("<I", self.memory, functions + 4 * ordinal)[0]
            result[self.text(struct.unpack_from("<I", self.memory, names + 4 * i)[0])] = self.base + target
        return result

    def resolve_imports(self, exports: dict[str, int]) -> None:
        rva = self.directories[_IMPORTS][0]
        while rva and (lookup := struct.unpack_from("<I", self.memory, rva)[0]):
            table = struct.unpack_from("<I", self.memory, rva + 16)[0]
            while name := struct.unpack_from("<Q", self.memory, lookup)[0]:
                struct.pack_into("<Q", self.memory, table, exports[self.text(name + 2)])
                lookup, table = lookup + 8, table + 8
            rva += 20


def load_guest(memory: PhysicalMemory, scenario: str) -> LoadedGuest:
    """Fill cleared RAM: page tables first, then images, stacks, pool, loader block."""
    tables = PageTables(memory, PAGE_TABLES, PAGE_TABLES + PAGE)
    tables.reserve_upper_half()
    images = [_Image(file.name, file.image) for file in guest_files()]
    allocator = _Allocator(tables, LARGE_PAGE)
    exports = images[0].exports()
    for image in images:
        image.resolve_imports(exports)
        _place_image(memory, tables, allocator, image)
    allocator.map(SHARED_DATA, PAGE)
    allocator.map(POOL, POOL_SIZE)
    for slot in range(STACK_COUNT):
        allocator.map(STACKS + (slot + 1) * STACK_SLOT - STACK_SIZE, STACK_SIZE)
    tables.map_large(PHYSICAL_MAP, 0, memory.size)
    free_page = allocator.take(_PAGES_FOR_PROCESSES * PAGE)
    block = _loader_block(memory, scenario, free_page, images)
    memory.write(allocator.map(LOADER_BLOCK, _pages(len(block))), block)
    kernel = images[0]
    code = next(section for section in kernel.sections if section[2] & _IMAGE_SCN_EXECUTE)
    end = kernel.base + code[0] + _pages(code[1])
    return LoadedGuest(PAGE_TABLES, kernel.base + kernel.entry_rva, kernel.base, end)


class _Allocator:
    """Hands out physical memory from the first 2 MiB boundary on; below it lie the page tables."""

    def __init__(self, tables: PageTables, start: int) -> None:
        self._tables = tables
        self._next = start

    def take(self, size: int) -> int:
        address = self._next
        self._next += _pages(size)
        return address

    def map(self, virtual: int, size: int) -> int:
        """Map writable data; its physical address."""
        physical = self.take(size)
        self._tables.map(virtual, physical, _pages(size))
        return physical


def _place_image(memory: PhysicalMemory, tables: PageTables, allocator: _Allocator, image: _Image) -> None:
    physical = allocator.take(image.size)
    memory.write(physical, bytes(image.memory))
    tables.map(image.base, physical, PAGE, writable=False)
    for rva, size, flags in image.sections:
        tables.map(
            image.base + rva,
            physical + rva,
            _pages(size),
            writable=bool(flags & _IMAGE_SCN_WRITE),
            executable=bool(flags & _IMAGE_SCN_EXECUTE),
        )


def _loader_block(memory: PhysicalMemory, scenario: str, free_page: int, images: list[_Image]) -> bytes:
    size = 0x60 + 8 * 168
    header = struct.pack(
        "<IIIIQQQIIQQQQ",
        size,
        SCENARIOS.index(scenario),
        PROCESSOR_COUNT,
        len(images),
        POOL,
        POOL_SIZE,
        STACKS,
        STACK_SLOT,
        STACK_COUNT,
        PHYSICAL_MAP,
        free_page,
        _PAGES_FOR_PROCESSES,
        memory.size // PAGE,
    )
    return header + b"".join(_loader_image(image) for image in images)


def _loader_image(image: _Image) -> bytes:
    folder = "" if image.name == "ntoskrnl.exe" else "drivers\\"
    path = f"\\SystemRoot\\system32\\{folder}{image.name}".encode("utf-16-le")
    rva, size = image.directories[_EXCEPTIONS]
    return struct.pack(
        "<QQIIIIQ128s",
        image.base,
        image.base + image.entry_rva,
        image.size,
        image.checksum,
        image.timestamp,
        size,
        image.base + rva,
        path,
    )


def _pages(size: int) -> int:
    return (size + PAGE - 1) // PAGE * PAGE
