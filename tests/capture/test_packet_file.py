"""Container formats: dpkt reads the same files and is the oracle; the headers below are built by hand."""

from __future__ import annotations

import gzip
import io
import struct
from typing import TYPE_CHECKING

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdnb.capture.packet_file import is_packet_file, load, read_frames
from kdnb.errors import CaptureError

if TYPE_CHECKING:
    from pathlib import Path

PAYLOADS = [b"one", b"", b"three" * 50]
SECONDS, FRACTION = 1_700_000_000, 123_456


def pcap(order: str, magic: int, *, record_extra: bytes = b"", link_type: int = 1) -> bytes:
    parts = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link_type)]
    for payload in PAYLOADS:
        parts += [struct.pack(order + "IIII", SECONDS, FRACTION, len(payload), len(payload)), record_extra, payload]
    return b"".join(parts)


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    size = len(body) + 12
    return struct.pack(order + "II", kind, size) + body + struct.pack(order + "I", size)


def section(order: str, options: bytes = b"") -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1)) + block(
        order, 1, struct.pack(order + "HHI", 101, 0, 0) + options
    )


def enhanced(order: str, ticks: int, payload: bytes, interface: int = 0) -> bytes:
    head = struct.pack(order + "IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, len(payload), len(payload))
    return block(order, 6, head + payload)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "unit"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)])
def test_pcap_of_any_byte_order_and_resolution(order: str, magic: int, unit: int) -> None:
    problems: list[str] = []
    frames = list(read_frames(pcap(order, magic), problems))
    assert [frame.data for frame in frames] == PAYLOADS
    assert [frame.number for frame in frames] == [1, 2, 3]
    assert {frame.time for frame in frames} == {SECONDS * 10**9 + FRACTION * unit}
    assert not problems


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcap_with_the_longer_record_headers_of_the_modified_format(order: str) -> None:
    frames = list(read_frames(pcap(order, 0xA1B2CD34, record_extra=bytes(8)), []))
    assert [frame.data for frame in frames] == PAYLOADS


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_with_enhanced_simple_and_old_packet_blocks(order: str) -> None:
    microseconds = SECONDS * 10**6 + FRACTION
    data = (
        section(order)
        + enhanced(order, microseconds, b"enhanced")
        + block(order, 0xBAD, b"unknown!")
        + block(order, 3, struct.pack(order + "I", 6) + b"simple")
        + block(
            order, 2, struct.pack(order + "HHIIII", 0, 0, microseconds >> 32, microseconds & 0xFFFFFFFF, 3, 3) + b"old"
        )
    )
    problems: list[str] = []
    frames = list(read_frames(data, problems))
    assert [frame.data for frame in frames] == [b"enhanced", b"simple", b"old"]
    assert [frame.time for frame in frames] == [microseconds * 1000, None, microseconds * 1000]
    assert {frame.link_type for frame in frames} == {101}
    assert not problems


@pytest.mark.parametrize(
    ("option", "ticks", "nanoseconds"),
    [(9, 5_000_000_007, 5_000_000_007), (3, 5_001, 5_001_000_000), (0x80 | 10, 1024 * 3 + 512, 3_500_000_000)],
)
def test_interface_time_resolution_is_obeyed(option: int, ticks: int, nanoseconds: int) -> None:
    data = section("<", struct.pack("<HHB3xHH", 9, 1, option, 0, 0)) + enhanced("<", ticks, b"x")
    assert [frame.time for frame in read_frames(data, [])] == [nanoseconds]


def test_interface_time_offset_is_added() -> None:
    data = section("<", struct.pack("<HHqHH", 14, 8, 1000, 0, 0)) + enhanced("<", 5, b"x")
    assert [frame.time for frame in read_frames(data, [])] == [1000 * 10**9 + 5000]


def test_a_time_beyond_the_calendar_is_missing_not_wrong() -> None:
    data = section("<") + enhanced("<", 2**64 - 1, b"x")
    assert [frame.time for frame in read_frames(data, [])] == [None]


def test_sections_of_different_byte_order_in_one_file() -> None:
    data = section("<") + enhanced("<", 1, b"a") + section(">") + enhanced(">", 2, b"b")
    frames = list(read_frames(data, []))
    assert [(frame.number, frame.time, frame.data) for frame in frames] == [(1, 1000, b"a"), (2, 2000, b"b")]


def test_a_packet_of_an_unknown_interface_ends_the_file_with_a_problem() -> None:
    problems: list[str] = []
    data = section("<") + enhanced("<", 1, b"a") + enhanced("<", 2, b"b", interface=7) + enhanced("<", 3, b"c")
    assert [frame.data for frame in read_frames(data, problems)] == [b"a"]
    assert len(problems) == 1


@pytest.mark.parametrize("data", [pcap("<", 0xA1B2C3D4), section("<") + enhanced("<", 1, b"a" * 40)])
def test_a_file_cut_anywhere_gives_what_was_before_and_one_problem(data: bytes) -> None:
    whole = [frame.data for frame in read_frames(data, [])]
    for size in range(4, len(data)):
        problems: list[str] = []
        kept = [frame.data for frame in read_frames(data[:size], problems)]
        assert kept == whole[: len(kept)]
        assert len(problems) <= 1
        assert problems or kept == whole[: len(kept)]


@pytest.mark.parametrize("name", ["handshake-amd64.pcap", "handshake-i386.pcap", "windbg-kdnet.pcapng.gz"])
def test_real_captures_read_as_dpkt_reads_them(shared: Path, name: str) -> None:
    problems: list[str] = []
    data = load(shared / "captures" / name, problems)
    reader = dpkt.pcap.UniversalReader(io.BytesIO(data[:]))
    ours = list(read_frames(data, problems))
    theirs = list(reader)
    assert [frame.data for frame in ours] == [packet for _, packet in theirs]
    assert [(frame.time or 0) / 1e9 for frame in ours] == pytest.approx([float(time) for time, _ in theirs], abs=1e-6)
    assert not problems


def test_gzip_in_several_members_and_with_padding_behind(tmp_path: Path) -> None:
    data = pcap("<", 0xA1B2C3D4)
    path = tmp_path / "x.pcap.gz"
    path.write_bytes(gzip.compress(data[:100]) + gzip.compress(data[100:]) + bytes(16))
    assert load(path, []) == data


def test_truncated_gzip_keeps_what_could_be_unpacked(tmp_path: Path) -> None:
    data = pcap("<", 0xA1B2C3D4)
    path = tmp_path / "x.pcap.gz"
    path.write_bytes(gzip.compress(data, compresslevel=0)[:-30])
    problems: list[str] = []
    kept = load(path, problems)
    assert data.startswith(kept[:])
    assert len(kept) > 100
    assert len(problems) == 1


def test_a_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"can't read .*nothing-here.*No such file"):
        load(tmp_path / "nothing-here", [])


@given(
    st.binary(max_size=200), st.sampled_from([pcap("<", 0xA1B2C3D4), section(">") + enhanced(">", 1, b"a")]), st.data()
)
def test_damaged_files_end_in_a_problem_never_in_an_exception(junk: bytes, good: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(4, len(good)))
    damaged = good[:at] + junk
    assert is_packet_file(damaged)
    list(read_frames(damaged, []))


def test_what_is_no_path_is_an_error_of_ours_or_of_the_type() -> None:
    for path in ("", "\0", "/nothing/here"):
        with pytest.raises(CaptureError, match="can't read"):
            load(path, [])
    for number in (0, None):
        with pytest.raises(TypeError):
            load(number, [])  # type: ignore[arg-type]  # what a user may try
