"""A lost line that is tried again by itself, in virtual time; over real lines it is tried in `end_to_end`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.errors import ConnectError, LinkError
from kdnb.simulator.machine import Machine
from kdnb.target.live import LiveTarget
from tests.debugger.virtual_machine import VirtualMachine, virtual_session

if TYPE_CHECKING:
    from kdnb.debugger.session import Session
    from kdnb.results.events import LinkStateChange

LONG = 20.0
"""Real seconds for a thread that has something to do at once."""


class Reopened:
    """A session whose line was lost; `attempts` are made as its clock moves on."""

    def __init__(self, retry_for: float) -> None:
        machine = Machine("idle")
        machine.boot()
        self.pump = VirtualMachine(machine)
        self.session: Session = virtual_session(self.pump)
        self.session.connect(60.0)
        self.attempts = 0
        self.there = False
        assert isinstance(self.session.target, LiveTarget)
        self.target = self.session.target
        self.target._open_pump = self._open  # type: ignore[assignment]  # as good as a pump
        self.session.connecting.retry_for = retry_for
        self.states: list[LinkStateChange] = []
        self.session.events.on_state(self.states.append)
        self.target._lose("the other end closed the connection")
        self.session.execution.serve(0.0)

    def _open(self) -> VirtualMachine:
        self.attempts += 1
        if not self.there:
            raise ConnectError("nobody listens there")
        return self.pump

    def pass_time(self, seconds: float) -> None:
        """What the engine does while nobody asks it for something."""
        end = self.pump.clock.now + seconds
        while self.pump.clock.now < end:
            self.session.execution.serve(0.1)
            if self.target._opening is not None:
                assert self.target._opening.wait(LONG)
            self.pump.clock.advance(0.1)

    def told(self) -> list[str]:
        return [event.state for event in self.states]


def test_it_is_tried_again_and_again_for_as_long_as_was_said():
    line = Reopened(retry_for=30.0)
    line.pass_time(20.0)
    assert line.attempts > 5
    assert line.session.connecting.is_retrying
    line.pass_time(20.0)
    attempts = line.attempts
    assert not line.session.connecting.is_retrying
    assert line.told() == ["lost", "lost"]
    assert "nobody listens there" in line.states[-1].details
    assert ".restart" in line.states[-1].details
    line.pass_time(20.0)
    assert line.attempts == attempts


def test_who_asks_meanwhile_hears_what_is_being_done():
    line = Reopened(retry_for=30.0)
    with pytest.raises(LinkError, match="opened again as soon as somebody is there"):
        line.session.require_stopped()


def test_a_target_that_stood_still_is_heard_again_without_a_break_in():
    line = Reopened(retry_for=30.0)
    before = line.pump.statistics.break_ins
    line.pass_time(5.0)
    line.there = True
    line.pass_time(5.0)
    assert line.session.stop is not None
    assert line.pump.statistics.break_ins == before
    assert line.told()[:2] == ["lost", "connected"]
    assert line.told()[-1] == "stopped"


def test_without_a_time_for_it_nothing_is_tried():
    line = Reopened(retry_for=0.0)
    line.pass_time(10.0)
    assert line.attempts == 0
    assert line.session.connecting.until_retry() is None
