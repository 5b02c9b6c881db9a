"""The pump: a link over a transport, one thread, no waiting that can't be ended."""

from __future__ import annotations

import threading

import pytest

from kdnb.errors import LinkError, TransportClosed
from kdnb.protocol.constants import Direction
from kdnb.protocol.framing import Framer
from kdnb.protocol.link import (
    BreakInReceived,
    Link,
    LinkFailed,
    LinkSettings,
    LinkSynchronised,
    PacketReceived,
    PacketSent,
    PeerReset,
    Role,
)
from kdnb.transport.faults import FaultRules, FaultyTransport
from kdnb.transport.memory import memory_pair
from kdnb.transport.pump import Pump
from kdnb.transport.registry import listen, open_transport

LONG = 20.0
QUICK = LinkSettings(ack_timeout=0.02, quiet_time=0.02, reset_interval=0.02, retries=50, first_contact_retries=50)


@pytest.fixture
def joined():
    here, there = memory_pair()
    with Pump(here, Link(Role.HOST)) as host, Pump(there, Link(Role.TARGET)) as target:
        yield host, target


def wait_for(pump, kind):
    while True:
        event = pump.next_event(LONG)
        assert event is not None
        if isinstance(event, kind):
            return event


def test_a_packet_goes_over_and_is_confirmed(joined):
    host, target = joined
    target.send(7, b"state")
    assert wait_for(host, PacketReceived).payload == b"state"
    wait_for(target, PacketSent)
    host.send(2, b"question")
    assert wait_for(target, PacketReceived).payload == b"question"
    wait_for(host, PacketSent)
    assert (host.statistics.sent, host.statistics.received) == (1, 1)


def test_many_round_trips_over_tcp():
    listener = listen("tcp:127.0.0.1:0")
    client = open_transport(listener.address)
    server = listener.accept(LONG)
    listener.close()
    with Pump(client, Link(Role.HOST)) as host, Pump(server, Link(Role.TARGET)) as target:
        target.send(7, b"state")
        wait_for(host, PacketReceived)
        for number in range(50):
            host.send(2, bytes([number]) * 56)
            target.send(2, wait_for(target, PacketReceived).payload)
            assert wait_for(host, PacketReceived).payload == bytes([number]) * 56
        assert host.statistics.retransmitted == 0


def test_what_comes_while_nobody_waits_is_acknowledged_all_the_same(joined):
    host, target = joined
    assert host.next_event(0.0) is None
    for number in range(2):
        target.send(3, b"print %d" % number)
        wait_for(target, PacketSent)
    assert target.statistics.retransmitted == 0
    assert [wait_for(host, PacketReceived).payload for _ in range(2)] == [b"print 0", b"print 1"]


def test_who_waits_takes_the_place_of_the_thread_that_stood_in(joined):
    host, target = joined
    target.send(3, b"first")
    wait_for(target, PacketSent)  # the stand-in took it, and waits for more
    assert wait_for(host, PacketReceived).payload == b"first"
    target.send(3, b"second")
    assert wait_for(host, PacketReceived).payload == b"second"


def test_reset_and_break_in_reach_the_target(joined):
    host, target = joined
    host.reset()
    wait_for(target, PeerReset)
    wait_for(host, LinkSynchronised)
    host.send_break_in()
    wait_for(target, BreakInReceived)


def test_wake_ends_a_waiting_next_event(joined):
    host, _ = joined
    threading.Timer(0.01, host.wake).start()
    assert host.next_event(LONG) is None


def test_next_event_returns_nothing_at_its_timeout(joined):
    assert joined[0].next_event(0.0) is None


def test_the_observer_sees_every_chunk_in_order():
    here, there = memory_pair()
    seen = []
    with (
        Pump(here, Link(Role.HOST), lambda *record: seen.append(record)) as host,
        Pump(there, Link(Role.TARGET)) as target,
    ):
        target.send(7, b"state")
        wait_for(host, PacketReceived)
        host.send(2, b"question")
        wait_for(host, PacketSent)
    assert [time for *_, time in seen] == sorted(time for *_, time in seen)
    framers = {direction: Framer() for direction in Direction}
    kinds = [
        (direction.value, framed.packet.packet_type)
        for direction, data, _ in seen
        for framed in framers[direction].feed(data)
    ]
    assert kinds == [("to_host", 7), ("to_target", 4), ("to_target", 2), ("to_host", 4)]


def test_a_closed_line_is_an_error_after_the_events_that_came_before():
    here, there = memory_pair()
    with Pump(here, Link(Role.HOST)) as host, Pump(there, Link(Role.TARGET)) as target:
        target.send(7, b"state")
        wait_for(target, PacketSent)
        target.close()
        assert wait_for(host, PacketReceived).payload == b"state"
        with pytest.raises(TransportClosed):
            wait_for(host, PacketReceived)
        with pytest.raises(TransportClosed):
            host.send(2, b"x")


def test_a_link_that_fails_says_so_and_then_refuses():
    here, _there = memory_pair()
    settings = LinkSettings(ack_timeout=0.001, retries=2, first_contact_retries=2)
    with Pump(here, Link(Role.HOST, settings=settings)) as host:
        host.send(2, b"anyone?")
        assert wait_for(host, LinkFailed).reason
        with pytest.raises(LinkError):
            host.send(2, b"again")


def test_an_observer_that_fails_ends_the_pump_and_the_waiter_hears_of_it():
    def failing(*_):
        raise RuntimeError("disk full")

    here, there = memory_pair()
    with Pump(here, Link(Role.HOST), failing) as host:
        there.write(b"x")
        with pytest.raises(TransportClosed, match="disk full"):
            wait_for(host, PacketReceived)


def test_close_ends_the_thread_and_may_come_twice():
    here, _there = memory_pair()
    before = threading.active_count()
    host = Pump(here, Link(Role.HOST))
    host.start()
    host.close()
    host.close()
    assert threading.active_count() == before
    with pytest.raises(TransportClosed):
        host.next_event(LONG)


def test_a_waiting_next_event_ends_when_the_pump_is_closed(joined):
    host, _ = joined
    threading.Timer(0.01, host.close).start()
    with pytest.raises(TransportClosed):
        host.next_event(LONG)


def test_packets_survive_a_bad_line_in_real_time():
    here, there = memory_pair()
    rules = FaultRules.parse("damage=0.1,dup=0.1,delay=0.1:0.005,seed=7")
    line = FaultyTransport(here, rules)
    with Pump(line, Link(Role.HOST, settings=QUICK)) as host, Pump(there, Link(Role.TARGET, settings=QUICK)) as target:
        for number in range(30):
            host.send(2, b"%3d" % number + b"q" * 60)
            assert wait_for(target, PacketReceived).payload.startswith(b"%3d" % number)
