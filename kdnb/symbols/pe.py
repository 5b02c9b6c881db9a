"""PE images as they lie in memory, or as files: headers, sections, exports, PDB identity, function table.

One page of headers is read first, everything else when it is asked for. All numbers in an image are
untrusted: reads stay inside `size_of_image`, counts are bounded, and garbage raises `SymbolFileError`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import UUID

from kdnb.errors import MemoryReadError, SymbolFileError
from kdnb.symbols.unwind_arm64 import Arm64FunctionTable
from kdnb.symbols.unwind_info import FunctionTable, UnwindInfo

if TYPE_CHECKING:
    from kdnb.symbols.reader import ReadMemory

__all__ = ["CodeView", "PeImage", "Section"]

MACHINES = {0x14C: "x86", 0x8664: "x64", 0xAA64: "ARM64", 0x1C4: "ARM"}
"""IMAGE_FILE_HEADER.Machine numbers that this parser takes."""

_HEADER_PAGE = 0x1000
_MAX_IMAGE = 0x40000000  # the loader's own limit is 2 GB; 1 GB is far beyond any kernel image
_MAX_SECTIONS = 96  # what the Windows loader accepts
_MAX_EXPORT_BYTES = 0x800000
_MAX_EXPORTS = 0x10000  # ordinals are 16 bits
_MAX_DEBUG_ENTRIES = 32
_MAX_NAME = 4096
_EXPORT, _EXCEPTION, _DEBUG = 0, 3, 6
_CODEVIEW, _REPRODUCIBLE = 2, 16


@dataclass(frozen=True, slots=True)
class Section:
    """One section header. `rva` and `virtual_size` place it in memory, `file_offset` and `file_size` in the file."""

    name: str
    rva: int
    virtual_size: int
    file_offset: int
    file_size: int
    characteristics: int

    @property
    def is_code(self) -> bool:
        """Whether its bytes may be executed (IMAGE_SCN_MEM_EXECUTE)."""
        return bool(self.characteristics & 0x20000000)

    def __contains__(self, rva: object) -> bool:
        return isinstance(rva, int) and self.rva <= rva < self.rva + max(self.virtual_size, self.file_size)


@dataclass(frozen=True, slots=True)
class CodeView:
    """The RSDS record: which PDB belongs to the image. `pdb_name` is the path as the linker wrote it: untrusted."""

    guid: str
    """32 uppercase hex digits, without braces or dashes."""
    age: int
    pdb_name: str

    @property
    def key(self) -> str:
        """GUID and age as a symbol store names its folders."""
        return f"{self.guid}{self.age:X}"


class PeImage:
    """A PE image behind a `read(rva, size)`; PE32 and PE32+ for x86, x64, ARM and ARM64."""

    def __init__(self, read: ReadMemory) -> None:
        """`read` takes RVAs and may return fewer bytes at a hole. Raises `SymbolFileError` for what is no PE image."""
        self._source = read
        self.size_of_image = _HEADER_PAGE  # until the headers say more
        header = self._read_some(0, _HEADER_PAGE)
        if header[:2] != b"MZ" or len(header) < 0x40:
            raise SymbolFileError("no PE image: the MZ signature is missing")
        at = _u32(header, 0x3C)
        if at + 24 > len(header) or header[at : at + 4] != b"PE\0\0":
            raise SymbolFileError("no PE image: the PE signature is missing")
        self.machine, count, self.timestamp = struct.unpack_from("<HHI", header, at + 4)
        if self.machine not in MACHINES:
            raise SymbolFileError(f"PE image for machine {self.machine:#x}, which is not known here")
        optional_size, self.characteristics = struct.unpack_from("<HH", header, at + 20)
        self._read_optional(header[at + 24 : at + 24 + optional_size])
        self.sections = _parse_sections(header, at + 24 + optional_size, min(count, _MAX_SECTIONS))

    @classmethod
    def parse(cls, reader: ReadMemory, base: int) -> PeImage:
        """The image that lies at `base` in the memory behind `reader`, in memory layout."""
        return cls(lambda rva, size: reader(base + rva, size))

    @classmethod
    def from_file(cls, data: bytes) -> PeImage:
        """The image in the bytes of a file, whose sections are mapped to where they would lie in memory."""
        return cls(_FileMapping(data, cls(lambda rva, size: data[rva : rva + size])).read)

    def _read_optional(self, optional: bytes) -> None:
        magic = int.from_bytes(optional[:2], "little")
        if magic not in (0x10B, 0x20B) or len(optional) < (96 if magic == 0x10B else 112):
            raise SymbolFileError("no PE image: the optional header is damaged")
        self.is_64bit = magic == 0x20B
        self.entry_point = _u32(optional, 16)
        self.image_base: int = struct.unpack_from("<Q", optional, 24)[0] if self.is_64bit else _u32(optional, 28)
        self.size_of_image = min(_u32(optional, 56), _MAX_IMAGE)
        self.size_of_headers = _u32(optional, 60)
        self.checksum = _u32(optional, 64)
        self.subsystem: int = struct.unpack_from("<H", optional, 68)[0]
        directories = 112 if self.is_64bit else 96
        count = min(_u32(optional, directories - 4), 16, (len(optional) - directories) // 8)
        self.directories: tuple[tuple[int, int], ...] = tuple(
            struct.unpack_from("<II", optional, directories + 8 * index) for index in range(count)
        )
        """(rva, size) of each data directory."""

    # --- reading ---------------------------------------------------------------------------------

    def read(self, rva: int, size: int) -> bytes:
        """Exactly `size` bytes of the image; raises `SymbolFileError` outside it and where memory is missing."""
        data = self._read_some(rva, size)
        if len(data) != size:
            raise SymbolFileError(f"image can't be read at offset {rva + len(data):#x}")
        return data

    def _read_some(self, rva: int, size: int) -> bytes:
        """What can be read of `size` bytes, up to the first hole or the image's end."""
        if rva < 0 or rva >= self.size_of_image:
            return b""
        size = min(size, self.size_of_image - rva)
        try:
            return self._source(rva, size)[:size]
        except MemoryReadError as error:
            return error.partial[:size]

    def string_at(self, rva: int) -> str:
        return _string(self._read_some(rva, _MAX_NAME), 0)

    def directory(self, index: int) -> tuple[int, int]:
        return self.directories[index] if index < len(self.directories) else (0, 0)

    def section_of(self, rva: int) -> Section | None:
        """The section that holds `rva`."""
        return next((section for section in self.sections if rva in section), None)

    # --- what a debugger asks for ----------------------------------------------------------------

    @cached_property
    def codeview(self) -> CodeView | None:
        """The PDB that belongs to this image; None when the image names none or its record can't be read."""
        for kind, length, record in self._debug_entries():
            if kind == _CODEVIEW and record:
                data = self._read_some(record, min(length, _MAX_NAME))
                if data[:4] == b"RSDS" and len(data) > 24:
                    guid = UUID(bytes_le=data[4:20]).hex.upper()
                    return CodeView(guid, _u32(data, 20), _string(data, 24))
        return None

    @property
    def is_reproducible(self) -> bool:
        """Whether the linker put a hash where the time stamp was (`/Brepro`)."""
        return any(kind == _REPRODUCIBLE for kind, _, _ in self._debug_entries())

    def _debug_entries(self) -> list[tuple[int, int, int]]:
        """Type, length and RVA of each debug record."""
        rva, size = self.directory(_DEBUG)
        entries = self._read_some(rva, min(size, 28 * _MAX_DEBUG_ENTRIES)) if rva else b""
        return [struct.unpack_from("<III", entries, at + 12) for at in range(0, len(entries) - 27, 28)]

    def exports(self) -> list[tuple[int, str]]:
        """Exported `(rva, name)`, by name; entries without a name are `OrdinalN`; forwarders are left out."""
        rva, size = self.directory(_EXPORT)
        if not rva or size < 40:
            return []
        directory = _Window(self, rva, min(size, _MAX_EXPORT_BYTES))
        numbers = struct.unpack("<6I", directory.read(rva + 16, 24))
        base, function_table, name_table, ordinal_table = numbers[0], *numbers[3:]
        functions, names = (min(count, _MAX_EXPORTS) for count in numbers[1:3])
        addresses = struct.unpack(f"<{functions}I", directory.read(function_table, 4 * functions))
        name_rvas = struct.unpack(f"<{names}I", directory.read(name_table, 4 * names))
        ordinals = struct.unpack(f"<{names}H", directory.read(ordinal_table, 2 * names))
        named = [(ordinal, directory.string(at)) for at, ordinal in zip(name_rvas, ordinals, strict=True)]
        unnamed = set(range(functions)) - set(ordinals)
        named += [(index, f"Ordinal{base + index}") for index in sorted(unnamed)]
        return [
            (addresses[index], name)
            for index, name in named
            if name and index < functions and addresses[index] and not rva <= addresses[index] < rva + size
        ]

    @cached_property
    def function_table(self) -> FunctionTable:
        """The .pdata entries of an x64 image; empty for other machines."""
        rva, size = self.directory(_EXCEPTION)
        return FunctionTable(self.read, rva, size if self.machine == 0x8664 and rva else 0)

    @cached_property
    def arm64_functions(self) -> Arm64FunctionTable:
        """The .pdata entries of an ARM64 image; empty for other machines."""
        rva, size = self.directory(_EXCEPTION)
        return Arm64FunctionTable(self.read, rva, size if self.machine == 0xAA64 and rva else 0)

    def unwind_info(self, rva: int) -> UnwindInfo:
        """The UNWIND_INFO at `rva`; raises `SymbolFileError`."""
        return UnwindInfo.parse(self.read(rva, UnwindInfo.full_size(self.read(rva, UnwindInfo.HEADER_SIZE))))

    def function_at(self, rva: int) -> tuple[int, int] | None:
        """`(begin, end)` RVAs of the function around `rva`, by the function table; None without an entry.

        A fragment that chains to another entry gives its own range, not its parent's.
        """
        function = self.arm64_functions.lookup(rva) if self.machine == 0xAA64 else self.function_table.lookup(rva)
        return (function.begin, function.end) if function else None


class _Window:
    """A directory read in one go; what lies outside it is read from the image."""

    def __init__(self, image: PeImage, rva: int, size: int) -> None:
        self._image, self._rva = image, rva
        self._data = image._read_some(rva, size)

    def read(self, rva: int, size: int) -> bytes:
        at = rva - self._rva
        if 0 <= at <= len(self._data) - size:
            return self._data[at : at + size]
        return self._image.read(rva, size) if size else b""

    def string(self, rva: int) -> str:
        at = rva - self._rva
        if 0 <= at < len(self._data):
            return _string(self._data, at)
        return self._image.string_at(rva)


class _FileMapping:
    """Reads RVAs from a file: headers at 0, each section at its RVA, zeros where the file holds nothing."""

    def __init__(self, data: bytes, image: PeImage) -> None:
        self._data = data
        self._pieces = [(0, 0, min(image.size_of_headers, len(data)))]
        for section in image.sections:
            # The loader maps no more than the virtual size, where one is given.
            size = min(section.file_size, section.virtual_size or section.file_size)
            self._pieces.append((section.rva, section.file_offset, size))

    def read(self, rva: int, size: int) -> bytes:
        result = bytearray(size)
        for start, offset, length in self._pieces:
            low, high = max(rva, start), min(rva + size, start + length)
            if low < high:
                piece = self._data[offset + low - start : offset + high - start]
                result[low - rva : low - rva + len(piece)] = piece
        return bytes(result)


def _parse_sections(header: bytes, at: int, count: int) -> tuple[Section, ...]:
    sections = []
    for start in range(at, min(at + 40 * count, len(header) - 39), 40):
        name, virtual_size, rva, file_size, file_offset = struct.unpack_from("<8sIIII", header, start)
        text = name.rstrip(b"\0").decode("latin-1")
        sections.append(Section(text, rva, virtual_size, file_offset, file_size, _u32(header, start + 36)))
    return tuple(sections)


def _u32(data: bytes, offset: int) -> int:
    value: int = struct.unpack_from("<I", data, offset)[0]
    return value


def _string(data: bytes, at: int) -> str:
    """The zero-terminated text at `at`, at most 4096 bytes of it."""
    end = data.find(b"\0", at, at + _MAX_NAME)
    return data[at : end if end >= 0 else min(len(data), at + _MAX_NAME)].decode("utf-8", "backslashreplace")
