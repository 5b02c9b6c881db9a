"""Two transports joined in memory: the same four methods without an operating system in between."""

from __future__ import annotations

import threading
from collections import deque

from kdnb.errors import TransportClosed

__all__ = ["MemoryTransport", "memory_pair"]


class MemoryTransport:
    """One end of a joined pair; made by `memory_pair`."""

    def __init__(self, condition: threading.Condition, *, datagrams: bool) -> None:
        self.datagrams = datagrams
        self.peer: MemoryTransport = self
        self._condition = condition  # shared by both ends
        self._waiting: deque[bytes] = deque()
        self._woken = False
        self._closed = False

    def read(self, timeout: float) -> bytes:
        with self._condition:
            self._condition.wait_for(
                lambda: self._waiting or self._woken or self._closed or self.peer._closed, max(timeout, 0.0)
            )
            self._woken = False
            if self._closed:
                raise TransportClosed("the connection was closed here")
            if self._waiting:
                if self.datagrams:
                    return self._waiting.popleft()
                data = b"".join(self._waiting)
                self._waiting.clear()
                return data
            if self.peer._closed:
                raise TransportClosed("the other end closed the connection", "connect again")
            return b""

    def write(self, data: bytes) -> None:
        with self._condition:
            if self._closed or self.peer._closed:
                raise TransportClosed("the connection is closed", "connect again")
            if data:
                self.peer._waiting.append(bytes(data))
                self._condition.notify_all()

    def wake(self) -> None:
        with self._condition:
            self._woken = True
            self._condition.notify_all()

    def close(self) -> None:
        with self._condition:
            self._closed = True
            self._condition.notify_all()


def memory_pair(*, datagrams: bool = False) -> tuple[MemoryTransport, MemoryTransport]:
    """Two ends: what is written to one is read from the other."""
    condition = threading.Condition()
    first = MemoryTransport(condition, datagrams=datagrams)
    second = MemoryTransport(condition, datagrams=datagrams)
    first.peer, second.peer = second, first
    return first, second
