"""`com:port=...,baud=...`: a serial line by pyserial. A `serial.Serial` never leaves this file.

`port` is a device (`COM1`, `/dev/ttyS0`) or one of pyserial's URLs (`loop://`, `socket://...`).
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

from kdnb.errors import ConnectError, TransportClosed
from kdnb.transport.line import LineListener

if TYPE_CHECKING:
    from kdnb.transport.registry import Spec

__all__ = ["SerialTransport", "connect", "listen"]

DEFAULT_BAUD = 115200
MAX_BAUD = 4_000_000
WRITE_TIMEOUT = 10.0
SLICE = 0.25
"""The longest single wait inside pyserial, in seconds. On Windows a wake that comes between two reads is lost."""


class SerialTransport:
    """An open serial port, 8N1 without flow control, as kdcom uses it."""

    datagrams = False

    def __init__(self, port: Any) -> None:
        self._port = port
        self._woken = False
        self._closed = False
        self._reading = threading.Lock()

    def read(self, timeout: float) -> bytes:
        with self._reading:
            return self._read(time.monotonic() + timeout)

    def _read(self, deadline: float) -> bytes:
        try:
            while True:
                if self._closed:
                    raise TransportClosed("the serial port was closed here")
                left = deadline - time.monotonic()
                wait = min(max(left, 0.0), SLICE)
                if self._port.timeout != wait:
                    self._port.timeout = wait
                first: bytes = self._port.read(1)
                if first:
                    rest: bytes = self._port.read(self._port.in_waiting)
                    return first + rest
                if self._woken or left <= SLICE:
                    self._woken = False
                    if self._closed:
                        continue
                    return b""
        except (OSError, ValueError, TypeError) as error:  # pyserial raises all three when a device goes away
            raise TransportClosed(f"the serial port failed: {error}", "check the cable and open it again") from error

    def write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except (OSError, ValueError, TypeError) as error:
            raise TransportClosed(f"the serial port failed: {error}", "check the cable and open it again") from error

    def wake(self) -> None:
        self._woken = True
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            self._port.cancel_read()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self.wake()
        # A read that waits leaves at once; closing the device under it would leave it waiting on some systems.
        with self._reading, contextlib.suppress(OSError, ValueError, TypeError):
            self._port.close()


def connect(spec: Spec) -> SerialTransport:
    """Open a serial port. Raises ConnectError with what the system said."""
    import serial

    name = spec.options["port"]
    baud = spec.number("baud", DEFAULT_BAUD, MAX_BAUD)
    try:
        port = serial.serial_for_url(name, baudrate=baud, timeout=0, write_timeout=WRITE_TIMEOUT)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        hint = "list the ports with python -m serial.tools.list_ports"
        raise ConnectError(f"can't open {name}: {reason}", hint) from error
    return SerialTransport(port)


def listen(spec: Spec) -> LineListener:
    """The target's end of a serial line: who is at its other end can't be told, so the line itself is the client."""
    return LineListener(str(spec), lambda: connect(spec))
