"""What a transport is: four methods that move bytes, and the piece that wakes a waiting reader."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from typing import Protocol

__all__ = ["Listener", "Transport", "Waker"]


class Transport(Protocol):
    """Bytes in and out. One thread reads; writing, waking and closing may come from any other."""

    @property
    def datagrams(self) -> bool:
        """True where each read gives, and each write takes, one whole datagram (KDNET)."""

    def read(self, timeout: float) -> bytes:
        """What is there, waiting up to `timeout` seconds; b"" at the timeout or after `wake`.

        Raises TransportClosed when the other end has closed, or after `close`.
        """

    def write(self, data: bytes) -> None:
        """Send all of `data`. Raises TransportClosed when the other end is gone or takes nothing any more."""

    def wake(self) -> None:
        """Make a read that waits, or else the next one, return at once."""

    def close(self) -> None:
        """Give the line back; harmless when it is closed already. A read that waits raises TransportClosed."""


class Listener(Protocol):
    """Waits for clients, one after another."""

    @property
    def address(self) -> str:
        """The connection string by which a client reaches this listener."""

    def accept(self, timeout: float) -> Transport | None:
        """The next client, or None when none came in `timeout` seconds."""

    def close(self) -> None:
        """Stop listening; harmless when done already."""


class Waker:
    """Waits for a socket or file descriptor, and can be told to stop waiting.

    A socket pair rather than a pipe: on Windows only sockets can be waited for together.
    """

    def __init__(self, watched: socket.socket | int) -> None:
        self._receive, self._send = socket.socketpair()
        self._receive.setblocking(False)
        self._send.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._receive, selectors.EVENT_READ, False)
        self._selector.register(watched, selectors.EVENT_READ, True)
        self._waiting = threading.Lock()
        self._closed = False

    def wait(self, timeout: float) -> bool:
        """True when the watched end has something; False at the timeout, when woken, or after `close`."""
        with self._waiting:
            if self._closed:
                return False
            ready = False
            for key, _ in self._selector.select(max(timeout, 0.0)):
                if key.data:
                    ready = True
                else:
                    with contextlib.suppress(BlockingIOError):
                        self._receive.recv(4096)
            return ready and not self._closed

    def wake(self) -> None:
        # A full pair is as good as one byte; a closed one has nobody waiting.
        with contextlib.suppress(OSError):
            self._send.send(b"\0")

    def close(self) -> None:
        """End a wait and free everything. Close the watched end afterwards: closing it under a waiting selector would
        leave the selector waiting."""
        self._closed = True
        self.wake()
        with self._waiting:
            self._selector.close()
            self._receive.close()
            self._send.close()
