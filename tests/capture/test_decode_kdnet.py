"""Datagrams to records: what authenticates, what doesn't, and what holds no packet."""

from __future__ import annotations

import pytest

from kdnb.capture.decode import Chunk, PacketRecord
from kdnb.capture.decode_kdnet import KdnetConversation
from kdnb.protocol.constants import Direction
from kdnb.protocol.kdnet import (
    Channel,
    KdnetFrame,
    derive_data_key,
    make_poke,
    make_response,
    parse_key,
    seal_frame,
)
from kdnb.protocol.packet import encode_packet, make_data

KEY = parse_key("1.2.3.4")
POKE = make_poke(bytes(32))
RESPONSE = make_response(POKE, bytes(range(32)))
TO_TARGET, TO_HOST = Direction.TO_TARGET, Direction.TO_HOST


def sealed(body: bytes, *, to_target: bool = False, control: bool = False) -> bytes:
    key = KEY if control else derive_data_key(KEY, RESPONSE)
    return seal_frame(KEY, key, KdnetFrame(Channel.CONTROL if control else Channel.DATA, 1, to_target, body))


@pytest.fixture
def conversation() -> KdnetConversation:
    """One whose handshake was seen."""
    conversation = KdnetConversation(KEY)
    feed(conversation, sealed(POKE, control=True))
    feed(conversation, sealed(RESPONSE, to_target=True, control=True))
    return conversation


def feed(conversation: KdnetConversation, data: bytes) -> PacketRecord:
    (record,) = conversation.feed(Chunk(5, TO_TARGET, data, 9))
    return record


def test_the_direction_is_the_one_that_was_sealed_in(conversation: KdnetConversation) -> None:
    packet = encode_packet(make_data(3, 0, b"text"), trailer=False)
    assert feed(conversation, sealed(packet)).direction is TO_HOST
    record = feed(conversation, sealed(packet, to_target=True))
    assert record.direction is TO_TARGET
    assert (record.transport, record.leader, record.valid, record.payload) == ("kdnet", "data", True, b"text")
    assert (record.stream_offset, record.position) == (None, 9)


def test_a_damaged_datagram_is_kept_as_it_came(conversation: KdnetConversation) -> None:
    data = bytearray(sealed(b"b" * 40))
    data[20] ^= 1
    record = feed(conversation, bytes(data))
    assert (record.valid, record.payload, record.leader, record.packet_type) == (False, bytes(data), "none", None)
    assert (conversation.authenticated, conversation.rejected) == (2, 1)


def test_data_before_the_handshake_stays_closed() -> None:
    assert not feed(KdnetConversation(KEY), sealed(b"b")).valid


def test_a_break_in_is_one_byte(conversation: KdnetConversation) -> None:
    record = feed(conversation, sealed(b"b", to_target=True))
    assert (record.leader, record.valid, record.payload) == ("breakin", True, b"b")


@pytest.mark.parametrize("body", [b"", b"xyz", b"0000\x02\0\x05\0" + bytes(8) + b"four"])
def test_a_body_that_is_no_packet_is_invalid(conversation: KdnetConversation, body: bytes) -> None:
    assert not feed(conversation, sealed(body)).valid


def test_the_checksum_still_counts_behind_a_right_tag(conversation: KdnetConversation) -> None:
    packet = bytearray(encode_packet(make_data(3, 0, b"text"), trailer=False))
    packet[12] ^= 1
    assert not feed(conversation, sealed(bytes(packet))).valid
