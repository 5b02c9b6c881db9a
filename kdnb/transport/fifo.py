"""Two FIFOs as a transport: one for each direction. POSIX only."""

from __future__ import annotations

import errno
import os
import selectors
import sys
import threading
import time

from kdnb.errors import ConnectError, TransportClosed
from kdnb.transport.base import Waker

__all__ = ["FifoTransport"]

READ_SIZE = 0x10000
WRITE_TIMEOUT = 10.0
"""Seconds in which the other end must make room; the same as for sockets."""
SLICE = 0.25
"""Seconds after which a write that waits looks whether it was closed."""


class FifoTransport:
    """An open pair. It owns its two descriptors."""

    datagrams = False

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing
        self._waker = Waker(reading)
        self._writes = threading.Lock()
        self._closing = threading.Lock()
        self._closed = False

    @classmethod
    def client(cls, read_from: str, write_to: str) -> FifoTransport:
        """The end that needs another one: its absence is an error now, and the end of the stream later."""
        return cls._open(read_from, os.O_RDONLY, write_to, os.O_WRONLY)

    @classmethod
    def server(cls, read_from: str, write_to: str) -> FifoTransport:
        """The end that is there first. It holds both FIFOs open for both directions, as QEMU does, and so stays open
        from one client to the next."""
        return cls._open(read_from, os.O_RDWR, write_to, os.O_RDWR)

    @classmethod
    def _open(cls, read_from: str, read_mode: int, write_to: str, write_mode: int) -> FifoTransport:
        reading = _open(read_from, read_mode)
        try:
            writing = _open(write_to, write_mode)
        except ConnectError:
            os.close(reading)
            raise
        return cls(reading, writing)

    def read(self, timeout: float) -> bytes:
        if not self._waker.wait(timeout):
            if self._closed:
                raise TransportClosed("the FIFO was closed here")
            return b""
        try:
            data = os.read(self._reading, READ_SIZE)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise TransportClosed(f"the FIFO broke: {error}", "connect again") from error
        if not data:
            raise TransportClosed("the other end closed the FIFO", "connect again")
        return data

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        with self._writes:
            while left:
                if self._closed:
                    raise TransportClosed("the FIFO was closed here")
                try:
                    left = left[os.write(self._writing, left) :]
                except BlockingIOError:
                    self._wait_for_room(len(left))
                except OSError as error:
                    raise TransportClosed(f"the FIFO broke: {error}", "connect again") from error

    def _wait_for_room(self, size: int) -> None:
        until = time.monotonic() + WRITE_TIMEOUT
        with selectors.DefaultSelector() as selector:
            selector.register(self._writing, selectors.EVENT_WRITE)
            while not selector.select(SLICE) and not self._closed:
                if time.monotonic() > until:
                    raise TransportClosed(f"nobody reads the FIFO ({size} bytes wait)", "connect again")

    def wake(self) -> None:
        self._waker.wake()

    def close(self) -> None:
        with self._closing:
            if self._closed:
                return
            self._closed = True
        self._waker.close()
        with self._writes:
            os.close(self._reading)
            os.close(self._writing)


def _open(path: str, mode: int) -> int:
    if sys.platform == "win32":
        raise ConnectError("this system has no FIFOs")
    try:
        return os.open(path, mode | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise ConnectError(f"nobody reads {path}", "start the virtual machine first") from error
        raise ConnectError(f"can't open {path}: {error.strerror or error}", "check the path and its rights") from error
