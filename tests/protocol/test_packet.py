"""One packet as bytes: checksum, trailer, and the sound packets that bytes begin with."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from kdnb.protocol.packet import checksum, encode_packet, make_control, make_data, sound_packets

DATA = make_data(2, 0x80800000, b"q" * 56)
ACK = make_control(4, 0x80800000)


def test_a_datagram_has_no_trailer():
    assert encode_packet(make_data(3, 2, b"abc"), trailer=False) == encode_packet(make_data(3, 2, b"abc"))[:-1]


def test_checksum_is_a_sum_of_bytes_modulo_2_to_the_32():
    assert checksum(b"") == 0
    assert checksum(b"\xff\xff\x01") == 0x1FF


@given(st.binary(max_size=600))
@example(b"\xff" * 256)
@example(b"\xff" * 257)
@example(b"\xff" * 4000)
def test_the_quick_way_to_the_checksum_gives_the_sum(payload):
    assert checksum(payload) == sum(payload)


def test_the_sound_packets_at_the_beginning_are_found_up_to_what_is_none():
    good = encode_packet(ACK) + encode_packet(DATA)
    assert sound_packets(good) == ([ACK, DATA], len(good))
    assert sound_packets(good + good[:20]) == ([ACK, DATA, ACK], len(good) + 16)
    assert sound_packets(b"b" + good) == ([], 0)
    assert sound_packets(b"") == ([], 0)


@given(hit=st.integers(0, len(encode_packet(DATA)) - 1), change=st.integers(1, 255))
def test_a_damaged_packet_is_never_a_sound_one_unless_its_type_or_id_was_hit(hit, change):
    damaged = bytearray(encode_packet(DATA))
    damaged[hit] ^= change
    packets, end = sound_packets(bytes(damaged))
    if packets:
        assert 4 <= hit < 12
        assert end == len(damaged)
        assert packets[0].payload == DATA.payload
