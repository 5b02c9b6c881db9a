"""The writer, read back by dpkt."""

from __future__ import annotations

import io

import dpkt

from kdnb.capture.pcapng import SEGMENT_LIMIT, PcapngWriter
from kdnb.protocol.constants import Direction

TO_TARGET, TO_HOST = Direction.TO_TARGET, Direction.TO_HOST


def packets(file: io.BytesIO) -> list[tuple[float, dpkt.ip.IP]]:
    file.seek(0)
    return [(time, dpkt.ip.IP(data)) for time, data in dpkt.pcapng.Reader(file)]


def test_streams_become_segments_with_running_numbers() -> None:
    file = io.BytesIO()
    writer = PcapngWriter(file)
    writer.stream(TO_HOST, b"abc", 1_500_000_000, 0)
    writer.stream(TO_TARGET, b"de", 2_000_000_000, 0)
    writer.stream(TO_HOST, b"f", 2_000_000_001, 3)
    segments = [packet.data for _, packet in packets(file)]
    assert [(tcp.sport, tcp.dport, tcp.seq, tcp.ack, tcp.data) for tcp in segments] == [
        (5557, 40000, 1, 1, b"abc"),
        (40000, 5557, 1, 4, b"de"),
        (5557, 40000, 4, 3, b"f"),
    ]
    assert packets(file)[0][0] == 1.5


def test_checksums_are_right() -> None:
    file = io.BytesIO()
    writer = PcapngWriter(file)
    writer.stream(TO_HOST, b"odd", 0, 0)
    writer.datagram(TO_TARGET, b"MDBG", 0)
    for _, packet in packets(file):
        again = dpkt.ip.IP(bytes(packet))
        again.sum = again.data.sum = 0
        again = dpkt.ip.IP(bytes(again))  # dpkt fills sums that are zero
        assert (again.sum, again.data.sum) == (packet.sum, packet.data.sum)


def test_what_exceeds_a_packet_is_split_and_numbers_wrap() -> None:
    file = io.BytesIO()
    PcapngWriter(file).stream(TO_HOST, bytes(SEGMENT_LIMIT + 5), 0, 2**32 - 1)
    segments = [packet.data for _, packet in packets(file)]
    assert [(tcp.seq, len(tcp.data)) for tcp in segments] == [(0, SEGMENT_LIMIT), (SEGMENT_LIMIT, 5)]


def test_datagrams_become_udp_with_the_same_port_on_both_ends() -> None:
    file = io.BytesIO()
    writer = PcapngWriter(file)
    writer.datagram(TO_TARGET, b"MDBG1", 0)
    writer.datagram(TO_HOST, b"MDBG2", 0)
    found = [(packet.src, packet.data.sport, packet.data.dport, packet.data.data) for _, packet in packets(file)]
    assert found == [
        (b"\x7f\0\0\x01", 50000, 50000, b"MDBG1"),
        (b"\x7f\0\0\x02", 50000, 50000, b"MDBG2"),
    ]
