"""Two programs of one computer over a local line: Windows' named pipe, elsewhere a Unix socket."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import kdnb
from kdnb.errors import ConnectError, LinkError
from tests.end_to_end.simulators import execute, simulator
from tests.systems import local_line

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT = 60.0


@pytest.fixture
def spec(tmp_path: Path) -> str:
    return local_line(tmp_path)


def test_one_debugger_after_another(spec: str) -> None:
    with simulator(spec):
        for _ in range(2):
            done = execute(spec, "vertarget; lm; bp nt!NtCreateFile; g; k")
            assert (done.returncode, done.stderr) == (0, "")
            assert "Breakpoint 0 hit" in done.stdout
            assert "00 " in done.stdout.partition("Child-SP")[2]


def test_a_debugger_that_is_killed_makes_room_for_the_next(spec: str) -> None:
    script = f"import kdnb; kd = kdnb.connect({spec!r}); print('up', flush=True); input()"
    pipe = subprocess.PIPE
    with simulator(spec):
        with subprocess.Popen([sys.executable, "-c", script], stdin=pipe, stdout=pipe, text=True) as first:
            assert first.stdout is not None
            assert first.stdout.readline() == "up\n"
            first.kill()
        with kdnb.connect(spec, timeout=TIMEOUT) as kd:
            assert kd.step().reason == "step"


def test_a_machine_that_is_killed_is_a_lost_line_and_the_next_one_is_found(spec: str) -> None:
    with simulator(spec) as machine, kdnb.connect(f"{spec},reconnect", timeout=TIMEOUT) as kd:
        kd.execute("bp nt!NtReadFile")
        machine.kill()
        machine.wait()
        with pytest.raises(LinkError, match="the link is lost"):
            kd.step()
        with simulator(spec):
            stop = kd.reconnect(TIMEOUT)
            assert stop is not None
            hit = kd.go(timeout=TIMEOUT)
            assert hit is not None
            assert hit.breakpoints == (0,)


def test_nobody_there_is_an_error_at_once(spec: str) -> None:
    with pytest.raises(ConnectError):
        kdnb.connect(spec, timeout=TIMEOUT)
