"""How many packets a second pass through framing? Counted against a plain loop of the same process and moment, since
machines differ and are shared."""

from __future__ import annotations

import time

from kdnb.protocol.framing import Framer
from kdnb.protocol.packet import encode_packet, make_control, make_data

ROUNDS = 5
PACKETS = 4000
SLOWEST_RATIO = 400
"""Turns of the plain loop that one packet may cost. Seen: 30-40. Ten times as much would be a loop per byte."""


def stream() -> bytes:
    pieces = []
    for number in range(PACKETS // 2):
        pieces.append(encode_packet(make_data(2, 0x80800000 + number % 2, bytes(56 + number % 64))))
        pieces.append(encode_packet(make_control(4, 0x80800000 + number % 2)))
    return b"".join(pieces)


def best(function) -> float:
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return min(times)


def plain_loop() -> int:
    total = 0
    for number in range(PACKETS):
        total += sum(number.to_bytes(4, "little"))
    return total


def frame_all(data: bytes, chunk: int) -> int:
    framer = Framer()
    count = 0
    for begin in range(0, len(data), chunk):
        count += len(framer.feed(data[begin : begin + chunk]))
    return count


def test_packets_per_second_through_framing(capsys):
    data = stream()
    assert frame_all(data, len(data)) == PACKETS
    plain = best(plain_loop)
    with capsys.disabled():
        print()
        for name, chunk in (("whole", len(data)), ("64 KiB", 0x10000), ("100 bytes", 100)):
            taken = best(lambda chunk=chunk: frame_all(data, chunk))
            print(
                f"  framing, {name}: {PACKETS / taken:,.0f} packets/s, {taken / plain:.1f} turns of a plain loop each"
            )
            assert taken / plain < SLOWEST_RATIO


def test_junk_is_skipped_at_the_speed_of_a_search(capsys):
    text = (b"Booting 0000 of 0000 iiii " * 20000) + encode_packet(make_control(6))
    framer = Framer()
    begin = time.perf_counter()
    assert len(framer.feed(text)) == 1
    taken = time.perf_counter() - begin
    with capsys.disabled():
        print(f"\n  junk: {len(text) / taken / 1e6:,.0f} MB/s")
