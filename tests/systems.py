"""What the tests need to know of the system that they run on."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

ON_WINDOWS = sys.platform == "win32"
ON_WINE = ON_WINDOWS and hasattr(vars(ctypes)["WinDLL"]("ntdll"), "wine_get_version")
"""Windows' programs on a system that is none: not everything is there."""


def _makes_symbolic_links() -> bool:
    """Windows lets not everybody; Wine 8 says that it did and does nothing."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            os.symlink(folder, Path(folder, "link"))
        except OSError:
            return False
        return Path(folder, "link").is_symlink()


needs_symbolic_links = pytest.mark.skipif(not _makes_symbolic_links(), reason="no symbolic links can be made here")


def local_line(folder: Path) -> str:
    """A line between two programs of this computer: a named pipe on Windows, else a Unix socket in `folder`."""
    return rf"com:pipe,port=\\.\pipe\{folder.name}-{os.getpid()}" if ON_WINDOWS else f"unix:{folder / 'kd.sock'}"


def kill(process_id: int) -> None:
    """End a process without asking it."""
    os.kill(process_id, getattr(signal, "SIGKILL", signal.SIGTERM))


OWN_GROUP: dict[str, Any] = {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
"""For a process that `interrupt` is to reach."""


def interrupt(process: subprocess.Popen[Any]) -> None:
    """Ctrl-C, or on Windows what can be sent to one process there: Ctrl+Break."""
    process.send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGINT))
