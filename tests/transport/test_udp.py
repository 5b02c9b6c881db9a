"""KDNET over real datagrams: handshake, packets, and what strangers send."""

from __future__ import annotations

import random
import socket

import pytest

from kdnb.protocol.kdnet import KdnetCodec, parse_key
from kdnb.protocol.link import Link, PacketReceived, Role
from kdnb.transport.pump import Pump
from kdnb.transport.registry import open_transport
from kdnb.transport.udp import UdpTransport

LONG = 20.0
KEY = parse_key("1.2.3.4")


def wait_for(pump, kind):
    while True:
        event = pump.next_event(LONG)
        assert event is not None
        if isinstance(event, kind):
            return event


def test_two_pumps_talk_kdnet_over_udp():
    here = UdpTransport.bind("127.0.0.1", 0)
    there = UdpTransport.bind("127.0.0.1", 0, peer=("127.0.0.1", here.port))
    codec = KdnetCodec(Role.TARGET, KEY, random.Random(1).randbytes)
    host_codec = KdnetCodec(Role.HOST, KEY, random.Random(2).randbytes)
    target = Pump(there, Link(Role.TARGET, kdnet=codec))
    with Pump(here, Link(Role.HOST, kdnet=host_codec)) as host, target:
        there.write(codec.poke())
        target.send(7, b"state", give_up=False)
        assert wait_for(host, PacketReceived).payload == b"state"
        host.send(2, b"question")
        assert wait_for(target, PacketReceived).payload == b"question"
        target.send(2, b"answer")
        assert wait_for(host, PacketReceived).payload == b"answer"
        assert host.statistics.rejected == 0


def test_with_a_fixed_peer_strangers_are_not_heard():
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as friend,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
    ):
        friend.bind(("127.0.0.1", 0))
        here = UdpTransport.bind("127.0.0.1", 0, peer=friend.getsockname())
        other.sendto(b"stranger", ("127.0.0.1", here.port))
        friend.sendto(b"friend", ("127.0.0.1", here.port))
        assert here.read(LONG) == b""
        assert here.read(LONG) == b"friend"
        here.close()


def test_what_is_written_before_a_peer_is_known_is_dropped():
    here = UdpTransport.bind("127.0.0.1", 0)
    here.write(b"to nobody")
    here.close()


def test_a_stranger_on_the_port_neither_hears_nor_disturbs_the_session():
    here = UdpTransport.bind("127.0.0.1", 0)
    there = UdpTransport.bind("127.0.0.1", 0, peer=("127.0.0.1", here.port))
    recorded: list[bytes] = []
    codec = KdnetCodec(Role.TARGET, KEY, random.Random(1).randbytes)
    host_codec = KdnetCodec(Role.HOST, KEY, random.Random(2).randbytes)
    target = Pump(there, Link(Role.TARGET, kdnet=codec))
    host = Pump(here, Link(Role.HOST, kdnet=host_codec), lambda direction, data, _: recorded.append(data))
    with host, target, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.setblocking(False)
        there.write(codec.poke())
        target.send(7, b"state", give_up=False)
        assert wait_for(host, PacketReceived).payload == b"state"
        noise = random.Random(3)
        for number in range(20):
            for datagram in (recorded[number % len(recorded)], b"MDBG\x04\x00" + noise.randbytes(64), b"hello"):
                stranger.sendto(datagram, ("127.0.0.1", here.port))
            host.send(2, b"question %d" % number)
            assert wait_for(target, PacketReceived).payload == b"question %d" % number
            target.send(2, b"answer %d" % number)
            assert wait_for(host, PacketReceived).payload == b"answer %d" % number
        assert host.statistics.sessions == 1
        assert host.statistics.rejected >= 20
        with pytest.raises(BlockingIOError):
            stranger.recv(4096)


def test_the_target_of_a_connection_string_may_be_a_name():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as friend:
        friend.bind(("127.0.0.1", 0))
        here = open_transport(f"net:port=0,key=1.2.3.4,target=localhost:{friend.getsockname()[1]}")
        friend.sendto(b"friend", ("127.0.0.1", here.port))
        assert here.read(LONG) == b"friend"
        here.close()
