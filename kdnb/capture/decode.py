"""Chunks of a conversation in, packet records out: what serial and KDNET share, and the framing of serial.

Knows where each byte came from (frame, time, offset); leaves the meaning of payloads to `fields` and the
relations between packets to `pairing`. Nothing here fails on damaged input: it becomes junk or an invalid record.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple, Protocol

from kdnb.protocol.constants import BREAKIN_BYTE, CONTROL_LEADER, DATA_LEADER, Direction, PacketType
from kdnb.protocol.framing import BreakIn, Framed, Framer

__all__ = ["Chunk", "Decoder", "PacketRecord", "SerialConversation", "packet_record"]

UNUSED_SIZE = 12
"""The packet of type UNUSED that opens a KDNET data channel has no checksum field (kdnet.md, handshake 3)."""


class Chunk(NamedTuple):
    """Bytes of one direction as they came: a TCP segment, a datagram, one read of a transport.

    `position` is a frame number, or a byte offset where `by_byte` says that it counts up within the chunk.
    `offset` is that of the first byte in its direction's stream. `tag` indexes whatever the owner tags with.
    """

    time: int | None
    direction: Direction
    data: bytes
    position: int
    offset: int = 0
    by_byte: bool = False
    tag: int = 0


class PacketRecord(NamedTuple):
    """One row to be: what framing knows of a packet. Missing is None."""

    time: int | None
    position: int
    stream_offset: int | None
    direction: Direction
    transport: str
    leader: str
    packet_type: int | None
    packet_id: int | None
    length: int | None
    checksum: int | None
    valid: bool
    repaired: bool
    junk: int
    payload: bytes
    tag: int
    conversation: int


class Decoder(Protocol):
    """One conversation being decoded, chunk by chunk."""

    @property
    def junk(self) -> int:
        """Bytes that belong to no packet, so far; all of them once `finish` was called."""

    @property
    def gaps(self) -> int:
        """Holes in the streams, where bytes are missing."""

    @property
    def rejected(self) -> int:
        """KDNET datagrams that no known key opens."""

    def junk_bytes(self, direction: Direction) -> bytes:
        """The junk of one direction itself, in order (of each run what the framer keeps)."""

    def feed(self, chunk: Chunk) -> list[PacketRecord]: ...
    def finish(self) -> list[PacketRecord]: ...


def leader_name(leader: int) -> str:
    return {DATA_LEADER: "data", CONTROL_LEADER: "control"}.get(leader, "none")


class SerialConversation:
    """KD over a byte stream: one framer for each direction, started anew behind a gap."""

    rejected = 0

    def __init__(self, conversation: int = 0) -> None:
        self._sides = {direction: _Side(direction, conversation) for direction in Direction}

    @property
    def junk(self) -> int:
        return sum(side.junk for side in self._sides.values())

    @property
    def gaps(self) -> int:
        return sum(side.gaps for side in self._sides.values())

    def feed(self, chunk: Chunk) -> list[PacketRecord]:
        return self._sides[chunk.direction].feed(chunk)

    def junk_bytes(self, direction: Direction) -> bytes:
        side = self._sides[direction]
        return b"".join(side.junk_parts)

    def finish(self) -> list[PacketRecord]:
        """Nothing more comes: what is left is junk or a truncated packet."""
        return [record for side in self._sides.values() for record in side.finish()]


class _Side:
    """One direction: its framer, and the chunks whose bytes may still turn out to begin a packet."""

    def __init__(self, direction: Direction, conversation: int) -> None:
        self.gaps = 0
        self.junk_parts: list[bytes] = []
        self._direction = direction
        self._conversation = conversation
        self._framer = self._new_framer()
        self._junk_before = 0  # of the framers before this one
        self._base = 0  # stream offset at which this framer began
        self._next: int | None = None  # stream offset of the next byte
        self._chunks: deque[Chunk] = deque()

    def _new_framer(self) -> Framer:
        return Framer(break_in=self._direction is Direction.TO_TARGET, repair=True)

    @property
    def junk(self) -> int:
        return self._junk_before + self._framer.junk_count

    def feed(self, chunk: Chunk) -> list[PacketRecord]:
        records: list[PacketRecord] = []
        if chunk.offset != self._next:
            if self._next is not None:
                records = self.finish()
                self.gaps += 1
                self._junk_before += self._framer.junk_count
                self._framer = self._new_framer()
            self._base = chunk.offset
        self._next = chunk.offset + len(chunk.data)
        self._chunks.append(chunk)
        records += [self._record(framed) for framed in self._framer.feed(chunk.data)]
        if not self._framer.is_partial and len(self._chunks) > 16:
            # No packet is open: only the last few bytes can still belong to a leader.
            while len(self._chunks) > 8:
                self._chunks.popleft()
        return records

    def finish(self) -> list[PacketRecord]:
        records = [self._record(framed) for framed in self._framer.finish()]
        if self._framer.tail:
            self.junk_parts.append(self._framer.tail)
        return records

    def _record(self, framed: Framed) -> PacketRecord:
        if framed.junk:
            self.junk_parts.append(framed.junk)
        offset = self._base + framed.offset
        chunks = self._chunks
        while len(chunks) > 1 and chunks[1].offset <= offset:
            chunks.popleft()
        origin = chunks[0]
        position = origin.position + (offset - origin.offset if origin.by_byte else 0)
        return packet_record(framed, origin, position, offset, self._conversation)


def packet_record(
    framed: Framed, origin: Chunk, position: int, offset: int | None, conversation: int, *, transport: str = "serial"
) -> PacketRecord:
    place = (origin.time, position, offset, origin.direction, transport)
    end = (framed.junk_count,)
    if isinstance(framed, BreakIn):
        byte = bytes([BREAKIN_BYTE])
        return PacketRecord(
            *place, "breakin", None, None, None, None, True, False, *end, byte, origin.tag, conversation
        )
    packet = framed.packet
    bare = packet.packet_type == PacketType.UNUSED and framed.size == UNUSED_SIZE  # it ends before the checksum
    return PacketRecord(
        *place,
        leader_name(packet.leader),
        packet.packet_type,
        packet.packet_id,
        len(packet.payload),
        None if bare else packet.checksum,
        framed.valid,
        framed.repaired,
        *end,
        packet.payload,
        origin.tag,
        conversation,
    )
