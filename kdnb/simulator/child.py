"""The simulated machine as a process of its own: started, found by its ready line, ended.

An emulator crash can't take the caller along, and every session passes framing, link and pump. The child ends when
its standard input closes, so it doesn't survive a parent that was killed.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import queue
import shutil
import subprocess
import sys
import tempfile
import threading

from kdnb.errors import ConnectError, MissingExtraError

__all__ = ["SimulatedMachine"]

END_TIMEOUT = 3.0
READY = "listening on "
MAX_LINE = 2000


class SimulatedMachine:
    """A running child. `address` is where it listens, `symbols` the folder with the guest's PDBs."""

    def __init__(self, scenario: str = "", timeout: float = 30.0, architecture: str = "") -> None:
        """Start it and wait for its ready line. Raises `ConnectError`, or `MissingExtraError` without unicorn."""
        if importlib.util.find_spec("unicorn") is None:
            raise MissingExtraError("the simulated machine needs unicorn", "pip install 'kdnb[sim]'")
        self.symbols = tempfile.mkdtemp(prefix="kdnb-symbols-")
        command = [sys.executable, "-m", "kdnb", "simulate", "--listen", "tcp:127.0.0.1:0"]
        command += ["--symbols", self.symbols, "--until-stdin-closes"]
        command += ["--scenario", scenario] if scenario else []
        command += ["--arch", architecture] if architecture else []
        pipe = subprocess.PIPE
        # A session of its own (a console on Windows): Ctrl-C goes to all processes there and is meant for the debugger.
        self._process = subprocess.Popen(
            command,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        atexit.register(self.close)
        try:
            self.address = self._wait_until_ready(timeout)
        except BaseException:
            self.close()
            raise

    def _wait_until_ready(self, timeout: float) -> str:
        lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        stdout = self._process.stdout
        assert stdout is not None
        threading.Thread(target=lambda: lines.put(stdout.readline(MAX_LINE)), name="kdnb child", daemon=True).start()
        try:
            line = lines.get(timeout=timeout)
        except queue.Empty:
            raise ConnectError(f"the simulated machine isn't ready after {timeout:g} s", "give it more time") from None
        if not line.startswith(READY):
            raise ConnectError(f"the simulated machine didn't start: {line.strip() or self._last_words()}")
        return line[len(READY) :].split()[0]

    def _last_words(self) -> str:
        """The last line that the child wrote to standard error."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            _, errors = self._process.communicate(timeout=END_TIMEOUT)
            lines = errors.strip().splitlines()
            if lines:
                return lines[-1][:MAX_LINE].removeprefix("kdnb: ")
        return "it says nothing"

    @property
    def process_id(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        """End the child and remove its symbols; harmless when done already."""
        atexit.unregister(self.close)
        with contextlib.suppress(OSError, ValueError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(END_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        shutil.rmtree(self.symbols, ignore_errors=True)
