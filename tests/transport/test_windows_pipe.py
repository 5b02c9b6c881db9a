"""Named pipes: on Windows its own, everywhere a stand-in for kernel32, which also shows that nothing is left open."""

from __future__ import annotations

import ctypes
import os
import sys
import threading

import pytest

from kdnb.errors import ConnectError, TransportClosed
from kdnb.transport import windows_pipe
from tests.transport.fake_kernel32 import FakeKernel32

WAIT_FAILED = 0xFFFFFFFF
NAME = rf"\\.\pipe\kdnb_test_{os.getpid()}"
PATIENCE = 20.0


@pytest.fixture
def kernel32(monkeypatch):
    fake = FakeKernel32()
    monkeypatch.setattr(windows_pipe, "load_kernel32", lambda: fake)
    monkeypatch.setattr(windows_pipe, "last_error", fake.last_error)
    return fake


@pytest.fixture(params=["stand-in", "Windows"] if sys.platform == "win32" else ["stand-in"])
def pipes(request):
    """Nothing that was opened is open afterwards."""
    fake = request.getfixturevalue("kernel32") if request.param == "stand-in" else None
    monkeypatch = request.getfixturevalue("monkeypatch")
    monkeypatch.setattr(windows_pipe, "BUSY_TIMEOUT_MS", 10)
    yield
    if fake is not None:
        assert fake.open_handles == 0


def test_nobody_serving_is_a_connect_error_with_the_next_step(pipes):
    with pytest.raises(ConnectError, match="can't open the pipe") as caught:
        windows_pipe.connect(NAME)
    assert caught.value.hint


def test_a_name_that_is_served_already_is_a_connect_error(pipes):
    listener = windows_pipe.PipeListener(NAME, f"com:pipe,port={NAME}")
    with pytest.raises(ConnectError, match="can't serve"):
        windows_pipe.PipeListener(NAME, "")
    listener.close()
    listener.close()


def test_one_client_after_another(pipes):
    listener = windows_pipe.PipeListener(NAME, "")
    assert listener.accept(0.0) is None
    for early in (True, False):
        client = windows_pipe.connect(NAME) if early else None
        server = listener.accept(0.0)
        if client is None:
            assert server is None
            client = windows_pipe.connect(NAME)
            server = listener.accept(PATIENCE)
        client.write(b"hello")
        assert server.read(PATIENCE) == b"hello"
        client.close()
        with pytest.raises(TransportClosed, match="broke"):
            server.read(PATIENCE)
        server.close()
    listener.close()
    with pytest.raises(TransportClosed):
        listener.accept(0.0)


def test_a_client_that_came_and_went_is_no_client(pipes):
    listener = windows_pipe.PipeListener(NAME, "")
    windows_pipe.connect(NAME).close()
    assert listener.accept(0.0) is None
    client = windows_pipe.connect(NAME) if listener.accept(0.0) is None else None
    server = listener.accept(PATIENCE)
    for end in (client, server, listener):
        end.close()


def test_a_pipe_that_serves_another_client_says_so(pipes):
    listener = windows_pipe.PipeListener(NAME, "")
    first = windows_pipe.connect(NAME)
    with pytest.raises(ConnectError, match="another debugger"):
        windows_pipe.connect(NAME)
    first.close()
    listener.close()


@pytest.fixture
def ends(kernel32):
    """Client and server of one pipe; no handle is left when both are closed."""
    listener = windows_pipe.PipeListener(NAME, "")
    client = windows_pipe.connect(NAME)
    server = listener.accept(PATIENCE)
    yield client, server
    for end in (client, server, listener):
        end.close()
    assert kernel32.open_handles == 0


def test_structures_and_handles_have_the_width_of_this_machine():
    pointer = ctypes.sizeof(ctypes.c_void_p)
    assert ctypes.sizeof(windows_pipe.Overlapped) == 3 * pointer + 8
    assert windows_pipe.Overlapped.event.offset == 2 * pointer + 8
    for result, arguments in windows_pipe._SIGNATURES.values():
        assert {ctypes.sizeof(kind) for kind in (result, *arguments)} <= {4, pointer}
    assert windows_pipe._SIGNATURES["CreateFileW"][0] is ctypes.c_void_p


def test_a_read_whose_thread_has_ended_is_begun_again(kernel32, ends):
    client, server = ends
    assert client.read(0.0) == b""
    kernel32.end_of_thread(client)
    assert client.read(0.0) == b""
    server.write(b"still there")
    assert client.read(PATIENCE) == b"still there"


def test_an_interrupted_write_is_over_before_the_next_one_begins(kernel32, ends):
    client, server = ends

    def interrupt():
        kernel32.on_wait = lambda: 0
        raise KeyboardInterrupt

    kernel32.stuck = True
    kernel32.on_wait = interrupt
    with pytest.raises(KeyboardInterrupt):
        client.write(b"half")
    kernel32.stuck = False
    client.write(b"whole")
    assert server.read(PATIENCE) == b"whole"


def test_a_write_that_nobody_takes_ends_when_the_pipe_is_closed(kernel32, ends):
    client, _ = ends
    kernel32.stuck = True
    waiting, errors = threading.Event(), []
    kernel32.on_wait = waiting.set

    def write():
        try:
            client.write(b"x")
        except TransportClosed as error:
            errors.append(str(error))

    thread = threading.Thread(target=write)
    thread.start()
    assert waiting.wait(PATIENCE)
    client.close()
    thread.join(PATIENCE)
    assert errors == ["the pipe was closed here"]


def test_a_wait_that_fails_is_the_end_and_no_loop(kernel32, ends):
    client, _ = ends
    kernel32.on_wait = lambda: WAIT_FAILED
    with pytest.raises(TransportClosed, match="broke"):
        client.read(PATIENCE)
    with pytest.raises(TransportClosed, match="broke"):
        client.write(b"x")


@pytest.mark.parametrize("events", range(4))
def test_without_resources_for_events_nothing_is_left_open(kernel32, events):
    listener = windows_pipe.PipeListener(NAME, "")
    kernel32.events_left = events
    with pytest.raises(ConnectError, match="can't use the pipe"):
        windows_pipe.connect(NAME)
    listener.close()
    kernel32.events_left = 0
    with pytest.raises(ConnectError, match="can't serve the pipe"):
        windows_pipe.PipeListener(NAME, "")
    assert kernel32.open_handles == 0


# --- Windows itself -------------------------------------------------------------------------------

on_windows = pytest.mark.skipif(sys.platform != "win32", reason="named pipes are Windows'")


@pytest.fixture
def real_ends():
    listener = windows_pipe.PipeListener(NAME, "")
    client = windows_pipe.connect(NAME)
    server = listener.accept(PATIENCE)
    yield client, server
    for end in (client, server, listener):
        end.close()


@on_windows
def test_windows_gives_a_read_whose_thread_has_ended_to_the_next_one(real_ends):
    client, server = real_ends
    thread = threading.Thread(target=client.read, args=(0.0,))
    thread.start()
    thread.join(PATIENCE)
    server.write(b"still there")
    data = b""
    while not data:
        data = client.read(PATIENCE)
    assert data == b"still there"


@on_windows
def test_windows_lets_a_write_that_nobody_takes_end_by_close(real_ends):
    client, _ = real_ends
    errors = []

    def write():
        try:
            while True:
                client.write(bytes(1 << 20))
        except TransportClosed as error:
            errors.append(str(error))

    thread = threading.Thread(target=write)
    thread.start()
    client.close()
    thread.join(PATIENCE)
    assert errors == ["the pipe was closed here"]


@on_windows
def test_windows_lets_one_end_write_while_the_other_thread_waits_in_a_read(real_ends):
    client, server = real_ends
    reader = threading.Thread(target=client.read, args=(PATIENCE,))
    reader.start()
    client.write(b"not held up by the read")
    assert server.read(PATIENCE) == b"not held up by the read"
    server.write(b"x")
    reader.join(PATIENCE)
    assert not reader.is_alive()


@on_windows
def test_windows_has_no_more_handles_open_after_many_clients():
    def converse():
        client = windows_pipe.connect(NAME)
        server = listener.accept(PATIENCE)
        client.write(b"x")
        assert server.read(PATIENCE) == b"x"
        assert client.read(0.0) == b""
        client.close()
        server.close()
        assert listener.accept(0.0) is None

    def handles():
        count = ctypes.c_uint32()
        kernel32 = ctypes.WinDLL("kernel32")
        assert kernel32.GetProcessHandleCount(ctypes.c_void_p(-1), ctypes.byref(count))
        return count.value

    listener = windows_pipe.PipeListener(NAME, "")
    assert listener.accept(0.0) is None
    converse()
    before = handles()
    for _ in range(50):
        converse()
    assert handles() < before + 50
    listener.close()
