"""The proxy as a user runs it: `kdnb proxy` in a process of its own, between `kdnb exec` and the simulated machine."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import socket
import subprocess
import sys
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

import pytest

from kdnb.capture.open import open_capture
from kdnb.capture.packet_file import read_frames
from kdnb.capture.pcapng import TARGET_PORT
from kdnb.capture.recorder import Recorder
from kdnb.cli import main
from kdnb.errors import ConnectionStringError
from kdnb.protocol.constants import Direction
from kdnb.protocol.kdnet import KdnetCodec, parse_key
from kdnb.protocol.packet_ids import Role
from kdnb.proxy import Proxy, run_proxy
from kdnb.transport.memory import memory_pair
from kdnb.transport.registry import listen, open_transport
from tests.end_to_end.test_simulate_kdnet import KEY, free_port
from tests.systems import ON_WINE, OWN_GROUP, interrupt, local_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kdnb.transport.base import Transport

PATIENCE = 60.0
TO_TARGET, TO_HOST = Direction.TO_TARGET, Direction.TO_HOST


class Process:
    """`kdnb ...` in the background, with its ready line."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "kdnb", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **OWN_GROUP,
        )
        assert self.process.stdout is not None
        self.ready = self.process.stdout.readline()
        self.address = self.ready.split()[2] if self.ready else ""

    def end(self) -> tuple[int, str]:
        """Exit status and what it said on standard error."""
        if ON_WINE:
            pytest.skip("Wine 8 sends no Ctrl+Break")
        interrupt(self.process)
        _, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, errors

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def machine() -> Iterator[str]:
    pytest.importorskip("unicorn", reason="needs the extra `sim`")
    with Process("simulate", "--listen", "tcp:127.0.0.1:0", "--until-stdin-closes") as simulator:
        yield simulator.address


def run(address: str, commands: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kdnb", "exec", address, "-c", commands]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE * 2, check=False)


def test_a_session_over_a_bad_line_goes_well_and_its_resends_are_in_the_recording(machine: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.pcapng"
    rules = "damage=0.05,seed=1"
    with Process("proxy", "tcp:127.0.0.1:0", machine, "-o", str(path), "--faults", rules) as proxy:
        done = run(proxy.address, "r; k; db nt L80; p; lm")
        status, errors = proxy.end()
    assert (done.returncode, done.stderr) == (0, "")
    assert "ntfs" in done.stdout
    assert status == 0
    assert "the client went away" in errors
    assert "resends" in errors
    capture = open_capture(path)
    packets = capture.packets()
    assert capture.problems == []
    assert packets["resend"].sum() >= 1
    assert "RESEND" in set(packets["type"].astype(str))
    assert packets.query("valid and direction == 'to_host'")["api"].eq("ReadVirtualMemory").any()


def test_one_client_after_another_each_a_connection_of_the_recording(machine: str, tmp_path: Path) -> None:
    path = tmp_path / "two.pcapng"
    with Process("proxy", local_line(tmp_path), machine, "-o", str(path)) as proxy:
        first, second = run(proxy.address, "r"), run(proxy.address, "lm")
        status, errors = proxy.end()
    assert (first.returncode, second.returncode, status) == (0, 0, 0)
    assert errors.count("the client went away") == 2
    assert len(open_capture(path).conversations) == 2


def test_killing_the_proxy_leaves_everything_that_had_passed(machine: str, tmp_path: Path) -> None:
    path = tmp_path / "killed.pcapng"
    with Process("proxy", "tcp:127.0.0.1:0", machine, "-o", str(path)) as proxy:
        assert run(proxy.address, "r; lm").returncode == 0
        host, _, port = proxy.address.removeprefix("tcp:").rpartition(":")
        with socket.create_connection((host, int(port)), PATIENCE) as client:
            client.sendall(b"b")  # a break-in, answered by a state change
            heard = client.recv(0x10000)
            proxy.process.kill()
            proxy.process.wait(PATIENCE)
    capture = open_capture(path)
    assert capture.problems == []
    assert len(capture.conversations) == 2
    assert capture.packets()["api"].eq("GetContext").any()
    last = b"".join(chunk.data for chunk in capture.conversations[1].chunks if chunk.direction is TO_HOST)
    assert last.startswith(heard)


def test_a_kdnet_session_is_recorded_and_its_packets_can_be_written_decrypted(tmp_path: Path) -> None:
    pytest.importorskip("unicorn", reason="needs the extra `sim`")
    path, plain = tmp_path / "net.pcapng", tmp_path / "plain.pcapng"
    near, far = (f"net:port={free_port()},key={KEY}" for _ in range(2))
    with (
        Process("simulate", "--listen", far, "--until-stdin-closes"),
        Process("proxy", near, far, "-o", str(path), "--faults", "damage=0.02,dup=0.02,seed=2") as proxy,
    ):
        done = run(near, "r; lm; db nt L80")
        status, errors = proxy.end()
    assert (done.returncode, done.stderr, status) == (0, "", 0)
    assert KEY not in proxy.ready + errors
    assert "STATE_MANIPULATE" in errors
    assert main(["decode", str(path), "--key", KEY, "-o", str(plain), "--decrypted"]) in {0, 1}  # 1: damaged frames
    packets = open_capture(plain).packets()
    assert packets["api"].eq("ReadVirtualMemory").sum() >= 2
    assert set(packets["transport"].astype(str)) == {"serial"}


def test_a_stranger_on_the_proxy_s_port_does_not_get_what_is_meant_for_the_target(tmp_path: Path) -> None:
    pytest.importorskip("unicorn", reason="needs the extra `sim`")
    port = free_port()
    near, far = f"net:port={free_port()},key={KEY}", f"net:port={port},key={KEY}"
    forged = KdnetCodec(Role.TARGET, parse_key("5.6.7.8"), os.urandom).poke()
    with (
        Process("simulate", "--listen", far, "--until-stdin-closes"),
        Process("proxy", near, far, "-o", str(tmp_path / "net.pcapng")),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
    ):
        stranger.settimeout(0.02)
        heard = []

        def speak() -> None:
            while not over.is_set():
                stranger.sendto(forged, ("127.0.0.1", port))
                with contextlib.suppress(OSError):
                    heard.append(stranger.recv(4096))

        over = threading.Event()
        speaker = threading.Thread(target=speak)
        speaker.start()
        try:
            done = run(near, "r; lm; db nt L2000")
        finally:
            over.set()
            speaker.join()
    assert (done.returncode, done.stderr) == (0, "")
    # before the target was heard there is nobody else whom an answer could go to
    assert len(heard) <= 1


@pytest.mark.external("tshark")
def test_wireshark_opens_the_recording(machine: str, tmp_path: Path) -> None:
    path = tmp_path / "shark.pcapng"
    with Process("proxy", "tcp:127.0.0.1:0", machine, "-o", str(path)) as proxy:
        assert run(proxy.address, "r").returncode == 0
        proxy.end()
    shark = [str(shutil.which("tshark")), "-r", str(path)]
    assert "Malformed" not in subprocess.run(shark, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
    command = [*shark, "-T", "fields", "-e", "tcp.payload", "-e", "tcp.srcport"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    to_host = bytes.fromhex("".join(payload for payload, port in lines if port == str(TARGET_PORT)))
    chunks = open_capture(path).conversations[0].chunks
    assert to_host == b"".join(chunk.data for chunk in chunks if chunk.direction is TO_HOST)
    assert b"ntoskrnl" in to_host.replace(b"\0", b"") or len(to_host) > 1000


# --- the same without processes ---------------------------------------------------------------------


@contextlib.contextmanager
def proxying(path: Path, open_target: Callable[[], Transport], **settings: object) -> Iterator[tuple[str, list[str]]]:
    """A proxy on a thread: where it listens and what it tells."""
    told: list[str] = []
    recorder = Recorder(path)
    with contextlib.closing(recorder), contextlib.closing(listen("tcp:127.0.0.1:0")) as listener:
        proxy = Proxy(listener, open_target, recorder, tell=told.append, **settings)  # type: ignore[arg-type]
        thread = threading.Thread(target=proxy.run)
        thread.start()
        try:
            yield listener.address, told
        finally:
            proxy.close()
            thread.join(PATIENCE)


def connect(address: str) -> socket.socket:
    host, _, port = address.removeprefix("tcp:").rpartition(":")
    return socket.create_connection((host, int(port)), PATIENCE)


def read_to_end(client: socket.socket) -> bytes:
    data = b""
    with contextlib.suppress(ConnectionError):
        while part := client.recv(0x10000):
            data += part
    return data


def test_a_target_that_goes_away_ends_the_conversation_but_not_the_proxy(tmp_path: Path) -> None:
    ends: list[Transport] = []

    def open_target() -> Transport:
        near, far = memory_pair()
        ends.append(far)
        far.write(b"hello")
        return near

    with proxying(tmp_path / "x.pcapng", open_target) as (address, told):
        for _ in range(2):
            with connect(address) as client:
                assert client.recv(5) == b"hello"
                ends[-1].write(b"last words")
                ends[-1].close()
                assert read_to_end(client) == b"last words"
    assert sum("the target went away" in line for line in told) == 2


def test_a_target_that_is_not_there_is_one_line_and_the_client_is_let_go(tmp_path: Path) -> None:
    listener = listen("tcp:127.0.0.1:0")
    nowhere = listener.address
    listener.close()
    with (
        proxying(tmp_path / "x.pcapng", lambda: open_transport(nowhere)) as (address, told),
        connect(address) as client,
    ):
        assert read_to_end(client) == b""
    assert len(told) == 1
    assert told[0].startswith("can't connect")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no terminals")
def test_a_serial_line_on_each_side_is_served_again_when_its_target_comes_back(tmp_path: Path) -> None:
    """Terminal pairs in place of the cables; the target's end is pulled and put back."""

    import tty

    def cable() -> tuple[int, str]:
        master, slave = os.openpty()
        tty.setraw(slave)
        name = os.ttyname(slave)
        kept.append(slave)
        return master, name

    def read(master: int, size: int) -> bytes:
        data = b""
        while len(data) < size:
            assert select.select([master], [], [], PATIENCE)[0], "nothing came"
            data += os.read(master, size)
        return data

    def wait_for_conversation() -> None:
        """A port that is opened forgets what came before."""
        while not told.get(timeout=PATIENCE).startswith("a client is there"):
            pass

    kept: list[int] = []
    client, client_name = cable()
    target, target_name = cable()
    told: SimpleQueue[str] = SimpleQueue()
    targets = [target_name]
    recorder = Recorder(tmp_path / "line.pcapng")
    listener = listen(f"com:port={client_name}")
    proxy = Proxy(listener, lambda: open_transport(f"com:port={targets[-1]}"), recorder, tell=told.put)
    thread = threading.Thread(target=proxy.run, daemon=True)
    thread.start()
    wait_for_conversation()
    os.write(client, b"b")
    assert read(target, 1) == b"b"
    os.write(target, bytes(range(256)))
    assert read(client, 256) == bytes(range(256))
    again, again_name = cable()
    targets.append(again_name)
    os.close(kept[1])
    os.close(target)
    wait_for_conversation()
    os.write(again, b"back")
    assert read(client, 4) == b"back"
    proxy.close()
    thread.join(PATIENCE)
    listener.close()
    recorder.close()
    assert len(conversations_of(recorder.path)) == 2
    for descriptor in (client, again, kept[0], kept[2]):
        os.close(descriptor)


def conversations_of(path: Path) -> dict[int, bytes]:
    """What each conversation of a recording holds, by the client's port; packets or not."""
    problems: list[str] = []
    found: dict[int, bytes] = {}
    for frame in read_frames(path.read_bytes(), problems):
        ports = [int.from_bytes(frame.data[at : at + 2], "big") for at in (20, 22)]
        port = next(port for port in ports if port != TARGET_PORT)
        found[port] = found.get(port, b"") + frame.data[40:]
    assert problems == []
    return found


@pytest.mark.parametrize(
    ("near", "far", "says"),
    [
        ("tcp:127.0.0.1:0", "net:port=1,key=1.2.3.4", "can't be joined"),
        ("net:port=1,key=1.2.3.4", "net:port=2,key=1.2.3.5", "different keys"),
        ("nonsense", "tcp:127.0.0.1:1", "no connection string"),
        ("tcp:127.0.0.1:0", "sim:", "no byte stream"),
    ],
)
def test_ends_that_can_not_be_joined_are_refused_before_anything_is_opened(
    near: str, far: str, says: str, tmp_path: Path
) -> None:
    with pytest.raises(ConnectionStringError, match=says):
        run_proxy(near, far, tmp_path / "x.pcapng", write=print, tell=print)
    assert list(tmp_path.iterdir()) == []


def test_datagrams_are_counted_with_the_key(tmp_path: Path) -> None:
    """KDNET frames of a made-up key: what doesn't authenticate passes all the same, and counts as invalid."""

    class OneClient:
        address = "net:"

        def __init__(self, end: Transport) -> None:
            self.ends = [end]

        def accept(self, timeout: float) -> Transport | None:
            return self.ends.pop() if self.ends else None

        def close(self) -> None: ...

    host, client_end = memory_pair(datagrams=True)
    target, target_end = memory_pair(datagrams=True)
    told: list[str] = []
    recorder = Recorder(tmp_path / "net.pcapng", datagrams=True)
    proxy = Proxy(OneClient(client_end), lambda: target_end, recorder, key=parse_key("1.2.3.4"), tell=told.append)
    thread = threading.Thread(target=proxy.run)
    thread.start()
    target.write(b"MDBG and what does not authenticate")
    assert host.read(PATIENCE) == b"MDBG and what does not authenticate"
    host.write(b"MDBG too")
    assert target.read(PATIENCE) == b"MDBG too"
    proxy.close()
    thread.join(PATIENCE)
    recorder.close()
    assert "invalid 2" in told[-1]


@pytest.mark.parametrize("arguments", [(), ("tcp:127.0.0.1:0", "tcp:127.0.0.1:1"), ("x", "y", "-o", "z.pcapng")])
def test_a_wrong_command_line_is_status_2(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = main(["proxy", *arguments])
    except SystemExit as exit_:
        status = int(exit_.code or 0)
    assert status == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_recording_that_is_no_pcapng_is_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["proxy", "tcp:127.0.0.1:0", "tcp:127.0.0.1:1", "-o", str(tmp_path / "x.csv")]) == 2
    assert "pcapng" in capsys.readouterr().err
