"""Packets in a byte stream: finding them, whatever lies between them and whatever has become of them.

Knows: leaders, the break-in byte (protocol reference 1.1, 1.6), and what damage does to a stream.
Refuses to know: ids, acknowledgements, directions, time. Sans-I/O: bytes go in by `Framer.feed`, packets come out,
and any chunking of the same bytes gives the same packets.

A packet is trusted when its leader is followed by a plausible header: a type that goes with the leader, a payload of
at most `MAX_PAYLOAD` bytes, and for control packets no payload and no checksum. Text before the first packet may hold
runs of ASCII zeros that look like a leader (seen before boot), so after a bad header the hunt goes on one byte later.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from kdnb.protocol.constants import (
    BREAKIN_BYTE,
    CONTROL_LEADER,
    DATA_LEADER,
    MAX_PAYLOAD,
    PACKET_HEADER_SIZE,
    TRAILER,
    PacketType,
)
from kdnb.protocol.packet import CONTROL_TYPES, DATA_TYPES, HEADER, Packet, checksum, sound_packets

__all__ = [
    "BreakIn",
    "Framed",
    "FramedPacket",
    "Framer",
    "decode_datagram",
]

JUNK_KEPT = 0x10000
"""Bytes of junk kept per gap. More are counted only: boot text is short, a stream without packets has no end."""

# Leader and type in one search: the hunt and the first half of the plausibility guard run in C.
_DATA_TYPE = b"[" + b"".join(re.escape(bytes([value])) for value in sorted(DATA_TYPES)) + b"]\0"
_CONTROL_TYPE = b"[" + b"".join(re.escape(bytes([value])) for value in sorted(CONTROL_TYPES)) + b"]\0\0\0"
_START = re.compile(b"0000" + _DATA_TYPE + b"|iiii" + _CONTROL_TYPE)
_START_OR_SHORT = re.compile(_START.pattern + b"|000" + _DATA_TYPE)
_LONGEST_START = 8


@dataclass(slots=True)
class FramedPacket:
    """A packet as it was found in a stream."""

    packet: Packet
    valid: bool
    """Checksum and trailer are right."""
    offset: int
    """Stream offset of the first byte (of the leader)."""
    size: int
    """Bytes on the wire, header and trailer included; for a damaged packet what its header claims."""
    junk: bytes = b""
    """The bytes skipped just before it (at most `JUNK_KEPT`; `junk_count` counts all)."""
    junk_count: int = 0
    repaired: bool = False
    """Read in spite of a leader of three bytes (offline only)."""
    problem: str = ""
    """What is wrong where `valid` is false: "checksum", "trailer" or "truncated"."""


@dataclass(frozen=True, slots=True)
class BreakIn:
    """The break-in byte, alone between packets."""

    offset: int
    junk: bytes = b""
    junk_count: int = 0


Framed = FramedPacket | BreakIn


def decode_datagram(body: bytes) -> FramedPacket | BreakIn | None:
    """The one packet of a KDNET data-channel body (kdnet.md, "KD inside KDNET"); None where it holds no packet.

    The 12-byte UNUSED packet that a target sends after the handshake comes out as type 0 with an empty payload.
    """
    if body == bytes([BREAKIN_BYTE]):
        return BreakIn(0)
    if len(body) < PACKET_HEADER_SIZE:
        if len(body) < PACKET_HEADER_SIZE - 4:
            return None
        leader, packet_type, _, packet_id, _ = HEADER.unpack(body.ljust(PACKET_HEADER_SIZE, b"\0"))
        return FramedPacket(Packet(leader, packet_type, packet_id), packet_type == PacketType.UNUSED, 0, len(body))
    leader, packet_type, count, packet_id, claimed = HEADER.unpack_from(body)
    payload = body[PACKET_HEADER_SIZE:]
    packet = Packet(leader, packet_type, packet_id, payload, claimed)
    problem = ""
    if leader not in {DATA_LEADER, CONTROL_LEADER} or count != len(payload):
        problem = "truncated"
    elif checksum(payload) != claimed:
        problem = "checksum"
    return FramedPacket(packet, not problem, 0, len(body), problem=problem)


class Framer:
    """Cuts one direction of a byte stream into packets.

    `break_in` (for what goes to the target) recognises the byte 0x62 where a packet could begin. `repair` (offline)
    also takes a data packet whose leader lost one byte, if header, checksum and trailer are right.

    A damaged packet comes out with `valid=False`. If its trailer is in place it is skipped as a whole; otherwise its
    length can't be trusted and the hunt goes on one byte after its leader, so a packet that it would have swallowed
    is found. Other damaged packets within its span are not reported: most are payload that looks like a header.
    """

    def __init__(self, *, break_in: bool = False, repair: bool = False) -> None:
        self.junk_count = 0
        """All junk so far, in bytes."""
        self.is_at_boundary = True
        """No byte waits for a decision: the next one begins a packet, or is a break-in."""
        self._break_in = break_in
        self._search = (_START_OR_SHORT if repair else _START).search
        self._buffer = bytearray()
        self._base = 0  # stream offset of the buffer's first byte
        self._position = 0  # where the hunt goes on
        self._at_boundary = True  # nothing but packets since the stream began or went quiet
        self._partial = False  # the hunt stands at a plausible packet start
        self._damaged_end = 0  # stream offset: end of the last damaged packet's claimed span
        self._junk = bytearray()  # what is kept of the gap before the next packet
        self._gap = 0  # bytes of that gap

    @property
    def is_partial(self) -> bool:
        """True inside a packet whose beginning was seen and whose end was not."""
        return self._partial

    @property
    def is_partial_data(self) -> bool:
        """True inside a data packet, one that the peer could send again."""
        return self._partial and self._buffer[self._position] == DATA_LEADER & 0xFF

    @property
    def tail(self) -> bytes:
        """Junk and undecided bytes after the last packet."""
        return bytes(self._junk + self._buffer)

    def take_sound(self, data: bytes) -> list[Packet] | None:
        """The packets of a chunk that is nothing but sound packets; None for any other, which is for `feed` then."""
        if self._buffer or self._gap:
            return None
        packets, end = sound_packets(data)
        if not end or end < len(data):
            return None
        self._pass(end)
        return packets

    def feed(self, data: bytes) -> list[Framed]:
        """Take the next bytes of the stream; returns the packets that they complete."""
        found: list[Framed] = []
        taken = 0 if self._buffer else self._take_sound(data, found)
        if taken < len(data):
            self._buffer += data[taken:] if taken else data
            self._hunt(found, final=False)
            self.is_at_boundary = self._at_boundary and not self._buffer
        return found

    def finish(self) -> list[Framed]:
        """Nothing more comes (for now): give up an unfinished packet and hunt through its bytes.

        It is reported as damaged ("truncated"). Everything is consumed; `feed` may go on afterwards, at a boundary.
        """
        found: list[Framed] = []
        self._hunt(found, final=True)
        self._skip_to(len(self._buffer))
        self._drop()
        self._at_boundary = self.is_at_boundary = True
        return found

    def _take_sound(self, data: bytes, found: list[Framed]) -> int:
        """The sound packets that `data` begins with, without a hunt.

        Only while the buffer is empty. Gives the number of bytes taken; what follows them is for `_hunt` to judge.
        """
        packets, end = sound_packets(data)
        at = self._base
        for packet in packets:
            size = PACKET_HEADER_SIZE + (0 if packet.is_control else len(packet.payload) + 1)
            found.append(FramedPacket(packet, True, at, size, *self._take_junk()))
            at += size
        if end:
            self._pass(end)
        return end

    def _pass(self, size: int) -> None:
        """So many bytes of sound packets were taken where nothing waited."""
        self._damaged_end = min(self._damaged_end, self._base)
        self._base += size
        self._partial = False
        self._at_boundary = self.is_at_boundary = True

    def _hunt(self, found: list[Framed], *, final: bool) -> None:
        buffer = self._buffer
        end = len(buffer)
        self._partial = False
        while True:
            if self._break_in:
                self._take_break_ins(found)
            start = self._search(buffer, self._position)
            if start is None:
                if not final:
                    self._skip_to(max(self._position, end - _LONGEST_START + 1))
                break
            framed = self._frame_at(start.start(), found, final)
            if not framed:
                self._skip_to(start.start())
                self._partial = True
                break
        self._drop()

    def _frame_at(self, start: int, found: list[Framed], final: bool) -> bool:
        """Judge the packet that may begin at `start`. False: more bytes are needed."""
        buffer = self._buffer
        short = buffer[start + 3] not in b"0i"
        header = start - 1 if short else start
        available = len(buffer) - header
        if available < PACKET_HEADER_SIZE:
            return self._truncated(start, found) if final else False
        if short:
            packet_type, count, packet_id, claimed = struct.unpack_from("<HHII", buffer, header + 4)
            leader = DATA_LEADER
        else:
            leader, packet_type, count, packet_id, claimed = HEADER.unpack_from(buffer, header)
        if leader == CONTROL_LEADER:
            if claimed:
                self._skip_to(start + 1)
            else:
                self._emit(found, Packet(leader, packet_type, packet_id), start, PACKET_HEADER_SIZE)
            return True
        if count > MAX_PAYLOAD:
            self._skip_to(start + 1)
            return True
        if available <= PACKET_HEADER_SIZE + count:
            return self._truncated(start, found) if final else False
        body = header + PACKET_HEADER_SIZE
        payload = bytes(buffer[body : body + count])
        trailer_ok = buffer[body + count] == TRAILER
        problem = "" if trailer_ok and checksum(payload) == claimed else "checksum" if trailer_ok else "trailer"
        if short and problem:
            self._skip_to(start + 1)
            return True
        after = body + count + 1
        if problem == "checksum" and (last := self._packet_that_ends_at(after, body)) is not None:
            payload, after = bytes(buffer[body:last]), last
        packet = Packet(leader, packet_type, packet_id, payload, claimed)
        self._emit(found, packet, start, after - start, problem, short)
        return True

    def _packet_that_ends_at(self, end: int, begin: int) -> int | None:
        """Where in a damaged packet a sound one begins that ends just where the damaged one claims to end.

        Then the length is what was damaged. Packets in a payload (memory that holds some) end before its trailer.
        """
        buffer = self._buffer
        while start := self._search(buffer, begin, end):
            at = start.start()
            if end - at > PACKET_HEADER_SIZE:
                leader, _, count, _, claimed = HEADER.unpack_from(buffer, at)
                body = at + PACKET_HEADER_SIZE
                if (
                    leader == DATA_LEADER
                    and body + count + 1 == end
                    and checksum(bytes(buffer[body : end - 1])) == claimed
                ):
                    return at
            begin = at + 1
        return None

    def _truncated(self, start: int, found: list[Framed]) -> bool:
        """The stream ends inside the packet at `start`: report what there is, then look inside it."""
        buffer = self._buffer
        if len(buffer) - start >= PACKET_HEADER_SIZE and buffer[start + 3] in b"0":
            leader, packet_type, _, packet_id, claimed = HEADER.unpack_from(buffer, start)
            payload = bytes(buffer[start + PACKET_HEADER_SIZE :])
            packet = Packet(leader, packet_type, packet_id, payload, claimed)
            self._emit(found, packet, start, PACKET_HEADER_SIZE + len(payload), "truncated")
        else:
            self._skip_to(start + 1)
        return True

    def _emit(
        self, found: list[Framed], packet: Packet, start: int, size: int, problem: str = "", repaired: bool = False
    ) -> None:
        offset = self._base + start
        if problem and offset < self._damaged_end:
            self._skip_to(start + 1)
            return
        self._skip_to(start)
        junk, junk_count = self._take_junk()
        found.append(FramedPacket(packet, not problem, offset, size, junk, junk_count, repaired, problem))
        if not problem or problem == "checksum":
            self._damaged_end = min(self._damaged_end, offset)
            self._position = start + size
            self._at_boundary = True
        else:
            self._damaged_end = offset + size
            self._position = start + 1
            self._at_boundary = False

    def _take_break_ins(self, found: list[Framed]) -> None:
        """A break-in byte counts only at a packet boundary; within junk or a damaged packet it is just a byte."""
        buffer = self._buffer
        while self._at_boundary and self._position < len(buffer) and buffer[self._position] == BREAKIN_BYTE:
            found.append(BreakIn(self._base + self._position))
            self._position += 1

    def _skip_to(self, position: int) -> None:
        """Move the hunt on; what it passes is junk, unless a damaged packet has claimed it."""
        begin = max(self._position, min(self._damaged_end - self._base, position))
        count = position - begin
        if count > 0:
            self._gap += count
            self._at_boundary = False
            self.junk_count += count
            room = JUNK_KEPT - len(self._junk)
            if room > 0:
                self._junk += self._buffer[begin : min(position, begin + room)]
        self._position = max(self._position, position)

    def _take_junk(self) -> tuple[bytes, int]:
        if not self._gap:
            return b"", 0
        taken = bytes(self._junk), self._gap
        self._junk.clear()
        self._gap = 0
        return taken

    def _drop(self) -> None:
        if self._position:
            del self._buffer[: self._position]
            self._base += self._position
            self._position = 0
