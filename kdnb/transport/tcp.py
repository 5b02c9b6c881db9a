"""`tcp:HOST:PORT`: a KD serial line carried over TCP, as virtual machines and terminal servers offer it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from kdnb.errors import ConnectError, ConnectionStringError
from kdnb.transport.stream_socket import StreamSocketListener, StreamSocketTransport

if TYPE_CHECKING:
    from kdnb.transport.registry import Spec

__all__ = ["connect", "listen"]

CONNECT_TIMEOUT = 10.0
"""Seconds for the TCP handshake; a refused connection says so at once."""


def connect(spec: Spec) -> StreamSocketTransport:
    """A client connection. Raises ConnectError when nobody listens there."""
    host, port = _address(spec)
    try:
        connected = socket.create_connection((host, port), CONNECT_TIMEOUT)
    except OSError as error:
        hint = "check that the virtual machine runs and which port its serial line has"
        raise ConnectError(f"can't connect to {host}:{port}: {error.strerror or error}", hint) from error
    # Nagle's algorithm would hold back an ACK for as long as the peer delays its own.
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return StreamSocketTransport(connected)


def listen(spec: Spec) -> StreamSocketListener:
    """Listen; port 0 takes a free one, and `address` says which. One client is served at a time."""
    host, port = _address(spec)
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family, backlog=1)
    except OSError as error:
        reason = error.strerror or error
        raise ConnectError(f"can't listen on {host}:{port}: {reason}", "choose another port") from error
    bound = listening.getsockname()
    name = f"[{host}]" if ":" in host else host
    return StreamSocketListener(listening, f"tcp:{name}:{bound[1]}")


def _address(spec: Spec) -> tuple[str, int]:
    host, separator, port = spec.argument.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not separator or not host or not port.isdecimal() or int(port) > 0xFFFF:
        hint = "write tcp:HOST:PORT, e.g. tcp:127.0.0.1:5555"
        raise ConnectionStringError(f"{spec.argument!r} is no TCP address", hint)
    return host, int(port)
