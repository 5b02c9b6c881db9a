r"""`com:pipe,port=\\.\pipe\NAME`: a virtual machine's serial line as a Windows named pipe.

Windows only, and not run by our tests: nothing here has a Windows machine. Overlapped reads and writes, so that
one thread can wait for data while another writes.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

from kdnb.errors import ConnectError, ConnectionStringError, TransportClosed

if TYPE_CHECKING:
    from kdnb.transport.registry import Spec

__all__ = ["PipeTransport", "connect"]

READ_SIZE = 0x10000
ERROR_IO_PENDING = 997
ERROR_MORE_DATA = 234
WRITE_TIMEOUT_MS = 10_000


class PipeTransport:
    """An open named pipe."""

    datagrams = False

    def __init__(self, handle: int) -> None:
        import _winapi

        self._api: Any = _winapi
        self._handle = handle
        self._pending: Any = None  # a read that was started and has not ended
        self._woken = threading.Event()
        self._closed = False

    def read(self, timeout: float) -> bytes:
        try:
            if self._pending is None:
                self._pending, _ = self._api.ReadFile(self._handle, READ_SIZE, overlapped=True)
            if not self._wait(timeout):
                if self._closed:
                    raise TransportClosed("the pipe was closed here")
                return b""
            pending, self._pending = self._pending, None
            count, _ = pending.GetOverlappedResult(True)
            return bytes(pending.getbuffer()[:count])
        except OSError as error:
            raise TransportClosed(f"the pipe broke: {error}", "connect again") from error

    def write(self, data: bytes) -> None:
        try:
            pending, error = self._api.WriteFile(self._handle, data, overlapped=True)
            if error == ERROR_IO_PENDING:
                done = self._api.WaitForMultipleObjects([pending.event], False, WRITE_TIMEOUT_MS)
                if done != self._api.WAIT_OBJECT_0:
                    pending.cancel()
            pending.GetOverlappedResult(True)
        except OSError as error:
            raise TransportClosed(f"the pipe broke: {error}", "connect again") from error

    def wake(self) -> None:
        self._woken.set()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self.wake()
        if self._pending is not None:
            self._pending.cancel()
        self._api.CloseHandle(self._handle)

    def _wait(self, timeout: float) -> bool:
        """Wait in short slices: the module has no event of its own that `wake` could set beside the read."""
        left = int(timeout * 1000)
        while True:
            if self._closed:
                return False
            step = min(left, 10)
            if self._api.WaitForMultipleObjects([self._pending.event], False, step) == self._api.WAIT_OBJECT_0:
                return True
            left -= step
            if left <= 0 or self._woken.is_set():
                self._woken.clear()
                return False


def connect(spec: Spec) -> PipeTransport:
    """Open a pipe that a virtual machine serves. Raises ConnectError when there is none."""
    if sys.platform != "win32":
        raise ConnectionStringError("named pipes exist on Windows only", "use unix:PATH or tcp:HOST:PORT")
    import _winapi

    name = spec.options["port"]
    try:
        access = _winapi.GENERIC_READ | _winapi.GENERIC_WRITE
        flags = _winapi.FILE_FLAG_OVERLAPPED
        handle = _winapi.CreateFile(name, access, 0, _winapi.NULL, _winapi.OPEN_EXISTING, flags, _winapi.NULL)
    except OSError as error:
        hint = "start the virtual machine first, and check the name of its pipe"
        raise ConnectError(f"can't open the pipe {name}: {error.strerror or error}", hint) from error
    return PipeTransport(handle)
