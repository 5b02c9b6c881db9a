"""What does one ReadVirtualMemory cost? As a ratio to a raw socket ping-pong of the same sizes in the same minute.

Both go over loopback TCP to a process of its own. A request is 73 bytes and its answer 16 (ACK) + 73 + data, then
16 bytes (our ACK) go out: the ping-pong sends and gets the same, without a single layer of ours.
The two are interleaved, and the medians are compared; the figures are printed (`pytest -s`).
"""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

import kdnb

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("unicorn")

ROUNDS = 400
SLOWEST = 40
"""The most that a round trip may cost in ping-pongs (seen: 3 to 8; the emulated target's own work is in it)."""

ECHO = """
import socket, sys
size = int(sys.argv[1])
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
line, _ = server.accept()
line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
while True:
    got = line.recv(73)
    if not got:
        break
    line.sendall(bytes(16 + 73 + size))
    line.recv(16)
"""


@pytest.fixture
def echo(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    process = subprocess.Popen([sys.executable, "-c", ECHO, str(request.param)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = socket.create_connection(("127.0.0.1", int(process.stdout.readline())))
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    yield line
    line.close()
    process.wait(timeout=20)
    process.stdout.close()


def ping(line: socket.socket, size: int) -> None:
    line.sendall(bytes(73))
    missing = 16 + 73 + size
    while missing:
        missing -= len(line.recv(missing))
    line.sendall(bytes(16))


@pytest.mark.parametrize(("echo", "size"), [(64, 64), (3000, 3000)], indirect=["echo"])
def test_a_read_against_a_socket_ping_pong(echo: socket.socket, size: int) -> None:
    ours: list[float] = []
    raw: list[float] = []
    with kdnb.connect("sim:") as kd:
        base = kd.modules["nt"].base
        session, engine = kd._session, kd._engine  # below the memory cache, which would answer from here
        for _ in range(ROUNDS):
            started = time.perf_counter()
            data = engine.call(session.target.read_virtual, base, size)
            between = time.perf_counter()
            ping(echo, size)
            raw.append(time.perf_counter() - between)
            ours.append(between - started)
            assert len(data) == size
    one, other = statistics.median(ours), statistics.median(raw)
    print(f"\n{size} bytes: {one * 1e6:.0f} us a read, {other * 1e6:.0f} us a ping-pong; {one / other:.1f}x")
    assert one < SLOWEST * other
