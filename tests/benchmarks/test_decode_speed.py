"""How fast is a capture decoded into the packet frame? As a ratio to dpkt's bare loop over the same file.

Wall-clock limits would fail on a busy machine; both loops run in the same minute on the same one, so their
ratio says whether decoding got slower. The figures are printed (`pytest -s`).
"""

from __future__ import annotations

import gzip
import io
import time
from typing import TYPE_CHECKING

import dpkt

from kdnb.capture.open import open_capture
from kdnb.capture.pcapng import PcapngWriter
from kdnb.protocol.codec import Manipulate, encode
from kdnb.protocol.constants import Api, Direction, PacketType
from kdnb.protocol.messages.memory import MemoryBody
from kdnb.protocol.packet import encode_packet, make_control, make_data

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROUNDS = 3
SLOWEST = 15
"""Decoding one frame may cost as much as reading so many with dpkt (seen: 1.5 to 4; KDNET's cryptography included)."""


def seconds(run: Callable[[], object]) -> float:
    """The best of a few runs, the first of which warms up."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times)


def dpkt_loop(data: bytes) -> int:
    """Parse every frame down to UDP or TCP, and nothing more."""
    reader = dpkt.pcap.UniversalReader(io.BytesIO(data))
    parse = dpkt.ethernet.Ethernet if reader.datalink() == dpkt.pcap.DLT_EN10MB else dpkt.ip.IP
    return sum(len(bytes(parse(packet).data)) > 0 for _, packet in reader)


def compare(name: str, path: Path, data: bytes, key: str | None, frames: int) -> float:
    """Frames per second to the frame, printed; returns the cost of one frame in dpkt frames."""
    ours = seconds(lambda: open_capture(path, key).packets())
    plain = seconds(lambda: dpkt_loop(data))
    ratio = ours / plain
    print(f"\n{name}: {frames / ours:,.0f} frames/s decoded; dpkt alone {frames / plain:,.0f} frames/s; {ratio:.1f}x")
    return ratio


def test_kdnet_frames_per_second_with_cryptography(shared: Path) -> None:
    path = shared / "captures" / "windbg-kdnet.pcapng.gz"
    assert compare("KDNET", path, gzip.decompress(path.read_bytes()), "8.8.8.8", 955) < SLOWEST


def test_serial_frames_per_second(tmp_path: Path) -> None:
    path, reads = tmp_path / "reads.pcapng", 2000
    offsets = dict.fromkeys(Direction, 0)
    with path.open("wb") as file:
        writer = PcapngWriter(file)
        for index in range(reads):
            for direction, packet in read_round_trip(index):
                writer.stream(direction, packet, index * 1_000_000, offsets[direction])
                offsets[direction] += len(packet)
    assert compare("serial", path, path.read_bytes(), None, 4 * reads) < SLOWEST


def read_round_trip(index: int) -> list[tuple[Direction, bytes]]:
    """Request, ACK, reply of 128 bytes, ACK."""
    number = 0x80800000 | index & 1
    body = MemoryBody(0xFFFFF80000000000 + index * 128, 128, 128)
    request = encode(Manipulate(Api.ReadVirtualMemory, body))
    reply = encode(Manipulate(Api.ReadVirtualMemory, body, bytes(range(128)), status=0))
    acknowledge = encode_packet(make_control(PacketType.ACKNOWLEDGE, number))
    return [
        (Direction.TO_TARGET, encode_packet(make_data(PacketType.STATE_MANIPULATE, number, request))),
        (Direction.TO_HOST, acknowledge),
        (Direction.TO_HOST, encode_packet(make_data(PacketType.STATE_MANIPULATE, number, reply))),
        (Direction.TO_TARGET, acknowledge),
    ]
