"""Framing with origins: which chunk a packet began in, and what a hole does."""

from __future__ import annotations

from kdnb.capture.decode import Chunk, SerialConversation
from kdnb.protocol.constants import Direction
from kdnb.protocol.packet import encode_packet, make_control, make_data

TO_TARGET, TO_HOST = Direction.TO_TARGET, Direction.TO_HOST
PACKET = encode_packet(make_data(3, 0x80800000, b"payload of some bytes"))
ACK = encode_packet(make_control(4, 0x80800000))


def test_a_packet_has_the_time_frame_and_tag_of_its_first_byte() -> None:
    conversation = SerialConversation()
    assert not conversation.feed(Chunk(100, TO_HOST, b"text" + PACKET[:5], 7, 0, tag=1))
    assert not conversation.feed(Chunk(200, TO_HOST, PACKET[5:10], 8, 9, tag=2))
    (record,) = conversation.feed(Chunk(300, TO_HOST, PACKET[10:], 9, 14, tag=3))
    assert (record.time, record.position, record.stream_offset, record.tag) == (100, 7, 4, 1)
    assert (record.junk, record.leader, record.length, record.valid) == (4, "data", 21, True)


def test_positions_count_bytes_where_the_chunk_says_so() -> None:
    conversation = SerialConversation()
    records = conversation.feed(Chunk(None, TO_HOST, PACKET + ACK, 1000, 50, by_byte=True))
    assert [record.position for record in records] == [1000, 1000 + len(PACKET)]
    assert [record.stream_offset for record in records] == [50, 50 + len(PACKET)]


def test_the_origin_is_found_after_much_junk_in_single_bytes() -> None:
    conversation = SerialConversation()
    stream = b"." * 500 + PACKET
    records = [
        record
        for at in range(len(stream))
        for record in conversation.feed(Chunk(at, TO_HOST, stream[at : at + 1], at + 1, at))
    ]
    assert [(record.time, record.position, record.stream_offset) for record in records] == [(500, 501, 500)]


def test_a_hole_gives_up_the_open_packet_and_begins_anew() -> None:
    conversation = SerialConversation()
    conversation.feed(Chunk(1, TO_HOST, PACKET[:20], 1, 0))
    records = conversation.feed(Chunk(2, TO_HOST, PACKET, 2, 500))
    assert [(record.valid, record.stream_offset, record.position) for record in records] == [
        (False, 0, 1),
        (True, 500, 2),
    ]
    assert conversation.gaps == 1


def test_the_break_in_byte_counts_only_towards_the_target() -> None:
    conversation = SerialConversation()
    (record,) = conversation.feed(Chunk(1, TO_TARGET, b"b", 1, 0))
    assert (record.leader, record.packet_type, record.payload, record.valid) == ("breakin", None, b"b", True)
    assert not conversation.feed(Chunk(1, TO_HOST, b"b", 1, 0))
    conversation.finish()
    assert (conversation.junk, conversation.junk_bytes(TO_HOST)) == (1, b"b")


def test_junk_is_kept_in_order() -> None:
    conversation = SerialConversation()
    conversation.feed(Chunk(1, TO_HOST, b"one" + PACKET + b"two" + PACKET + b"three", 1, 0))
    conversation.finish()
    assert conversation.junk_bytes(TO_HOST) == b"onetwothree"
    assert conversation.junk == 11
