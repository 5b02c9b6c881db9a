"""The target told from strangers by somebody who sits in between."""

from __future__ import annotations

from kdnb.protocol.kdnet import KdnetCodec, parse_key
from kdnb.protocol.kdnet_witness import KdnetWitness
from kdnb.protocol.packet_ids import Role

KEY = parse_key("1.2.3.4")
TARGET, STRANGER, ELSEWHERE = ("192.168.1.5", 50000), ("192.168.1.66", 50000), ("192.168.1.5", 51111)


def numbers():
    """Different bytes each time."""
    count = iter(range(1, 1 << 20))
    return lambda size: next(count).to_bytes(size, "little")


class Line:
    """A host, a target, and the witness between them."""

    def __init__(self):
        self.host, self.target = KdnetCodec(Role.HOST, KEY, numbers()), KdnetCodec(Role.TARGET, KEY, numbers())
        self.witness = KdnetWitness(KEY)
        self.offer = self.target.poke()
        assert self.witness.is_target(self.offer, TARGET)
        self.host.receive(self.offer)
        for datagram in self.host.datagrams_to_send():
            self.witness.hear_host(datagram)
            self.target.receive(datagram)
        (self.first,) = self.target.datagrams_to_send()
        assert self.witness.is_target(self.first, TARGET)


def test_the_target_is_known_by_its_offers_and_by_its_data():
    line = Line()
    assert line.witness.is_target(line.target.seal(b"hello"), TARGET)
    assert line.witness.is_target(line.target.poke(), TARGET)


def test_strangers_are_not_it():
    line = Line()
    other = KdnetCodec(Role.TARGET, parse_key("5.6.7.8"), numbers())
    for datagram in (b"", b"MDBG", other.poke(), b"MDBG\x04\x00" + bytes(48), b"MDBG\x04\x01" + bytes(48)):
        assert not line.witness.is_target(datagram, STRANGER)


def test_what_is_played_back_is_not_it_nor_is_the_host():
    line = Line()
    data = line.target.seal(b"hello")
    assert line.witness.is_target(data, TARGET)
    for datagram in (line.offer, line.first, data):
        assert not line.witness.is_target(datagram, STRANGER)
    line.host.receive(line.first)
    assert not line.witness.is_target(line.host.seal(b"request"), STRANGER)


def test_a_target_that_began_anew_elsewhere_is_followed_when_the_old_one_is_silent():
    line = Line()
    moved = KdnetCodec(Role.TARGET, KEY, lambda size: bytes(size - 1) + bytes([line.target._sequence + 1]))
    offers = []
    for _ in range(3):
        line.target._sequence += 1
        offers.append(moved.poke())
    assert [line.witness.is_target(offer, ELSEWHERE) for offer in offers] == [False, False, True]


def test_a_target_that_is_heard_keeps_its_place():
    line = Line()
    clone = KdnetCodec(Role.TARGET, KEY, lambda size: bytes([200, line.target._sequence]) + bytes(size - 2))
    for _ in range(10):
        assert not line.witness.is_target(clone.poke(), ELSEWHERE)
        assert line.witness.is_target(line.target.seal(b"here"), TARGET)
