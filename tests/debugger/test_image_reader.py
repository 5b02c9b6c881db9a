"""What is read of an image's headers and tables, and how long it is kept."""

from __future__ import annotations

import pytest

from kdnb.debugger.image_reader import MOST_BLOCKS, ImageReader
from kdnb.debugger.memory import BLOCK_SIZE, MemoryCache
from kdnb.errors import MemoryReadError

BASE = 0x10000
SIZE = (MOST_BLOCKS + 2) * BLOCK_SIZE


class Image:
    """Memory of an image, with a count of what is asked of it."""

    def __init__(self) -> None:
        self.asked = 0
        self.memory = MemoryCache(self.read, lambda _, data: len(data), lambda: None)

    def read(self, address: int, size: int) -> bytes:
        self.asked += 1
        return bytes((at >> 3) & 0xFF for at in range(address, min(address + size, BASE + SIZE)))


def test_tables_are_read_once_however_often_the_target_runs() -> None:
    image = Image()
    reader = ImageReader(image.memory)
    first = reader.read(BASE + 0x7F0, 0x20)
    assert first == image.memory.read(BASE + 0x7F0, 0x20)
    asked = image.asked
    image.memory.invalidate()
    assert reader.read(BASE + 0x7F0, 0x20) == first
    assert reader.read(BASE + 0x610, 4) == bytes([0xC2] * 4)
    assert image.asked == asked


def test_a_hole_is_not_remembered() -> None:
    image = Image()
    reader = ImageReader(image.memory)
    with pytest.raises(MemoryReadError) as caught:
        reader.read(BASE + SIZE - 8, 16)
    assert len(caught.value.partial) == 8
    asked = image.asked
    image.memory.invalidate()
    with pytest.raises(MemoryReadError):
        reader.read(BASE + SIZE - 8, 16)
    assert image.asked > asked


def test_what_is_kept_is_bounded() -> None:
    image = Image()
    reader = ImageReader(image.memory)
    assert len(reader.read(BASE, SIZE)) == SIZE
    image.memory.invalidate()
    asked = image.asked
    reader.read(BASE + SIZE - 8, 8)
    assert image.asked == asked + 1
