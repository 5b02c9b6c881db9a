"""Named pipes, against a stand-in for kernel32: the calls in their order, and nothing left open."""

from __future__ import annotations

import pytest

from kdnb.errors import ConnectError, TransportClosed
from kdnb.transport import windows_pipe
from tests.transport.fake_kernel32 import FakeKernel32

NAME = r"\\.\pipe\kdnb_test"
PATIENCE = 20.0


@pytest.fixture
def kernel32(monkeypatch):
    fake = FakeKernel32()
    monkeypatch.setattr(windows_pipe, "load_kernel32", lambda: fake)
    monkeypatch.setattr(windows_pipe, "last_error", fake.last_error)
    return fake


def test_nobody_serving_is_a_connect_error_with_the_next_step(kernel32):
    with pytest.raises(ConnectError, match="can't open the pipe") as caught:
        windows_pipe.connect(NAME)
    assert caught.value.hint


def test_a_name_that_is_served_already_is_a_connect_error(kernel32):
    listener = windows_pipe.PipeListener(NAME, f"com:pipe,port={NAME}")
    with pytest.raises(ConnectError, match="can't serve"):
        windows_pipe.PipeListener(NAME, "")
    listener.close()
    listener.close()
    assert kernel32.open_handles == 0


def test_one_client_after_another(kernel32):
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
    assert kernel32.open_handles == 0


def test_a_client_that_came_and_went_is_no_client(kernel32):
    listener = windows_pipe.PipeListener(NAME, "")
    windows_pipe.connect(NAME).close()
    assert listener.accept(0.0) is None
    client = windows_pipe.connect(NAME) if listener.accept(0.0) is None else None
    server = listener.accept(PATIENCE)
    for end in (client, server, listener):
        end.close()
    assert kernel32.open_handles == 0


def test_a_busy_pipe_is_waited_for_and_then_named(kernel32):
    listener = windows_pipe.PipeListener(NAME, "")
    first = windows_pipe.connect(NAME)
    with pytest.raises(ConnectError, match="231"):
        windows_pipe.connect(NAME)
    first.close()
    listener.close()
