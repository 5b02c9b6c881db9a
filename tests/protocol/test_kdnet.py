"""KDNET against the real capture, and both ends against each other."""

from __future__ import annotations

import gzip
import random
from collections import Counter
from io import BytesIO

import pytest

from kdnb.errors import ConnectionStringError
from kdnb.protocol.framing import decode_datagram
from kdnb.protocol.kdnet import Channel, KdnetCodec, KdnetDecoder, KdnetFrame, open_frame, parse_key, seal_frame
from kdnb.protocol.packet import make_data
from kdnb.protocol.packet_ids import Role

KEY = parse_key("1a2b3c4d5e6f.zzyxwv9876.q1w2e3r4t5y6.3w5e11264sgsf")


def entropy(count: int) -> bytes:
    return bytes(range(7, 7 + count))


@pytest.fixture(scope="module")
def frames(shared):
    """UDP payloads of windbg-kdnet.pcapng.gz, in order."""
    import dpkt

    raw = gzip.decompress((shared / "captures" / "windbg-kdnet.pcapng.gz").read_bytes())
    return [dpkt.ethernet.Ethernet(frame).data.data.data for _, frame in dpkt.pcapng.Reader(BytesIO(raw))]


def test_words_of_a_key_are_little_endian_numbers_in_base_36():
    assert parse_key("1.2.3.z") == b"".join(value.to_bytes(8, "little") for value in (1, 2, 3, 35))
    assert KEY[24:] == b"\xff" * 8  # 3w5e11264sgsf is 2**64-1 (kdnet.md)


@pytest.mark.parametrize(
    "text", ["", "5.6.7", "1.2.3.4.5", "1.2.3.-4", "1.2.3.3w5e11264sgsg", "1..2.3", "a b.1.1.1", "1.2.3.ü"]
)
def test_what_is_no_key_is_refused_without_repeating_it(text):
    with pytest.raises(ConnectionStringError) as caught:
        parse_key(text)
    assert not text or text not in str(caught.value)


def test_all_frames_of_the_real_capture_authenticate(frames):
    decoder = KdnetDecoder(parse_key("8.8.8.8"))
    decoded = [decoder.decode(frame) for frame in frames]
    assert len(decoded) == 955
    assert None not in decoded
    assert Counter(frame.channel for frame in decoded) == {Channel.CONTROL: 428, Channel.DATA: 527}
    packets = [decode_datagram(frame.body) for frame in decoded if frame.channel is Channel.DATA]
    assert all(framed.valid for framed in packets)
    assert Counter(framed.packet.packet_type for framed in packets) == {
        4: 259,
        2: 187,
        11: 66,
        3: 7,
        7: 3,
        5: 2,
        6: 2,
        0: 1,
    }


def test_frames_of_the_real_capture_seal_to_the_same_datagrams(frames):
    key = parse_key("8.8.8.8")
    decoder = KdnetDecoder(key)
    for datagram in frames[:60]:
        frame = decoder.decode(datagram)
        channel_key = key if frame.channel is Channel.CONTROL else decoder._data_keys[0]
        assert seal_frame(key, channel_key, frame) == datagram


def test_a_wrong_key_opens_nothing(frames):
    decoder = KdnetDecoder(parse_key("8.8.8.9"))
    assert not any(decoder.decode(frame) for frame in frames)
    assert decoder.rejected == 428 + 527


def test_a_host_with_a_wrong_key_says_so(frames):
    codec = KdnetCodec(Role.HOST, parse_key("8.8.8.9"), entropy)
    for frame in frames[:6]:
        codec.receive(frame)
    assert codec.key_is_wrong


def connected_pair():
    host = KdnetCodec(Role.HOST, KEY, entropy)
    target = KdnetCodec(Role.TARGET, KEY, bytes)
    host.receive(target.poke())
    for datagram in host.datagrams_to_send():
        target.receive(datagram)
    for datagram in target.datagrams_to_send():
        body = host.receive(datagram)
        assert decode_datagram(body).packet.packet_type == 0
    return host, target


def test_the_handshake_connects_both_ends():
    host, target = connected_pair()
    assert host.is_connected
    assert target.is_connected
    assert target.receive(host.seal(b"\x62")) == b"\x62"
    assert host.receive(target.seal(b"x" * 100)) == b"x" * 100


def test_a_lost_response_is_sent_again_for_the_next_poke():
    host = KdnetCodec(Role.HOST, KEY, entropy)
    target = KdnetCodec(Role.TARGET, KEY, entropy)
    host.receive(target.poke())
    host.datagrams_to_send()
    host.receive(target.poke())
    (response,) = host.datagrams_to_send()
    target.receive(response)
    assert target.is_connected


def test_a_keep_alive_poke_of_a_connected_target_is_not_answered():
    host, target = connected_pair()
    host.receive(target.poke())
    assert host.datagrams_to_send() == []


def test_an_old_poke_played_back_does_not_end_the_session():
    host = KdnetCodec(Role.HOST, KEY, entropy)
    target = KdnetCodec(Role.TARGET, KEY, entropy)
    old = target.poke()
    host.receive(old)
    (response,) = host.datagrams_to_send()
    target.receive(response)
    host.receive(target.datagrams_to_send()[0])
    host.receive(old)
    assert host.receive(target.seal(b"still here")) == b"still here"
    assert host.sessions == 1


def test_a_restarted_target_gets_a_new_session():
    host, _ = connected_pair()
    again = KdnetCodec(Role.TARGET, KEY, lambda count: b"\x55" * count)
    host.receive(again.poke())
    for datagram in host.datagrams_to_send():
        again.receive(datagram)
    for datagram in again.datagrams_to_send():
        host.receive(datagram)
    assert host.sessions == 2
    assert again.receive(host.seal(b"hello")) == b"hello"


def test_a_datagram_passes_once_even_out_of_order():
    host, target = connected_pair()
    first, second, third = (target.seal(bytes([number]) * 20) for number in range(3))
    assert [bool(host.receive(datagram)) for datagram in (third, first, third, second, first)] == [
        True,
        True,
        False,
        True,
        False,
    ]
    assert host.replayed == 2


def test_a_datagram_from_far_before_the_window_is_dropped():
    host, target = connected_pair()
    datagrams = [target.seal(b"abc") for _ in range(70)]
    assert host.receive(datagrams[-1]) is not None
    assert host.receive(datagrams[0]) is None


def test_every_single_byte_change_is_noticed():
    host, target = connected_pair()
    datagram = target.seal(make_data(2, 0, b"q" * 56).payload)
    for place in range(len(datagram)):
        changed = bytearray(datagram)
        changed[place] ^= 0x10
        assert host.receive(bytes(changed)) is None, place
    assert host.receive(datagram) is not None


def test_a_frame_sent_back_to_its_sender_is_dropped():
    host, _ = connected_pair()
    assert host.receive(host.seal(b"reflected")) is None
    assert host.foreign == 1


def test_short_and_foreign_datagrams_are_dropped():
    host, target = connected_pair()
    good = target.seal(b"abc")
    for size in range(len(good)):
        assert host.receive(good[:size]) is None
    assert host.receive(b"\0" * 64) is None


@pytest.mark.parametrize("size", range(40))
def test_bodies_of_any_size_survive_padding(size):
    frame = KdnetFrame(Channel.DATA, 2**56 - 1, True, bytes(range(size)))
    assert open_frame(KEY, KEY, seal_frame(KEY, KEY, frame)) == frame


def test_the_key_shows_in_no_repr():
    codec = KdnetCodec(Role.HOST, parse_key("secret.secret.secret.secret"), entropy)
    assert "secret" not in repr(codec) + repr(vars(codec).keys())
    assert repr(parse_key("secret.1.1.1")) not in repr(codec)


def test_an_old_response_played_back_doesnt_rekey_the_target():
    target = KdnetCodec(Role.TARGET, KEY, random.Random(2).randbytes)
    host, again = (KdnetCodec(Role.HOST, KEY, random.Random(seed).randbytes) for seed in (3, 4))
    responses = []
    for debugger in (host, again):
        debugger.receive(target.poke())
        responses += debugger.datagrams_to_send()
        target.receive(responses[-1])
        for datagram in target.datagrams_to_send():
            debugger.receive(datagram)
    assert target.sessions == 2
    target.receive(responses[0])
    assert target.sessions == 2
    assert again.receive(target.seal(b"still here")) == b"still here"


def test_an_old_offer_played_back_between_two_doesnt_keep_the_target_out():
    host = KdnetCodec(Role.HOST, KEY, random.Random(1).randbytes)
    target = KdnetCodec(Role.TARGET, KEY, random.Random(2).randbytes)
    old = target.poke()
    host.receive(target.poke())
    answer = host.datagrams_to_send()
    host.receive(old)  # changes what is offered, but the target has the first answer
    for datagram in answer:
        target.receive(datagram)
    for datagram in target.datagrams_to_send():
        host.receive(datagram)
    assert host.is_connected
    assert target.receive(host.seal(b"hello")) == b"hello"


def test_a_sequence_number_far_ahead_costs_no_memory():
    host, target = connected_pair()
    target._sequence = 2**56 - 2
    assert host.receive(target.seal(b"far")) == b"far"


def test_frames_of_somebody_elses_session_dont_make_the_key_wrong():
    _, target = connected_pair()
    newcomer = KdnetCodec(Role.HOST, KEY, entropy)
    for _ in range(5):
        assert newcomer.receive(target.seal(b"for another")) is None
    assert not newcomer.key_is_wrong


# --- who the other end is -------------------------------------------------------------------------

TARGET, STRANGER = ("192.168.1.5", 50000), ("192.168.1.66", 50000)


def handshake(host, target, sender):
    """What a target at this address and the host say until both hold a key; the datagrams that went to the host."""
    said = [target.poke()]
    host.receive(said[0], sender)
    for response in host.datagrams_to_send():
        target.receive(response)
    for datagram in target.datagrams_to_send():
        said.append(datagram)
        host.receive(datagram, sender)
    return said


def settled_pair():
    host = KdnetCodec(Role.HOST, KEY, random.Random(1).randbytes)
    target = KdnetCodec(Role.TARGET, KEY, random.Random(2).randbytes)
    said = handshake(host, target, TARGET)
    assert host.peer == TARGET
    return host, target, said


def test_a_session_is_with_the_address_that_has_proved_the_key():
    host, target, _ = settled_pair()
    assert host.receive(target.seal(b"one"), STRANGER) is None
    assert host.foreign == 1
    assert host.peer == TARGET
    assert host.receive(target.seal(b"two"), TARGET) == b"two"


def test_a_datagram_that_a_stranger_copies_first_is_still_heard_from_the_target():
    host, target, _ = settled_pair()
    copied = target.seal(b"state")
    assert host.receive(copied, STRANGER) is None
    assert host.receive(copied, TARGET) == b"state"


def test_forged_and_replayed_frames_of_a_stranger_change_nothing_but_counters():
    host, target, said = settled_pair()
    noise = random.Random(3)
    before = (host.peer, host.sessions, host._data_key, host._sequence)
    for number in range(50):
        channel = bytes([number % 2])
        host.receive(b"MDBG\x04" + channel + noise.randbytes(16 * (2 + number % 5)), STRANGER)
        host.receive(said[number % len(said)], STRANGER)
    assert (host.peer, host.sessions, host._data_key, host._sequence) == before
    assert host.rejected >= 50
    assert host.receive(target.seal(b"hello"), TARGET) == b"hello"
    assert target.receive(host.seal(b"hello")) == b"hello"


def test_old_offers_of_a_stranger_are_not_even_answered_while_the_target_is_heard():
    host, target, said = settled_pair()
    for _ in range(5):
        host.receive(said[0], STRANGER)
        host.receive(target.poke(), TARGET)
    assert host.datagrams_to_send() == []


def test_old_offers_can_not_push_the_targets_own_aside():
    host = KdnetCodec(Role.HOST, KEY, random.Random(1).randbytes)
    recorded = [KdnetCodec(Role.TARGET, KEY, random.Random(seed).randbytes).poke() for seed in range(10, 30)]
    target = KdnetCodec(Role.TARGET, KEY, random.Random(2).randbytes)
    host.receive(target.poke(), TARGET)
    (answer,) = host.datagrams_to_send()
    for old in recorded:
        host.receive(old, STRANGER)
    host.datagrams_to_send()
    target.receive(answer)
    for datagram in target.datagrams_to_send():
        host.receive(datagram, TARGET)
    assert host.peer == TARGET


def test_a_second_machine_with_the_same_key_does_not_take_the_session_over():
    host, target, _ = settled_pair()
    clone = KdnetCodec(Role.TARGET, KEY, random.Random(4).randbytes)
    for _ in range(10):
        host.receive(target.poke(), TARGET)  # each every three seconds
        handshake(host, clone, STRANGER)
    assert not clone.is_connected
    assert (host.peer, host.sessions) == (TARGET, 1)


def test_a_target_that_restarts_at_its_address_is_met_at_once():
    host, _, _ = settled_pair()
    handshake(host, KdnetCodec(Role.TARGET, KEY, random.Random(5).randbytes), TARGET)
    assert (host.peer, host.sessions) == (TARGET, 2)


def test_a_target_that_has_moved_is_met_when_its_old_address_has_gone_silent():
    host, _, _ = settled_pair()
    moved = KdnetCodec(Role.TARGET, KEY, random.Random(5).randbytes)
    for offers in range(1, 4):
        handshake(host, moved, STRANGER)
        assert host.sessions == (2 if offers == 3 else 1)
    assert host.peer == STRANGER
    assert host.receive(moved.seal(b"here now"), STRANGER) == b"here now"


def test_a_key_only_comes_into_use_from_where_its_answer_went():
    host = KdnetCodec(Role.HOST, KEY, random.Random(1).randbytes)
    target = KdnetCodec(Role.TARGET, KEY, random.Random(2).randbytes)
    host.receive(target.poke(), TARGET)
    for response in host.datagrams_to_send():
        target.receive(response)
    (first,) = target.datagrams_to_send()
    host.receive(first, STRANGER)
    assert not host.is_connected
    host.receive(first, TARGET)
    assert host.is_connected
