"""One suite over every transport: the four methods mean the same everywhere."""

from __future__ import annotations

import os
import sys
import threading
import time

import pytest

from kdnb.errors import TransportClosed
from kdnb.transport import windows_pipe
from kdnb.transport.faults import FaultRules, FaultyTransport
from kdnb.transport.memory import memory_pair
from kdnb.transport.registry import listen, open_transport
from tests.transport.fake_kernel32 import FakeKernel32

LONG = 20.0  # never waited for in full: every read here ends by data, wake or close


def tcp_pair():
    listener = listen("tcp:127.0.0.1:0")
    client = open_transport(listener.address)
    server = listener.accept(LONG)
    listener.close()
    return client, server


def unix_pair(path):
    listener = listen(f"unix:{path}")
    client = open_transport(listener.address)
    server = listener.accept(LONG)
    listener.close()
    return client, server


class PtyMaster:
    """The other end of a terminal pair, as a transport for these tests."""

    datagrams = False

    def __init__(self, descriptor):
        self.descriptor = descriptor

    def read(self, timeout):
        return os.read(self.descriptor, 65536)

    def write(self, data):
        os.write(self.descriptor, data)

    def close(self):
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


def pty_pair():
    import tty

    master, slave = os.openpty()
    tty.setraw(master)
    transport = open_transport(f"com:port={os.ttyname(slave)},baud=115200")
    os.close(slave)
    return transport, PtyMaster(master)


def loop_pair():
    transport = open_transport("com:port=loop://,baud=4000000")
    return transport, transport


def fifo_pair(path):
    for suffix in ("in", "out"):
        os.mkfifo(f"{path}.{suffix}")
    listener = listen(f"com:pipe,port={path}")
    return open_transport(f"com:pipe,port={path}"), listener.accept(LONG)


def named_pipe_pair(monkeypatch):
    """Windows' pipes; elsewhere on a stand-in for kernel32."""
    if sys.platform == "win32":
        listener = listen(rf"com:pipe,port=\\.\pipe\kdnb_contract_{os.getpid()}")
        client = open_transport(listener.address)
        server = listener.accept(LONG)
        listener.close()
        return client, server
    fake = FakeKernel32()
    monkeypatch.setattr(windows_pipe, "load_kernel32", lambda: fake)
    monkeypatch.setattr(windows_pipe, "last_error", fake.last_error)
    listener = windows_pipe.PipeListener(r"\\.\pipe\x", "")
    client = windows_pipe.connect(r"\\.\pipe\x")
    return client, listener.accept(LONG)


def udp_pair():
    from kdnb.transport.udp import UdpTransport

    host = UdpTransport.bind("127.0.0.1", 0)
    target = UdpTransport.bind("127.0.0.1", 0, peer=("127.0.0.1", host.port))
    target.write(b"first")
    assert host.read(LONG) == b"first"
    return host, target


KINDS = "memory,datagram memory,tcp,unix,pty,loop,udp,fifo,named pipe,faultless memory,faultless tcp".split(",")


@pytest.fixture(params=KINDS)
def pair(request, tmp_path, monkeypatch):
    kind = request.param
    if kind in {"unix", "pty", "fifo"} and os.name == "nt":
        pytest.skip("no such thing on Windows")
    made = {
        "memory": memory_pair,
        "datagram memory": lambda: memory_pair(datagrams=True),
        "tcp": tcp_pair,
        "unix": lambda: unix_pair(tmp_path / "kd.sock"),
        "pty": pty_pair,
        "loop": loop_pair,
        "udp": udp_pair,
        "fifo": lambda: fifo_pair(tmp_path / "kd"),
        "named pipe": lambda: named_pipe_pair(monkeypatch),
        "faultless memory": lambda: wrapped(memory_pair()),
        "faultless tcp": lambda: wrapped(tcp_pair()),
    }[kind]()
    yield made
    for end in made:
        end.close()


def wrapped(made):
    return FaultyTransport(made[0], FaultRules()), made[1]


def read_all(transport, size):
    data = b""
    while len(data) < size:
        data += transport.read(LONG)
    return data


def test_bytes_arrive_whole_and_in_order(pair):
    here, there = pair
    there.write(b"hello")
    assert here.read(LONG) == b"hello"
    here.write(b"62 and more")
    assert read_all(there, 11) == b"62 and more"


def test_all_256_byte_values_pass(pair):
    here, there = pair
    there.write(bytes(range(256)))
    assert read_all(here, 256) == bytes(range(256))


def test_several_packets_pass(pair):
    here, there = pair
    for number in range(20):
        there.write(bytes([number]) * 73)
    received = read_all(here, 20 * 73)
    assert received == b"".join(bytes([number]) * 73 for number in range(20))


def test_a_datagram_stays_one_piece(pair):
    here, there = pair
    if not here.datagrams:
        pytest.skip("a byte stream")
    there.write(b"one")
    there.write(b"two")
    assert [here.read(LONG), here.read(LONG)] == [b"one", b"two"]


def test_a_read_without_data_returns_nothing_at_its_timeout(pair):
    assert pair[0].read(0.0) == b""
    assert pair[0].read(0.01) == b""


def test_a_wake_before_the_read_ends_it(pair):
    here, there = pair
    here.wake()
    assert here.read(LONG) == b""
    there.write(b"still works")
    assert read_all(here, 11) == b"still works"


def test_a_wake_from_another_thread_ends_a_read_that_waits(pair):
    here, _ = pair
    reading = threading.Event()
    result = []

    def read():
        reading.set()
        result.append(here.read(LONG))

    thread = threading.Thread(target=read)
    thread.start()
    reading.wait(LONG)
    here.wake()
    thread.join(LONG)
    assert result == [b""]


def test_close_ends_a_read_that_waits(pair):
    here, _ = pair
    result = []

    def read():
        try:
            while True:
                here.read(LONG)
        except TransportClosed as error:
            result.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    here.close()
    here.wake()
    thread.join(LONG)
    assert not thread.is_alive()
    assert len(result) == 1


def test_a_closed_transport_says_so_and_can_be_closed_again(pair):
    here, _ = pair
    here.close()
    here.close()
    here.wake()
    with pytest.raises(TransportClosed):
        here.read(LONG)
    with pytest.raises(TransportClosed):
        here.write(b"x")


def test_what_came_before_the_other_end_closed_is_still_read(pair, request):
    here, there = pair
    if here is there or here.datagrams or isinstance(there, PtyMaster):
        pytest.skip("has no end of stream, or drops what waits when the other end goes")
    there.write(b"last words")
    there.close()
    assert read_all(here, 10) == b"last words"
    with pytest.raises(TransportClosed):
        here.read(LONG)


def test_a_terminal_that_goes_away_is_a_closed_transport():
    if os.name == "nt":
        pytest.skip("no terminals on Windows")
    here, there = pty_pair()
    there.close()
    with pytest.raises(TransportClosed):
        here.read(LONG)
    here.close()


def test_no_read_overstays_its_timeout_by_much(pair):
    begin = time.monotonic()
    pair[0].read(0.02)
    assert time.monotonic() - begin < LONG
