"""A line that is lost and found again by itself, over TCP, with real engines and machines."""

from __future__ import annotations

import contextlib
import queue
from typing import TYPE_CHECKING

import pytest

import kdnb
from kdnb.errors import ConnectionStringError, LinkError
from kdnb.transport.registry import listen
from tests.debugger.simulated import serving
from tests.end_to_end.simulators import free_port, simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.api import Debugger
    from kdnb.results.events import LinkStateChange

TIMEOUT = 60.0


class States:
    """The changes of a debugger's state, to be waited for."""

    def __init__(self, debugger: Debugger) -> None:
        self._came: queue.Queue[LinkStateChange] = queue.Queue()
        debugger.events.on_state(self._came.put)

    def wait_for(self, state: str) -> LinkStateChange:
        while (event := self._came.get(timeout=TIMEOUT)).state != state:
            pass
        return event


@contextlib.contextmanager
def connected(spec: str, **options: object) -> Iterator[tuple[Debugger, States]]:
    with kdnb.connect(spec, timeout=TIMEOUT, **options) as debugger:  # type: ignore[arg-type]  # connect's own
        yield debugger, States(debugger)


def test_a_target_that_stood_still_is_found_at_its_stop_and_stays_there():
    with serving() as server, connected(server.address) as (kd, states):
        kd.execute("bp nt!NtReadFile")
        hit = kd.go(timeout=TIMEOUT)
        assert hit is not None
        ticks = server.machine.ticks
        server.cut()
        states.wait_for("lost")
        states.wait_for("connected")
        assert "breakpoints set again: 0" in states.wait_for("rearmed").details
        states.wait_for("stopped")
        found = kd.stop
        assert found is not None
        assert found.address == hit.address
        assert found.sequence > hit.sequence
        assert server.machine.ticks == ticks
        kd.execute("r")
        again = kd.go(timeout=TIMEOUT)
        assert again is not None
        assert again.breakpoints == (0,)


def test_a_stop_that_the_filters_would_pass_over_is_kept_as_well():
    with serving() as server, connected(server.address) as (kd, states):
        kd.execute("bp nt!NtReadFile")
        assert kd.go(timeout=TIMEOUT) is not None
        kd.execute("bc 0; sxi bpe")
        server.cut()
        states.wait_for("connected")
        states.wait_for("stopped")
        assert kd.stop is not None
        assert "stood still" in kd.stop.details


def test_a_target_that_ran_goes_on_running_and_can_be_stopped():
    with serving() as server, connected(server.address) as (kd, states):
        kd.go(wait=False)
        server.cut()
        states.wait_for("connected")
        assert kd.is_running
        before = server.machine.ticks
        stop = kd.break_in(TIMEOUT)
        assert stop.requested
        assert server.machine.ticks > before


def test_a_target_that_is_started_again_is_met_without_a_command():
    spec = f"tcp:127.0.0.1:{free_port()}"
    with contextlib.ExitStack() as stack:
        with simulator(spec) as machine:
            kd, states = stack.enter_context(connected(spec))
            kd.execute("bp nt!NtReadFile")
            machine.kill()
            machine.wait()
            with pytest.raises(LinkError, match="the link is lost"):
                kd.step()
            states.wait_for("lost")
            with pytest.raises(LinkError, match="opened again as soon as somebody is there"):
                kd.step()
        stack.enter_context(simulator(spec))
        states.wait_for("connected")
        kd.break_in(TIMEOUT)
        assert "breakpoints set again: 0" in states.wait_for("rearmed").details
        hit = kd.go(timeout=TIMEOUT)
        assert hit is not None
        assert hit.breakpoints == (0,)


def test_who_waits_for_the_target_hears_of_the_end_at_once():
    with serving() as server, connected(f"{server.address},reconnect") as (kd, _):
        kd.events.on_state(lambda event: server.cut() if event.state == "running" else None)
        with pytest.raises(LinkError, match="link is lost"):
            kd.go()


def test_it_can_be_switched_off():
    with serving() as server, connected(f"{server.address},reconnect=off") as (kd, states):
        server.cut()
        states.wait_for("lost")
        with pytest.raises(LinkError, match=r"\.restart or kd\.reconnect\(\) opens it anew"):
            kd.step()
        assert not kd.session.connecting.is_retrying
        assert kd.reconnect(TIMEOUT) is not None


def test_a_line_that_closes_as_soon_as_it_is_open_is_no_news():
    with (
        contextlib.closing(listen("tcp:127.0.0.1:0")) as listener,
        serving() as server,
        connected(server.address) as (kd, states),
    ):
        kd.session.target._open_pump, line = lambda: _to(listener.address), kd.session.target._open_pump
        server.cut()
        states.wait_for("lost")
        for _ in range(2):
            client = None
            while client is None:
                client = listener.accept(TIMEOUT)
            client.close()
        told = [event.state for event in list(states._came.queue)]
        assert told.count("connected") <= 1
        assert "lost" not in told
        kd.session.target._open_pump = line
        listener.close()  # an attempt that is under way ends, and the next one finds the machine
        states.wait_for("stopped")
        assert kd.execute("r rip")


def _to(address: str):
    from kdnb.protocol.link import Link, Role
    from kdnb.transport.pump import Pump
    from kdnb.transport.registry import open_transport

    return Pump(open_transport(address), Link(Role.HOST))


def test_only_words_that_it_knows_follow_reconnect():
    with pytest.raises(ConnectionStringError, match="reconnect=often can't be"):
        kdnb.connect("tcp:127.0.0.1:1,reconnect=often")
