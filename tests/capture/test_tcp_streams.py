"""Reassembly: any cut, order and repetition of the segments gives the bytes that were sent."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from kdnb.capture.layers import Segment
from kdnb.capture.tcp_streams import SYN, Connections

HOST, TARGET = (b"\x7f\0\0\x01", 40000), (b"\x7f\0\0\x02", 5555)
ACK = 0x10


def segment(sequence: int, data: bytes, flags: int = ACK, source: tuple[bytes, int] = HOST) -> Segment:
    return Segment(source, TARGET if source == HOST else HOST, data, sequence & 0xFFFFFFFF, flags)


def assemble(*segments: Segment) -> Connections:
    connections = Connections()
    for number, part in enumerate(segments, 1):
        connections.add(part, number, number * 1000)
    connections.finish()
    return connections


def content(connections: Connections, index: int = 0, side: int = 0) -> bytes:
    return b"".join(piece.data for piece in connections.all[index].streams[side].pieces)


@st.composite
def transfers(draw: st.DrawFn) -> tuple[bytes, int, list[tuple[int, int]]]:
    """A message, its first sequence number, and (start, end) of segments: a cover of it, some twice, shuffled."""
    message = draw(st.binary(min_size=1, max_size=60))
    cuts = sorted(draw(st.sets(st.integers(1, len(message)))) | {0, len(message)})
    parts = list(itertools.pairwise(cuts))
    spans = st.tuples(st.integers(0, len(message) - 1), st.integers(1, len(message)))
    extra = [(min(a, b - 1), b) for a, b in draw(st.lists(spans, max_size=5))]
    return message, draw(st.integers(0, 2**32 - 1)), draw(st.permutations(parts + extra))


@given(transfers())
def test_any_order_overlap_and_repetition_gives_the_bytes_sent(
    transfer: tuple[bytes, int, list[tuple[int, int]]],
) -> None:
    message, first, spans = transfer
    connections = assemble(
        segment(first - 1, b"", SYN), *(segment(first + start, message[start:end]) for start, end in spans)
    )
    stream = connections.all[0].streams[0]
    assert len(connections.all) == 1
    assert content(connections) == message
    assert stream.gaps == 0
    for piece in stream.pieces:  # each byte knows a frame that carried it
        start, end = spans[piece.frame - 2]
        assert start <= piece.offset
        assert piece.offset + len(piece.data) <= end
        assert piece.time == piece.frame * 1000


@given(transfers())
def test_without_a_syn_the_stream_begins_at_the_lowest_byte(transfer: tuple[bytes, int, list[tuple[int, int]]]) -> None:
    message, first, spans = transfer
    connections = assemble(*(segment(first + start, message[start:end]) for start, end in spans))
    stream = connections.all[0].streams[0]
    assert content(connections) == message
    assert stream.gaps == 0
    at = 0
    for piece in stream.pieces:
        assert piece.offset == at
        at += len(piece.data)


def test_what_comes_early_behind_a_hole_is_a_gap_too() -> None:
    connections = assemble(segment(100, b"later"), segment(90, b"first"))
    stream = connections.all[0].streams[0]
    assert [(piece.offset, piece.data) for piece in stream.pieces] == [(0, b"first"), (10, b"later")]
    assert (stream.gaps, stream.missing) == (1, 5)


def test_a_hole_that_is_never_filled_is_a_gap_and_offsets_jump_over_it() -> None:
    connections = assemble(segment(100, b"abc"), segment(110, b"xyz"), segment(113, b"!"))
    stream = connections.all[0].streams[0]
    assert [(piece.offset, piece.data) for piece in stream.pieces] == [(0, b"abc"), (10, b"xyz"), (13, b"!")]
    assert (stream.gaps, stream.missing) == (1, 7)


def test_both_directions_belong_to_one_connection() -> None:
    connections = assemble(segment(5, b"to target"), segment(900, b"to host", source=TARGET))
    assert len(connections.all) == 1
    assert (content(connections), content(connections, side=1)) == (b"to target", b"to host")


def test_a_new_connection_on_the_same_ports_starts_a_new_stream() -> None:
    connections = assemble(
        segment(9, b"", SYN), segment(10, b"old"), segment(2**31, b"", SYN), segment(2**31 + 1, b"new")
    )
    assert [content(connections, index) for index in range(2)] == [b"old", b"new"]


def test_a_repeated_syn_is_the_same_connection() -> None:
    connections = assemble(segment(9, b"", SYN), segment(9, b"", SYN), segment(10, b"data"))
    assert len(connections.all) == 1


def test_a_sequence_number_far_away_is_another_connection() -> None:
    connections = assemble(segment(10, b"old"), segment(2**30, b"new"))
    assert [content(connections, index) for index in range(2)] == [b"old", b"new"]


def test_keep_alive_probes_add_nothing() -> None:
    connections = assemble(segment(10, b"abc"), segment(12, b"c"), segment(13, b"d"))
    assert content(connections) == b"abcd"
