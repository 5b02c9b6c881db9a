r"""Windows named pipes with overlapped I/O, by a thin layer of ctypes over kernel32.

Overlapped, since a pipe opened without it lets nobody write while somebody waits in a read. Facts: Microsoft's pages on
"Named Pipe Server Using Overlapped I/O", CreateFileW, ReadFile, GetOverlappedResult, CancelIoEx,
WaitForMultipleObjects. The tests run it on Wine's kernel32 (python.org's Python 3.11 under Wine 8, not Windows itself),
and everywhere against a stand-in.

What keeps it safe: an OVERLAPPED and the bytes it works on live until Windows is done with them, whoever was
interrupted meanwhile; a handle is closed when nothing is pending on it. Bytes come in byte-read mode, in which
CreateFileW and CreateNamedPipeW open pipes, so a read is never cut short (ERROR_MORE_DATA).
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import threading
from typing import Any

from kdnb.errors import ConnectError, TransportClosed

__all__ = ["PipeListener", "PipeTransport", "connect"]

READ_SIZE = 0x10000
WRITE_TIMEOUT = 10.0
"""Seconds in which the other end must have taken a packet; the same as for sockets."""
BUSY_TIMEOUT_MS = 5_000
"""How long to wait for a pipe whose only instance serves another client."""

GENERIC_READ_WRITE = 0xC0000000
OPEN_EXISTING = 3
FILE_FLAG_OVERLAPPED = 0x40000000
FILE_FLAG_FIRST_PIPE_INSTANCE = 0x00080000
SECURITY_IDENTIFICATION = 0x00110000
"""With SECURITY_SQOS_PRESENT: the pipe's server may learn who we are, not act as us."""
PIPE_ACCESS_DUPLEX = 3
PIPE_REJECT_REMOTE_CLIENTS = 8
INVALID_HANDLE = ctypes.c_void_p(-1).value
ERROR_PIPE_BUSY, ERROR_PIPE_CONNECTED, ERROR_IO_PENDING = 231, 535, 997
ERROR_OPERATION_ABORTED = 995
"""Cancelled: by us, or by Windows because the thread that began it has ended."""
ERROR_NO_DATA = 232
"""From ConnectNamedPipe: a client came and has gone again already."""
WAIT_OBJECT_0 = 0
WAIT_FAILED = 0xFFFFFFFF


class Overlapped(ctypes.Structure):
    """OVERLAPPED: one operation under way, and the event that its end sets."""

    _fields_ = (
        ("internal", ctypes.c_void_p),
        ("internal_high", ctypes.c_void_p),
        ("offset", ctypes.c_uint32),
        ("offset_high", ctypes.c_uint32),
        ("event", ctypes.c_void_p),
    )


_HANDLE, _DWORD, _POINTER = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p
_NAME = ctypes.c_wchar_p
_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "CancelIoEx": (_DWORD, (_HANDLE, _POINTER)),
    "CloseHandle": (_DWORD, (_HANDLE,)),
    "ConnectNamedPipe": (_DWORD, (_HANDLE, _POINTER)),
    "CreateEventW": (_HANDLE, (_POINTER, _DWORD, _DWORD, _NAME)),
    "CreateFileW": (_HANDLE, (_NAME, _DWORD, _DWORD, _POINTER, _DWORD, _DWORD, _HANDLE)),
    "CreateNamedPipeW": (_HANDLE, (_NAME, _DWORD, _DWORD, _DWORD, _DWORD, _DWORD, _DWORD, _POINTER)),
    "GetOverlappedResult": (_DWORD, (_HANDLE, _POINTER, _POINTER, _DWORD)),
    "ReadFile": (_DWORD, (_HANDLE, _POINTER, _DWORD, _POINTER, _POINTER)),
    "SetEvent": (_DWORD, (_HANDLE,)),
    "WaitForMultipleObjects": (_DWORD, (_DWORD, _POINTER, _DWORD, _DWORD)),
    "WaitNamedPipeW": (_DWORD, (_NAME, _DWORD)),
    "WriteFile": (_DWORD, (_HANDLE, _POINTER, _DWORD, _POINTER, _POINTER)),
}
"""Result and arguments of each function: without them ctypes would cut handles to 32 bits."""


def load_kernel32() -> Any:
    """kernel32 with its signatures; fails where there is no Windows."""
    library: Any = vars(ctypes)["WinDLL"]("kernel32", use_last_error=True)
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def last_error() -> int:
    return int(vars(ctypes)["get_last_error"]())


def _text(code: int) -> str:
    describe = vars(ctypes).get("FormatError")
    return str(describe(code)).strip() if describe else f"Windows error {code}"


def _failure() -> OSError:
    code = last_error()
    return OSError(code, _text(code))


def _new_event(kernel32: Any, *, manual: bool) -> int:
    event = kernel32.CreateEventW(None, manual, False, None)
    if not event:
        raise _failure()
    return int(event)


class _Operation:
    """One overlapped operation at a time on a handle, with its own event.

    Beginning one resets the event, and its end sets it, also where it ends at once (ReadFile, OVERLAPPED).
    """

    def __init__(self, kernel32: Any, handle: int) -> None:
        self._kernel32 = kernel32
        self._handle = handle
        self._overlapped = Overlapped(event=_new_event(kernel32, manual=True))
        self._arguments: tuple[Any, ...] = ()
        """What Windows works on: kept until it is done."""
        self.pending = False

    @property
    def event(self) -> int:
        return int(self._overlapped.event)

    def start(self, begin: str, *arguments: Any, well: int = 0) -> None:
        """Call the function `begin`; `well` is an error code that says that it is done already. Raises OSError."""
        self.cancel()  # of one whose waiter was interrupted: its OVERLAPPED is needed now
        self._arguments = arguments
        self.pending = True  # before the call: an interrupt behind it must not make this forgotten
        done = getattr(self._kernel32, begin)(self._handle, *arguments, ctypes.byref(self._overlapped))
        error = 0 if done else last_error()
        if error in {0, ERROR_IO_PENDING}:
            return
        self._end()  # nothing has begun
        if not well or error != well:
            raise OSError(error, _text(error))
        self._kernel32.SetEvent(self.event)

    def finish(self, wait: bool = False) -> int:
        """Bytes moved by the operation, which has ended (or is waited for). Raises OSError."""
        count = _DWORD(0)
        done = self._kernel32.GetOverlappedResult(
            self._handle, ctypes.byref(self._overlapped), ctypes.byref(count), wait
        )
        self._end()
        if not done:
            raise _failure()
        return count.value

    def cancel(self) -> None:
        """End it, and wait until it has ended: Windows writes into its buffer until then."""
        if self.pending:
            self._kernel32.CancelIoEx(self._handle, ctypes.byref(self._overlapped))  # fails where it has just ended
            with contextlib.suppress(OSError):
                self.finish(wait=True)

    def close(self) -> None:
        self.cancel()
        self._kernel32.CloseHandle(self.event)

    def _end(self) -> None:
        self.pending = False
        self._arguments = ()


def _wait(kernel32: Any, events: list[int], timeout: float) -> int | None:
    """Which of the events is set, the first one first; None after `timeout` seconds. Raises OSError."""
    handles = (ctypes.c_void_p * len(events))(*events)
    milliseconds = math.ceil(max(timeout, 0.0) * 1000)  # rounded down, the last millisecond would be spent in a loop
    result = int(kernel32.WaitForMultipleObjects(len(events), handles, False, milliseconds))
    if result == WAIT_FAILED:
        raise _failure()
    index = result - WAIT_OBJECT_0
    return index if 0 <= index < len(events) else None


class PipeTransport:
    """An open named pipe. It owns its handle."""

    datagrams = False

    def __init__(self, handle: int, kernel32: Any) -> None:
        self._kernel32 = kernel32
        self._handle = handle
        self._buffer = ctypes.create_string_buffer(READ_SIZE)
        with contextlib.ExitStack() as undo:
            undo.callback(kernel32.CloseHandle, handle)
            self._reading = _Operation(kernel32, handle)
            undo.callback(self._reading.close)
            self._writing = _Operation(kernel32, handle)
            undo.callback(self._writing.close)
            self._woken = _new_event(kernel32, manual=False)  # resets itself when a wait saw it
            undo.callback(kernel32.CloseHandle, self._woken)
            self._ended = _new_event(kernel32, manual=True)
            undo.pop_all()
        self._reads = threading.Lock()
        self._writes = threading.Lock()
        self._closing = threading.Lock()
        self._closed = False

    def read(self, timeout: float) -> bytes:
        with self._reads:
            self._raise_if_closed()
            try:
                if not self._reading.pending:
                    self._reading.start("ReadFile", self._buffer, READ_SIZE, None)
                ready = _wait(self._kernel32, [self._reading.event, self._woken], timeout)
                if ready == 0:
                    size = self._reading.finish()
                    return ctypes.string_at(self._buffer, size)
            except OSError as error:
                self._raise_if_closed()
                if error.errno == ERROR_OPERATION_ABORTED:
                    return b""  # the thread that began this read has ended; the next read begins another
                raise TransportClosed(f"the pipe broke: {error.strerror}", "connect again") from error
            self._raise_if_closed()
            return b""

    def write(self, data: bytes) -> None:
        with self._writes:
            self._raise_if_closed()
            try:
                self._writing.start("WriteFile", bytes(data), len(data), None)
                if _wait(self._kernel32, [self._writing.event, self._ended], WRITE_TIMEOUT) != 0:
                    self._writing.cancel()
                    self._raise_if_closed()
                    raise TransportClosed("nobody reads the pipe", "connect again")
                self._writing.finish()
            except OSError as error:
                raise TransportClosed(f"the pipe broke: {error.strerror}", "connect again") from error

    def wake(self) -> None:
        with self._closing:
            if not self._closed:
                self._kernel32.SetEvent(self._woken)

    def close(self) -> None:
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._kernel32.SetEvent(self._woken)
            self._kernel32.SetEvent(self._ended)
        with self._reads, self._writes:  # whoever waited has left
            self._reading.close()
            self._writing.close()
            for handle in (self._woken, self._ended, self._handle):
                self._kernel32.CloseHandle(handle)

    def _raise_if_closed(self) -> None:
        if self._closed:
            raise TransportClosed("the pipe was closed here")


class PipeListener:
    """Serves a named pipe to one client of this computer after another."""

    def __init__(self, name: str, address: str) -> None:
        """Raises ConnectError where the pipe can't be made, e.g. because somebody serves it already."""
        self.address = address
        self._name = name
        self._kernel32 = load_kernel32()
        self._handle: int | None = None
        self._connecting: _Operation | None = None
        self._closed = False
        self._create()

    def accept(self, timeout: float) -> PipeTransport | None:
        if self._closed:
            raise TransportClosed("the listener was closed")
        if self._handle is None:
            self._create()
        assert self._handle is not None
        assert self._connecting is not None
        try:
            if not self._connecting.pending:
                self._connecting.start("ConnectNamedPipe", well=ERROR_PIPE_CONNECTED)
            if _wait(self._kernel32, [self._connecting.event], timeout) is None:
                return None
            if self._connecting.pending:
                self._connecting.finish()
        except OSError as error:
            self._drop()
            if error.errno not in {ERROR_NO_DATA, ERROR_OPERATION_ABORTED}:
                raise TransportClosed(f"the pipe {self._name} broke: {error.strerror}") from error
            return None
        handle, self._handle = self._handle, None
        self._connecting.close()
        return PipeTransport(handle, self._kernel32)

    def close(self) -> None:
        self._closed = True
        self._drop()

    def _drop(self) -> None:
        """Give up the instance that waits for a client."""
        if self._handle is not None and self._connecting is not None:
            self._connecting.close()
            self._kernel32.CloseHandle(self._handle)
        self._handle = None

    def _create(self) -> None:
        flags = PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE
        handle = self._kernel32.CreateNamedPipeW(
            self._name, flags, PIPE_REJECT_REMOTE_CLIENTS, 1, READ_SIZE, READ_SIZE, 0, None
        )
        if handle == INVALID_HANDLE:
            raise ConnectError(f"can't serve the pipe {self._name}: {_text(last_error())}", "choose another name")
        self._handle = int(handle)
        try:
            self._connecting = _Operation(self._kernel32, self._handle)
        except OSError as error:
            self._kernel32.CloseHandle(self._handle)
            self._handle = None
            raise ConnectError(f"can't serve the pipe {self._name}: {error.strerror}") from error


def connect(name: str) -> PipeTransport:
    """Open a pipe that somebody serves. Raises ConnectError when there is none."""
    kernel32 = load_kernel32()
    flags = FILE_FLAG_OVERLAPPED | SECURITY_IDENTIFICATION
    for _ in range(2):
        handle = kernel32.CreateFileW(name, GENERIC_READ_WRITE, 0, None, OPEN_EXISTING, flags, None)
        if handle != INVALID_HANDLE:
            try:
                return PipeTransport(int(handle), kernel32)
            except OSError as broken:
                raise ConnectError(f"can't use the pipe {name}: {broken.strerror}") from broken
        error = last_error()
        if error != ERROR_PIPE_BUSY or not kernel32.WaitNamedPipeW(name, BUSY_TIMEOUT_MS):
            break
    hint = "start the virtual machine first, and check the name of its pipe"
    if error == ERROR_PIPE_BUSY:
        hint = "another debugger has it: close that one"
    raise ConnectError(f"can't open the pipe {name}: {_text(error)}", hint)
