"""`unix:PATH`: a KD serial line carried over a Unix socket, as QEMU offers it."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import sys
from typing import TYPE_CHECKING

from kdnb.errors import ConnectError, ConnectionStringError
from kdnb.transport.stream_socket import StreamSocketListener, StreamSocketTransport

if TYPE_CHECKING:
    from kdnb.transport.registry import Spec

__all__ = ["connect", "listen"]


def connect(spec: Spec) -> StreamSocketTransport:
    """A client connection. Raises ConnectError when nobody listens there."""
    connected = _socket(spec)
    try:
        connected.connect(spec.argument)
    except OSError as error:
        connected.close()
        hint = "check that the virtual machine runs and where its socket is"
        raise ConnectError(f"can't connect to {spec.argument}: {error.strerror or error}", hint) from error
    return StreamSocketTransport(connected)


def listen(spec: Spec) -> StreamSocketListener:
    """Listen at a path. A socket that nobody listens on any more is replaced; no other file is touched."""
    _remove_stale(spec.argument)
    listening = _socket(spec)
    try:
        listening.bind(spec.argument)
        listening.listen(1)
    except OSError as error:
        listening.close()
        reason = error.strerror or error
        raise ConnectError(f"can't listen on {spec.argument}: {reason}", "choose another path") from error
    return _UnixListener(listening, f"unix:{spec.argument}", spec.argument)


class _UnixListener(StreamSocketListener):
    def __init__(self, listening: socket.socket, address: str, path: str) -> None:
        super().__init__(listening, address)
        self._path = path

    def close(self) -> None:
        super().close()
        with contextlib.suppress(OSError):
            os.unlink(self._path)


def _socket(spec: Spec) -> socket.socket:
    if sys.platform == "win32":
        raise ConnectionStringError("this system has no Unix sockets", "use tcp:HOST:PORT")
    if not spec.argument:
        raise ConnectionStringError("unix: needs a path", "write unix:PATH, e.g. unix:/tmp/kd.sock")
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)


def _remove_stale(path: str) -> None:
    try:
        if sys.platform == "win32" or not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    except OSError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except OSError:
            return
