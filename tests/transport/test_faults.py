"""The bad line does what its rules say, the same for each seed, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdnb.errors import ConnectionStringError
from kdnb.protocol.constants import Direction
from kdnb.protocol.packet import encode_packet, make_data
from kdnb.testing import FakeClock
from kdnb.transport.faults import FaultRules, FaultyLine, FaultyTransport
from kdnb.transport.memory import memory_pair

PACKETS = [encode_packet(make_data(2, 0x80800000 + number % 2, bytes([number]) * 56)) for number in range(200)]


def through(text, pieces=PACKETS, direction=Direction.TO_HOST, datagrams=False):
    line = FaultyLine(FaultRules.parse(text), direction, datagrams=datagrams)
    for piece in pieces:
        line.feed(piece, 0.0)
    line.flush(0.0)
    return line.take(1e9)


def test_all_rules_are_read():
    text = "drop=0.1,flip=0.2,junk=0.3,damage=0.4,dup=0.5,reorder=0.6,delay=0.7:1.5,dir=to_host,seed=9"
    assert FaultRules.parse(text) == FaultRules(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 1.5, Direction.TO_HOST, 9)
    assert FaultRules.parse(" ") == FaultRules()


@pytest.mark.parametrize(
    "text",
    ["drop", "drop=2", "drop=-0.1", "drop=x", "delay=0.1", "delay=0.1:-1", "dir=up", "seed=x", "lose=0.1", "drop=nan"],
)
def test_what_is_no_rule_is_refused(text):
    with pytest.raises(ConnectionStringError):
        FaultRules.parse(text)


def test_without_rules_nothing_changes():
    assert b"".join(through("seed=1")) == b"".join(PACKETS)


def test_rules_for_one_direction_leave_the_other_alone():
    assert b"".join(through("drop=0.5,dir=to_target")) == b"".join(PACKETS)
    assert b"".join(through("drop=0.5,dir=to_host")) != b"".join(PACKETS)


@pytest.mark.parametrize(
    "text", ["drop=0.01,flip=0.01,junk=0.01", "damage=0.3,dup=0.2,reorder=0.2", "damage=0.2,drop=0.005"]
)
@given(cuts=st.lists(st.integers(1, 300), min_size=1, max_size=60))
def test_a_seed_gives_the_same_faults_however_the_bytes_are_cut(text, cuts):
    stream = b"".join(PACKETS[:60])
    pieces = []
    for cut in cuts:
        pieces.append(stream[:cut])
        stream = stream[cut:]
    pieces.append(stream)
    assert b"".join(through(text + ",seed=5", pieces)) == b"".join(through(text + ",seed=5", PACKETS[:60]))


def test_another_seed_gives_other_faults():
    assert through("flip=0.01,seed=1") != through("flip=0.01,seed=2")


def test_the_share_of_dropped_bytes_is_what_was_asked_for():
    whole = len(b"".join(PACKETS))
    left = len(b"".join(through("drop=0.1,seed=3")))
    assert 0.87 < left / whole < 0.93
    assert through("drop=1") == []


def test_a_flip_changes_one_bit_and_no_length():
    before, after = b"".join(PACKETS), b"".join(through("flip=0.01,seed=3"))
    assert len(before) == len(after)
    changed = [x ^ y for x, y in zip(before, after, strict=True) if x != y]
    assert changed
    assert all(bits.bit_count() == 1 for bits in changed)


def test_damage_hits_each_chosen_packet_once():
    after = through("damage=1")
    assert [sum(x != y for x, y in zip(a, b, strict=True)) for a, b in zip(PACKETS, after, strict=True)] == [1] * len(
        PACKETS
    )


def test_dup_and_reorder_keep_every_packet():
    assert sorted(through("dup=1")) == sorted(PACKETS * 2)
    after = through("reorder=0.3,seed=1")
    assert b"".join(after) != b"".join(PACKETS)
    assert sorted(b"".join(after)) == sorted(b"".join(PACKETS))


def test_a_delayed_datagram_is_overtaken_and_a_delayed_stream_is_not():
    for datagrams, expected in ((True, True), (False, False)):
        line = FaultyLine(FaultRules.parse("delay=0.5:1,seed=2"), Direction.TO_HOST, datagrams=datagrams)
        for packet in PACKETS[:20]:
            line.feed(packet, 0.0)
        early = line.take(0.0)
        assert 0 < len(early) < 20 or not datagrams
        assert line.next_due() == 1.0
        assert line.take(0.5) == []
        order = early + line.take(1.0)
        assert (order != PACKETS[:20]) == expected
        assert sorted(order) == sorted(PACKETS[:20])


def test_text_between_packets_passes():
    stream = b"boot text " + PACKETS[0] + b"more text"
    assert b"".join(through("dup=0.0001,delay=0.0001:1", [stream[:15], stream[15:]])) == stream


def test_a_wrapped_transport_hits_both_directions_and_delays_without_a_thread():
    here, there = memory_pair()
    clock = FakeClock()
    line = FaultyTransport(here, FaultRules.parse("delay=1:2"), clock=clock)
    line.write(PACKETS[0])
    assert there.read(0.0) == b""
    clock.advance(2.0)
    line.read(0.0)
    assert there.read(0.0) == PACKETS[0]
    there.write(PACKETS[1])
    assert line.read(0.0) == b""
    clock.advance(2.0)
    assert line.read(0.0) == PACKETS[1]
