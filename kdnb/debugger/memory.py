"""Memory of the target, cached while it is stopped.

What was read stays until the next resume, processor switch or write by another path; unreadable pages are
remembered too (the protocol reference 9.4). A small read asks for half a page: a whole one is more than one
ReadVirtualMemory can carry on a serial line (3944 bytes, 1.1) and would cost two round trips. A larger read asks for
little more than itself, so that a record of 3 KB is one round trip wherever it lies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.errors import MemoryReadError, MemoryWriteError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["BLOCK_SIZE", "PAGE_SIZE", "MemoryCache"]

PAGE_SIZE = 0x1000
BLOCK_SIZE = 0x200
LEAST_READ = 0x800
"""The least that is asked for: what lies around will be wanted too, and a round trip costs more than its bytes. It is
halved until one request carries it: on KDNET (1.1), and on a line that damages large packets."""
MAX_READ = 0x1000_0000
"""Longest single read, 256 MiB: WinDbg's own limit for a range without `L?`."""
RUN_SIZE = 0x10000
"""Missing blocks are fetched in runs of at most this many bytes, so that a cancel is seen between two."""


class MemoryCache:
    """One address space: reads through a cache of half pages, writes through to the target.

    `read` gives the bytes up to the first hole, `write` says how many bytes went in; `guard` is called before
    either and raises when the target runs or the command was cancelled. `request_size` tells how many bytes one
    request carries just now.
    """

    def __init__(
        self,
        read: Callable[[int, int], bytes],
        write: Callable[[int, bytes], int],
        guard: Callable[[], None],
        pointer_size: int = 8,
        request_size: Callable[[], int] = lambda: LEAST_READ,
    ) -> None:
        self.pointer_size = pointer_size
        self._read = read
        self._write = write
        self._guard = guard
        self._request_size = request_size
        self._blocks: dict[int, bytes] = {}
        """Block address -> its bytes; shorter than a block where a hole begins."""
        self._told = (0, b"")

    def invalidate(self) -> None:
        """Forget everything: the target has run, or its memory changed behind our back."""
        self._blocks.clear()
        self._told = (0, b"")

    def tell(self, address: int, data: bytes) -> None:
        """What the target has said of its memory without being asked."""
        self._told = (address, data)

    def holds(self, address: int, size: int) -> bool:
        """Whether all of a range has been read already."""
        return all(block in self._blocks for block in _blocks_of(self._normal(address), size))

    # --- reading --------------------------------------------------------------------------------

    def read(self, address: int, size: int) -> bytes:
        """Exactly `size` bytes; `MemoryReadError` with `partial` at a hole."""
        data = self.read_available(address, size)
        if len(data) < size:
            raise MemoryReadError(self._normal(address), size, data)
        return data

    def read_available(self, address: int, size: int) -> bytes:
        """The bytes from `address` up to the first hole, at most `size`."""
        if size < 0:
            raise UsageError(f"can't read {size} bytes", "a size is 0 or more")
        if size > MAX_READ:
            raise UsageError(f"range of {size:#x} bytes is too big", f"read at most {MAX_READ:#x} bytes at once")
        self._guard()
        address = self._normal(address)
        size = min(size, (1 << (self.pointer_size * 8)) - address)
        start, told = self._told
        if start <= address and address + size <= start + len(told):
            return told[address - start : address - start + size]
        parts: list[bytes] = []
        position, end = address, address + size
        while position < end:
            start = position & ~(BLOCK_SIZE - 1)
            size = BLOCK_SIZE
            data = self._blocks.get(start)
            if data is None:
                start, size, data = self._fetch(start, end)
            part = data[position - start : end - start]
            parts.append(part)
            position += len(part)
            if len(data) < size and position < end:
                break
        return b"".join(parts)

    def _fetch(self, block: int, end: int) -> tuple[int, int, bytes]:
        """Read the run of missing blocks that begins at `block`, up to `end`, and more around a short one.

        Gives where the run begins, its size and its bytes, fewer where a hole begins.
        """
        start, stop = block, block + BLOCK_SIZE
        while stop < end and stop not in self._blocks and stop - start < RUN_SIZE:
            stop += BLOCK_SIZE
        least = LEAST_READ
        while least > max(self._request_size(), BLOCK_SIZE):
            least //= 2
        highest = max(stop, (start & -least) + least)
        while stop < highest and stop not in self._blocks:
            stop += BLOCK_SIZE
        while start > highest - least and start - BLOCK_SIZE not in self._blocks:
            start -= BLOCK_SIZE
        self._guard()
        data = self._read(start, stop - start)
        if data and start + len(data) < block:
            start, data = block, self._read(block, stop - block)  # it ended early for no reason that a page would have
        self._keep(start, stop, data)
        return start, stop - start, data

    def _keep(self, start: int, stop: int, data: bytes) -> None:
        """Take over what was read from `start` on; where it is short of `stop`, a hole begins."""
        stop = min(stop, (start + len(data) | BLOCK_SIZE - 1) + 1)  # the block in which the hole begins
        self._blocks.update({at: data[at - start : at - start + BLOCK_SIZE] for at in range(start, stop, BLOCK_SIZE)})
        hole = start + len(data)
        if hole < stop and (hole == start or hole % PAGE_SIZE == 0):
            # A page is mapped or not as a whole: what follows in it is unreadable too.
            self._blocks.update(dict.fromkeys(range(hole, (hole | PAGE_SIZE - 1) + 1, BLOCK_SIZE), b""))

    def read_u8(self, address: int) -> int:
        return self.read(address, 1)[0]

    def read_u16(self, address: int) -> int:
        return int.from_bytes(self.read(address, 2), "little")

    def read_u32(self, address: int) -> int:
        return int.from_bytes(self.read(address, 4), "little")

    def read_u64(self, address: int) -> int:
        return int.from_bytes(self.read(address, 8), "little")

    def read_pointer(self, address: int) -> int:
        """A pointer of the target: 4 or 8 bytes, zero-extended."""
        return int.from_bytes(self.read(address, self.pointer_size), "little")

    def read_string(self, address: int, limit: int = 1024, *, wide: bool = False) -> str:
        """The text at `address` up to its NUL or `limit` characters; one byte a character, or UTF-16 with `wide`."""
        unit = 2 if wide else 1
        data = self.read_available(address, limit * unit)
        if not data:
            raise MemoryReadError(self._normal(address), unit)
        data = data[: len(data) - len(data) % unit]
        for at in range(0, len(data), unit):
            if not any(data[at : at + unit]):
                data = data[:at]
                break
        return data.decode("utf-16-le", "replace") if wide else data.decode("latin-1")

    def read_counted_string(self, address: int, *, wide: bool = False) -> str:
        """The text of an ANSI_STRING, or with `wide` of a UNICODE_STRING, at `address`."""
        data = self.read(self.read_pointer(address + self.pointer_size), self.read_u16(address))
        return data.decode("utf-16-le" if wide else "latin-1", "replace")

    # --- writing --------------------------------------------------------------------------------

    def write(self, address: int, data: bytes) -> None:
        """Write all of `data`; `MemoryWriteError` says how much went in."""
        self._guard()
        address = self._normal(address)
        written = self._write(address, data)
        self._patch(address, data[:written])
        if written < len(data):
            raise MemoryWriteError(address, len(data), written)

    def _patch(self, address: int, data: bytes) -> None:
        """Bring cached blocks up to date with what was written."""
        self._told = (0, b"")
        for block in _blocks_of(address, len(data)):
            held = self._blocks.get(block)
            if held is None:
                continue
            start = max(address, block)
            piece = data[start - address : block + BLOCK_SIZE - address]
            at = start - block
            if at > len(held) or len(held) < BLOCK_SIZE:
                del self._blocks[block]  # it was thought unreadable there: ask again
            else:
                self._blocks[block] = held[:at] + piece + held[at + len(piece) :]

    def _normal(self, address: int) -> int:
        """The address without sign extension beyond the pointer size (the protocol reference 2.1)."""
        return address & ((1 << (self.pointer_size * 8)) - 1)


def _blocks_of(address: int, size: int) -> Iterator[int]:
    return iter(range(address & ~(BLOCK_SIZE - 1), address + size, BLOCK_SIZE))
