"""Reads the headers and tables of one loaded image: they stay as they are as long as it is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.debugger.memory import BLOCK_SIZE

if TYPE_CHECKING:
    from kdnb.debugger.memory import MemoryCache

__all__ = ["ImageReader"]

MOST_BLOCKS = 0x1000
"""Blocks kept of one image: 2 MB, more than the unwind data and exports of a kernel."""


class ImageReader:
    """Reads through the session's memory, and keeps what it has read over stops, in whole blocks.

    A stack walk needs the same unwind records at every stop. Only for what code doesn't write to: not for data,
    nor for code, which breakpoints and patches change.
    """

    def __init__(self, memory: MemoryCache) -> None:
        self._memory = memory
        self._blocks: dict[int, bytes] = {}

    def read(self, address: int, size: int) -> bytes:
        """Exactly `size` bytes; `MemoryReadError` with `partial` at a hole."""
        first = address & -BLOCK_SIZE
        needed = range(first, address + size, BLOCK_SIZE)
        if all(block in self._blocks for block in needed):
            return b"".join(self._blocks[block] for block in needed)[address - first :][:size]
        data = self._memory.read(address, size)
        for block in needed:
            piece = self._memory.read_available(block, BLOCK_SIZE)  # at hand by now
            if len(piece) == BLOCK_SIZE and len(self._blocks) < MOST_BLOCKS:
                self._blocks[block] = piece
        return data
