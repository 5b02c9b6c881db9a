"""LZX decompression, as cabinets use it: one stream a folder, in frames of 32 KiB.

Knows one stream's bits, no cabinet. The layout is Microsoft's published LZX format (and [MS-PATCH] section 2 without
its DELTA parts): 16-bit little-endian words read from the highest bit, three kinds of blocks, code lengths told as
differences from the block before, three remembered offsets, and call targets that are translated frame by frame.
Everything is checked: lengths, codes, offsets, the ends of blocks, frames and the stream.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from kdnb.errors import SymbolFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FRAME", "decompress"]

FRAME = 0x8000
"""Bytes of a frame; only the last one is shorter. No match crosses from one to the next."""

_SLOTS = {15: 30, 16: 32, 17: 34, 18: 36, 19: 38, 20: 42, 21: 50}
"""Position slots by the window's bits."""
_EXTRA = tuple(0 if slot < 4 else slot // 2 - 1 if slot < 36 else 17 for slot in range(50))
"""Bits that follow a position slot."""
_BASE = tuple(sum(1 << bits for bits in _EXTRA[:slot]) - 2 for slot in range(50))
"""The smallest offset of a position slot; slots 0 to 2 are the remembered ones."""
_VERBATIM, _ALIGNED, _UNCOMPRESSED = 1, 2, 3
_LITERALS = 256
_LENGTHS = 249
_ELEMENT_BITS = 16 + 16 + 17
"""The longest element: main symbol, length symbol, position."""
_CALL = 0xE8
_TRANSLATED_FRAMES = 0x8000


def decompress(data: bytes, size: int, window_bits: int) -> Iterator[bytes]:
    """The `size` bytes of a stream, a frame at a time. Raises `SymbolFileError`."""
    if window_bits not in _SLOTS:
        raise SymbolFileError(f"a damaged cabinet (an LZX window of {window_bits} bits)")
    return _Stream(data, window_bits).frames(size)


class _Code:
    """A canonical prefix code: a table over the next `width` bits, with `symbol << 5 | length` in it."""

    def __init__(self, lengths: list[int]) -> None:
        self.width = max(lengths)
        self.table: list[int] = []
        for symbol in sorted(range(len(lengths)), key=lengths.__getitem__):  # stable: by length, then by symbol
            if length := lengths[symbol]:
                self.table += [symbol << 5 | length] * (1 << self.width - length)
        self.mask = (1 << self.width) - 1
        if self.table and len(self.table) != self.mask + 1:
            raise SymbolFileError("a damaged cabinet (lengths that are no code)")


class _Stream:
    def __init__(self, data: bytes, window_bits: int) -> None:
        self._data = data
        words = array("H", data[: len(data) & ~1])
        words.byteswap()
        self._bytes = words.tobytes()
        """The words of the stream with their bytes in the order of reading."""
        self._at = 0
        """Where the bit buffer is filled from next; at its end come zeros."""
        self._buffer = 0
        self._count = 0
        """Bits in the buffer that are still to be read: its lowest ones."""
        self._window_size = 1 << window_bits
        self._window = bytearray()
        self._main_lengths = [0] * (_LITERALS + 8 * _SLOTS[window_bits])
        self._length_lengths = [0] * _LENGTHS
        self._main = self._length = self._aligned = _Code([0])
        self._offsets = (1, 1, 1)
        self._kind = self._block_size = self._left = 0

    def frames(self, size: int) -> Iterator[bytes]:
        translation = self._bits(16) << 16 | self._bits(16) if self._bits(1) else 0
        window = self._window
        for number, start in enumerate(range(0, size, FRAME)):
            if len(window) > 4 * self._window_size:
                del window[: -self._window_size]
            begin = len(window)
            end = begin + min(FRAME, size - start)
            while len(window) < end:
                if not self._left:
                    self._next_block()
                before = len(window)
                stop = min(end, before + self._left)
                if self._kind == _UNCOMPRESSED:
                    self._copy(stop - before)
                else:
                    self._decode(stop)
                self._left -= stop - before
            self._count -= self._count % 16  # a frame ends with a whole word
            if self._at - self._count // 8 > len(self._bytes):
                raise SymbolFileError("a truncated cabinet")
            frame = bytes(window[begin:])
            yield _translated(frame, start, translation) if translation and number < _TRANSLATED_FRAMES else frame

    # --- bits -----------------------------------------------------------------------------------

    def _fill(self) -> None:
        more = int.from_bytes(self._bytes[self._at : self._at + 8].ljust(8, b"\0"), "big")
        self._buffer = (self._buffer & (1 << self._count) - 1) << 64 | more
        self._at += 8
        self._count += 64

    def _bits(self, count: int) -> int:
        if self._count < count:
            self._fill()
        self._count -= count
        return self._buffer >> self._count & (1 << count) - 1

    def _symbol(self, code: _Code) -> int:
        if not code.table:
            raise SymbolFileError("a damaged cabinet (an empty code)")
        if self._count < code.width:
            self._fill()
        entry = code.table[self._buffer >> self._count - code.width & code.mask]
        self._count -= entry & 31
        return entry >> 5

    # --- blocks ---------------------------------------------------------------------------------

    def _next_block(self) -> None:
        if self._kind == _UNCOMPRESSED and self._block_size & 1:
            self._at += 1  # its bytes are filled up to a word
        self._kind = self._bits(3)
        self._block_size = self._left = self._bits(16) << 8 | self._bits(8)
        if not self._left or self._kind not in (_VERBATIM, _ALIGNED, _UNCOMPRESSED):
            raise SymbolFileError("a damaged cabinet (no block)")
        if self._kind == _UNCOMPRESSED:
            self._count -= self._count % 16 or 16  # at least one bit; a buffer without any has none of the next word
            self._at -= self._count // 8
            self._count = 0
            head = self._take(12)
            first, second, third = (int.from_bytes(head[at : at + 4], "little") for at in (0, 4, 8))
            self._offsets = first, second, third
            return
        if self._kind == _ALIGNED:
            self._aligned = _Code([self._bits(3) for _ in range(8)])
        self._read_lengths(self._main_lengths, 0, _LITERALS)
        self._read_lengths(self._main_lengths, _LITERALS, len(self._main_lengths))
        self._main = _Code(self._main_lengths)
        self._read_lengths(self._length_lengths, 0, _LENGTHS)
        self._length = _Code(self._length_lengths)

    def _read_lengths(self, lengths: list[int], at: int, end: int) -> None:
        """Code lengths from `at` on, as differences from those of the last block."""
        code = _Code([self._bits(4) for _ in range(20)])
        while at < end:
            symbol = self._symbol(code)
            if symbol < 17:
                lengths[at] = (lengths[at] - symbol) % 17
                at += 1
                continue
            if symbol == 19:
                run, value = 4 + self._bits(1), self._symbol(code)
                if value >= 17:
                    raise SymbolFileError("a damaged cabinet (code lengths)")
                value = (lengths[at] - value) % 17
            else:
                run, value = (4 + self._bits(4) if symbol == 17 else 20 + self._bits(5)), 0
            if at + run > end:
                raise SymbolFileError("a damaged cabinet (code lengths)")
            lengths[at : at + run] = [value] * run
            at += run

    def _take(self, count: int) -> bytes:
        """Bytes of an uncompressed block."""
        piece = self._data[self._at : self._at + count]
        if len(piece) < count:
            raise SymbolFileError("a truncated cabinet")
        self._at += count
        return piece

    def _copy(self, count: int) -> None:
        self._window += self._take(count)

    def _decode(self, stop: int) -> None:  # noqa: PLR0915  # all the time is spent here: one loop over locals
        """Elements until the window has `stop` bytes."""
        stream, at, buffer, count = self._bytes, self._at, self._buffer, self._count
        window, position = self._window, len(self._window)
        main, width, mask = self._main.table, self._main.width, self._main.mask
        lengths, length_width, length_mask = self._length.table, self._length.width, self._length.mask
        aligned, aligned_width, aligned_mask = self._aligned.table, self._aligned.width, self._aligned.mask
        is_aligned = self._kind == _ALIGNED
        first, second, third = self._offsets
        if not main:
            raise SymbolFileError("a damaged cabinet (an empty code)")
        while position < stop:
            if count < _ELEMENT_BITS:
                more = int.from_bytes(stream[at : at + 8].ljust(8, b"\0"), "big")
                buffer = (buffer & (1 << count) - 1) << 64 | more
                at += 8
                count += 64
            entry = main[buffer >> count - width & mask]
            count -= entry & 31
            symbol = entry >> 5
            if symbol < _LITERALS:
                window.append(symbol)
                position += 1
                continue
            length = symbol & 7
            if length == 7:
                if not lengths:
                    raise SymbolFileError("a damaged cabinet (an empty code)")
                entry = lengths[buffer >> count - length_width & length_mask]
                count -= entry & 31
                length += entry >> 5
            length += 2
            slot = symbol - _LITERALS >> 3
            if slot > 2:
                bits = _EXTRA[slot]
                offset = _BASE[slot]
                if is_aligned and bits >= 3:
                    count -= bits - 3
                    offset += (buffer >> count & (1 << bits - 3) - 1) << 3
                    entry = aligned[buffer >> count - aligned_width & aligned_mask]
                    count -= entry & 31
                    offset += entry >> 5
                else:
                    count -= bits
                    offset += buffer >> count & (1 << bits) - 1
                first, second, third = offset, first, second
            elif slot == 0:
                offset = first
            elif slot == 1:
                offset = second
                first, second = second, first
            else:
                offset = third
                first, third = third, first
            if not 0 < offset <= position or position + length > stop:
                raise SymbolFileError("a damaged cabinet (a match outside of the data)")
            begin = position - offset
            if offset >= length:
                window += window[begin : begin + length]
            else:
                window += (window[begin:] * (length // offset + 1))[:length]
            position += length
        self._at, self._buffer, self._count = at, buffer, count
        self._offsets = first, second, third


def _translated(frame: bytes, start: int, size: int) -> bytes:
    """A frame with the targets of its `call` instructions relative again; the last ten bytes have none."""
    changed = bytearray(frame)
    at = changed.find(_CALL, 0, max(len(frame) - 10, 0))
    while at >= 0:
        place = start + at
        value = int.from_bytes(changed[at + 1 : at + 5], "little", signed=True)
        if -place <= value < size:
            value = value - place if value >= 0 else value + size
            changed[at + 1 : at + 5] = (value & 0xFFFF_FFFF).to_bytes(4, "little")
        at = changed.find(_CALL, at + 5, len(frame) - 10)
    return bytes(changed)
