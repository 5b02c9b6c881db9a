"""Puts the guest's images into RAM, builds page tables and the block that the guest kernel starts from.

The block is LOADER_PARAMETER_BLOCK of `guest/source/nt.h`. The images are linked to their addresses, so loading is
copying sections and resolving imports.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache
from importlib import resources

from kdnb.simulator.architecture import AMD64, Architecture
from kdnb.simulator.memory import PAGE, PageTables, PhysicalMemory

__all__ = ["SCENARIOS", "GuestFile", "LoadedGuest", "guest_exports", "guest_files", "load_guest", "startup_stack"]

SCENARIOS = (
    "idle",
    "boot",
    "syscalls",
    "bugcheck",
    "storm",
    "prompt",
    "exception",
    "deadlock",
    "doublefault",
    "driverload",
    "serviceexception",
    "driverunload",
)
"""Their places are the numbers that the guest knows them by."""

IMAGE_NAMES = {"ntoskrnl.exe": "ntkrnlmp.pdb", "disk.sys": "disk.pdb", "ntfs.sys": "ntfs.pdb", "buggy.sys": "buggy.pdb"}
"""Images in load order, with their PDBs."""
USER_IMAGE_NAMES = {"ntdll.dll": "ntdll.pdb", "notepad.exe": "notepad.pdb"}
"""Those of user mode, which only the amd64 machine has."""

DEMAND_IMAGE_NAMES = {"echo.sys": "echo.pdb"}
"""Drivers that the guest loads later."""

PROCESSOR_COUNT = 2
PAGE_TABLES = 0x1000
POOL_SIZE = 0x200000
STACK_SLOT, STACK_SIZE, STACK_COUNT = 0x8000, 0x6000, 40

_FIRST_IMAGE = 0x200000  # physical; below lie the page tables
_IMAGE_SCN_EXECUTE, _IMAGE_SCN_WRITE, _IMAGE_SCN_DISCARDABLE = 0x20000000, 0x80000000, 0x02000000
_EXPORTS, _IMPORTS, _EXCEPTIONS = 0, 1, 3
_PE32_PLUS = 0x20B
_PAGES_FOR_PROCESSES = 256
_DRIVER_ROOM, _FILE_ROOM = 0x10000, 0x20000
"""Memory of a driver, whichever file it comes from, and of a file that a debugger gives for it."""
_MOST_IMAGES, _MOST_USER_IMAGES, _USER_IMAGE_SIZE = 8, 4, 40


@dataclass(frozen=True, slots=True)
class GuestFile:
    """One image of the guest and its PDB, as the files in `guest/images`."""

    name: str
    image: bytes
    pdb_name: str
    pdb: bytes


@dataclass(frozen=True, slots=True)
class LoadedGuest:
    """What the machine needs to start: addresses, and the top-level page table."""

    architecture: Architecture
    root: int
    entry: int
    kernel_base: int


def startup_stack(architecture: Architecture, processor: int) -> int:
    """Stack pointer with which a processor starts; above it the stack is zero."""
    return architecture.stacks + (processor + 1) * STACK_SLOT - 0x40


@cache
def guest_files(architecture: Architecture = AMD64) -> tuple[GuestFile, ...]:
    """The committed images and PDBs, the kernel's first."""
    folder = resources.files("kdnb.simulator.guest") / "images" / architecture.images
    names = IMAGE_NAMES | DEMAND_IMAGE_NAMES | (USER_IMAGE_NAMES if architecture is AMD64 else {})
    return tuple(
        GuestFile(name, (folder / name).read_bytes(), pdb, (folder / pdb).read_bytes()) for name, pdb in names.items()
    )


@cache
def guest_exports(architecture: Architecture = AMD64) -> dict[str, int]:
    """Addresses of what the kernel exports."""
    kernel = guest_files(architecture)[0]
    return _Image(kernel.name, kernel.image).exports()


class _Image:
    """A PE file laid out as in memory; just what loading needs."""

    def __init__(self, name: str, data: bytes) -> None:
        header = struct.unpack_from("<I", data, 0x3C)[0]
        sections, self.timestamp, optional_size = struct.unpack_from("<2xH I 8x H", data, header + 4)
        optional = header + 24
        self.name = name
        self.entry_rva = struct.unpack_from("<I", data, optional + 16)[0]
        is_64 = struct.unpack_from("<H", data, optional)[0] == _PE32_PLUS
        self._pointer = "<Q" if is_64 else "<I"
        self.base = struct.unpack_from(self._pointer, data, optional + (24 if is_64 else 28))[0]
        self.size, headers_size, self.checksum = struct.unpack_from("<III", data, optional + 56)
        directories = optional + (112 if is_64 else 96)
        self.directories = [struct.unpack_from("<II", data, directories + 8 * i) for i in range(16)]
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
            size = struct.calcsize(self._pointer)
            while name := struct.unpack_from(self._pointer, self.memory, lookup)[0]:
                struct.pack_into(self._pointer, self.memory, table, exports[self.text(name + 2)])
                lookup, table = lookup + size, table + size
            rva += 20


def load_guest(memory: PhysicalMemory, scenario: str, architecture: Architecture = AMD64) -> LoadedGuest:
    """Fill cleared RAM: page tables first, then images, stacks, pool, loader block."""
    tables = PageTables(memory, PAGE_TABLES, PAGE_TABLES + PAGE, architecture.paging)
    if architecture is AMD64:
        tables.reserve_upper_half()
    every = [_Image(file.name, file.image) for file in guest_files(architecture)]
    images = [image for image in every if image.name not in USER_IMAGE_NAMES]
    users = [image for image in every if image.name in USER_IMAGE_NAMES]
    allocator = _Allocator(tables, _FIRST_IMAGE)
    exports = images[0].exports()
    places: list[tuple[int, int]] = []
    for image in images:
        image.resolve_imports(exports)
        on_demand = image.name in DEMAND_IMAGE_NAMES
        file = _place_file(memory, allocator, image) if on_demand else 0
        places.append((file, _place_image(memory, tables, allocator, image, present=not on_demand)))
    allocator.map(architecture.shared_data, PAGE)
    allocator.map(architecture.pool, POOL_SIZE)
    for slot in range(STACK_COUNT):
        allocator.map(architecture.stacks + (slot + 1) * STACK_SLOT - STACK_SIZE, STACK_SIZE)
    tables.map_large(architecture.physical_map, 0, memory.size)
    free_page = allocator.take(_PAGES_FOR_PROCESSES * PAGE)
    file_buffer = allocator.take(_FILE_ROOM + _DRIVER_ROOM + PAGE)
    entries = [_loader_image(image, place, architecture) for image, place in zip(images, places, strict=True)]
    block = _loader_block(memory, scenario, free_page, file_buffer, entries, architecture)
    block += _user_images(memory, allocator, users)
    memory.write(allocator.map(architecture.loader_block, _pages(len(block))), block)
    kernel = images[0]
    return LoadedGuest(architecture, PAGE_TABLES, kernel.base + kernel.entry_rva, kernel.base)


class _Allocator:
    """Hands out physical memory from `start` on."""

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


def _place_file(memory: PhysicalMemory, allocator: _Allocator, image: _Image) -> int:
    """A copy of the image somewhere in RAM, from which the guest loads it; its physical address."""
    physical = allocator.take(image.size)
    memory.write(physical, bytes(image.memory))
    return physical


def _place_image(
    memory: PhysicalMemory, tables: PageTables, allocator: _Allocator, image: _Image, *, present: bool
) -> int:
    """Maps an image to where it was linked; its physical address. What is not `present` can't be touched."""
    physical = allocator.take(max(image.size, _DRIVER_ROOM))
    memory.write(physical, bytes(image.memory) if present else b"")
    tables.map(image.base, physical, PAGE, writable=False, present=present)
    for rva, size, flags in image.sections:
        tables.map(
            image.base + rva,
            physical + rva,
            _pages(size),
            writable=bool(flags & _IMAGE_SCN_WRITE),
            executable=bool(flags & _IMAGE_SCN_EXECUTE),
            present=present,
        )
    return physical


def _loader_block(
    memory: PhysicalMemory,
    scenario: str,
    free_page: int,
    file_buffer: int,
    entries: list[bytes],
    architecture: Architecture,
) -> bytes:
    size = 0x58 + _MOST_IMAGES * len(entries[0])
    header = struct.pack(
        "<IIIIQQQIIQQQQQ",
        size,
        SCENARIOS.index(scenario),
        PROCESSOR_COUNT,
        len(entries),
        architecture.pool,
        POOL_SIZE,
        architecture.stacks,
        STACK_SLOT,
        STACK_COUNT,
        architecture.physical_map,
        free_page,
        _PAGES_FOR_PROCESSES,
        memory.size // PAGE,
        file_buffer,
    )
    return (header + b"".join(entries)).ljust(size, b"\0")


def _user_images(memory: PhysicalMemory, allocator: _Allocator, images: list[_Image]) -> bytes:
    """Puts images of user mode into RAM, from where the guest maps them, and tells of them."""
    entries = []
    for image in images:
        image.resolve_imports(images[0].exports())
        physical = allocator.take(image.size)
        memory.write(physical, bytes(image.memory))
        entries.append(struct.pack("<QQQ16s", image.base, image.base + image.entry_rva, physical, image.name.encode()))
    return struct.pack("<Q", len(images)) + b"".join(entries).ljust(_MOST_USER_IMAGES * _USER_IMAGE_SIZE, b"\0")


def _loader_image(image: _Image, place: tuple[int, int], architecture: Architecture) -> bytes:
    """`place`: where the file lies, 0 where the image is in place already; where the image's pages are."""
    folder = "" if image.name == "ntoskrnl.exe" else "drivers\\"
    path = f"\\SystemRoot\\system32\\{folder}{image.name}".encode("utf-16-le")
    rva, size = image.directories[_EXCEPTIONS]
    return struct.pack(
        "<QQIIIIQQQ128s" if architecture.pointer_size == 8 else "<IIIIIIIII128s",
        image.base,
        image.base + image.entry_rva,
        image.size,
        image.checksum,
        image.timestamp,
        size,
        image.base + rva,
        *place,
        path,
    )


def _pages(size: int) -> int:
    return (size + PAGE - 1) // PAGE * PAGE
