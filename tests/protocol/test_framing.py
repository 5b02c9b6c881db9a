"""Framing: any chunking gives the same packets, and after damage the next packet is found."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kdnb.protocol.constants import CONTROL_LEADER, DATA_LEADER, MAX_PAYLOAD, PacketType
from kdnb.protocol.framing import JUNK_KEPT, BreakIn, FramedPacket, Framer, decode_datagram
from kdnb.protocol.packet import Packet, encode_packet, make_control, make_data

# Header vectors of the protocol reference, chapter 11 (V2, V4, V17, V21), written out.
RESET = bytes.fromhex("69696969 0600 0000 00000000 00000000")
ACK = bytes.fromhex("69696969 0400 0000 00008080 00000000")
RESEND = bytes.fromhex("69696969 0500 0000 00000000 00000000")
PRINT = bytes.fromhex(
    "30303030 0300 1900 01008080 78030000 3032 0000 0000 0000 09000000 00000000 68656c6c6f206b640a aa"
)

GOOD = encode_packet(make_data(2, 0x80800000, b"q" * 56))
OTHER = encode_packet(make_data(3, 0x80800001, b"print"))


def frame(data, **options):
    framer = Framer(**options)
    return framer.feed(data) + framer.finish()


def valid(data, **options):
    return [framed.packet for framed in frame(data, **options) if isinstance(framed, FramedPacket) and framed.valid]


def test_golden_packets_encode_and_decode():
    assert encode_packet(make_control(PacketType.RESET)) == RESET
    assert encode_packet(make_control(PacketType.ACKNOWLEDGE, 0x80800000)) == ACK
    assert encode_packet(make_control(PacketType.RESEND)) == RESEND
    payload = PRINT[16:-1]
    assert encode_packet(make_data(PacketType.DEBUG_IO, 0x80800001, payload)) == PRINT
    packets = valid(RESET + PRINT + ACK)
    assert [packet.packet_type for packet in packets] == [6, 3, 4]
    assert packets[1] == Packet(DATA_LEADER, 3, 0x80800001, payload, 0x378)
    assert packets[2] == Packet(CONTROL_LEADER, 4, 0x80800000)


pieces = st.one_of(
    st.binary(max_size=30),
    st.text(alphabet="0ib\x02\x04\x00x", max_size=30).map(str.encode),
    st.sampled_from(
        [GOOD, OTHER, ACK, RESET, PRINT, b"b", GOOD[:9], OTHER[1:], GOOD[:-1], ACK[1:], GOOD[:30] + GOOD[31:]]
    ),
    st.binary(max_size=40).map(lambda payload: encode_packet(make_data(7, 0x80800800, payload))),
)


@given(
    stream=st.lists(pieces, max_size=12).map(b"".join),
    cuts=st.lists(st.integers(0, 400), max_size=20),
    repair=st.booleans(),
    break_in=st.booleans(),
)
@example(stream=GOOD[:-1] + b"\0b" + bytes(7), cuts=[80], repair=False, break_in=True)
def test_any_chunking_gives_the_same_packets(stream, cuts, repair, break_in):
    whole = frame(stream, repair=repair, break_in=break_in)
    framer = Framer(repair=repair, break_in=break_in)
    places = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    chunked = [framed for begin, end in pairwise(places) for framed in framer.feed(stream[begin:end])]
    chunked += framer.finish()
    assert chunked == whole
    byte_by_byte = Framer(repair=repair, break_in=break_in)
    singly = [framed for byte in stream for framed in byte_by_byte.feed(bytes([byte]))] + byte_by_byte.finish()
    assert singly == whole


@given(chunks=st.lists(pieces, max_size=12), repair=st.booleans(), break_in=st.booleans())
@example(chunks=[GOOD + ACK, b"b", OTHER, b"junk", GOOD, PRINT], repair=False, break_in=True)
def test_chunks_of_sound_packets_only_may_be_taken_without_their_frames(chunks, repair, break_in):
    framer, both_ways = Framer(repair=repair, break_in=break_in), Framer(repair=repair, break_in=break_in)
    for chunk in chunks:
        framed = framer.feed(chunk)
        packets = both_ways.take_sound(chunk)
        if packets is None:
            assert both_ways.feed(chunk) == framed
        else:
            assert packets == [item.packet for item in framed]
            assert all(item.valid and not item.junk for item in framed)
            assert b"".join(map(encode_packet, packets)) == chunk
        assert both_ways.is_at_boundary == framer.is_at_boundary
        assert both_ways.is_partial == framer.is_partial
    assert both_ways.finish() == framer.finish()
    assert both_ways.junk_count == framer.junk_count


@given(stream=st.lists(pieces, max_size=12).map(b"".join), break_in=st.booleans(), repair=st.booleans())
def test_every_byte_is_packet_break_in_or_junk(stream, break_in, repair):
    framer = Framer(break_in=break_in, repair=repair)
    end = 0
    for framed in framer.feed(stream) + framer.finish():
        size = framed.size if isinstance(framed, FramedPacket) else 1
        if isinstance(framed, FramedPacket) and not framed.valid:
            end = max(end, framed.offset) if framed.offset >= end else end
        assert framed.offset >= 0
        assert framed.offset + size <= len(stream)
        if isinstance(framed, BreakIn):
            assert stream[framed.offset] == 0x62
        elif framed.valid and not framed.repaired:
            assert stream[framed.offset : framed.offset + size] == encode_packet(framed.packet)
        if framed.junk:
            assert stream[framed.offset - framed.junk_count : framed.offset] == framed.junk


@given(
    before=st.binary(max_size=60).filter(lambda junk: b"0" not in junk and b"i" not in junk),
    hit=st.integers(0, len(GOOD) - 1),
    value=st.integers(0, 255),
    lost=st.booleans(),
)
@example(before=b"", hit=6, value=len(GOOD) - 17 + len(OTHER), lost=False)  # a length that ends at OTHER's end
def test_after_damage_the_next_packet_is_found(before, hit, value, lost):
    damaged = GOOD[:hit] + (b"" if lost else bytes([value])) + GOOD[hit + 1 :]
    packets = valid(before + damaged + OTHER + ACK)
    assert packets[-1] == make_control(4, 0x80800000)
    assert make_data(3, 0x80800001, b"print") in packets


def test_a_packet_in_the_payload_of_a_damaged_one_is_none():
    outer = bytearray(encode_packet(make_data(2, 0x80800000, b"before" + OTHER)))
    outer[17] ^= 1
    assert valid(bytes(outer) + ACK) == [make_control(4, 0x80800000)]


def test_junk_is_counted_and_kept():
    framer = Framer()
    (first,) = framer.feed(b"BIOS 000000 booting\r\n" + GOOD)
    assert (first.junk, first.junk_count, first.offset) == (b"BIOS 000000 booting\r\n", 21, 21)
    (second,) = framer.feed(OTHER)
    assert (second.junk_count, second.offset) == (0, 21 + len(GOOD))
    assert framer.feed(b"bye") + framer.finish() == []
    assert framer.tail == b"bye"
    assert framer.junk_count == 24


def test_junk_without_end_is_counted_and_not_all_kept():
    framer = Framer()
    for _ in range(40):
        framer.feed(b"x" * 10000)
    (framed,) = framer.feed(GOOD)
    assert framed.junk_count == 400_000
    assert len(framed.junk) == JUNK_KEPT


@pytest.mark.parametrize("zeros", range(12))
def test_zeros_before_a_packet_do_not_hide_it(zeros):
    assert valid(b"text" + b"0" * zeros + GOOD) == [make_data(2, 0x80800000, b"q" * 56)]


@pytest.mark.parametrize(
    "header",
    [
        "30303030 0400 0000 00008080 00000000",  # a control type under a data leader
        "30303030 0800 0000 00008080 00000000",  # POLL_BREAKIN is never on the wire
        "30303030 0c00 0000 00008080 00000000",
        "30303030 0201 3800 00008080 00000000",
        "30303030 0200 a10f 00008080 00000000",  # 4001 bytes
        "69696969 0200 0000 00008080 00000000",
        "69696969 0400 0100 00008080 00000000",  # an ACK with a payload
        "69696969 0400 0000 00008080 01000000",  # an ACK with a checksum
        "69696930 0400 0000 00008080 00000000",  # mixed leaders
    ],
)
def test_implausible_headers_are_junk_and_the_hunt_goes_on_one_byte_later(header):
    junk = bytes.fromhex(header)
    (framed,) = frame(junk + GOOD)
    assert framed.valid
    assert framed.junk == junk


def test_the_longest_payload_passes():
    payload = bytes(MAX_PAYLOAD)
    assert valid(encode_packet(make_data(2, 0x80800000, payload))) == [make_data(2, 0x80800000, payload)]


def test_a_wrong_checksum_is_reported_and_its_payload_is_not_searched():
    inner = ACK
    damaged = bytearray(encode_packet(make_data(2, 0x80800000, inner + b"q" * 40)))
    damaged[-2] ^= 1
    framed = frame(bytes(damaged) + OTHER)
    assert [(item.valid, item.problem) for item in framed] == [(False, "checksum"), (True, "")]


def test_a_wrong_trailer_is_reported_and_the_packet_that_it_swallowed_is_found():
    framed = frame(GOOD[:30] + GOOD[31:] + OTHER)
    assert [(item.valid, item.problem, item.offset) for item in framed] == [
        (False, "trailer", 0),
        (True, "", len(GOOD) - 1),
    ]


def test_a_length_far_too_large_hides_nothing_in_the_end():
    bogus = bytearray(GOOD)
    bogus[6:8] = (3000).to_bytes(2, "little")
    framer = Framer()
    assert framer.feed(bytes(bogus) + OTHER * 3) == []
    assert framer.is_partial_data
    framed = framer.finish()
    assert [item.valid for item in framed] == [False, True, True, True]
    assert framed[0].problem == "truncated"
    assert framer.feed(GOOD)[0].valid


def test_a_damaged_packet_after_a_found_one_is_reported_too():
    bogus = bytearray(GOOD)
    bogus[6:8] = (3000).to_bytes(2, "little")
    broken = bytearray(GOOD)
    broken[-1] = 0
    framed = frame(bytes(bogus) + OTHER + bytes(broken) + OTHER)
    assert [item.problem for item in framed] == ["truncated", "", "trailer", ""]


def test_a_leader_of_three_bytes_is_repaired_offline_only():
    stream = GOOD + OTHER[1:] + GOOD
    assert [framed.repaired for framed in frame(stream, repair=True)] == [False, True, False]
    assert frame(stream, repair=True)[1].packet == make_data(3, 0x80800001, b"print")
    assert len(valid(stream)) == 2


@pytest.mark.parametrize("place", [15 - 4, 20, -1])
def test_a_three_byte_leader_needs_everything_else_right(place):
    broken = bytearray(OTHER[1:])
    broken[place] ^= 0x40
    assert valid(GOOD + bytes(broken) + GOOD, repair=True) == valid(GOOD + GOOD)


def test_a_break_in_byte_counts_at_a_boundary_only():
    framed = frame(b"b" + GOOD + b"bb" + ACK + b"xb", break_in=True)
    kinds = [type(item).__name__ for item in framed]
    assert kinds == ["BreakIn", "FramedPacket", "BreakIn", "BreakIn", "FramedPacket"]
    assert [item.offset for item in framed] == [0, 1, 1 + len(GOOD), 2 + len(GOOD), 3 + len(GOOD)]
    assert frame(b"b") == []


def test_break_in_bytes_within_a_damaged_packet_are_payload():
    damaged = encode_packet(make_data(2, 0x80800000, b"b" * 56))[:-1] + b"b"
    framed = frame(damaged + OTHER, break_in=True)
    assert [type(item).__name__ for item in framed] == ["FramedPacket", "FramedPacket"]


def test_half_a_packet_is_known_as_such():
    framer = Framer()
    framer.feed(b"junk")
    assert not framer.is_partial
    framer.feed(GOOD[:20])
    assert framer.is_partial
    assert framer.is_partial_data
    framer.feed(GOOD[20:] + ACK[:10])
    assert framer.is_partial
    assert not framer.is_partial_data


def test_a_datagram_holds_one_packet():
    packet = make_data(2, 0x80000002, b"body")
    assert decode_datagram(encode_packet(packet, trailer=False)) == FramedPacket(packet, True, 0, 20)
    assert decode_datagram(b"b") == BreakIn(0)
    assert decode_datagram(bytes(12)).packet.packet_type == PacketType.UNUSED
    assert decode_datagram(b"short") is None
    assert decode_datagram(encode_packet(packet)).problem == "truncated"  # one byte too many
    assert decode_datagram(encode_packet(packet, trailer=False)[:-1] + b"x").problem == "checksum"


def test_the_handshake_captures_frame_completely(shared):
    import dpkt

    for name in ("handshake-i386.pcap", "handshake-amd64.pcap"):
        streams: dict[bool, bytes] = {True: b"", False: b""}
        with open(shared / "captures" / name, "rb") as file:
            for _, raw in dpkt.pcap.Reader(file):
                tcp = dpkt.ethernet.Ethernet(raw).data.data
                streams[tcp.sport == 5555] += tcp.data
        for to_host, stream in streams.items():
            framed = frame(stream, repair=True, break_in=not to_host)
            assert framed
            assert all(isinstance(item, BreakIn) or item.valid for item in framed)
