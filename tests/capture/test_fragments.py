"""Fragments of IP packets: joined in any order, bounded, and counted where the rest never comes."""

from __future__ import annotations

import gzip
import io
import random
import struct
from typing import TYPE_CHECKING

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdnb.capture import fragments
from kdnb.capture.fragments import Fragments
from kdnb.capture.layers import Fragment, Segment, dissect
from kdnb.capture.open import open_capture
from kdnb.errors import CaptureError

if TYPE_CHECKING:
    from pathlib import Path

A4, B4 = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
A6, B6 = bytes(15) + b"\x01", bytes(15) + b"\x02"
SECOND = 1_000_000_000


def datagram(size: int = 4000, seed: int = 1) -> bytes:
    payload = random.Random(seed).randbytes(size)
    return bytes(dpkt.udp.UDP(sport=1000, dport=2000, data=payload, ulen=8 + size))


def cut(packet: bytes, step: int = 1480, number: int = 1, ends: tuple[bytes, bytes] = (A4, B4)) -> list[Fragment]:
    """The pieces of a UDP packet over IP."""
    return [
        Fragment(*ends, 17, number, at, at + step < len(packet), packet[at : at + step])
        for at in range(0, len(packet), step)
    ]


def joined(pieces: list[Fragment], into: Fragments | None = None) -> list[Segment]:
    into = into or Fragments()
    return [segment for piece in pieces if (segment := into.add(piece, None)) is not None]


@pytest.mark.parametrize("ends", [(A4, B4), (A6, B6)])
@given(order=st.permutations(range(6)), again=st.lists(st.integers(0, 5), max_size=4))
def test_pieces_are_joined_in_any_order_and_repeated_ones_do_nothing(
    ends: tuple[bytes, bytes], order: list[int], again: list[int]
) -> None:
    pieces = cut(datagram(8000), ends=ends)
    assert len(pieces) == 6
    into = Fragments()
    (segment,) = joined([pieces[at] for at in (*again, *order, *again)], into)
    assert segment == Segment((ends[0], 1000), (ends[1], 2000), datagram(8000)[8:], 0, None)
    assert into.left == 0


def test_packets_that_mix_keep_apart() -> None:
    one, other = cut(datagram(seed=1), number=1), cut(datagram(seed=2), number=2)
    back = cut(datagram(seed=3), number=1, ends=(B4, A4))
    mixed = [piece for pieces in zip(one, other, back, strict=True) for piece in pieces]
    assert [segment.payload for segment in joined(mixed)] == [datagram(seed=seed)[8:] for seed in (1, 2, 3)]


def test_what_never_completes_is_counted() -> None:
    into = Fragments()
    assert joined(cut(datagram())[:2], into) == []
    assert into.left == 2
    assert joined(cut(datagram())[2:], into) != []
    assert into.left == 0


@pytest.mark.parametrize(
    "wrong",
    [
        Fragment(A4, B4, 17, 1, 1000, True, bytes(1480)),  # lies over others
        Fragment(A4, B4, 17, 1, 0, True, bytes(1480)),  # other bytes at the same place
        Fragment(A4, B4, 17, 1, 1480, False, bytes(8)),  # the end, but more was there already
        Fragment(A4, B4, 17, 1, 2960, True, bytes(8000)),  # goes on behind the end
    ],
)
def test_pieces_that_contradict_each_other_spoil_their_packet(wrong: Fragment) -> None:
    into = Fragments()
    first, middle, last = cut(datagram())
    assert joined([first, last, wrong, middle], into) == []
    assert into.left == 4


@pytest.mark.parametrize(
    "wrong",
    [
        Fragment(A4, B4, 17, 1, 0, True, b""),  # cut by the snap length
        Fragment(A4, B4, 17, 1, 0, True, bytes(1479)),  # no multiple of eight
        Fragment(A4, B4, 17, 1, 65528, False, bytes(64)),  # longer than any packet
    ],
)
def test_pieces_that_cannot_be_are_counted_and_spoil_nothing(wrong: Fragment) -> None:
    into = Fragments()
    assert len(joined([wrong, *cut(datagram())], into)) == 1
    assert into.left == 1


def test_everything_is_bounded() -> None:
    into = Fragments()
    for number in range(1000):
        into.add(cut(datagram(), number=number)[0], None)
    assert len(into._packets) == fragments.MOST_PACKETS
    assert into.left == 1000
    many = Fragments()
    for at in range(1000):
        many.add(Fragment(A4, B4, 17, 1, at * 16, True, bytes(8)), None)
    assert max(len(packet.pieces) for packet in many._packets.values()) <= fragments.MOST_PIECES
    assert many.left == 1000


def test_an_identification_that_is_used_again_later_is_another_packet() -> None:
    into = Fragments()
    old, new = cut(datagram(seed=1)), cut(datagram(seed=2))
    into.add(old[0], 0)
    assert [into.add(piece, 100 * SECOND) for piece in new][-1] is not None
    assert into.left == 1
    again = cut(datagram(seed=3))  # behind a whole one at once
    assert [into.add(piece, 101 * SECOND) for piece in again][-1] is not None


def test_what_is_neither_udp_nor_tcp_is_nothing() -> None:
    assert joined([piece._replace(protocol=1) for piece in cut(datagram())]) == []
    header = bytes([17, 0]) + bytes(6)  # a destination option in the joined part of IPv6
    pieces = [piece._replace(protocol=60) for piece in cut(header + datagram(), ends=(A6, B6))]
    (segment,) = joined(pieces)
    assert segment.payload == datagram()[8:]
    nested = [piece._replace(protocol=44) for piece in cut(bytes([17, 0, 0, 9]) + bytes(2000), ends=(A6, B6))]
    assert joined(nested) == []


@given(
    st.lists(
        st.builds(
            Fragment, st.sampled_from([A4, A6]), st.sampled_from([B4, B6]), st.sampled_from([0, 6, 17, 44, 60]),
            st.integers(0, 2), st.integers(0, 8191).map(lambda at: at * 8), st.booleans(), st.binary(max_size=64),
        ),
        max_size=40,
    )
)  # fmt: skip
def test_random_pieces_are_no_error(pieces: list[Fragment]) -> None:
    into = Fragments()
    for piece in pieces:
        into.add(piece, None)
    assert 0 <= into.left <= len(pieces)


def in_pieces(frame: bytes, number: int, step: int) -> list[bytes]:
    """An Ethernet frame as a line with a small MTU would have carried it."""
    packet = dpkt.ethernet.Ethernet(frame)
    if not isinstance(packet.data, dpkt.ip.IP) or len(bytes(packet.data.data)) <= step:
        return [frame]
    payload = bytes(packet.data.data)
    frames = []
    for at in range(0, len(payload), step):
        part = payload[at : at + step]
        piece = bytearray(bytes(dpkt.ip.IP(src=packet.data.src, dst=packet.data.dst, p=17, id=number, data=part)))
        struct.pack_into(">H", piece, 2, len(piece))
        struct.pack_into(">H", piece, 6, at // 8 | (0x2000 if at + step < len(payload) else 0))
        frames.append(frame[:14] + bytes(piece))
    return frames


def test_a_real_kdnet_capture_in_pieces_reads_as_the_whole_one(shared: Path, tmp_path: Path) -> None:
    path = shared / "captures" / "windbg-kdnet.pcapng.gz"
    with gzip.open(path) as file:
        frames = list(dpkt.pcapng.Reader(io.BytesIO(file.read())))

    def written(name: str, lost: int | None = None) -> Path:
        with (tmp_path / name).open("wb") as file:
            writer = dpkt.pcap.Writer(file)
            count = 0
            for number, (time, frame) in enumerate(frames):
                pieces = in_pieces(frame, number, 64)
                for piece in reversed(pieces):
                    count += 1
                    if count != lost:
                        writer.writepkt(piece, time)
        return tmp_path / name

    whole, pieces = open_capture(path, "8.8.8.8"), open_capture(written("pieces.pcap"), "8.8.8.8")
    assert pieces.frames > 2 * whole.frames
    assert not pieces.problems
    same = ["direction", "type", "api", "packet_id", "valid", "payload", "reply_to"]
    assert pieces.packets()[same].equals(whole.packets()[same])
    damaged = open_capture(written("damaged.pcap", lost=pieces.frames // 2), "8.8.8.8")
    assert any("of IP packets were left out" in problem for problem in damaged.problems)
    assert len(damaged.packets()) == len(whole.packets()) - 1


def test_a_capture_of_pieces_without_their_rest_says_so(tmp_path: Path) -> None:
    packet = dpkt.ip.IP(src=A4, dst=B4, p=17, data=datagram()[:1480])
    packet.mf, packet.len = 1, 1500
    assert isinstance(dissect(101, bytes(packet)), Fragment)
    with (tmp_path / "one.pcap").open("wb") as file:
        dpkt.pcap.Writer(file, linktype=101).writepkt(bytes(packet), 1.0)
    with pytest.raises(CaptureError, match="1 fragment of IP packets was left out"):
        open_capture(tmp_path / "one.pcap")
