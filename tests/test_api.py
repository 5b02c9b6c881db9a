"""What a script holds: connecting, the debugger, its end; with the simulated machine as a child process."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import kdnb
from kdnb.errors import (
    AuthenticationError,
    Cancelled,
    CaptureError,
    CapturesError,
    CommandError,
    ConnectError,
    ConnectionStringError,
    MemoryReadError,
    ReadOnlyError,
    StaleError,
    TargetRunningError,
    UnsupportedError,
    UsageError,
)
from kdnb.protocol.kdnet import KdnetCodec, parse_key
from kdnb.protocol.link import Link, Role
from kdnb.target.base import Capability
from kdnb.transport.signals import interrupt_main_thread
from kdnb.transport.udp import UdpTransport
from tests.debugger.simulated import serve
from tests.debugger.x86_target import X86Machine
from tests.target.scripted import ScriptedTarget

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.api import Debugger
    from kdnb.results.events import Stop

TIMEOUT = 30.0


@pytest.fixture
def kd() -> Iterator[Debugger]:
    with kdnb.connect("sim:") as debugger:
        yield debugger


def test_connecting_to_the_simulated_machine_stops_it_and_knows_its_symbols(kd: Debugger) -> None:
    assert kd.stop is not None
    assert kd.stop.symbol == "nt!DbgBreakPointWithStatus"
    assert kd.symbols["nt!KeBugCheckEx"] == kd.evaluate("nt!KeBugCheckEx")
    assert kd.symbols.nearest(kd.symbols["nt!KeBugCheckEx"] + 4) == "nt!KeBugCheckEx+0x4"
    assert kd.modules["NT"].start == kd.evaluate("nt")
    assert {"nt", "disk"} <= {module.name for module in kd.modules}
    assert Capability.EXECUTION in kd.capabilities
    assert "stopped: break" in repr(kd)


def test_memory_verbs_read_write_and_say_where_a_hole_begins(kd: Debugger) -> None:
    base = kd.modules["nt"].start
    assert kd.read(base, 2) == b"MZ"
    assert (kd.read_u8(base), kd.read_u16(base), kd.read_u32(base) & 0xFFFF) == (0x4D, 0x5A4D, 0x5A4D)
    place = kd.symbols["nt!KdPrintDefaultCircularBuffer"]
    kd.write(place, b"hello\0")
    assert kd.read_string(place) == "hello"
    with pytest.raises(MemoryReadError) as caught:
        kd.read(0x1000, 16)
    assert (caught.value.address, caught.value.size, caught.value.partial) == (0x1000, 16, b"")
    assert kd.physical.read(kd.registers.cr3 & ~0xFFF, 8) != b""


def test_registers_are_attributes_items_and_complete(kd: Debugger) -> None:
    kd.registers.rax = 0x1234
    kd.registers["rbx"] = kd.registers.rax + 1
    assert (kd.registers["rax"], kd.registers.ebx) == (0x1234, 0x1235)
    assert {"rip", "efl", "zf", "r8d", "cr3"} <= set(dir(kd.registers))
    with pytest.raises(AttributeError):
        _ = kd.registers.nonsense


def test_commands_give_values_and_a_failure_keeps_those_before_it(kd: Debugger) -> None:
    registers, stack = kd.execute("r; k")
    assert registers.rip == kd.registers.rip
    assert len(stack) > 3
    with pytest.raises(CommandError) as caught:
        kd.execute("? 1 + 1; dd nt!NoSuchThing; k")
    assert [int(value) for value in caught.value.results] == [2]
    shown: list[object] = []
    kd.execute("? 5; ? 6", on_result=shown.append)
    assert [int(value) for value in shown] == [5, 6]


def test_packets_name_the_cell_and_the_command_that_caused_them(kd: Debugger) -> None:
    kd.execute("k", cell="7")
    frame = kd.packets()
    mine = frame[(frame.command == "k") & (frame.cell == "7")]
    assert set(mine.api.dropna()) == {"ReadVirtualMemory"}
    assert frame[frame.api == "GetVersion"].command.isna().all()


def test_running_breaking_and_breakpoints_through_the_debugger(kd: Debugger) -> None:
    stops: list[Stop] = []
    kd.events.on_stop(stops.append)
    breakpoint = kd.breakpoints.add("nt!NtDelayExecution", when=lambda stop: kd.registers.rip == stop.address)
    stop = kd.go(timeout=TIMEOUT)
    assert stop is not None
    assert stop.hit(breakpoint)
    assert stops == [stop]
    assert kd.breakpoints[0].hits == 1
    kd.breakpoints.clear()
    assert kd.go(wait=False) is None
    with pytest.raises(TargetRunningError, match=r"kd.break_in\(\)"):
        kd.registers.snapshot()
    assert kd.break_in().requested
    with pytest.raises(StaleError):
        kd.require_current(stop)
    assert kd.step().reason == "step"
    assert kd.step_over().reason == "step"


def test_names_complete(kd: Debugger) -> None:
    assert kd.complete("nt!KeBug") == ["nt!KeBugCheck", "nt!KeBugCheck2", "nt!KeBugCheckCount", "nt!KeBugCheckEx"]
    assert "@rip" in kd.complete("@ri")
    assert kd.complete("dis") == ["disk!"]


def test_a_read_only_debugger_changes_nothing() -> None:
    with kdnb.connect("sim:", read_only=True) as kd:
        with pytest.raises(ReadOnlyError):
            kd.write(kd.modules["nt"].start, b"x")
        with pytest.raises(ReadOnlyError):
            kd.registers.rax = 1


def test_connecting_without_breaking_in_leaves_the_first_stop_to_an_event() -> None:
    with kdnb.connect("sim:", break_in=False) as kd:
        assert kd.is_running
        assert kd.break_in(TIMEOUT).reason == "break"
        assert "nt" in kd.modules


def test_closing_ends_the_child_and_further_use_says_so() -> None:
    kd = kdnb.connect("sim:")
    machine = kd._line.machine
    assert machine is not None
    assert machine.is_running
    assert os.path.isdir(machine.symbols)
    kd.close()
    kd.close()
    assert not machine.is_running
    assert not os.path.exists(machine.symbols)
    with pytest.raises(UsageError, match="closed"):
        kd.read(0, 1)


def test_the_child_does_not_survive_a_parent_that_was_killed() -> None:
    script = """
import kdnb, os
kd = kdnb.connect("sim:")
print(kd._line.machine.address.rpartition(":")[2], flush=True)
os.kill(os.getpid(), 9)
"""
    parent = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    port = int(parent.stdout)
    for _ in range(200):  # it ends once its standard input is closed
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            continue  # it ended with this very connection in its queue; the next one is refused
        subprocess.run([sys.executable, "-c", "pass"], check=True)
    pytest.fail("the child still listens")


def test_a_script_that_just_ends_lets_the_target_run_on() -> None:
    script = """
import kdnb, sys
kd = kdnb.connect(sys.argv[1])
kd.breakpoints.add("nt!KeBugCheckEx")
print(kd.read_u64(int(sys.argv[2], 16)))
"""
    with serve() as address:
        with kdnb.connect("sim:") as kd:
            ticks = kd.symbols["nt!KeTickCount"]
        done = subprocess.run(
            [sys.executable, "-c", script, address, f"{ticks:x}"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        with kdnb.connect(address) as kd:
            assert kd.read_u64(ticks) > int(done.stdout)


@contextlib.contextmanager
def kdnet_target(key: str) -> Iterator[int]:
    """A 32-bit target that offers itself over KDNET; gives the host's port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    machine, codec = X86Machine(), KdnetCodec(Role.TARGET, parse_key(key), os.urandom)
    transport = UdpTransport.bind("127.0.0.1", 0, peer=("127.0.0.1", port))
    target = ScriptedTarget(transport, machine.answer, Link(Role.TARGET, kdnet=codec))
    target.announcement = machine.announce()
    done = threading.Event()

    def poke() -> None:
        while not done.wait(0.02):
            transport.write(codec.poke())

    poker = threading.Thread(target=poke)
    poker.start()
    try:
        yield port
    finally:
        done.set()
        poker.join()
        target.close()


def test_a_target_on_the_network_is_debugged_through_its_key() -> None:
    with kdnet_target("1.2.3.4") as port, kdnb.connect(f"net:port={port},key=1.2.3.4", timeout=TIMEOUT) as kd:
        assert kd.stop is not None
        assert kd.registers.eax == 0x11223344
        assert kd.step().reason == "step"
        frame = kd.packets()
        assert {"kdnet", "kdnet-control"} <= set(frame.transport)
        assert "GetContext" in set(frame.api.dropna())


def test_a_wrong_key_is_named_as_the_reason() -> None:
    with kdnet_target("1.2.3.4") as port, pytest.raises(AuthenticationError, match="key"):
        kdnb.connect(f"net:port={port},key=4.3.2.1", timeout=TIMEOUT)


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ("nowhere", ConnectionStringError),
        ("sim:scenario=nonsense", ConnectionStringError),
        ("sim:arch=ia64", ConnectionStringError),
        ("sim:color=red", ConnectionStringError),
        ("dump:MEMORY.DMP", UnsupportedError),
        ("tcp:127.0.0.1:1", ConnectError),
    ],
)
def test_what_cannot_be_connected_is_one_clear_line(spec: str, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        kdnb.connect(spec, timeout=5)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("timeout", [-1, float("nan"), float("inf"), None, "5"])
def test_a_timeout_that_is_none_is_refused_before_anything_is_opened(timeout: float) -> None:
    with pytest.raises(UsageError, match="is no number of seconds; from 0 to"):
        kdnb.connect("tcp:127.0.0.1:1", timeout=timeout)


@pytest.mark.parametrize("spec", [None, 5, b"sim:", ["sim:"]])
def test_a_connection_string_is_a_text(spec: str) -> None:
    with pytest.raises(ConnectionStringError, match="is no connection string; it is a text"):
        kdnb.connect(spec)


def test_an_interrupt_ends_the_waiting_for_a_target_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        told = []

        def interrupt(line: str) -> None:
            told.append(line)
            interrupt_main_thread()

        with pytest.raises(Cancelled, match="connecting was stopped"):
            kdnb.connect(f"tcp:127.0.0.1:{silent.getsockname()[1]}", timeout=300, progress=interrupt)
        assert len(told) == 1


def test_captures_are_opened_by_pattern_with_one_key_several_or_one_for_each_name(shared: Path) -> None:
    pattern, name = shared / "captures" / "*.gz", "windbg-kdnet.pcapng.gz"
    keys = ("8.8.8.8", ["1.2.3.4", "8.8.8.8"], {name: "8.8.8.8"}, {str(shared / "captures" / name): "8.8.8.8"})
    for given in keys:
        (capture,) = kdnb.open_captures(pattern, keys=given)
        assert capture.frames == 955
    assert kdnb.open_captures(shared / "nothing*") == []
    with pytest.raises(CaptureError, match="none of the 955 KDNET frames"):
        kdnb.open_captures(pattern, keys={name: "1.2.3.4"})
    assert len(kdnb.open_captures(shared / "captures" / "*.pcap")) == 2


def test_a_file_that_is_no_capture_costs_none_of_the_others(shared: Path, tmp_path: Path) -> None:
    good = sorted((shared / "captures").glob("*.pcap"))
    for path in good:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "a-note.txt").write_text("no capture")
    (tmp_path / "m-folder").mkdir()
    with pytest.raises(
        CapturesError, match=r"2 of 4 files can't be opened as captures: .*a-note\.txt is no capture"
    ) as told:
        kdnb.open_captures(tmp_path / "*")
    assert [Path(capture.name).name for capture in told.value.opened] == [path.name for path in good]
    assert [Path(path).name for path in told.value.failed] == ["a-note.txt", "m-folder"]
    with pytest.raises(CaptureError, match=r"a-note\.txt is no capture") as alone:
        kdnb.open_captures(tmp_path / "*.txt")
    assert "\n" not in str(alone.value)


def test_a_name_that_is_no_pattern_is_one_file(shared: Path, tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"can't read '.*typo\.pcap'"):
        kdnb.open_captures(tmp_path / "typo.pcap")
    odd = tmp_path / "run[1].pcap"
    odd.write_bytes(next((shared / "captures").glob("*.pcap")).read_bytes())
    assert len(kdnb.open_captures(odd)) == 1
