"""The simulated machine as a process of its own, and ports for it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDING = 30.0


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def simulator(listen: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`kdnb simulate`, ready; killed at the end."""
    command = [sys.executable, "-m", "kdnb", "simulate", "--listen", listen, "--until-stdin-closes", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on "), line
        assert "7q1" not in line  # a word of the KDNET key
        try:
            yield process
        finally:
            process.kill()


def execute(spec: str, *commands: str, timeout: int = 20) -> subprocess.CompletedProcess[str]:
    """`kdnb exec` as a user runs it."""
    command = [sys.executable, "-m", "kdnb", "exec", spec, "--timeout", str(timeout)]
    command += [word for text in commands for word in ("-c", text)]
    return subprocess.run(command, capture_output=True, text=True, timeout=2 * ENDING, check=False)
