"""One packet as bytes: its header, checksum and trailer, and the sound packets that bytes begin with.

Knows: packet shapes, leaders, the checksum, the trailer (protocol reference 1.1-1.3). What is not sound is the business
of `framing`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from zlib import adler32

from kdnb.protocol.constants import (
    CONTROL_LEADER,
    DATA_LEADER,
    MAX_PAYLOAD,
    PACKET_HEADER_SIZE,
    TRAILER,
    PacketType,
)

__all__ = [
    "CONTROL_TYPES",
    "DATA_TYPES",
    "HEADER",
    "Packet",
    "checksum",
    "encode_control",
    "encode_data",
    "encode_packet",
    "make_control",
    "make_data",
    "sound_packets",
]

HEADER = struct.Struct("<IHHII")
CONTROL_TYPES = frozenset({PacketType.ACKNOWLEDGE, PacketType.RESEND, PacketType.RESET})
DATA_TYPES = frozenset(
    {
        PacketType.STATE_CHANGE32,
        PacketType.STATE_MANIPULATE,
        PacketType.DEBUG_IO,
        PacketType.STATE_CHANGE64,
        PacketType.TRACE_IO,
        PacketType.CONTROL_REQUEST,
        PacketType.FILE_IO,
    }
)

_TRAILER = bytes([TRAILER])
_ADDED_AT_ONCE = 256


@dataclass(slots=True)
class Packet:
    """One packet: the five header fields without ByteCount, and the payload.

    Not frozen, nor is `FramedPacket`: each request makes four, and frozen ones take five times as long to make.
    """

    leader: int
    packet_type: int
    packet_id: int
    payload: bytes = b""
    checksum: int = 0

    @property
    def is_control(self) -> bool:
        return self.leader == CONTROL_LEADER


def checksum(payload: bytes) -> int:
    """Sum of the payload's bytes modulo 2**32 (protocol reference 1.3).

    Adler-32 has it in its lower half, plus one and modulo 65521: in pieces that stay below, four times as quick as
    adding in Python.
    """
    if len(payload) <= _ADDED_AT_ONCE:
        return (adler32(payload) & 0xFFFF) - 1
    pieces = range(0, len(payload), _ADDED_AT_ONCE)
    return sum([adler32(payload[at : at + _ADDED_AT_ONCE]) & 0xFFFF for at in pieces]) - len(pieces) & 0xFFFFFFFF


def make_data(packet_type: int, packet_id: int, payload: bytes) -> Packet:
    return Packet(DATA_LEADER, packet_type, packet_id, payload, checksum(payload))


def make_control(packet_type: int, packet_id: int = 0) -> Packet:
    return Packet(CONTROL_LEADER, packet_type, packet_id)


def encode_packet(packet: Packet, trailer: bool = True) -> bytes:
    """The bytes on the wire. KDNET carries no trailer (`trailer=False`); control packets never have one."""
    header = HEADER.pack(packet.leader, packet.packet_type, len(packet.payload), packet.packet_id, packet.checksum)
    if packet.is_control:
        return header
    return header + packet.payload + _TRAILER if trailer else header + packet.payload


def encode_data(packet_type: int, packet_id: int, payload: bytes, trailer: bool = True) -> bytes:
    """`encode_packet(make_data(...))` at once: what a link sends."""
    header = HEADER.pack(DATA_LEADER, packet_type, len(payload), packet_id, checksum(payload))
    return header + payload + _TRAILER if trailer else header + payload


def encode_control(packet_type: int, packet_id: int = 0) -> bytes:
    """`encode_packet(make_control(...))` at once."""
    return HEADER.pack(CONTROL_LEADER, packet_type, 0, packet_id, 0)


def sound_packets(data: bytes) -> tuple[list[Packet], int]:
    """The sound packets that `data` begins with, and where they end: on a good line that is all there ever is."""
    packets: list[Packet] = []
    at, end = 0, len(data)
    while end - at >= PACKET_HEADER_SIZE:
        leader, packet_type, count, packet_id, claimed = HEADER.unpack_from(data, at)
        body = at + PACKET_HEADER_SIZE
        if leader == CONTROL_LEADER:
            if packet_type not in CONTROL_TYPES or count or claimed:
                break
            packets.append(Packet(leader, packet_type, packet_id))
            at = body
        else:
            after = body + count
            if leader != DATA_LEADER or packet_type not in DATA_TYPES or count > MAX_PAYLOAD or after >= end:
                break
            payload = data[body:after]
            if data[after] != TRAILER or checksum(payload) != claimed:
                break
            packets.append(Packet(leader, packet_type, packet_id, payload, claimed))
            at = after + 1
    return packets, at
