r"""`com:pipe,port=NAME`: a virtual machine's serial line as a pipe.

On Windows NAME is a named pipe, `\\.\pipe\com_1` (see `windows_pipe`). Elsewhere it is a Unix socket, or a pair of
FIFOs NAME.in and NAME.out as QEMU's `-serial pipe:NAME` uses them: the machine reads NAME.in and writes NAME.out.
WinDbg's options `resets=` and `reconnect` are for the link and the session: no transport knows them.
"""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING

from kdnb.errors import ConnectError
from kdnb.transport import unix
from kdnb.transport.fifo import FifoTransport
from kdnb.transport.line import LineListener
from kdnb.transport.registry import Spec

if TYPE_CHECKING:
    from kdnb.transport.base import Listener, Transport

__all__ = ["connect", "listen"]


def connect(spec: Spec) -> Transport:
    """The debugger's end of a pipe that a virtual machine serves. Raises ConnectError when there is none."""
    name = spec.options["port"]
    if sys.platform == "win32":
        from kdnb.transport import windows_pipe

        return windows_pipe.connect(name)
    if _is_fifo(f"{name}.in") and _is_fifo(f"{name}.out"):
        return FifoTransport.client(f"{name}.out", f"{name}.in")
    if _is_fifo(name):
        raise ConnectError(
            f"{name} is a FIFO, which carries one direction", f"make a pair: mkfifo {name}.in {name}.out"
        )
    return unix.connect(Spec("unix", name))


def listen(spec: Spec) -> Listener:
    """The machine's end: a pipe, a socket, or the other ends of a pair of FIFOs that is there already."""
    name = spec.options["port"]
    if sys.platform == "win32":
        from kdnb.transport import windows_pipe

        return windows_pipe.PipeListener(name, str(spec))
    if _is_fifo(f"{name}.in") and _is_fifo(f"{name}.out"):
        return LineListener(str(spec), lambda: FifoTransport.server(f"{name}.in", f"{name}.out"))
    listener = unix.listen(Spec("unix", name))
    listener.address = str(spec)
    return listener


def _is_fifo(path: str) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except OSError:
        return False
