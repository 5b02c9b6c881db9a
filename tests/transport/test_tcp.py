"""What is TCP's own; the four methods are tested in tests/contracts."""

from __future__ import annotations

import socket
import threading

import pytest

from kdnb.errors import ConnectError, TransportClosed
from kdnb.transport.registry import listen, open_transport

LONG = 20.0


def test_small_packets_are_not_held_back():
    listener = listen("tcp:127.0.0.1:0")
    client = open_transport(listener.address)
    server = listener.accept(LONG)
    for end in (client, server):
        assert end._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        end.close()
    listener.close()


def test_a_listener_serves_clients_one_after_another_and_waits_no_longer_than_told():
    listener = listen("tcp:127.0.0.1:0")
    assert listener.accept(0.0) is None
    for text in (b"first", b"second"):
        client = open_transport(listener.address)
        server = listener.accept(LONG)
        client.write(text)
        assert server.read(LONG) == text
        client.close()
        with pytest.raises(TransportClosed):
            server.read(LONG)
        server.close()
    listener.close()
    listener.close()


def test_a_taken_port_is_a_connect_error():
    listener = listen("tcp:127.0.0.1:0")
    with pytest.raises(ConnectError, match="can't listen"):
        listen(listener.address)
    listener.close()


def test_more_than_the_buffers_hold_is_written_as_the_other_end_takes_it():
    listener = listen("tcp:127.0.0.1:0")
    here = open_transport(listener.address)
    there = listener.accept(LONG)
    data = bytes(range(256)) * 0x10000
    writing = threading.Thread(target=here.write, args=(data,))
    writing.start()
    taken = bytearray()
    while len(taken) < len(data):
        taken += there.read(LONG)
    writing.join(LONG)
    assert taken == data
    for end in (here, there, listener):
        end.close()
