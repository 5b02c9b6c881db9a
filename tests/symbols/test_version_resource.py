"""Version resources: one built by hand in an image's resource section, and what damage does to it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdnb.errors import SymbolFileError
from kdnb.simulator.loader import guest_files
from kdnb.symbols.pe import PeImage
from kdnb.symbols.version_resource import version_resource

if TYPE_CHECKING:
    from collections.abc import Sequence

FILE = next(file.image for file in guest_files() if file.name == "echo.sys")
RESOURCES = PeImage.from_file(FILE).sections[-1].rva
ROOM = 0x1000
STRINGS = (("CompanyName", "Example"), ("FileVersion", "10.0.19041.1 (é)"), ("Comments", ""))


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def block(key: str, value: bytes, children: Sequence[bytes] = (), *, text: bool = False) -> bytes:
    head = padded(bytes(6) + key.encode("utf-16-le") + b"\0\0")
    body = padded(head + value) + b"".join(padded(child) for child in children)
    length = len(value) // 2 if text else len(value)
    return struct.pack("<HHH", len(body), length, int(text)) + body[6:]


def version_block() -> bytes:
    strings = [block(name, text.encode("utf-16-le") + b"\0\0", text=True) for name, text in STRINGS]
    info = block("StringFileInfo", b"", [block("040904b0", b"", strings)])
    fixed = struct.pack("<13I", 0xFEEF04BD, 0x10000, 0x000A0000, 0x4A610001, 0x00060003, 0x00040005, *[0] * 7)
    return block("VS_VERSION_INFO", fixed, [block("VarFileInfo", b""), info])


def directory(number: int, place: int) -> bytes:
    return struct.pack("<12xHHII", 0, 1, number, place)


def resources(content: bytes) -> bytes:
    """Three directories deep: kind, name, language; then the data."""
    tree = directory(16, 0x80000018) + directory(1, 0x80000030) + directory(0x409, 0x48)
    return tree + struct.pack("<IIII", RESOURCES + 0x58, len(content), 0, 0) + content


def image(section: bytes, size: int = ROOM) -> PeImage:
    """The image with `section` as its resources."""
    of = PeImage.from_file(FILE)
    memory = bytearray(of.read(0, of.size_of_image)).ljust(RESOURCES + ROOM, b"\0")
    memory[RESOURCES : RESOURCES + len(section)] = section
    header = struct.unpack_from("<I", memory, 0x3C)[0]
    struct.pack_into("<II", memory, header + 24 + 112 + 16, RESOURCES, size)
    struct.pack_into("<I", memory, header + 24 + 56, len(memory))
    return PeImage(lambda rva, length: bytes(memory[rva : rva + length]))


def test_numbers_and_strings_are_read() -> None:
    found = version_resource(image(resources(version_block())))
    assert found is not None
    assert found.file_version == (10, 0, 19041, 1)
    assert found.product_version == (6, 3, 4, 5)
    assert found.strings == STRINGS


def test_an_image_without_resources_has_none() -> None:
    assert version_resource(PeImage.from_file(FILE)) is None
    assert version_resource(image(directory(5, 0x80000018))) is None, "resources, but no version"


def test_damage_is_an_error_of_its_own() -> None:
    with pytest.raises(SymbolFileError, match="damaged"):
        version_resource(image(resources(version_block().replace(struct.pack("<I", 0xFEEF04BD), bytes(4)))))
    with pytest.raises(SymbolFileError):
        version_resource(image(directory(16, 0x80FFFFF0)))


@given(st.integers(0, 0x200), st.binary(min_size=1, max_size=16))
def test_no_damage_does_worse_than_that(at: int, junk: bytes) -> None:
    section = bytearray(resources(version_block()))
    section[at : at + len(junk)] = junk
    try:
        found = version_resource(image(bytes(section)))
    except SymbolFileError:
        return
    assert found is None or len(found.strings) <= 64
