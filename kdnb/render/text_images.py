"""Text of `!lmi` and `!dh` (the command reference, 7.8)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kdnb.render.lines import lines
from kdnb.results.addresses import format_address
from kdnb.results.images import ImageHeaders, LoadedImage

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []

_MACHINES = {0x14C: "i386", 0x8664: "X64", 0x1C4: "ARM", 0xAA64: "ARM64"}
_SUBSYSTEMS = {1: "Native", 2: "Windows GUI", 3: "Windows CUI", 10: "EFI Application", 16: "Windows Boot Application"}
_DIRECTORIES = (
    "Export Directory",
    "Import Directory",
    "Resource Directory",
    "Exception Directory",
    "Security Directory",
    "Base Relocation Directory",
    "Debug Directory",
    "Description Directory",
    "Special Directory",
    "Thread Storage Directory",
    "Load Configuration Directory",
    "Bound Import Directory",
    "Import Address Table Directory",
    "Delay Import Directory",
    "COR20 Header Directory",
    "Reserved Directory",
)
_FILE_FLAGS = {
    0x0002: "Executable",
    0x0020: "App can handle >2gb addresses",
    0x0100: "32 bit word machine",
    0x1000: "System",
    0x2000: "DLL",
}
_SECTION_FLAGS = {
    0x20: "Code",
    0x40: "Initialized Data",
    0x80: "Uninitialized Data",
    0x02000000: "Discardable",
    0x08000000: "Not Paged",
    0x20000000: "Execute",
    0x40000000: "Read",
    0x80000000: "Write",
}


def _time(timestamp: int) -> str:
    return datetime.fromtimestamp(timestamp & 0xFFFFFFFF, UTC).ctime()


def _guid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@lines.register(LoadedImage)
def _image(value: LoadedImage) -> Iterator[str]:
    yield f"Loaded Module Info: [{value.name}]"
    machine = _MACHINES.get(value.machine, "unknown")
    rows = [
        ("Module", value.name),
        ("Base Address", format_address(value.base, value.address_size).replace("`", "")),
        ("Image Name", value.image_name),
        ("Machine Type", f"{value.machine} ({machine})"),
        ("Time Stamp", f"{value.timestamp:x} {_time(value.timestamp)}"),
        ("Size", f"{value.size:x}"),
        ("CheckSum", f"{value.checksum:x}"),
        ("Characteristics", f"{value.characteristics:x}"),
    ]
    if value.pdb_name:
        rows.append(("Debug Data Dirs", f"CODEVIEW RSDS - GUID: {{{_guid(value.pdb_guid)}}}"))
        rows.append(("", f"Age: {value.pdb_age:x}, Pdb: {value.pdb_name}"))
    if value.is_file:
        rows.append(("Image Type", "FILE     - Image read successfully from its file: it was unloaded."))
    else:
        rows.append(("Image Type", "MEMORY   - Image read successfully from loaded memory."))
    rows.append(("Symbol Type", value.symbol_status))
    if value.symbol_file:
        rows.append(("", value.symbol_file))
    if value.symbol_note:
        rows.append(("", value.symbol_note))
    rows.append(("Load Report", "types and names" if value.has_types else "no types"))
    yield from (f"{name + ':' if name else '':>16} {text}" for name, text in rows)


@lines.register(ImageHeaders)
def _headers(value: ImageHeaders) -> Iterator[str]:
    if value.shows_headers:
        yield from _file_header(value)
        yield from _optional_header(value)
    if value.shows_sections:
        for number, section in enumerate(value.sections, 1):
            yield f"SECTION HEADER #{number:X}"
            yield f"{section.name:>8} name"
            yield from _hex_rows(
                (section.virtual_size, "virtual size"),
                (section.rva, f"virtual address ({format_address(value.base + section.rva, 8)})"),
                (section.raw_size, "size of raw data"),
                (section.raw_offset, "file pointer to raw data"),
                (section.characteristics, "flags"),
            )
            yield from _flags(section.characteristics, _SECTION_FLAGS)
            yield ""


def _file_header(value: ImageHeaders) -> Iterator[str]:
    yield from ("", f"File Type: {'DLL' if value.characteristics & 0x2000 else 'EXECUTABLE IMAGE'}")
    yield "FILE HEADER VALUES"
    yield from _hex_rows(
        (value.machine, f"machine ({_MACHINES.get(value.machine, 'unknown')})"),
        (len(value.sections), "number of sections"),
        (value.timestamp, f"time date stamp {_time(value.timestamp)}"),
        (value.characteristics, "characteristics"),
    )
    yield from _flags(value.characteristics, _FILE_FLAGS)
    yield ""


def _optional_header(value: ImageHeaders) -> Iterator[str]:
    yield "OPTIONAL HEADER VALUES"
    yield from _hex_rows(
        (0x20B if value.is_64bit else 0x10B, "magic #"),
        (value.entry_point, f"address of entry point ({format_address(value.base + value.entry_point, 8)})"),
        (value.image_base, "image base"),
        (value.size_of_image, "size of image"),
        (value.size_of_headers, "size of headers"),
        (value.checksum, "checksum"),
        (value.subsystem, f"subsystem ({_SUBSYSTEMS.get(value.subsystem, 'unknown')})"),
    )
    for (rva, size), name in zip(value.directories, _DIRECTORIES, strict=False):
        yield f"{rva:8X} [{size:8X}] address [size] of {name}"
    yield ""


def _hex_rows(*rows: tuple[int, str]) -> Iterator[str]:
    yield from (f"{number:8X} {words}" for number, words in rows)


def _flags(value: int, names: dict[int, str]) -> Iterator[str]:
    yield from (f"            {name}" for bit, name in names.items() if value & bit)
