"""The version resource of an image: what file it is, of which version, by whom (VS_VERSIONINFO).

Everything in it is untrusted: reads stay inside the image, counts and lengths are bounded, garbage ends the walk.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.errors import MemoryReadError, SymbolFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.symbols.pe import PeImage

__all__ = ["VersionResource", "version_resource"]

_RESOURCES, _RT_VERSION = 2, 16
_SIGNATURE = 0xFEEF04BD
_IS_DIRECTORY = 0x80000000
_MOST_ENTRIES, _MOST_STRINGS, _MOST_BYTES = 256, 64, 0x4000


@dataclass(frozen=True, slots=True)
class VersionResource:
    """The fixed part, and the strings of the first language."""

    file_version: tuple[int, int, int, int]
    product_version: tuple[int, int, int, int]
    strings: tuple[tuple[str, str], ...]
    """`CompanyName`, `FileVersion` and the like with their texts, in the file's order; as they stand there."""


def version_resource(image: PeImage) -> VersionResource | None:
    """None where the image has none. Raises `SymbolFileError` where it is damaged or can't be read."""
    if len(image.directories) <= _RESOURCES or not image.directories[_RESOURCES][0]:
        return None
    root = image.directories[_RESOURCES][0]
    try:
        at: int | None = _entry(image, root, root, _RT_VERSION)
        for _ in range(2):  # its name, its language: the first of each
            if at is None or not at & _IS_DIRECTORY:
                return None
            at = _entry(image, root, root + (at & ~_IS_DIRECTORY), None)
        if at is None or at & _IS_DIRECTORY:
            return None
        rva, size = struct.unpack("<II", image.read(root + at, 8))
        return _parse(image.read(rva, min(size, _MOST_BYTES)))
    except (MemoryReadError, struct.error) as error:
        raise SymbolFileError(f"the version resource can't be read: {error}") from error


def _entry(image: PeImage, root: int, directory: int, wanted: int | None) -> int | None:
    """What the entry with that number leads to, or the first one; the high bit says that it is a directory."""
    named, numbered = struct.unpack("<HH", image.read(directory + 12, 4))
    count = min(named + numbered, _MOST_ENTRIES)
    entries = image.read(directory + 16, 8 * count)
    for number, place in struct.iter_unpack("<II", entries):
        if wanted is None or number == wanted:
            return int(place)
    return None


def _parse(data: bytes) -> VersionResource:
    _, length, key, value, _ = _block(data, 0)
    fixed = struct.unpack_from("<13I", data, value) if length >= 52 and value + 52 <= len(data) else ()
    if key != "VS_VERSION_INFO" or not fixed or fixed[0] != _SIGNATURE:
        raise SymbolFileError("the version resource is damaged")
    return VersionResource(_version(*fixed[2:4]), _version(*fixed[4:6]), tuple(_strings(data, value + length)))


def _version(high: int, low: int) -> tuple[int, int, int, int]:
    return high >> 16, high & 0xFFFF, low >> 16, low & 0xFFFF


def _block(data: bytes, at: int) -> tuple[int, int, str, int, int]:
    """One block: its end, the length of its value, its key, where the value lies, whether it is text."""
    size, length, is_text = struct.unpack_from("<HHH", data, at)
    end = min(at + size, len(data))
    key, behind = _text(data, at + 6, end)
    return end, length, key, _aligned(behind), is_text


def _text(data: bytes, at: int, end: int) -> tuple[str, int]:
    """UTF-16 up to its NUL, and where it ends."""
    stop = at
    while stop + 2 <= end and data[stop : stop + 2] != b"\0\0":
        stop += 2
    return data[at:stop].decode("utf-16-le", "replace"), stop + 2


def _aligned(at: int) -> int:
    return (at + 3) & ~3


def _children(data: bytes, at: int, end: int) -> Iterator[tuple[int, int]]:
    """Place and end of each block from `at` to `end`."""
    for _ in range(_MOST_STRINGS):
        at = _aligned(at)
        if at + 6 > end:
            return
        size = int.from_bytes(data[at : at + 2], "little")
        if size < 6:
            return
        yield at, min(at + size, end)
        at += size


def _strings(data: bytes, at: int) -> Iterator[tuple[str, str]]:
    for info, info_end in _children(data, at, len(data)):
        _, _, key, tables, _ = _block(data, info)
        if key != "StringFileInfo":
            continue
        for table, table_end in _children(data, tables, info_end):
            _, _, _, first, _ = _block(data, table)
            for string, string_end in _children(data, first, table_end):
                end, _, name, value, _ = _block(data, string)
                yield name, _text(data, value, min(end, string_end))[0] if value < end else ""
            return  # one language is enough
