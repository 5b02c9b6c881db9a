"""Fragments of IP packets, joined: large KDNET datagrams come in several where the line's MTU is small.

Everything is bounded, since a capture may hold anything: pieces of a packet, bytes of it, packets that wait for more,
and how long they wait. Pieces that contradict each other spoil their packet (RFC 5722 wants that for IPv6); the same
piece seen twice doesn't. Rules: RFC 791, 8200 (4.5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.capture.layers import upper_layer

if TYPE_CHECKING:
    from kdnb.capture.layers import Fragment, Segment

__all__ = ["Fragments"]

LARGEST = 0xFFFF
"""Bytes of the longest packet."""
MOST_PIECES = 256
"""Of one packet: the longest has 121 at the smallest usual MTU (576)."""
MOST_PACKETS = 64
"""Packets that are kept, which may be 4 MB; the oldest goes first. Whole ones stay for a while to tell repeated pieces:
a capture of all interfaces has each piece several times."""
LIFETIME = 60_000_000_000
"""Nanoseconds for which the rest of a packet is waited for (RFC 8200); identifications are used again later."""

_Key = tuple[bytes, bytes, int, int]


class _Packet:
    """The pieces of one packet so far. `size` is known once the last piece came."""

    __slots__ = ("pieces", "protocol", "reached", "received", "seen", "since", "size")

    def __init__(self, since: int | None) -> None:
        self.since = since
        self.pieces: dict[int, bytes] = {}
        self.received = 0
        self.seen = 0
        """Pieces that came, repeated ones too."""
        self.size: int | None = None
        self.reached = 0
        """Where the piece ends that lies furthest."""
        self.protocol = 0

    def add(self, piece: Fragment) -> bool:
        """Take a piece; False where it contradicts the others."""
        self.seen += 1
        start, end = piece.offset, piece.offset + len(piece.data)
        if self.pieces.get(start) == piece.data and (piece.more or self.size == end):
            return True
        if self.seen > MOST_PIECES or any(at < end and start < at + len(data) for at, data in self.pieces.items()):
            return False
        if not piece.more and self.size is not None:
            return False
        size, reached = self.size if piece.more else end, max(self.reached, end)
        if size is not None and reached > size:
            return False
        self.size, self.reached = size, reached
        self.pieces[start] = piece.data
        self.received += len(piece.data)
        if start == 0:
            self.protocol = piece.protocol
        return True

    @property
    def is_complete(self) -> bool:
        return self.received == self.size

    def is_over(self, time: int | None) -> bool:
        """Whether what comes at `time` belongs to another packet."""
        return time is not None and self.since is not None and time - self.since > LIFETIME

    def joined(self) -> bytes:
        return b"".join(data for _, data in sorted(self.pieces.items()))


class Fragments:
    """Joins fragments as they come in a capture."""

    def __init__(self) -> None:
        self._packets: dict[_Key, _Packet] = {}
        self._lost = 0

    @property
    def left(self) -> int:
        """Fragments that are part of no complete packet so far."""
        return self._lost + sum(packet.seen for packet in self._packets.values() if not packet.is_complete)

    def add(self, piece: Fragment, time: int | None) -> Segment | None:
        """The segment that this piece completes; `time` in ns since 1970 where the capture has it."""
        size = len(piece.data)
        if not size or piece.offset + size > LARGEST or (piece.more and size % 8):
            self._lost += 1
            return None
        # IPv6 names the protocol in each piece, but only that of the first counts.
        is_ipv4 = len(piece.source) == 4
        key = (piece.source, piece.destination, piece.identification, piece.protocol if is_ipv4 else 0)
        packet = self._packets.get(key)
        if packet is not None and packet.is_complete and packet.pieces.get(piece.offset) == piece.data:
            return None
        if packet is not None and (packet.is_complete or packet.is_over(time)):
            self._forget(key)
            packet = None
        if packet is None:
            if len(self._packets) == MOST_PACKETS:
                self._forget(next(iter(self._packets)))
            packet = self._packets[key] = _Packet(time)
        if not packet.add(piece):
            self._forget(key)
        elif packet.is_complete:
            return upper_layer(packet.protocol, packet.joined(), piece.source, piece.destination)
        return None

    def _forget(self, key: _Key) -> None:
        packet = self._packets.pop(key)
        self._lost += 0 if packet.is_complete else packet.seen
