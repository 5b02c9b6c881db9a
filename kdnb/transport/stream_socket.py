"""A connected stream socket as a transport; TCP and Unix sockets differ only in how they are opened."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading

from kdnb.errors import TransportClosed
from kdnb.transport.base import Waker

__all__ = ["StreamSocketListener", "StreamSocketTransport"]

READ_SIZE = 0x10000
WRITE_TIMEOUT = 10.0
"""Seconds in which the other end must take at least something. KD has one packet of 4 KB in flight, so a peer that
reads at all is far quicker; without a limit a stuck peer would hang the session."""


class StreamSocketTransport:
    """One connected stream socket."""

    datagrams = False

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._socket.setblocking(False)  # with a timeout, Python would ask before every send and receive
        self._waker = Waker(connected)
        self._closed = False
        self._lock = threading.Lock()

    def read(self, timeout: float) -> bytes:
        try:
            if not self._waker.wait(timeout):
                if self._closed:
                    raise TransportClosed("the connection was closed here")
                return b""
            data = self._socket.recv(READ_SIZE)
        except BlockingIOError:
            return b""
        except (OSError, ValueError) as error:
            raise TransportClosed(f"the connection broke: {error}", "connect again") from error
        if not data:
            raise TransportClosed("the other end closed the connection", "connect again")
        return data

    def write(self, data: bytes) -> None:
        try:
            try:
                sent = self._socket.send(data)
            except BlockingIOError:
                sent = 0
            if sent < len(data):
                self._write_rest(data[sent:])
        except (OSError, ValueError) as error:
            raise TransportClosed(f"the connection broke: {error}", "connect again") from error

    def _write_rest(self, data: bytes) -> None:
        """The buffers between here and the other end are full: wait for room."""
        view = memoryview(data)
        with selectors.DefaultSelector() as room:
            room.register(self._socket, selectors.EVENT_WRITE)
            while view:
                if not room.select(WRITE_TIMEOUT):
                    raise TimeoutError("the other end takes nothing any more")
                with contextlib.suppress(BlockingIOError):
                    view = view[self._socket.send(view) :]

    def wake(self) -> None:
        self._waker.wake()

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._waker.close()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class StreamSocketListener:
    """A listening stream socket; `address` is the connection string for clients."""

    def __init__(self, listening: socket.socket, address: str) -> None:
        self._socket = listening
        self.address = address

    def accept(self, timeout: float) -> StreamSocketTransport | None:
        self._socket.settimeout(max(timeout, 0.0) or 1e-6)
        try:
            connected, _ = self._socket.accept()
        except TimeoutError:
            return None
        except OSError as error:
            raise TransportClosed(f"the listener was closed: {error}") from error
        if connected.family != getattr(socket, "AF_UNIX", None):
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return StreamSocketTransport(connected)

    def close(self) -> None:
        self._socket.close()
