"""The link as conversations, and under any fault that can be detected."""

from __future__ import annotations

import random
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdnb.errors import LinkError
from kdnb.protocol.constants import Direction, PacketType
from kdnb.protocol.framing import FramedPacket, Framer
from kdnb.protocol.kdnet import KdnetCodec, parse_key
from kdnb.protocol.kdnet_offers import OFFER_INTERVAL, WRONG_KEY_TIME
from kdnb.protocol.link import (
    TARGET_SETTINGS,
    Link,
    LinkFailed,
    LinkSettings,
    NotAuthenticated,
    PacketReceived,
    PacketSent,
    PeerRestarted,
    Role,
)
from kdnb.protocol.packet import encode_packet, make_control, make_data
from kdnb.testing import Conversation, JoinedLinks
from kdnb.transport.faults import FaultRules

BODY = "m" * 56
KDNET_KEY = parse_key("1.2.3.4")


def host(**settings):
    return Conversation(Link(Role.HOST, settings=LinkSettings(**settings)))


def target(**settings):
    return Conversation(
        Link(Role.TARGET, settings=LinkSettings(**{"retries": 20, "first_contact_retries": 5, **settings}))
    )


# --- the host ---------------------------------------------------------------------------------------------------------


def test_host_acknowledges_the_first_packet_without_its_sync_bit():
    host().play("""
        <- data 7 80800800 state
        -> ack 80800000
        => PacketReceived 7 state 80800800
        ! send 2 question
        -> data 2 80800000 question
        <- ack 80800000
        => PacketSent 80800000 2
        <- data 2 80800001 answer
        -> ack 80800001
        => PacketReceived 2 answer 80800001
        ! send 2 next
        -> data 2 80800001 next
        <- ack 80800801           # lenient: SYNC is masked on both sides
        => PacketSent 80800001 2
    """)


def test_the_arrival_of_a_packet_is_not_reported_to_who_waits_for_its_answer():
    link = Link(Role.HOST)
    link.send(2, b"question", 0.0, confirm=False)
    link.send(2, b"command", 0.0)
    for number, reported in ((0x80800000, None), (0x80800001, PacketSent(0x80800001, 2))):
        link.receive_data(encode_packet(make_control(4, number)), 0.1)
        assert link.next_event() == reported


def test_host_takes_whatever_id_comes_first_when_it_joins_a_running_session():
    host().play("""
        <- data 3 80800001 print
        -> ack 80800001
        => PacketReceived 3 print 80800001
        <- data 3 80800000 more
        -> ack 80800000
        => PacketReceived 3 more 80800000
    """)


def test_host_acknowledges_a_duplicate_and_drops_it():
    host().play("""
        <- data 3 80800000 once
        -> ack 80800000
        => PacketReceived 3 once 80800000
        <- data 3 80800000 once
        -> ack 80800000
    """)


def test_host_asks_for_a_damaged_packet_and_for_one_with_an_impossible_id():
    host().play("""
        <- damaged data 3 80800000 text
        -> resend
        <- data 3 80800002 text
        -> resend
        <- data 3 80800000 text
        -> ack 80800000
        => PacketReceived 3 text 80800000
    """)


def test_host_sends_one_packet_at_a_time():
    host().play("""
        ! send 2 first
        -> data 2 80800000 first
        ! send 2 second
        <- ack 80800001
        <- ack 80800000
        -> data 2 80800001 second
        => PacketSent 80800000 2
        <- ack 80800001
        => PacketSent 80800001 2
    """)


def test_host_repeats_after_silence_and_says_when_it_gives_up():
    conversation = host(first_contact_retries=2)
    conversation.play("""
        ! send 2 hello
        -> data 2 80800000 hello
        + 0.5
        + 0.5
        -> data 2 80800000 hello
        + 1
        -> data 2 80800000 hello
        ! send 2 queued
        + 1
        => LinkFailed no acknowledgement from the target
        + 100
    """)
    with pytest.raises(LinkError):
        conversation.link.send(2, b"", conversation.clock.now)
    conversation.play("""
        ! reset
        -> reset
        <- reset
        => PeerReset False
        => LinkSynchronised
        ! send 2 again
        -> data 2 80800000 again
    """)


def test_host_repeats_on_resend_without_counting_it_as_silence_but_not_for_ever():
    conversation = host(resend_limit=3)
    conversation.play("""
        ! send 2 a
        -> data 2 80800000 a
        <- resend 80800801
        -> data 2 80800000 a
        <- resend
        -> data 2 80800000 a
        <- resend
        -> data 2 80800000 a
        <- resend
        => LinkFailed no acknowledgement from the target
        <- resend
    """)


def test_host_takes_packets_that_come_while_it_waits_for_an_ack():
    host().play("""
        <- data 7 80800000 state
        -> ack 80800000
        => PacketReceived 7 state 80800000
        ! send 2 question
        -> data 2 80800000 question
        <- data 3 80800001 print
        -> ack 80800001
        => PacketReceived 3 print 80800001
        <- ack 80800000
        => PacketSent 80800000 2
    """)


def test_host_drops_what_was_meant_for_the_target_before_its_restart():
    host().play("""
        <- data 7 80800000 state
        -> ack 80800000
        => PacketReceived 7 state 80800000
        ! send 2 question
        -> data 2 80800000 question
        ! send 2 queued
        <- data 3 80800800 boot
        -> ack 80800000
        => PeerRestarted
        => PacketReceived 3 boot 80800800
        + 100
        ! send 2 new
        -> data 2 80800000 new
    """)


def test_host_takes_a_repeated_first_packet_once():
    host().play("""
        <- data 3 80800800 boot
        -> ack 80800000
        => PacketReceived 3 boot 80800800
        <- data 3 80800800 boot
        -> ack 80800000
        <- data 3 80800800 other
        -> ack 80800000
        => PeerRestarted
        => PacketReceived 3 other 80800800
    """)


def test_host_sees_a_restart_with_the_same_first_packet_after_a_confirmed_request():
    host().play("""
        <- data 3 80800800 boot
        -> ack 80800000
        => PacketReceived 3 boot 80800800
        ! send 2 q
        -> data 2 80800000 q
        <- ack 80800000
        => PacketSent 80800000 2
        <- data 3 80800800 boot
        -> ack 80800000
        => PeerRestarted
        => PacketReceived 3 boot 80800800
    """)


def test_host_repeats_reset_until_the_target_is_heard():
    host().play("""
        ! reset
        -> reset
        + 1
        -> reset
        <- reset 80800001
        => PeerReset False
        => LinkSynchronised
        <- data 7 80800000 state
        -> ack 80800000
        => PacketReceived 7 state 80800000
        + 100
    """)


def test_host_keeps_what_is_sent_during_resynchronising_for_afterwards():
    host().play("""
        ! reset
        -> reset
        ! send 2 later
        + 1
        -> reset
        <- reset
        -> data 2 80800000 later
        => PeerReset False
        => LinkSynchronised
    """)


def test_host_gives_resynchronising_up_after_the_limit():
    host(resets=2).play("""
        ! reset
        -> reset
        + 1
        -> reset
        + 1
        -> reset
        + 1
        => LinkFailed no answer to RESET from the target
        + 100
        <- data 7 80800000 late
        -> ack 80800000
        => PacketReceived 7 late 80800000
        => LinkSynchronised
    """)


def test_host_resynchronises_without_end_when_told_so():
    conversation = host(resets=0)
    conversation.play("! reset\n-> reset\n" + "+ 1\n-> reset\n" * 50)


def test_host_never_answers_a_reset_with_a_reset():
    host().play("""
        <- reset
        => PeerReset False
        <- reset
        => PeerReset False
    """)


def test_late_echoes_of_a_reset_renumber_the_packet_in_flight():
    host().play("""
        <- data 7 80800000 a
        -> ack 80800000
        => PacketReceived 7 a 80800000
        ! send 2 x
        -> data 2 80800000 x
        <- ack 80800000
        => PacketSent 80800000 2
        ! send 2 y
        -> data 2 80800001 y
        <- reset
        -> data 2 80800000 y
        => PeerReset True
    """)


def test_host_ignores_duplicates_by_the_old_numbering_while_it_resynchronises():
    host().play("""
        <- data 7 80800000 a
        -> ack 80800000
        => PacketReceived 7 a 80800000
        ! reset
        -> reset
        <- data 7 80800000 a
        + 1
        -> reset
        <- reset
        => PeerReset False
        => LinkSynchronised
        <- data 7 80800000 a
        -> ack 80800000
        => PacketReceived 7 a 80800000
    """)


def test_host_asks_again_after_a_quiet_time_inside_half_a_packet():
    whole = encode_packet(make_data(3, 0x80800000, b"0123456789")).hex(" ")
    host().play(f"""
        <- hex {whole[: 20 * 3]}
        + 0.9
        + 0.1
        -> resend
        <- hex {whole}
        -> ack 80800000
        => PacketReceived 3 0123456789 80800000
    """)


def test_a_packet_that_a_wrong_length_swallowed_is_found_after_the_quiet_time():
    bogus = encode_packet(make_data(3, 0x80800000, b"abc")).hex().replace("03000300", "03003003")
    good = encode_packet(make_data(3, 0x80800000, b"abc")).hex()
    host().play(f"""
        <- hex {bogus}
        <- hex {good}
        + 1
        -> ack 80800000
        => PacketReceived 3 abc 80800000
    """)


def test_a_half_ack_asks_for_nothing():
    host().play(f"""
        ! send 2 x
        -> data 2 80800000 x
        <- hex {encode_packet(make_control(4, 0x80800000))[:15].hex()}
        + 1
        -> data 2 80800000 x
    """)


def test_two_packets_under_one_id_pass_only_when_the_option_says_so():
    script = """
        <- data 7 80800000 one
        -> ack 80800000
        => PacketReceived 7 one 80800000
        <- data 7 80800000 two
        -> ack 80800000
    """
    host().play(script)
    host(repeated_ids=True).play(script + "=> PacketReceived 7 two 80800000\n<- data 7 80800000 two\n-> ack 80800000")


# --- the target -------------------------------------------------------------------------------------------------------


def test_target_begins_with_sync_and_repeats_for_ever_where_it_must():
    target().play("! insist 7 state\n-> data 7 80800800 state\n" + "+ 1\n-> data 7 80800800 state\n" * 50)


def test_target_gives_a_print_up_after_five_tries_before_first_contact_and_starts_anew():
    target().play(
        "! send 3 print\n-> data 3 80800800 print\n"
        + "+ 1\n-> data 3 80800800 print\n" * 5
        + "+ 1\n=> LinkFailed no acknowledgement from the host\n! send 3 next\n-> data 3 80800800 next"
    )


def test_target_tries_twenty_times_after_first_contact():
    target().play(
        "! send 3 a\n-> data 3 80800800 a\n<- ack 80800000\n=> PacketSent 80800800 3\n"
        "! send 3 b\n-> data 3 80800001 b\n"
        + "+ 1\n-> data 3 80800001 b\n" * 20
        + "+ 1\n=> LinkFailed no acknowledgement from the host\n! send 3 c\n-> data 3 80800800 c"
    )


STOPPED = """
    ! want 2
    ! insist 7 state
    -> data 7 80800800 state
    <- ack 80800000
    => PacketSent 80800800 7
"""


def test_target_answers_reset_once_and_repeats_the_packet_in_flight_under_the_initial_id():
    target().play("""
        ! insist 7 state
        -> data 7 80800800 state
        <- reset 80800801
        -> reset
        -> data 7 80800000 state
        => PeerReset True
        <- ack 80800000
        => PacketSent 80800000 7
    """)


def test_target_with_nothing_in_flight_answers_reset_and_leaves_the_repeating_to_its_owner():
    target().play(STOPPED + "<- reset\n-> reset\n=> PeerReset False\n! insist 7 state\n-> data 7 80800000 state")


def test_target_treats_data_while_waiting_for_an_ack_as_the_ack_and_asks_for_it_again():
    target().play(f"""
        ! insist 7 state
        -> data 7 80800800 state
        <- data 2 80800000 {BODY}
        -> resend
        => PacketSent 80800800 7
        <- data 2 80800000 {BODY}
        -> ack 80800000
        => PacketReceived 2 {BODY} 80800000
    """)


def test_target_acknowledges_an_old_packet_while_waiting_and_goes_on_waiting():
    target().play(
        STOPPED
        + f"""
        <- data 2 80800000 {BODY}
        -> ack 80800000
        => PacketReceived 2 {BODY} 80800000
        ! send 2 reply
        -> data 2 80800001 reply
        <- data 2 80800000 {BODY}
        -> ack 80800000
        <- ack 80800001
        => PacketSent 80800001 2
    """
    )


def test_target_acknowledges_a_type_that_it_does_not_want_and_drops_it_without_counting():
    target().play(
        STOPPED
        + f"""
        <- data 3 80800000 {BODY}
        -> ack 80800000
        <- data 2 80800000 {BODY}
        -> ack 80800000
        => PacketReceived 2 {BODY} 80800000
    """
    )


def test_target_asks_again_for_ids_that_cannot_be_and_packets_that_are_too_short():
    target().play(
        STOPPED
        + f"""
        <- data 2 80800800 {BODY}
        -> resend
        <- data 2 12345678 {BODY}
        -> resend
        <- data 2 80800000 short
        -> resend
        <- damaged data 2 80800000 {BODY}
        -> resend
    """
    )


def test_target_reports_a_resend_when_nothing_is_in_flight():
    target().play(STOPPED + "<- resend\n=> ResendRequested")


def test_a_break_in_at_a_stop_needs_silence_after_it():
    target().play(
        STOPPED
        + """
        <- break
        + 0.05
        <- reset
        -> reset
        => PeerReset False
        + 10
        <- break
        + 0.1
        => BreakInReceived
    """
    )


def test_a_break_in_while_waiting_for_an_ack_repeats_the_packet_and_is_reported():
    target().play("""
        ! insist 7 state
        -> data 7 80800800 state
        <- break
        + 0.1
        -> data 7 80800800 state
        => BreakInReceived
    """)


def test_noise_does_not_hide_a_later_break_in():
    target().play(
        STOPPED
        + """
        <- hex 00 ff 41
        + 1
        <- break
        + 0.1
        => BreakInReceived
    """
    )


def test_restart_returns_to_the_ids_of_power_on():
    target().play(
        STOPPED + "! send 3 lost\n-> data 3 80800001 lost\n! restart\n+ 50\n! send 3 boot\n-> data 3 80800800 boot"
    )


def test_a_target_does_not_resynchronise():
    with pytest.raises(LinkError, match="only the host"):
        Link(Role.TARGET).reset(0.0)


# --- under faults -----------------------------------------------------------------------------------------------------


class DetectableFaults:
    """A serial line that loses, repeats, delays and damages, but only so that the checks of the protocol can see it.

    Not hit are the packet's type and id: the header has no checksum (docs/explanation/reliability.md measures that).
    Junk holds no 0xAA: behind a packet that lost a payload byte 0xAA it would make its trailer and checksum right.
    """

    HIT = (*range(4), 6, 7, *range(12, 16))

    def __init__(self, seed, rate):
        self.random = random.Random(seed)
        self.rate = rate
        self.ready = deque()

    def feed(self, data, now):
        if data == b"b":
            self.ready.append((now, data))
            return
        kind = self.random.random() / self.rate if self.rate else 9.0
        if kind < 0.2:
            data = b""
        elif kind < 0.35:
            data = data + data
        elif kind < 0.5:
            now += self.random.choice([0.1, 1.5])
        elif kind < 0.65:
            place = self.random.randrange(len(data))
            data = data[:place] + data[place + 1 :]
        elif kind < 0.9:
            place = self.random.choice([index for index in range(len(data)) if index in self.HIT or index >= 16])
            hit = data[place] ^ self.random.randrange(1, 256)
            data = data[:place] + bytes([hit]) + data[place + 1 :]
        elif kind < 1.0:
            data = self.random.choice([b"xyz", b"000000", b"iii", b"0"]) + data
        due = max(now, self.ready[-1][0]) if self.ready else now
        self.ready.append((due, data))

    def end_chunk(self, now):
        pass

    def flush(self, now):
        pass

    def take(self, now):
        out = []
        while self.ready and self.ready[0][0] <= now:
            out.append(self.ready.popleft()[1])
        return [data for data in out if data]

    def next_due(self):
        return self.ready[0][0] if self.ready else None


class Session:
    """A debugger and a target as they talk: state change, requests one at a time (some replies after a print), prints
    while running, the next state change. Each payload is unique, so order and number of what arrives can be checked."""

    def __init__(self, joined, seed, stops=3):
        self.joined = joined
        self.random = random.Random(seed)
        self.stops = stops
        self.to_host, self.to_target = [], []
        self.number = 0
        self.requests_left = 0
        self.failed = False
        self.done = False
        joined.on_host = self.at_host
        joined.on_target = self.at_target
        self.announce()

    def payload(self, size):
        self.number += 1
        filler = bytes(self.random.choice(b"0ib\xaa\0xy") for _ in range(self.random.randrange(size, size + 40)))
        return f"<{self.number}>".encode() + filler.ljust(60, b"z")

    def from_target(self, packet_type, give_up=True):
        payload = self.payload(20)
        self.to_host.append(payload)
        self.joined.target.send(packet_type, payload, self.joined.clock.now, give_up=give_up)

    def announce(self):
        for _ in range(self.random.randrange(3)):
            self.from_target(PacketType.DEBUG_IO)
        self.joined.target.wanted = frozenset({PacketType.STATE_MANIPULATE})
        self.from_target(PacketType.STATE_CHANGE64, give_up=False)

    def from_host(self):
        payload = self.payload(56)
        self.to_target.append(payload)
        self.joined.host.send(PacketType.STATE_MANIPULATE, payload, self.joined.clock.now)

    def at_host(self, event):
        if isinstance(event, LinkFailed | PeerRestarted):
            self.failed = True
        if self.failed or not isinstance(event, PacketReceived | PacketSent):
            return
        if isinstance(event, PacketSent):
            self.confirmed = True
            return
        if event.packet_type == PacketType.STATE_CHANGE64:
            self.requests_left = self.random.randrange(1, 5)
            self.from_host()
        elif event.packet_type == PacketType.STATE_MANIPULATE:
            self.requests_left -= 1
            self.from_host()  # the one after the last stands for Continue

    def at_target(self, event):
        if isinstance(event, LinkFailed):
            self.failed = True
        if self.failed or not isinstance(event, PacketReceived):
            return
        if self.requests_left > 0:
            if self.random.random() < 0.3:
                self.from_target(PacketType.DEBUG_IO)
            self.from_target(PacketType.STATE_MANIPULATE)
        else:
            self.stops -= 1
            if self.stops:
                self.announce()
            else:
                self.done = True

    def check(self):
        self.joined.run(lambda: self.failed or (self.done and not pending(self.joined)))
        for events, sent in ((self.joined.host_events, self.to_host), (self.joined.target_events, self.to_target)):
            arrived = [event.payload for event in events if isinstance(event, PacketReceived)]
            # A link that gave up may have been heard after all; nothing comes twice, changed or out of order.
            assert arrived == sent[: len(arrived)]
            if not self.failed:
                assert arrived == sent


def pending(joined):
    return joined.host.state.value != "Idle" or joined.target.state.value != "Idle"


@settings(max_examples=300)
@given(seed=st.integers(0, 2**32), rate=st.sampled_from([0.0, 0.02, 0.1, 0.3, 0.5, 0.8]))
def test_on_a_serial_line_each_payload_arrives_once_and_in_order_or_the_link_says_that_it_failed(seed, rate):
    joined = JoinedLinks(FaultRules(seed=seed), line=lambda direction: DetectableFaults(f"{seed}{direction}", rate))
    Session(joined, seed).check()


def heard_wrong_key(link: Link) -> bool:
    return any(isinstance(event, NotAuthenticated) for event in iter(link.next_event, None))


def test_a_key_is_called_wrong_when_a_target_that_has_it_would_have_been_heard() -> None:
    link = Link(Role.HOST, kdnet=KdnetCodec(Role.HOST, KDNET_KEY, bytes))
    target = KdnetCodec(Role.TARGET, parse_key("5.6.7.8"), bytes)
    link.receive_data(target.poke(), 10.0)
    link.receive_data(target.poke(), 10.0 + OFFER_INTERVAL)
    assert not heard_wrong_key(link)
    due = link.next_timeout()
    assert due == 10.0 + WRONG_KEY_TIME
    link.handle_timeout(due)
    assert heard_wrong_key(link)
    assert link.next_timeout() is None


def test_forged_offers_do_not_make_the_key_wrong_while_the_target_offers_itself() -> None:
    link = Link(Role.HOST, kdnet=KdnetCodec(Role.HOST, KDNET_KEY, bytes))
    stranger = KdnetCodec(Role.TARGET, parse_key("5.6.7.8"), bytes)
    target = KdnetCodec(Role.TARGET, KDNET_KEY, bytes)
    for at in range(30):
        link.receive_data(stranger.poke(), 10.0 + at / 10)
    link.receive_data(target.poke(), 10.0 + OFFER_INTERVAL)
    for at in range(40, 60):
        link.receive_data(stranger.poke(), 10.0 + at / 10)
        link.handle_timeout(10.0 + at / 10)
    assert not heard_wrong_key(link)


@settings(max_examples=200)
@given(
    seed=st.integers(0, 2**32),
    rate=st.sampled_from([0.0, 0.02, 0.1, 0.3, 0.6]),
    delay=st.sampled_from([0.003, 0.5, 2.5]),
)
def test_on_kdnet_nothing_at_all_may_pass(seed, rate, delay):
    rules = FaultRules(
        drop=rate / 3,
        flip=rate / 300,
        damage=rate / 3,
        dup=rate,
        reorder=rate,
        delay=rate,
        delay_seconds=delay,
        seed=seed,
    )
    Session(JoinedLinks(rules, key=parse_key("1.2.3.4")), seed).check()


def test_a_dead_line_ends_in_a_failure_at_the_host():
    joined = JoinedLinks(FaultRules(drop=1.0))
    joined.host.send(2, b"x" * 56, 0.0)
    joined.run()
    assert joined.host_events == [LinkFailed("no acknowledgement from the target")]


def test_a_line_that_damages_everything_ends_in_a_failure_and_not_in_an_endless_exchange():
    joined = JoinedLinks(FaultRules(), line=lambda direction: DamageData())
    joined.target.send(3, b"x" * 56, 0.0)
    joined.run()
    assert joined.target_events == [LinkFailed("no acknowledgement from the host")]


class DamageData(DetectableFaults):
    def __init__(self):
        super().__init__(0, 0)

    def feed(self, data, now):
        super().feed(data[:20] + b"\xff" + data[21:] if len(data) > 20 else data, now)


def test_the_same_seed_gives_the_same_run():
    def run():
        joined = JoinedLinks(FaultRules(drop=0.001, damage=0.2, dup=0.1, seed=5))
        session = Session(joined, 5)
        joined.run(lambda: session.failed or session.done)
        return joined.clock.now, joined.host_events, joined.target_events

    assert run() == run()


def test_target_settings_have_the_counts_of_real_stacks():
    assert (TARGET_SETTINGS.retries, TARGET_SETTINGS.first_contact_retries) == (20, 5)


@pytest.mark.parametrize("direction", Direction)
def test_reset_leads_back_from_any_confusion(direction):
    """Bytes lost at random in one direction during RESET: in the end the state change arrives again."""
    for seed in range(20):
        joined = JoinedLinks(FaultRules(drop=0.02, direction=direction, seed=seed))
        target = joined.target
        target.wanted = frozenset({PacketType.STATE_MANIPULATE})

        def repeat(event, joined=joined):
            if type(event).__name__ in {"PeerReset", "ResendRequested"} and not getattr(event, "in_flight", False):
                joined.target.send(7, b"state", joined.clock.now, give_up=False)

        joined.on_target = repeat
        target.send(7, b"state", 0.0, give_up=False)
        joined.run(lambda joined=joined: bool(joined.host_events))
        count = len(joined.host_events)
        joined.host.reset(joined.clock.now)
        assert joined.run(
            lambda joined=joined, count=count: any(isinstance(e, PacketReceived) for e in joined.host_events[count:])
        )


@pytest.mark.parametrize("name", ["handshake-i386.pcap", "handshake-amd64.pcap"])
def test_a_recorded_target_gets_the_acknowledgements_that_the_recorded_host_gave(shared, name):
    """ReactOS kernels over a virtual serial line; port 5555 is the target. Nothing may count as damaged."""
    import dpkt

    link = Link(Role.HOST)
    expected, given = Framer(), Framer()
    wanted_acks, acks = [], []
    with open(shared / "captures" / name, "rb") as file:
        for time, raw in dpkt.pcap.Reader(file):
            tcp = dpkt.ethernet.Ethernet(raw).data.data
            if tcp.sport == 5555:
                link.receive_data(tcp.data, time)
                acks += acknowledged(given.feed(link.data_to_send()))
            else:
                wanted_acks += acknowledged(expected.feed(tcp.data))
    assert acks[1:] == wanted_acks  # the recorded host answered the very first print by RESET instead
    assert link.statistics.damaged == link.statistics.resends_asked == 0
    assert link.statistics.received == len(acks)


def acknowledged(framed):
    packets = [item.packet for item in framed if isinstance(item, FramedPacket)]
    return [packet.packet_id for packet in packets if packet.packet_type == PacketType.ACKNOWLEDGE]
