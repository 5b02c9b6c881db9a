"""Connecting to a target in whatever state it is, and finding it again after it was lost."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading

import pytest

import kdnb
from kdnb.debugger.engine import clock
from kdnb.errors import Cancelled, ConnectError, KdnbError, LinkError
from kdnb.protocol.codec import DebugPrint, DebugPrompt
from kdnb.protocol.link import Link, Role
from kdnb.target.base import Printed, Prompted, StateChanged
from kdnb.target.live import LiveTarget
from kdnb.target.settings import LiveSettings
from kdnb.transport.memory import memory_pair
from kdnb.transport.pump import Pump
from kdnb.transport.registry import listen
from tests.end_to_end.simulators import execute, free_port, simulator
from tests.simulator.raw_client import RawClient
from tests.systems import kill
from tests.target.scripted import ScriptedTarget, breakpoint_stop, events

TIMEOUT = 30.0


@pytest.fixture
def spec() -> str:
    return f"tcp:127.0.0.1:{free_port()}"


# --- the states of a target -----------------------------------------------------------------------


def test_a_target_that_is_booting(spec):
    with simulator(spec, "--scenario", "boot"), kdnb.connect(spec, timeout=TIMEOUT) as kd:
        assert kd.stop is not None
        assert kd.modules["nt"].base


def test_a_running_target(spec):
    with simulator(spec), kdnb.connect(spec, timeout=TIMEOUT) as kd:
        assert kd.stop is not None
        assert kd.stop.reason == "break"


def test_a_target_that_stopped_for_another_debugger_which_is_gone(spec):
    with simulator(spec):
        with RawClient(spec) as client:
            client.break_in()  # acknowledged: it is stopped and idle
        with kdnb.connect(spec, timeout=TIMEOUT) as kd:
            assert kd.step().reason == "step"


def test_a_target_whose_announcement_nobody_has_acknowledged(spec):
    with simulator(spec):
        with RawClient(spec) as client:
            client.send(b"b")
            client.packet()  # the announcement is in flight for ever
        with kdnb.connect(spec, timeout=TIMEOUT) as kd:
            assert kd.step().reason == "step"


def test_a_target_with_half_a_packet_of_the_last_debugger_in_its_ears(spec):
    with simulator(spec):
        with RawClient(spec) as client:
            client.break_in()
            client.send(b"0000\x02\x00\x38\x00")
        with kdnb.connect(spec, timeout=TIMEOUT) as kd:
            assert kd.read(kd.modules["nt"].base, 2) == b"MZ"


def test_a_target_that_asks_a_question():
    here, there = memory_pair()
    target = LiveTarget(Pump(here, Link(Role.HOST)), clock=clock)
    scripted = ScriptedTarget(there, lambda message: [])
    try:
        scripted.send(DebugPrompt(b"Break or Ignore (bi)? ", 2))
        target.connect(TIMEOUT, break_in=True)
        event = target.wait(TIMEOUT)
        assert isinstance(event, Prompted)
        assert scripted.wait_for(1)
    finally:
        target.close()
        scripted.close()


def test_a_target_in_the_middle_of_a_print():
    here, there = memory_pair()
    target = LiveTarget(Pump(here, Link(Role.HOST)), clock=clock)
    scripted = ScriptedTarget(there, lambda message: [])
    try:
        scripted.send(DebugPrint(b"hello"), breakpoint_stop())
        target.connect(TIMEOUT, break_in=True)
        assert [type(event) for event in events(target, 2)] == [Printed, StateChanged]
    finally:
        target.close()
        scripted.close()


# --- not there yet --------------------------------------------------------------------------------


def silent(**settings: float) -> tuple[LiveTarget, object]:
    here, there = memory_pair()
    quick = LiveSettings(progress_after=0.05, progress_interval=0.05, **settings)
    return LiveTarget(Pump(here, Link(Role.HOST)), clock=clock, settings=quick), there


def test_waiting_says_what_was_seen_why_that_may_be_and_what_to_do():
    target, _ = silent()
    told: list[str] = []
    target.progress = told.append
    with pytest.raises(ConnectError, match=r"doesn't answer .*nothing seen; likely .*isn't started"):
        target.connect(0.3, break_in=True)
    assert told
    assert told[0].startswith("waiting for the target (0 s): nothing seen")
    target.close()


def test_bytes_that_are_no_packets_are_told_from_silence():
    target, there = silent()
    there.write(b"Booting from disk...")
    with pytest.raises(ConnectError, match="20 bytes seen, no packet among them"):
        target.connect(0.3, break_in=True)
    target.close()


def test_stop_ends_the_waiting():
    target, _ = silent()
    pressed = threading.Event()
    target.cancelled = pressed.is_set
    target.progress = lambda line: pressed.set()
    with pytest.raises(Cancelled):
        target.connect(TIMEOUT, break_in=True)
    target.close()


def test_with_reconnect_a_target_that_is_not_there_yet_is_waited_for(spec):
    told: list[str] = []
    with contextlib.ExitStack() as stack:

        def start(line: str) -> None:
            told.append(line)
            if len(told) == 1:
                stack.enter_context(simulator(spec))

        with kdnb.connect(f"{spec},reconnect", timeout=TIMEOUT, progress=start) as kd:
            assert kd.stop is not None
    assert "waiting for tcp:" in told[0]


def test_without_it_nobody_at_the_other_end_is_an_error_at_once(spec):
    began = clock()
    with pytest.raises(ConnectError):
        kdnb.connect(spec, timeout=TIMEOUT)
    assert clock() - began < TIMEOUT / 2


def test_end_of_file_while_connecting_is_an_error_at_once(spec):
    listener = listen(spec)

    def hang_up() -> None:
        client = listener.accept(TIMEOUT)
        assert client is not None
        client.close()

    thread = threading.Thread(target=hang_up)
    thread.start()
    with pytest.raises(ConnectError, match="closed"):
        kdnb.connect(spec, timeout=TIMEOUT)
    thread.join()
    listener.close()


def test_settings_of_the_link_come_with_the_connection_string(spec):
    with simulator(spec), kdnb.connect(f"{spec},resets=3,ack_timeout=0.5,verify", timeout=TIMEOUT) as kd:
        nt = kd.modules["nt"].base
        before = kd.packets()
        assert kd.read(nt + 0x1000, 0x800) == kd.read(nt + 0x1000, 0x800)
        asked = kd.packets().iloc[len(before) :].query("api == 'ReadVirtualMemory' and direction == 'to_target'")
        assert len(asked.query("type == 'STATE_MANIPULATE'")) % 2 == 0


@pytest.mark.parametrize("option", ["resets=x", "ack_timeout=0", "attempts=0", "retries=1.5", "reply_timeout=-1"])
def test_a_setting_that_can_not_be_is_one_line(option):
    with pytest.raises(kdnb.errors.ConnectionStringError):
        kdnb.connect(f"tcp:127.0.0.1:1,{option}")


# --- lost and found -------------------------------------------------------------------------------


def test_the_simulator_is_killed_and_started_again(spec):
    states: list[str] = []
    with simulator(spec) as machine:
        kd = kdnb.connect(spec, timeout=TIMEOUT)
        kd.events.on_state(lambda event: states.append(f"{event.state} {event.details}"))
        kd.execute("bp nt!NtReadFile")
        machine.kill()
        machine.wait()
        with pytest.raises(LinkError, match=r"the link is lost.*\.restart"):
            kd.step()
    with pytest.raises(ConnectError):
        kd.reconnect(0.6)
    with simulator(spec), kd:
        kd.execute(".restart")
        assert "rearmed breakpoints set again: 0" in states
        hit = kd.go(timeout=TIMEOUT)
        assert hit is not None
        assert hit.reason == "breakpoint"
        assert len(kd.packets()) > 50  # the log is one, over both lines


def test_sim_begins_again_with_a_new_machine():
    with kdnb.connect("sim:", timeout=TIMEOUT) as kd:
        assert kd._line is not None
        assert kd._line.machine is not None
        kill(kd._line.machine.process_id)
        with pytest.raises(KdnbError):
            kd.step()
        stop = kd.reconnect(TIMEOUT)
        assert stop is not None
        assert stop.reason == "break"


def test_a_reboot_drops_what_was_known_and_sets_breakpoints_again(spec):
    states: list[str] = []
    with simulator(spec), kdnb.connect(spec, timeout=TIMEOUT) as kd:
        kd.events.on_state(lambda event: states.append(event.state))
        kd.execute("bp nt!NtReadFile")
        kd.execute(".reboot")
        kd.session.options["go_timeout"] = TIMEOUT
        assert kd.execute("g")[0].reason == "breakpoint"
        assert states.index("restarted") < states.index("rearmed")


def test_the_debugger_is_killed_at_a_stop_and_another_takes_over(spec):
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
        done = execute(spec, "r rip; bl; t")
        assert done.returncode == 0, done.stderr
        assert "nt!NtReadFile" not in done.stdout.partition("bl")[2].partition("kd>")[0]
