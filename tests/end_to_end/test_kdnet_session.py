"""Sessions over KDNET between processes: one after another, restarts on both sides, a wrong key."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading

import pytest

import kdnb
from kdnb.errors import AuthenticationError
from kdnb.protocol.kdnet import Channel, KdnetFrame, parse_key, seal_frame
from tests.end_to_end.simulators import execute, free_port, simulator

KEY = "5zz.7q1.x8.k3y"
TIMEOUT = 30.0


@pytest.fixture
def spec() -> str:
    return f"net:port={free_port(socket.SOCK_DGRAM)},key={KEY}"


def test_one_debugger_after_another_and_a_machine_that_is_started_again(spec):
    with simulator(spec):
        for _ in range(2):
            done = execute(spec, "r rip; ? 6*7")
            assert (done.returncode, done.stderr) == (0, "")
            assert "Evaluate expression: 42 = 00000000`0000002a" in done.stdout
            assert KEY not in done.stdout + done.stderr
    with simulator(spec):
        assert "rip=" in execute(spec, "r rip").stdout


def test_a_machine_that_is_killed_and_started_again_under_a_session(spec):
    with simulator(spec) as machine:
        kd = kdnb.connect(spec, timeout=TIMEOUT)
        kd.execute("bp nt!NtReadFile")
        machine.kill()
    states = []
    kd.events.on_state(lambda event: states.append(event.state))
    with kd, simulator(spec):
        stop = kd.reconnect(TIMEOUT)
        assert stop is not None
        assert stop.reason == "break"
        assert "rearmed" in states
        hit = kd.go(timeout=TIMEOUT)
        assert hit is not None
        assert hit.reason == "breakpoint"
        assert kd.link_statistics().sessions == 1


def test_a_machine_that_is_started_again_elsewhere_is_met_without_a_command(spec):
    came = threading.Event()
    with simulator(spec) as machine:
        kd = kdnb.connect(spec, timeout=TIMEOUT)
        kd.execute("bp nt!NtReadFile")
        kd.go(wait=False)
        kd.events.on_state(lambda event: came.set() if event.state == "restarted" else None)
        machine.kill()
    with kd, simulator(spec):  # its datagrams come from another port
        assert came.wait(2 * TIMEOUT)
        assert kd.break_in(TIMEOUT).reason == "break"
        hit = kd.go(timeout=TIMEOUT)
        assert hit is not None
        assert hit.breakpoints == (0,)
        assert kd.link_statistics().sessions == 2


def test_a_reboot_is_a_new_handshake_and_a_new_session(spec):
    with simulator(spec), kdnb.connect(spec, timeout=TIMEOUT) as kd:
        states = []
        kd.events.on_state(lambda event: states.append(event.state))
        kd.execute(".reboot")
        assert kd.break_in(TIMEOUT).reason == "break"
        assert "restarted" in states
        assert kd.link_statistics().sessions == 2


def test_the_debugger_is_killed_and_another_takes_over(spec):
    script = (
        f"import kdnb; kd = kdnb.connect({spec!r}); kd.execute('bp nt!NtReadFile'); print('up', flush=True); input()"
    )
    with simulator(spec):
        with subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as first:
            assert first.stdout is not None
            assert first.stdout.readline() == "up\n"
            first.kill()
        with kdnb.connect(spec, timeout=TIMEOUT) as kd:
            assert kd.stop is not None
            assert kd.step().reason == "step"


def test_a_wrong_key_is_named_within_the_connect(spec):
    wrong = spec.replace(KEY, "5zz.7q1.x8.k3z")
    with simulator(spec), pytest.raises(AuthenticationError, match="don't authenticate") as caught:
        kdnb.connect(wrong, timeout=60)
    assert "7q1" not in str(caught.value)


def test_forged_and_replayed_datagrams_are_dropped_and_counted(spec):
    port = int(spec.split("=")[1].split(",")[0])
    with simulator(spec), kdnb.connect(spec, timeout=TIMEOUT) as kd:
        frame = kd.packets()
        assert set(frame.transport) == {"kdnet", "kdnet-control"}
        mine = seal_frame(parse_key(KEY), parse_key("9.9.9.9"), KdnetFrame(Channel.DATA, 99, False, bytes(80)))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for _ in range(3):
                stranger.sendto(mine, ("127.0.0.1", port))
            stranger.sendto(b"hello", ("127.0.0.1", port))
        kd.step()
        assert kd.read_u64(kd.registers.rsp) is not None
        assert kd.link_statistics().rejected >= 4
        assert kd.link_statistics().forged == 0  # which counts as trouble on the line: a stranger's noise is none


def test_the_key_shows_nowhere_but_in_what_the_user_typed(spec):
    with simulator(spec), kdnb.connect(spec, timeout=TIMEOUT) as kd:
        kd.execute("vertarget; r")
        shown = [repr(kd), kd.session.spec, str(kd.execute("vertarget")), kd.packets().drop(columns="payload").to_csv()]
        assert not any(KEY in text for text in shown)


def test_the_key_may_come_from_the_environment(spec, monkeypatch):
    monkeypatch.setenv("KDNB_KEY", KEY)
    bare = spec.partition(",")[0]
    with simulator(bare), kdnb.connect(bare, timeout=TIMEOUT) as kd:
        assert kd.stop is not None


@pytest.mark.parametrize(
    "text", [f"nett:port=1,key={KEY}", f"net:port=1key={KEY}", f"net:port=1,key={KEY}.5", f"net:port=x,key={KEY}"]
)
def test_an_error_about_a_connection_string_doesnt_repeat_the_key(text):
    with pytest.raises(kdnb.errors.KdnbError) as caught:
        kdnb.connect(text)
    assert KEY not in str(caught.value)
