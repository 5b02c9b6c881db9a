"""What does the host spend on one ReadVirtualMemory? CPU time of this process, against a plain loop in it.

A child answers with canned packets, so nothing but the host's own cost is left. The plain loop sends the same
requests over a socket of the same kind, checks id and checksum, unpacks the reply and acknowledges it: what any KD
client has to do, with none of our layers. Runs of both alternate, and medians are compared (`pytest -s` prints them).

`test_wire_cost` writes the table of docs/explanation/wire-cost.md from it.
"""

from __future__ import annotations

import contextlib
import socket
import statistics
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from kdnb.capture.log import PacketLog
from kdnb.debugger.engine import Engine, clock
from kdnb.debugger.session import Session
from kdnb.protocol.codec import Manipulate, encode
from kdnb.protocol.constants import Api, PacketType
from kdnb.protocol.link import Link, Role
from kdnb.protocol.messages.memory import MemoryBody
from kdnb.protocol.packet import encode_packet, make_control, make_data
from kdnb.target.live import LiveTarget
from kdnb.transport.pump import Pump
from kdnb.transport.registry import open_transport
from tests.target.scripted import breakpoint_stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ADDRESS = 0xFFFFF80041E00000
CASES = ((64, 1), (1024, 1), (3944, 1), (3944, 16))
"""Bytes of a request, and requests of a read: one of 63 KB goes in sixteen of the largest."""
RUNS, READS = 30, 40
SLOWEST, SLOWEST_TARGET = 7, 5
"""Plain loops that one read may cost through the engine, and without it. Seen on a busy machine: 4.0 and 3.1 for 64
bytes, 1.6 and 1.3 for 63 KB."""
DEAREST_LOG = 0.2
"""What the log may add to a read through the engine; seen: 0.07 to 0.14, most of it memory."""

RESPONDER = """
import itertools, socket, sys
replies = [[bytes.fromhex(sys.stdin.readline()) for _ in range(2)] for _ in range(int(sys.argv[1]))]
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
line, _ = server.accept()
line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for both in itertools.cycle(replies):
    request = line.recv(73, socket.MSG_WAITALL)
    if not request:
        break
    line.sendall(both[request[8] & 1])
    line.recv(16, socket.MSG_WAITALL)
"""


def replies(size: int, piece: int) -> list[bytes]:
    """ACK and reply in one, for either id."""
    body = MemoryBody(ADDRESS + piece * size, size, size)
    payload = encode(Manipulate(Api.ReadVirtualMemory, body, memory(size), status=0))
    both = []
    for number in (0x80800000, 0x80800001):
        acknowledge = encode_packet(make_control(PacketType.ACKNOWLEDGE, number))
        both.append(acknowledge + encode_packet(make_data(PacketType.STATE_MANIPULATE, number, payload)))
    return both


def memory(size: int) -> bytes:
    return bytes(index * 7 & 0xFF for index in range(size))


@contextlib.contextmanager
def responder(size: int, pieces: int) -> Iterator[int]:
    """A child that answers one request after another with `size` bytes, `pieces` in turn; gives its TCP port."""
    process = subprocess.Popen(
        [sys.executable, "-c", RESPONDER, str(pieces)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        for piece in range(pieces):
            process.stdin.write("".join(f"{reply.hex()}\n" for reply in replies(size, piece)))
        process.stdin.flush()
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


HEADER = struct.Struct("<IHHII")
REQUEST = struct.Struct("<IHHI4xQII24x")


@contextlib.contextmanager
def plain_loop(size: int, pieces: int) -> Iterator[Callable[[], bytes]]:
    """A KD client without layers: one request after another over a socket."""
    number = 0x80800000
    with responder(size, pieces) as port, socket.create_connection(("127.0.0.1", port)) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def read_piece(address: int) -> bytes:
            nonlocal number
            payload = REQUEST.pack(0x3130, 0, 0, 0x103, address, size, 0)
            line.sendall(HEADER.pack(0x30303030, 2, len(payload), number, sum(payload)) + payload + b"\xaa")
            buffer = line.recv(0x10000)
            while len(buffer) < 16 + 16 + 56 + size + 1:
                buffer += line.recv(0x10000)
            leader, kind, _, acknowledged, _ = HEADER.unpack_from(buffer)
            assert (leader, kind, acknowledged) == (0x69696969, 4, number)
            leader, kind, count, came, claimed = HEADER.unpack_from(buffer, 16)
            payload = buffer[32 : 32 + count]
            assert (leader, kind, came, claimed) == (0x30303030, 2, number, sum(payload))
            line.sendall(HEADER.pack(0x69696969, 4, 0, came, 0))
            number ^= 1
            _, _, _, status, _, _, actual = REQUEST.unpack_from(payload)
            assert not status
            return payload[56 : 56 + actual]

        yield lambda: b"".join([read_piece(ADDRESS + piece * size) for piece in range(pieces)])


@contextlib.contextmanager
def our_target(size: int, pieces: int) -> Iterator[LiveTarget]:
    """Transport, pump, link and conversation over the same line."""
    with responder(size, pieces) as port:
        pump = Pump(open_transport(f"tcp:127.0.0.1:{port}"), Link(Role.HOST))
        pump.start()
        target = LiveTarget(pump, clock=clock)
        try:
            yield target
        finally:
            target.close()


@contextlib.contextmanager
def our_engine(size: int, pieces: int) -> Iterator[Callable[[], bytes]]:
    """The whole stack at a stop, as `kd.memory.read` goes through it."""
    with our_target(size, pieces) as target:
        session = Session(target, clock=clock)
        session.change = breakpoint_stop()
        engine = Engine(session)
        try:
            yield lambda: engine.look(target.read_virtual, ADDRESS, size * pieces)
        finally:
            engine.close()


@dataclass(frozen=True)
class Cost:
    """Median CPU time of one request, in microseconds."""

    plain: float
    target: float
    engine: float
    recording: float
    """What the packet log adds to a request of the target: the median of differences between runs in a row."""

    @property
    def target_ratio(self) -> float:
        return self.target / self.plain

    @property
    def ratio(self) -> float:
        return self.engine / self.plain

    @property
    def log(self) -> float:
        """What recording adds, as a share of a read as a user makes it."""
        return self.recording / self.engine


def cpu(read: Callable[[], bytes], expected: bytes, pieces: int) -> float:
    started = time.process_time()
    for _ in range(READS // min(pieces, 4)):
        assert read() == expected
    return (time.process_time() - started) / (READS // min(pieces, 4)) / pieces * 1e6


def measure(size: int, pieces: int = 1, runs: int = RUNS) -> Cost:
    """Plain loop, our target without the engine, the same with a packet log, and through the engine.

    With and without the log it is the same target over the same line, in turn: two lines differ by more than that.
    """
    expected = memory(size) * pieces
    with (
        plain_loop(size, pieces) as plain,
        our_target(size, pieces) as target,
        our_engine(size, pieces) as engine,
    ):
        log = PacketLog()

        def direct() -> bytes:
            return target.read_virtual(ADDRESS, size * pieces)

        def in_target(*, recorded: bool) -> float:
            target._pump._observer = log.record if recorded else None
            return cpu(direct, expected, pieces)

        rounds = []
        for number in range(runs + 1):
            first = in_target(recorded=bool(number % 2))
            second = in_target(recorded=not number % 2)
            bare, recorded = (second, first) if number % 2 else (first, second)
            costs = (cpu(plain, expected, pieces), bare, cpu(engine, expected, pieces), recorded - bare)
            rounds.append(costs)
    return Cost(*map(statistics.median, zip(*rounds[1:], strict=True)))


@pytest.mark.parametrize(("size", "pieces"), CASES)
def test_a_read_costs_a_few_plain_loops_of_cpu_time(size: int, pieces: int) -> None:
    cost = measure(size, pieces)
    print(
        f"\n{pieces} x {size} bytes, each: plain {cost.plain:.0f} us, "
        f"target {cost.target:.0f} us ({cost.target_ratio:.1f}x), "
        f"engine {cost.engine:.0f} us ({cost.ratio:.1f}x, {cost.engine / size * 1024:.0f} us a KiB; "
        f"plain {cost.plain / size * 1024:.0f}), "
        f"recording {cost.log:+.0%}"
    )
    assert cost.ratio < SLOWEST
    assert cost.target_ratio < SLOWEST_TARGET
    assert cost.log < DEAREST_LOG
