"""Header parsing, against packets that dpkt builds."""

from __future__ import annotations

import struct

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdnb.capture.layers import Fragment, Segment, dissect

A4, B4 = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
A6, B6 = bytes(15) + b"\x01", bytes(15) + b"\x02"


def udp(payload: bytes) -> dpkt.udp.UDP:
    return dpkt.udp.UDP(sport=1000, dport=2000, data=payload, ulen=8 + len(payload))


def ipv4(payload: bytes, **fields: int) -> bytes:
    return bytes(dpkt.ip.IP(src=A4, dst=B4, p=17, len=28 + len(payload), data=udp(payload), **fields))


def ipv6(payload: bytes, extensions: bytes = b"", following: int = 17) -> bytes:
    body = extensions + bytes(udp(payload))
    return struct.pack(">IHBB", 6 << 28, len(body), following, 64) + A6 + B6 + body


def ethernet(kind: int, payload: bytes, tags: bytes = b"") -> bytes:
    return bytes(12) + tags + struct.pack(">H", kind) + payload


VLAN = struct.pack(">HH", 0x8100, 5)
FRAMES = {
    "ethernet": (1, ethernet(0x800, ipv4(b"MDBG"))),
    "ethernet with padding": (1, ethernet(0x800, ipv4(b"MDBG")) + bytes(20)),
    "ethernet with a VLAN tag": (1, ethernet(0x800, ipv4(b"MDBG"), VLAN)),
    "ethernet with two VLAN tags": (1, ethernet(0x86DD, ipv6(b"MDBG"), struct.pack(">HH", 0x88A8, 1) + VLAN)),
    "cooked v1": (113, struct.pack(">HHH8sH", 0, 1, 6, bytes(8), 0x800) + ipv4(b"MDBG")),
    "cooked v2": (276, struct.pack(">HHIHBB8s", 0x86DD, 0, 1, 1, 0, 6, bytes(8)) + ipv6(b"MDBG")),
    "raw": (101, ipv6(b"MDBG")),
    "raw IPv4": (228, ipv4(b"MDBG")),
    "null, little-endian": (0, struct.pack("<I", 2) + ipv4(b"MDBG")),
    "loop, IPv6": (108, struct.pack(">I", 24) + ipv6(b"MDBG")),
    "IPv6 with extension headers": (101, ipv6(b"MDBG", bytes([60, 0]) + bytes(6) + bytes([17, 1]) + bytes(14), 0)),
}


@pytest.mark.parametrize("name", FRAMES)
def test_the_datagram_is_found_behind(name: str) -> None:
    segment = dissect(*FRAMES[name])
    assert isinstance(segment, Segment)
    assert segment.payload == b"MDBG"
    assert segment.flags is None
    assert (segment.source[1], segment.destination[1]) == (1000, 2000)
    assert segment.source[0] in (A4, A6)


def test_tcp_options_are_skipped_and_padding_left_out() -> None:
    tcp = dpkt.tcp.TCP(sport=1, dport=2, seq=77, flags=0x18, data=b"data")
    tcp.opts = bytes(8)
    tcp.off = 7
    packet = bytes(dpkt.ip.IP(src=A4, dst=B4, p=6, len=20 + 28 + 4, data=tcp)) + b"padding"
    segment = dissect(101, packet)
    assert segment == ((A4, 1), (B4, 2), b"data", 77, 0x18)


def test_fragments_are_told_apart() -> None:
    packet = bytearray(ipv4(b"MDBG", id=7))
    body = bytes(packet[20:])
    packet[6:8] = b"\x20\x00"
    assert dissect(101, bytes(packet)) == Fragment(A4, B4, 17, 7, 0, True, body)
    packet[6:8] = b"\x00\x10"  # the last one: an offset, and no more to come
    assert dissect(101, bytes(packet) + b"padding") == Fragment(A4, B4, 17, 7, 128, False, body)
    assert dissect(101, bytes(packet)[:-1]) == Fragment(A4, B4, 17, 7, 128, False, b"")  # cut by the snap length
    packet[6:8] = b"\x40\x00"  # only "don't fragment"
    assert not isinstance(dissect(101, bytes(packet)), Fragment)
    piece = ipv6(b"MDBG", bytes([17, 0, 0, 9, 0, 0, 0, 5]), 44)
    assert dissect(101, piece) == Fragment(A6, B6, 17, 5, 8, True, bytes(udp(b"MDBG")))
    whole = dissect(101, ipv6(b"MDBG", bytes([17, 0, 0, 0, 0, 0, 0, 0]), 44))
    assert whole is not None
    assert not isinstance(whole, Fragment)


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_cut_anywhere_is_no_error(name: str) -> None:
    link_type, frame = FRAMES[name]
    for size in range(len(frame)):
        dissect(link_type, frame[:size])


@given(st.sampled_from([0, 1, 101, 108, 113, 276, 9999]), st.binary(max_size=120))
def test_random_frames_are_no_error(link_type: int, frame: bytes) -> None:
    dissect(link_type, frame)
