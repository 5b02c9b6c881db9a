"""`kdnb simulate` as a process of its own: what `sim:` starts, and what a stranger's KD client connects to."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from kdnb.protocol.constants import Api
from tests.simulator.raw_client import RawClient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENDING = 30.0


@contextlib.contextmanager
def simulate(*arguments: str, listen: str = "tcp:127.0.0.1:0") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and the address from its ready line."""
    command = [sys.executable, "-m", "kdnb", "simulate", "--listen", listen, "--until-stdin-closes", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline().split()
        assert line[:2] == ["listening", "on"]
        try:
            yield process, line[2]
        finally:
            process.kill()


def end(process: subprocess.Popen[str]) -> int:
    assert process.stdin is not None
    process.stdin.close()
    return process.wait(ENDING)


def test_two_clients_in_a_row_then_the_end_of_standard_input() -> None:
    with simulate() as (process, address):
        for _ in range(2):
            with RawClient(address) as client:
                client.break_in()
                assert client.read(client.request(Api.GetVersion).body.kernel_base, 2) == b"MZ"
                client.go()
        assert end(process) == 0


def test_the_parent_may_go_while_a_client_is_connected_at_a_stop() -> None:
    with simulate() as (process, address), RawClient(address) as client:
        client.break_in()
        assert end(process) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(number: signal.Signals) -> None:
    with simulate() as (process, address), RawClient(address) as client:
        client.break_in()
        process.send_signal(number)
        assert process.wait(ENDING) == 0


def test_boot_waits_for_its_first_client_and_tells_it_everything() -> None:
    with simulate("--scenario", "boot") as (process, address):
        with RawClient(address) as client:
            stop = client.stop()
            assert stop.load_symbols is not None
            assert stop.path is not None
            assert stop.path.endswith("ntoskrnl.exe")
            assert client.prints
        assert end(process) == 0


def test_symbols_are_there_before_the_ready_line(tmp_path: Path) -> None:
    with simulate("--symbols", str(tmp_path)) as (process, _):
        assert len(list(tmp_path.glob("ntkrnlmp.pdb/*/ntkrnlmp.pdb"))) == 1
        assert end(process) == 0


@pytest.mark.parametrize(
    "arguments",
    [("--scenario", "nonsense"), ("--faults", "nonsense=1"), ("--listen", "sim:"), ("--listen", "com:port=/x")],
)
def test_what_cannot_be_served_is_one_line(arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "kdnb", "simulate", "--listen", "tcp:127.0.0.1:0", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=ENDING, check=False)
    assert done.returncode in {1, 2}
    assert done.stdout == ""
    assert done.stderr.startswith("kdnb: ")
    assert done.stderr.count("\n") == 1
