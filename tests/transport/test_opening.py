"""Opening a line on a thread of its own."""

from __future__ import annotations

import threading

import pytest

from kdnb.errors import ConnectError, TransportClosed
from kdnb.protocol.link import Link, Role
from kdnb.transport.memory import memory_pair
from kdnb.transport.opening import Opening
from kdnb.transport.pump import Pump

LONG = 20.0


def pump_and_peer():
    here, there = memory_pair()
    return Pump(here, Link(Role.HOST)), there


def test_what_was_opened_belongs_to_who_takes_it():
    pump, _ = pump_and_peer()
    opening = Opening(lambda: pump)
    assert opening.wait(LONG)
    assert opening.take() is pump
    opening.abandon()
    pump.start()
    pump.send_break_in()  # still open
    pump.close()


@pytest.mark.parametrize("error", [ConnectError("nobody is there"), ValueError("a driver's own")])
def test_what_went_wrong_is_raised_for_who_takes_it(error):
    def fail():
        raise error

    opening = Opening(fail)
    assert opening.wait(LONG)
    with pytest.raises(ConnectError, match=str(error)):
        opening.take()


def test_nobody_waits_for_a_line_that_takes_long_and_an_abandoned_one_is_closed():
    pump, peer = pump_and_peer()
    answered = threading.Event()

    def slow():
        answered.wait(LONG)
        return pump

    opening = Opening(slow)
    assert not opening.wait(0.0)
    opening.abandon()
    answered.set()
    assert opening.wait(LONG)
    with pytest.raises(TransportClosed):
        peer.read(LONG)


def test_one_that_is_open_when_it_is_abandoned_is_closed_at_once():
    pump, peer = pump_and_peer()
    opening = Opening(lambda: pump)
    assert opening.wait(LONG)
    opening.abandon()
    with pytest.raises(TransportClosed):
        peer.read(LONG)
