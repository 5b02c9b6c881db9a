"""LZX streams for tests: every kind of block and element, by the published format. Good packing is no aim."""

from __future__ import annotations

import heapq
from collections import Counter
from itertools import groupby

FRAME = 0x8000
SLOTS = {15: 30, 16: 32, 17: 34, 18: 36, 19: 38, 20: 42, 21: 50}
EXTRA = [0, 0, 0, 0] + [n // 2 - 1 for n in range(4, 36)] + [17] * 14
BASE = [sum(1 << bits for bits in EXTRA[:slot]) for slot in range(50)]

Token = int | tuple[int, int]
"""A literal, or (offset, length)."""


def code_lengths(counts: Counter[int], size: int, longest: int) -> list[int]:
    """Lengths of a complete prefix code, none above `longest`."""
    used = {symbol: count for symbol, count in counts.items() if count}
    for symbol in range(size):
        if used and len(used) < 2:
            used.setdefault(symbol, 1)
    while used:
        heap = [(count, symbol, [symbol]) for symbol, count in used.items()]
        heapq.heapify(heap)
        lengths = [0] * size
        while len(heap) > 1:
            one, other = heapq.heappop(heap), heapq.heappop(heap)
            for symbol in one[2] + other[2]:
                lengths[symbol] += 1
            heapq.heappush(heap, (one[0] + other[0], one[1], one[2] + other[2]))
        if max(lengths) <= longest:
            return lengths
        used = {symbol: count // 2 + 1 for symbol, count in used.items()}
    return [0] * size


def codes(lengths: list[int]) -> dict[int, tuple[int, int]]:
    """Symbol -> (bits, how many)."""
    found, code, last = {}, 0, 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(lengths) if length):
        code <<= length - last
        found[symbol] = code, length
        code, last = code + 1, length
    return found


class Writer:
    """One stream; `frames` holds the bytes of each frame."""

    def __init__(self, window_bits: int) -> None:
        self.window = 1 << window_bits
        self.frames: list[bytes] = []
        self.bits = ""
        self.out = bytearray()
        self.offsets = [1, 1, 1]
        self.main = [0] * (256 + 8 * SLOTS[window_bits])
        self.length = [0] * 249

    def put(self, value: int, count: int) -> None:
        if count:
            self.bits += f"{value:0{count}b}"

    def flush(self) -> None:
        self.bits += "0" * (-len(self.bits) % 16)
        for at in range(0, len(self.bits), 16):
            self.out += int(self.bits[at : at + 16], 2).to_bytes(2, "little")
        self.bits = ""

    def end_frame(self) -> None:
        self.flush()
        self.frames.append(bytes(self.out))
        self.out.clear()

    def lengths(self, old: list[int], new: list[int]) -> None:
        """Runs of zeros and of equal lengths as such, the rest as differences."""
        items: list[tuple[int, ...]] = []
        at = 0
        for value, group in groupby(new):
            run = len(list(group))
            while run:
                if not value and run >= 20:
                    n = min(run, 51)
                    items.append((18, n - 20, 5))
                elif not value and run >= 4:
                    n = min(run, 19)
                    items.append((17, n - 4, 4))
                elif run >= 4 and value:
                    n = min(run, 5)
                    items.append((19, n - 4, 1, (old[at] - value) % 17))
                else:
                    n = 1
                    items.append(((old[at] - value) % 17, 0, 0))
                at += n
                run -= n
        counts = Counter(item[0] for item in items) + Counter(item[3] for item in items if len(item) > 3)
        pre = code_lengths(counts, 20, 15)
        for length in pre:
            self.put(length, 4)
        table = codes(pre)
        for symbol, extra, bits, *more in items:
            self.put(*table[symbol])
            self.put(extra, bits)
            for value in more:
                self.put(*table[value])

    def elements(self, tokens: list[Token]) -> list[tuple[int, int | None, int, int]]:
        """(main symbol, length symbol, extra bits, how many) with the remembered offsets moving along."""
        found = []
        for token in tokens:
            if isinstance(token, int):
                found.append((token, None, 0, 0))
                continue
            offset, length = token
            r = self.offsets
            if offset in r:
                slot = r.index(offset)
                r[0], r[slot] = r[slot], r[0]
                extra = bits = 0
            else:
                self.offsets = [offset, r[0], r[1]]
                slot = max(n for n in range(50) if BASE[n] <= offset + 2)
                extra, bits = offset + 2 - BASE[slot], EXTRA[slot]
            header = min(length - 2, 7)
            found.append((256 + 8 * slot + header, length - 9 if header == 7 else None, extra, bits))
        return found

    def block(self, kind: int, data: bytes, tokens: list[Token], frame_left: int) -> int:
        """Write a block; gives how many bytes its last frame still lacks."""
        self.put(kind, 3)
        self.put(len(data), 24)
        if kind == 3:
            self.put(0, 1)
            self.flush()
            self.out += b"".join(offset.to_bytes(4, "little") for offset in self.offsets)
            for byte in data:
                self.out.append(byte)
                frame_left = frame_left - 1
                if not frame_left:
                    self.end_frame()
                    frame_left = FRAME
            self.out += bytes(len(data) & 1)
            return frame_left
        elements = self.elements(tokens)
        aligned: dict[int, tuple[int, int]] = {}
        if kind == 2:
            lengths = code_lengths(Counter(e[2] & 7 for e in elements if e[3] >= 3), 8, 7)
            lengths = lengths if any(lengths) else [3] * 8
            aligned = codes(lengths)
            for length in lengths:
                self.put(length, 3)
        main = code_lengths(Counter(e[0] for e in elements), len(self.main), 16)
        length = code_lengths(Counter(e[1] for e in elements if e[1] is not None), 249, 16)
        self.lengths(self.main[:256], main[:256])
        self.lengths(self.main[256:], main[256:])
        self.lengths(self.length, length)
        self.main, self.length = main, length
        main_codes, length_codes = codes(main), codes(length)
        for token, (symbol, more, extra, bits) in zip(tokens, elements, strict=True):
            self.put(*main_codes[symbol])
            if more is not None:
                self.put(*length_codes[more])
            if kind == 2 and bits >= 3:
                self.put(extra >> 3, bits - 3)
                self.put(*aligned[extra & 7])
            else:
                self.put(extra, bits)
            frame_left -= 1 if isinstance(token, int) else token[1]
            if not frame_left:
                self.end_frame()
                frame_left = FRAME
        return frame_left


def tokens_of(data: bytes, start: int, end: int, window: int, seen: dict[bytes, int]) -> list[Token]:
    """Greedy matches within frames."""
    found: list[Token] = []
    at = start
    while at < end:
        most = min(257, end - at, FRAME - at % FRAME)
        before = seen.get(data[at : at + 3], at)
        length = 0
        if at - window + 3 <= before < at:
            while length < most and data[before + length] == data[at + length]:
                length += 1
        seen[data[at : at + 3]] = at
        if length >= 3:
            found.append((at - before, length))
            at += length
        else:
            found.append(data[at])
            at += 1
    return found


def compress(
    data: bytes, window_bits: int, *, kinds: tuple[int, ...] = (1, 2, 3), block: int = 20011, translation: int = 0
) -> list[bytes]:
    """The frames of a stream; blocks of the given kinds follow each other. `translation`: of calls, as a file size."""
    writer = Writer(window_bits)
    if translation:
        writer.put(1, 1)
        writer.put(translation, 32)
        data = b"".join(_absolute(data[at : at + FRAME], at, translation) for at in range(0, len(data), FRAME))
    else:
        writer.put(0, 1)
    seen: dict[bytes, int] = {}
    left = FRAME
    for number, start in enumerate(range(0, len(data), block)):
        end = min(start + block, len(data))
        tokens = tokens_of(data, start, end, writer.window, seen)
        left = writer.block(kinds[number % len(kinds)], data[start:end], tokens, left)
    if left < FRAME or writer.bits or writer.out:
        if left < FRAME:
            writer.end_frame()
        else:
            writer.flush()
            writer.frames[-1] += bytes(writer.out)
    return writer.frames


def _absolute(frame: bytes, start: int, size: int) -> bytes:
    changed = bytearray(frame)
    at = 0
    while at < len(frame) - 10:
        if changed[at] != 0xE8:
            at += 1
            continue
        value = int.from_bytes(changed[at + 1 : at + 5], "little", signed=True)
        place = start + at
        if -place <= value < size - place:
            changed[at + 1 : at + 5] = (value + place).to_bytes(4, "little")
        elif size - place <= value < size:
            changed[at + 1 : at + 5] = (value - size & 0xFFFFFFFF).to_bytes(4, "little")
        at += 5
    return bytes(changed)
