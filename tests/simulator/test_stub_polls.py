"""What a running target does with the bytes that come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kdnb.protocol.constants import PacketType
from kdnb.protocol.packet import encode_packet, make_control, make_data
from kdnb.simulator.stub_polls import UNREAD_LIMIT, Polls, packet_ends

RESET = encode_packet(make_control(PacketType.RESET, 0))
REQUEST = encode_packet(make_data(PacketType.STATE_MANIPULATE, 0x80800000, b"b" * 56))


def test_each_poll_takes_one_byte_and_finds_the_break_in_in_its_turn() -> None:
    polls = Polls()
    polls.add(b"xyb")
    assert [polls.poll() for _ in range(4)] == [False, False, True, False]


def test_a_flood_is_not_kept() -> None:
    polls = Polls()
    polls.add(b"x" * UNREAD_LIMIT)
    polls.add(b"b")
    assert polls.take_all() == b"x" * UNREAD_LIMIT
    assert not polls.has_bytes


def test_a_pending_break_in_is_found_once_and_costs_no_byte() -> None:
    polls = Polls()
    polls.add(b"x")
    polls.break_pending = True
    assert polls.poll()
    assert polls.has_bytes
    assert not polls.poll()


def test_a_break_in_byte_ends_a_piece_and_one_in_a_payload_does_not() -> None:
    chunk = RESET + b"b" + REQUEST + b"b"
    assert list(packet_ends(chunk)) == [16, 17, 17 + len(REQUEST), len(chunk)]


@given(st.lists(st.sampled_from([RESET, REQUEST, b"b", b"junk", REQUEST[:30]]), max_size=6))
def test_the_pieces_make_up_the_chunk(parts: list[bytes]) -> None:
    chunk = b"".join(parts)
    ends = list(packet_ends(chunk))
    assert ends == sorted(set(ends))
    assert (ends[-1] if ends else 0) == len(chunk)
