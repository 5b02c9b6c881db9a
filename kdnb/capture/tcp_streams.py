"""TCP reassembly of a whole capture: segments in any order in, byte streams with their origin out.

Retransmissions and overlaps are dropped (the first copy of a byte wins), segments out of order wait for
the hole before them, and a hole that is never filled becomes a gap: the stream's offsets jump over it, and
whoever reads it starts anew there. Each run of bytes remembers the frame number and time that brought it.
"""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from kdnb.capture.layers import Endpoint, Segment

__all__ = ["Connection", "Connections", "Piece", "Stream"]

SYN = 0x02
WINDOW_LIMIT = 1 << 24
"""A sequence number farther away than this begins another connection on the same ports. KD never has more
than one packet under way, so that far more than any real window is allowed here."""

WAITING_LIMIT = 4 << 20
"""Bytes held back behind one hole before it counts as a gap."""


class Piece(NamedTuple):
    """Bytes of one stream that came in one frame; `offset` counts from the stream's first byte."""

    offset: int
    frame: int
    time: int | None
    data: bytes


class Stream:
    """One direction of a connection: `pieces` in stream order, `gaps` missing ranges, `missing` bytes in all.

    Without a SYN the stream begins at the lowest sequence number near the first one seen.
    """

    __slots__ = ("_base", "_begun", "_early", "_next", "_waiting", "_waiting_size", "gaps", "missing", "pieces")

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.gaps = 0
        self.missing = 0
        self._base: int | None = None  # sequence number of stream offset 0
        self._begun = False  # by a SYN: nothing can lie before
        self._next = 0  # stream offset of the next byte in order
        self._early: list[tuple[int, int, int | None, bytes]] = []  # what lies before the first segment seen
        self._waiting: list[tuple[int, int, int | None, bytes]] = []  # sorted by offset
        self._waiting_size = 0

    def begin(self, sequence: int) -> None:
        """The sequence number of the first byte, from a SYN."""
        self._base = sequence
        self._begun = True

    def belongs(self, sequence: int) -> bool:
        """Whether a segment with this sequence number can be of this stream."""
        return self._base is None or abs(self._distance(sequence)) <= WINDOW_LIMIT

    def is_start(self, sequence: int) -> bool:
        """Whether a SYN for this first sequence number is the one that began this stream (again)."""
        return self._base is None or (self._base == sequence & 0xFFFFFFFF)

    def _distance(self, sequence: int) -> int:
        """From the next byte in order to `sequence`, over the wrap of 32 bits."""
        assert self._base is not None
        return ((sequence - self._base - self._next + 0x80000000) & 0xFFFFFFFF) - 0x80000000

    def add(self, sequence: int, data: bytes, frame: int, time: int | None) -> None:
        if self._base is None:
            self._base = sequence
        offset = self._next + self._distance(sequence)
        if offset < 0:
            if not self._begun:
                self._early.append((offset, frame, time, data[:-offset]))
            data, offset = data[-offset:], 0
        if offset <= self._next:
            self._deliver(offset, data, frame, time)
            if self._waiting:
                self._drain()
            return
        bisect.insort(self._waiting, (offset, frame, time, data), key=lambda piece: piece[0])
        self._waiting_size += len(data)
        if self._waiting_size > WAITING_LIMIT:
            self._give_up()

    def finish(self) -> None:
        """Nothing more comes; to be called once."""
        self._give_up()
        if self._early:
            self._prepend()

    def _give_up(self) -> None:
        """No longer wait for the holes: what lies behind them is delivered behind gaps."""
        while self._waiting:
            hole = self._waiting[0][0] - self._next
            self.gaps += 1
            self.missing += hole
            self._next += hole
            self._drain()

    def _prepend(self) -> None:
        """Put what lay before the first segment seen where it belongs; all offsets move."""
        self._early.sort(key=lambda piece: piece[0])
        shift = -self._early[0][0]
        before = Stream()
        before.begin(0)
        for offset, frame, time, data in self._early:
            before.add(offset + shift, data, frame, time)
        before.finish()
        hole = shift - before._next
        self.gaps += before.gaps + (hole > 0)
        self.missing += before.missing + hole
        self.pieces = before.pieces + [piece._replace(offset=piece.offset + shift) for piece in self.pieces]
        self._early = []

    def _drain(self) -> None:
        taken = 0
        for offset, frame, time, data in self._waiting:
            if offset > self._next:
                break
            self._deliver(offset, data, frame, time)
            self._waiting_size -= len(data)
            taken += 1
        del self._waiting[:taken]

    def _deliver(self, offset: int, data: bytes, frame: int, time: int | None) -> None:
        known = self._next - offset
        if known >= len(data):
            return  # a retransmission of what is already there
        self.pieces.append(Piece(self._next, frame, time, data[known:]))
        self._next += len(data) - known


class Connection:
    """Two streams between two endpoints; `streams[0]` is what `endpoints[0]` sent."""

    __slots__ = ("endpoints", "streams")

    def __init__(self, endpoints: tuple[Endpoint, Endpoint]) -> None:
        self.endpoints = endpoints
        self.streams = (Stream(), Stream())


class Connections:
    """All TCP connections of a capture, in the order in which they appeared."""

    def __init__(self) -> None:
        self.all: list[Connection] = []
        self._current: dict[tuple[Endpoint, Endpoint], Connection] = {}

    def add(self, segment: Segment, frame: int, time: int | None) -> None:
        flags = segment.flags or 0
        if not segment.payload and not flags & SYN:
            return
        source, destination = segment.source, segment.destination
        key = (source, destination) if source <= destination else (destination, source)
        side = 0 if source == key[0] else 1
        first = (segment.sequence + 1) & 0xFFFFFFFF if flags & SYN else segment.sequence
        connection = self._current.get(key)
        if connection is None or not self._continues(connection.streams[side], first, flags):
            connection = Connection(key)
            self._current[key] = connection
            self.all.append(connection)
        stream = connection.streams[side]
        if flags & SYN:
            stream.begin(first)
        if segment.payload:
            stream.add(first, segment.payload, frame, time)

    @staticmethod
    def _continues(stream: Stream, first: int, flags: int) -> bool:
        return stream.is_start(first) if flags & SYN else stream.belongs(first)

    def finish(self) -> list[Connection]:
        for connection in self.all:
            for stream in connection.streams:
                stream.finish()
        return self.all
