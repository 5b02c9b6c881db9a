"""Write pcapng: recorded chunks as IPv4 packets between two loopback addresses.

A byte stream becomes TCP segments whose sequence numbers follow the stream (a gap stays a gap), a KDNET
datagram becomes one UDP packet, so that Wireshark and our own reader see the conversation as it was.
Format: the IETF draft opsawg-pcapng; addresses and ports are made up, both ends are on loopback.
"""

from __future__ import annotations

import struct
from typing import Protocol

from kdnb.capture.layers import RAW, TCP, UDP
from kdnb.capture.packet_file import ENHANCED_PACKET, INTERFACE, OPTION_TIME_RESOLUTION, SECTION_HEADER, SIMPLE_PACKET
from kdnb.protocol.constants import Direction

__all__ = ["PcapngWriter"]

HOST_ADDRESS, TARGET_ADDRESS = bytes([127, 0, 0, 1]), bytes([127, 0, 0, 2])
HOST_PORT, TARGET_PORT = 40000, 5557
"""TCP ports of the first conversation; each further one counts the host's port up. Wireshark has no protocol of its own
on them (5555, which KD tutorials use, it takes for SigComp)."""
KDNET_PORT = 50000
SEGMENT_LIMIT = 65000
"""Payload bytes of one packet: what fits an IPv4 packet, rounded down."""
PUSH_ACK = 0x18


class Output(Protocol):
    def write(self, data: bytes, /) -> object: ...


class PcapngWriter:
    """Writes one section with one raw-IP interface, nanosecond times, as the chunks come."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._sent: dict[tuple[int, Direction], int] = {}
        resolution = struct.pack("<HHB3xHH", OPTION_TIME_RESOLUTION, 1, 9, 0, 0)
        self._block(SECTION_HEADER, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
        self._block(INTERFACE, struct.pack("<HHI", RAW, 0, 0) + resolution)

    def stream(self, direction: Direction, data: bytes, time: int | None, offset: int, conversation: int = 0) -> None:
        """Bytes of a serial stream; `offset` is that of the first byte in its direction."""
        host = HOST_PORT + conversation % (0x10000 - HOST_PORT)
        acknowledged = self._sent.get((conversation, _other(direction)), 0)
        for start in range(0, len(data), SEGMENT_LIMIT):
            part = data[start : start + SEGMENT_LIMIT]
            ports = (host, TARGET_PORT) if direction is Direction.TO_TARGET else (TARGET_PORT, host)
            sequence, acknowledge = (offset + start + 1) & 0xFFFFFFFF, (acknowledged + 1) & 0xFFFFFFFF
            header = struct.pack(">HHIIBBHHH", *ports, sequence, acknowledge, 5 << 4, PUSH_ACK, 0xFFFF, 0, 0)
            self._packet(direction, TCP, header, 16, part, time)
        self._sent[conversation, direction] = offset + len(data)

    def datagram(self, direction: Direction, data: bytes, time: int | None) -> None:
        """One KDNET datagram; what exceeds an IP packet can't have come from one and is cut."""
        data = data[:SEGMENT_LIMIT]
        header = struct.pack(">HHHH", KDNET_PORT, KDNET_PORT, len(data) + 8, 0)
        self._packet(direction, UDP, header, 6, data, time)

    def _packet(
        self, direction: Direction, protocol: int, header: bytes, checksum_at: int, data: bytes, time: int | None
    ) -> None:
        addresses = (
            (HOST_ADDRESS, TARGET_ADDRESS) if direction is Direction.TO_TARGET else (TARGET_ADDRESS, HOST_ADDRESS)
        )
        pseudo = b"".join(addresses) + struct.pack(">HH", protocol, len(header) + len(data))
        checksum = _checksum(pseudo + header + data) or 0xFFFF
        header = header[:checksum_at] + struct.pack(">H", checksum) + header[checksum_at + 2 :]
        fixed = struct.pack(">BBHHHBB", 0x45, 0, 20 + len(header) + len(data), 0, 0x4000, 64, protocol)
        ip = fixed + struct.pack(">H", _checksum(fixed + b"".join(addresses))) + b"".join(addresses)
        packet = ip + header + data
        padded = packet + bytes(-len(packet) % 4)
        if time is None:
            self._block(SIMPLE_PACKET, struct.pack("<I", len(packet)) + padded)
        else:
            length = len(packet)
            self._block(
                ENHANCED_PACKET, struct.pack("<IIIII", 0, time >> 32, time & 0xFFFFFFFF, length, length) + padded
            )

    def _block(self, kind: int, body: bytes) -> None:
        size = len(body) + 12
        self._output.write(struct.pack("<II", kind, size) + body + struct.pack("<I", size))


def _other(direction: Direction) -> Direction:
    return Direction.TO_HOST if direction is Direction.TO_TARGET else Direction.TO_TARGET


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    # The one's complement sum of 16-bit words is the whole number modulo 0xFFFF.
    total = int.from_bytes(data + bytes(len(data) % 2), "big") % 0xFFFF
    return ~total & 0xFFFF
