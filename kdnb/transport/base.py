"""What a transport is: four methods that move bytes, and the piece that wakes a waiting reader."""

from __future__ import annotations

import contextlib
import math
import select
import socket
import sys
import threading
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AddressedTransport", "Listener", "Transport", "Waker"]


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


@runtime_checkable
class AddressedTransport(Transport, Protocol):
    """One that anybody can send datagrams to: who is heard is decided where they are opened."""

    sender: tuple[str, int] | None
    """Where the datagram came from that `read` gave last."""

    def send_to(self, data: bytes, address: tuple[str, int]) -> None:
        """Like `write`, to somebody who isn't the other end (yet)."""

    def settle(self, peer: tuple[str, int]) -> None:
        """From now on this is the other end, whoever else sends something."""


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
        self._watched = watched if isinstance(watched, int) else watched.fileno()
        self._ready = _poller(self._receive.fileno(), self._watched)
        self._waiting = threading.Lock()
        self._closed = False

    def wait(self, timeout: float) -> bool:
        """True when the watched end has something; False at the timeout, when woken, or after `close`."""
        with self._waiting:
            if self._closed:
                return False
            is_there = False
            for descriptor, _ in self._ready(math.ceil(timeout * 1000) if timeout > 0.0 else 0):
                if descriptor == self._watched:
                    is_there = True
                else:
                    with contextlib.suppress(BlockingIOError):
                        self._receive.recv(4096)
            return is_there and not self._closed

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
            self._receive.close()
            self._send.close()


def _poller(*watched: int) -> Callable[[int], list[tuple[int, int]]]:
    """Waits at most so many milliseconds, and gives those of the file descriptors that have something, with flags.

    A selector of the standard library would do; it costs as much as the wait itself, once for each packet.
    """
    if sys.platform == "win32":
        return lambda timeout: [(ready, 0) for ready in select.select(watched, (), (), timeout / 1000)[0]]
    poll = select.poll()
    for descriptor in watched:
        poll.register(descriptor, select.POLLIN)
    return poll.poll
