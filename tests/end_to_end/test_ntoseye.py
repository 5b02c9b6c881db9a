"""The simulated machine as a client written elsewhere sees it: ntoseye 0.52, over a Unix socket and over KDNET."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import kdnb
from tests.end_to_end.test_simulate_kdnet import KEY, free_port
from tests.end_to_end.test_simulate_process import simulate

CLIENT = Path(__file__).with_name("foreign_client.py")
PATIENCE = 120.0

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ntoseye") is None, reason="needs ntoseye, which has packages for Linux and macOS only"
)


@pytest.fixture(params=["unix", "net"])
def session(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """What ntoseye saw on a fresh machine; `again` is what our own client reads of it afterwards."""
    port = free_port()
    spec = {"unix": f"unix:{tmp_path / 'kd.sock'}", "net": f"net:port={port},key={KEY}"}[request.param]
    arguments = {"unix": ["kd", str(tmp_path / "kd.sock")], "net": ["kdnet", f"127.0.0.1:{port}", KEY]}[request.param]
    symbols = tmp_path / ".ntoseye" / "symbols"
    with simulate("--symbols", str(symbols), listen=spec):
        done = subprocess.run(
            [sys.executable, str(CLIENT), *arguments],
            env={**os.environ, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        seen: dict[str, Any] = json.loads(done.stdout)
        with kdnb.connect(spec, timeout=60) as debugger:
            kernel = debugger.modules["nt"]
            seen["again"] = (kernel.base, debugger.read(kernel.base, 0x10000))
            seen["breakpoint gone"] = debugger.read(seen["target"], 1) != b"\xcc"
    return seen


def test_ntoseye_attaches_reads_steps_and_meets_its_breakpoint(session: dict[str, Any]) -> None:
    base, memory = session["again"]
    assert session["entry"] == "nt!DbgBreakPointWithStatus"
    assert session["processors"] == 2
    registers = session["registers"]
    assert registers["rip"] >> 47 == registers["rsp"] >> 47 == 0x1FFFF
    assert registers["cr3"] % 0x1000 == 0 != registers["cr3"]
    assert registers["cs"] == 0x10
    assert session["written register"] == 0x1122334455667788
    assert session["modules"]["ntoskrnl.exe"] == base
    assert {"disk.sys", "ntfs.sys", "buggy.sys"} <= set(session["modules"])

    read = bytes.fromhex(session["memory"])
    assert len(read) == len(memory) == 0x10000
    assert read[:0x3000] == memory[:0x3000]  # headers and code; data moves on

    assert [kind for kind, _ in session["steps"]] == ["step"] * 5
    assert len({rip for _, rip in session["steps"]}) == 5
    assert session["step over"] == "step"
    assert session["hits"] == [["breakpoint", True, "nt!KeClockInterruptNotify"]] * 2
    assert session["run on"]
    assert session["interrupt"] == "interrupt"
    assert session["breakpoint gone"]
