"""The public test tools: a standing clock, joined links, conversations."""

from __future__ import annotations

import pytest

from kdnb.protocol.kdnet import parse_key
from kdnb.protocol.link import Link, PacketReceived, PacketSent, Role
from kdnb.testing import Conversation, FakeClock, JoinedLinks
from kdnb.transport.faults import FaultRules


def test_a_fake_clock_moves_only_when_told():
    clock = FakeClock(5.0)
    assert (clock(), clock()) == (5.0, 5.0)
    clock.advance(1.5)
    assert clock() == 6.5


@pytest.mark.parametrize("key", [None, parse_key("1.2.3.4")])
def test_joined_links_carry_packets_and_repeat_them_over_a_bad_line(key):
    joined = JoinedLinks(FaultRules(damage=0.3, seed=1), key=key)
    joined.target.send(7, b"state", joined.clock.now, give_up=False)
    assert joined.run(lambda: any(isinstance(event, PacketSent) for event in joined.target_events))
    assert [event.payload for event in joined.host_events if isinstance(event, PacketReceived)] == [b"state"]


def test_a_run_that_never_ends_is_an_error():
    joined = JoinedLinks(FaultRules(drop=1.0))
    joined.target.send(7, b"state", 0.0, give_up=False)
    with pytest.raises(AssertionError, match="no end after 100 s"):
        joined.run(lambda: False, limit=100.0)


def test_a_run_that_comes_to_rest_says_whether_the_goal_was_met():
    joined = JoinedLinks()
    assert joined.run() is True
    assert joined.run(lambda: False) is False


def test_a_conversation_shows_where_it_went_another_way():
    conversation = Conversation(Link(Role.HOST))
    with pytest.raises(AssertionError) as caught:
        conversation.play("""
            <- data 7 80800800 state
            -> ack 80800001             # the id is wrong
            => PacketReceived 7 state 80800800
        """)
    assert "- -> ack 80800001" in str(caught.value)
    assert "+ -> ack 80800000" in str(caught.value)


def test_a_conversation_shows_break_ins_and_hex():
    Conversation(Link(Role.HOST)).play("""
        ! break
        -> break
        <- hex 69 69 69 69 06 00 00 00 00 00 00 00 00 00 00 00
        => PeerReset False
    """)


@pytest.mark.parametrize("script", ["! dance", "<- nothing"])
def test_a_line_that_means_nothing_is_refused(script):
    with pytest.raises(ValueError, match="no such"):
        Conversation(Link(Role.HOST)).play(script)
