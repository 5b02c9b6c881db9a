"""Captures end to end: real ones against the counts of the protocol reference, made ones against what was said."""

from __future__ import annotations

import contextlib
import gzip
import io
import random
from typing import TYPE_CHECKING

import dpkt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdnb.capture.frames import COLUMNS
from kdnb.capture.log import PacketLog
from kdnb.capture.open import Capture, open_capture
from kdnb.capture.pcapng import PcapngWriter
from kdnb.capture.writers import write
from kdnb.errors import CaptureError, UnsupportedError
from kdnb.protocol.constants import Direction, MachineType

if TYPE_CHECKING:
    from pathlib import Path

Exchange = list[tuple[Direction, bytes]]
TO_TARGET, TO_HOST = Direction.TO_TARGET, Direction.TO_HOST
START = 1_700_000_000_000_000_000
PLACE = ["time", "position", "latency"]
"""Columns that depend on how the bytes were cut; all others must not."""


def pcapng(exchange: Exchange, *, spacing: int = 1_000_000) -> bytes:
    file = io.BytesIO()
    writer = PcapngWriter(file)
    offsets = dict.fromkeys(Direction, 0)
    for index, (direction, data) in enumerate(exchange):
        writer.stream(direction, data, START + index * spacing, offsets[direction])
        offsets[direction] += len(data)
    return file.getvalue()


def opened(tmp_path: Path, data: bytes, **options: object) -> Capture:
    path = tmp_path / "capture"
    path.write_bytes(data)
    return open_capture(path, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole(exchange: Exchange, tmp_path_factory: pytest.TempPathFactory) -> Capture:
    return opened(tmp_path_factory.mktemp("whole"), pcapng(exchange))


# --- real captures -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kdnet(shared: Path) -> Capture:
    return open_capture(shared / "captures" / "windbg-kdnet.pcapng.gz", "8.8.8.8")


def way_counts(capture: Capture, *, by: str) -> dict[str, tuple[int, int]]:
    counts = capture.counts()
    grouped = counts.dropna(subset=[by]).groupby(by)[["to_target", "to_host"]].sum()
    return {str(name): (int(row.to_target), int(row.to_host)) for name, row in grouped.iterrows()}


def test_real_kdnet_capture_decodes_completely(kdnet: Capture) -> None:
    frame = kdnet.packets()
    assert len(frame) == kdnet.frames == 955
    assert frame["valid"].all()
    assert not kdnet.fields.undecoded
    assert not kdnet.problems
    assert kdnet.junk == 0
    assert kdnet.machine is MachineType.AMD64
    assert list(frame["position"]) == list(range(1, 956))
    assert frame["time"].is_monotonic_increasing
    assert (frame["time"].iloc[-1] - frame["time"].iloc[0]).total_seconds() == pytest.approx(1289.05, abs=0.01)


def test_replay_says_what_there_is_instead(kdnet: Capture) -> None:
    with pytest.raises(UnsupportedError, match=r"can't be debugged yet; read it: packets\(\)"):
        kdnet.replay()


def test_real_kdnet_capture_counts_by_type(kdnet: Capture) -> None:
    assert way_counts(kdnet, by="type") == {
        "ACKNOWLEDGE": (132, 127),
        "DEBUG_IO": (0, 7),
        "FILE_IO": (33, 33),
        "RESEND": (1, 1),
        "RESET": (1, 1),
        "STATE_CHANGE64": (0, 3),
        "STATE_MANIPULATE": (95, 92),
        "UNUSED": (0, 1),
        "kdnet-control": (1, 427),
    }


def test_real_kdnet_capture_counts_by_api(kdnet: Capture) -> None:
    assert way_counts(kdnet, by="api") == {
        "ReadVirtualMemory": (44, 44),
        "RestoreBreakPoint": (32, 32),
        "GetContext": (5, 5),
        "GetContextEx": (3, 3),
        "ReadControlSpace": (3, 3),
        "SetContext": (2, 2),
        "WriteControlSpace": (2, 2),
        "GetVersion": (1, 1),
        "Continue2": (2, 0),
        "Continue": (1, 0),
        "CreateFile": (33, 33),
        "PrintString": (0, 7),
        "LoadSymbolsStateChange": (0, 2),
        "ExceptionStateChange": (0, 1),
    }


def test_real_kdnet_capture_resends_and_replies(kdnet: Capture) -> None:
    frame = kdnet.packets()
    # 6: the print again after RESEND 5; 199: the request after RESEND 198; 204: the reply after RESET 202/203.
    assert list(frame.loc[frame["resend"], "position"]) == [6, 199, 204]
    replies = frame[frame["reply_to"].notna()]
    assert len(replies) == 92 - 1 + 33  # every reply but the one sent again
    requests = frame.loc[replies["reply_to"]]
    assert (requests["api"].astype(str).to_numpy() == replies["api"].astype(str).to_numpy()).all()
    assert ((requests["direction"] == "to_host").to_numpy() == (replies["direction"] == "to_target").to_numpy()).all()
    assert (replies["latency"] > pd.Timedelta(0)).all()
    row = frame[frame["position"] == 201].iloc[0]
    assert frame.loc[row["reply_to"], "position"] == 197
    assert row["latency"] == row["time"] - frame.loc[row["reply_to"], "time"]


def test_real_kdnet_capture_has_its_odd_packets(kdnet: Capture) -> None:
    frame = kdnet.packets(summary=True).set_index("position")
    assert frame.loc[3, ["type", "leader"]].tolist() == ["UNUSED", "none"]
    assert frame.loc[3, "packet_id"] == 0xC0A80201
    assert pd.isna(frame.loc[3, "checksum"])
    assert frame.loc[1, ["transport", "leader"]].tolist() == ["kdnet-control", "none"]
    assert pd.isna(frame.loc[1, "type"])
    assert (frame["summary"].str.len() > 0).all()


@pytest.mark.parametrize(
    ("name", "packets", "junk", "machine"),
    [("handshake-amd64.pcap", 55, 122, MachineType.AMD64), ("handshake-i386.pcap", 41, 97, MachineType.I386)],
)
def test_real_handshakes_decode_completely(
    shared: Path, name: str, packets: int, junk: int, machine: MachineType
) -> None:
    capture = open_capture(shared / "captures" / name)
    frame = capture.packets(summary=True)
    assert len(frame) == packets
    assert frame["valid"].all()
    assert not capture.fields.undecoded
    assert not capture.problems
    assert capture.machine is machine
    assert capture.junk == junk
    assert frame["junk"].sum() == junk
    assert len(capture.junk_bytes(TO_HOST)) == junk
    assert frame.loc[frame["type"] == "STATE_CHANGE64", "direction"].eq("to_host").all()
    assert frame["reply_to"].notna().sum() == 3


@pytest.mark.parametrize("key", ["8.8.8.9", "1.2.3.4"])
def test_a_wrong_key_is_one_clear_line(shared: Path, key: str) -> None:
    with pytest.raises(CaptureError, match=r"none of the 955 KDNET frames .* the key is wrong; give"):
        open_capture(shared / "captures" / "windbg-kdnet.pcapng.gz", key)


def test_a_missing_key_is_one_clear_line(shared: Path) -> None:
    with pytest.raises(CaptureError, match=r"955 KDNET frames, which are encrypted; give the target's key"):
        open_capture(shared / "captures" / "windbg-kdnet.pcapng.gz")


def test_a_key_that_is_no_key_is_one_clear_line(shared: Path) -> None:
    with pytest.raises(CaptureError, match="key"):
        open_capture(shared / "captures" / "windbg-kdnet.pcapng.gz", "not a key")


def test_a_truncated_kdnet_capture_keeps_what_was_before(shared: Path, tmp_path: Path) -> None:
    data = gzip.decompress((shared / "captures" / "windbg-kdnet.pcapng.gz").read_bytes())
    capture = opened(tmp_path, data[: len(data) // 2], key="8.8.8.8")
    assert 300 < len(capture.packets()) < 700
    assert len(capture.problems) == 1
    assert "kept the" in capture.problems[0]
    packed = opened(tmp_path, gzip.compress(data)[:-90_000], key="8.8.8.8")
    assert len(packed.packets()) > 100
    assert len(packed.problems) == 1


def test_a_kdnet_capture_that_lost_its_handshake_says_so(shared: Path, tmp_path: Path) -> None:
    data = gzip.decompress((shared / "captures" / "windbg-kdnet.pcapng.gz").read_bytes())
    output = io.BytesIO()
    writer = dpkt.pcap.Writer(output)
    for index, (time, packet) in enumerate(dpkt.pcap.UniversalReader(io.BytesIO(data))):
        if index > 2:
            writer.writepkt(packet, float(time))
    capture = opened(tmp_path, output.getvalue(), key="8.8.8.8")
    frame = capture.packets()
    assert frame["valid"].sum() == 426
    assert not frame.loc[~frame["valid"], "type"].notna().any()
    assert "526 of 952 KDNET frames don't authenticate" in capture.problems[0]


# --- made captures -----------------------------------------------------------------------------------------


def test_the_frame_has_the_columns_and_dtypes_of_the_contract(whole: Capture) -> None:
    frame = whole.packets()
    expected = dict.fromkeys(COLUMNS, "category") | {
        "time": "datetime64[ns, UTC]", "position": "int64", "stream_offset": "Int64", "packet_id": "UInt32",
        "length": "UInt32", "checksum": "UInt32", "valid": "boolean", "api_number": "UInt32", "status": "UInt32",
        "processor": "UInt16", "address": "UInt64", "count": "UInt64", "actual": "UInt64", "reply_to": "Int64",
        "latency": "timedelta64[ns]", "resend": "boolean", "repaired": "boolean", "junk": "UInt32",
        "payload": "object", "cell": "string", "command": "string",
    }  # fmt: skip
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == expected
    assert list(frame.columns) == list(COLUMNS)
    assert "summary" in whole.packets(summary=True).columns


def test_what_was_said_is_what_is_read(whole: Capture, exchange: Exchange) -> None:
    frame = whole.packets()
    assert len(frame) == len(exchange) - 1  # the boot text is no packet
    assert frame["valid"].all()
    assert whole.machine is MachineType.AMD64
    assert whole.junk == frame["junk"].sum() == len(exchange[0][1])
    assert whole.junk_bytes(TO_HOST) == exchange[0][1]
    data = frame[frame["leader"] == "data"]
    assert list(data["api"]) == [
        "ExceptionStateChange", "GetVersion", "GetVersion", "ReadVirtualMemory", "ReadVirtualMemory",
        "ReadVirtualMemory", "ReadVirtualMemory", "ReadVirtualMemory", "Continue2", "PrintString", "GetString",
        "GetString", "CreateFile", "CreateFile", "ExceptionStateChange",
    ]  # fmt: skip
    reads = data[data["api"] == "ReadVirtualMemory"]
    assert list(reads["address"]) == [0xFFFFF80000001000] * 3 + [2**64 - 8] * 2
    assert list(reads["count"]) == [64, 64, 64, 16, 16]
    assert reads["actual"].tolist()[1:3] == [64, 64]
    assert reads["actual"].isna().tolist() == [True, False, False, True, False]
    assert reads["status"].isna().tolist() == [True, False, False, True, False]
    assert frame.loc[frame["api"] == "CreateFile", "status"].tolist()[1] == 0xC000000F
    assert frame.loc[frame["leader"] == "breakin", "direction"].tolist() == ["to_target"]


def test_replies_point_at_their_requests_and_a_resend_at_none(whole: Capture) -> None:
    frame = whole.packets()
    replies = frame[frame["reply_to"].notna()]
    assert list(replies["api"]) == ["GetVersion", "ReadVirtualMemory", "ReadVirtualMemory", "GetString", "CreateFile"]
    assert list(frame[frame["resend"]]["api"]) == ["ReadVirtualMemory"]
    assert frame.loc[frame["resend"], "reply_to"].isna().all()
    assert (replies["latency"] == pd.Timedelta(milliseconds=2)).all()  # request, its ACK, reply


def same_but_place(one: pd.DataFrame, other: pd.DataFrame) -> None:
    columns = [name for name in COLUMNS if name not in PLACE]
    key = ["direction", "stream_offset"]
    # Packets of one direction keep their order; how both interleave depends on the segments.
    first, second = (
        frame[columns].drop(columns=["reply_to"]).sort_values(key, kind="stable").reset_index(drop=True)
        for frame in (one, other)
    )
    pd.testing.assert_frame_equal(first, second)


@given(seed=st.integers(0, 2**32), longest=st.integers(1, 200))
def test_segments_may_be_cut_anywhere(
    whole: Capture, exchange: Exchange, tmp_path_factory: pytest.TempPathFactory, seed: int, longest: int
) -> None:
    choose = random.Random(seed)
    cut: Exchange = []
    for direction, data in exchange:
        at = 0
        while at < len(data):
            size = choose.randint(1, longest)
            cut.append((direction, data[at : at + size]))
            at += size
    capture = opened(tmp_path_factory.mktemp("cut"), pcapng(cut))
    same_but_place(whole.packets(), capture.packets())


@given(seed=st.integers(0, 2**32))
def test_segments_may_come_late_and_twice(
    whole: Capture, exchange: Exchange, tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    choose = random.Random(seed)
    offsets = dict.fromkeys(Direction, 0)
    sends = []
    for index, (direction, data) in enumerate(exchange):
        for delay in [0] + [1] * (choose.random() < 0.3):
            late = choose.randint(0, 4)
            sends.append((index + (late + delay), len(sends), direction, data, offsets[direction]))
        offsets[direction] += len(data)
    file = io.BytesIO()
    writer = PcapngWriter(file)
    for when, _, direction, data, offset in sorted(sends):
        writer.stream(direction, data, START + when, offset)
    capture = opened(tmp_path_factory.mktemp("late"), file.getvalue())
    same_but_place(whole.packets(), capture.packets())


def test_a_lost_segment_is_a_gap_that_costs_only_its_own_packets(exchange: Exchange, tmp_path: Path) -> None:
    file = io.BytesIO()
    writer = PcapngWriter(file)
    offsets = dict.fromkeys(Direction, 0)
    lost = next(index for index, (way, data) in enumerate(exchange) if way is TO_HOST and len(data) > 100 and index > 5)
    for index, (direction, data) in enumerate(exchange):
        if index != lost:
            writer.stream(direction, data, START + index, offsets[direction])
        offsets[direction] += len(data)
    capture = opened(tmp_path, file.getvalue())
    assert len(capture.packets()) == len(exchange) - 2
    assert capture.gaps == 1
    assert capture.problems == ["the TCP streams have 1 hole: bytes are missing from the capture"]


def test_a_damaged_packet_is_kept_as_invalid_and_the_next_one_found(exchange: Exchange, tmp_path: Path) -> None:
    damaged = [(way, bytes(data)) for way, data in exchange]
    index = next(index for index, (way, data) in enumerate(damaged) if way is TO_HOST and len(data) > 90 and index > 5)
    way, data = damaged[index]
    damaged[index] = (way, data[:30] + bytes([data[30] ^ 1]) + data[31:])
    frame = opened(tmp_path, pcapng(damaged)).packets()
    assert len(frame) == len(exchange) - 1
    assert (~frame["valid"]).sum() == 1
    row = frame[~frame["valid"]].iloc[0]
    assert len(row["payload"]) == row["length"]
    assert pd.isna(row["api"])


def test_a_leader_that_lost_a_byte_is_repaired_and_marked(exchange: Exchange, tmp_path: Path) -> None:
    index = next(
        index for index, (way, data) in enumerate(exchange) if way is TO_HOST and len(data) > 100 and index > 5
    )
    short = [(way, data[1:] if at == index else data) for at, (way, data) in enumerate(exchange)]
    frame = opened(tmp_path, pcapng(short)).packets()
    assert frame["repaired"].sum() == 1
    assert frame["valid"].all()
    assert len(frame) == len(exchange) - 1


def swapped(exchange: Exchange) -> bytes:
    """The same conversation with host and target at each other's address."""
    other = {TO_TARGET: TO_HOST, TO_HOST: TO_TARGET}
    return pcapng([(other[way], data) for way, data in exchange])


def test_the_target_is_who_announces_whatever_its_port(whole: Capture, exchange: Exchange, tmp_path: Path) -> None:
    same_but_place(whole.packets(), opened(tmp_path, swapped(exchange)).packets())


def test_the_target_port_overrides_what_the_packets_tell(exchange: Exchange, tmp_path: Path) -> None:
    frame = opened(tmp_path, pcapng(exchange), target_port=40000).packets()
    assert frame.loc[frame["type"] == "STATE_CHANGE64", "direction"].eq("to_target").all()
    with pytest.raises(CaptureError, match=r"no TCP connection of the capture uses port 1; its ports are 5557, 40000"):
        opened(tmp_path, pcapng(exchange), target_port=1)


@pytest.mark.parametrize("direction", list(Direction))
def test_a_raw_log_of_one_direction(whole: Capture, exchange: Exchange, tmp_path: Path, direction: Direction) -> None:
    raw = b"".join(data for way, data in exchange if way is direction)
    expected = whole.packets()
    expected = expected[expected["direction"] == direction]
    for given_direction in (direction, None):
        capture = opened(tmp_path, raw, direction=given_direction)
        frame = capture.packets()
        assert len(frame) == len(expected)
        assert (frame["direction"] == direction.value).all()
        assert frame["time"].isna().all()
        assert (frame["position"] == frame["stream_offset"]).all()
        assert list(frame["stream_offset"]) == list(expected["stream_offset"])


def test_standard_input_is_read_for_a_dash(whole: Capture, exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(pcapng(exchange))))
    pd.testing.assert_frame_equal(open_capture("-").packets(), whole.packets())


def test_two_connections_in_one_file_keep_to_themselves(exchange: Exchange, tmp_path: Path) -> None:
    file = io.BytesIO()
    writer = PcapngWriter(file)
    offsets = dict.fromkeys(Direction, 0)
    for index, (direction, data) in enumerate(exchange):
        for conversation in (0, 1):
            writer.stream(direction, data, START + index, offsets[direction], conversation)
        offsets[direction] += len(data)
    frame = opened(tmp_path, file.getvalue()).packets()
    assert len(frame) == 2 * (len(exchange) - 1)
    assert frame["resend"].sum() == 2
    assert frame["reply_to"].notna().sum() == 10


@pytest.mark.parametrize(
    "data", [b"", b"hello, this is no capture", bytes(1000), b"\xd4\xc3\xb2\xa1", b"\x1f\x8b", bytes(range(256)) * 40]
)
def test_what_is_no_capture_is_one_clear_line(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(CaptureError) as caught:
        opened(tmp_path, data)
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def test_a_folder_or_a_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(CaptureError, match="can't read"):
            open_capture(path)


@given(data=st.data())
def test_bit_flips_and_cuts_never_raise_anything_else(
    exchange: Exchange, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = bytearray(pcapng(exchange))
    for at in data.draw(st.lists(st.integers(0, len(whole) * 8 - 1), max_size=20)):
        whole[at // 8] ^= 1 << at % 8
    end = data.draw(st.integers(0, len(whole)) | st.just(len(whole)))
    with contextlib.suppress(CaptureError):
        capture = opened(tmp_path_factory.mktemp("fuzz"), bytes(whole[:end]), key="1.2.3.4")
        capture.packets(summary=True)
        assert repr(capture)


@given(data=st.binary(max_size=300), packets=st.booleans())
def test_random_bytes_never_raise_anything_else(
    exchange: Exchange, tmp_path_factory: pytest.TempPathFactory, data: bytes, packets: bool
) -> None:
    noise = pcapng([*exchange[:4], (TO_HOST, data), (TO_TARGET, data)]) if packets else exchange[1][1] + data
    capture = opened(tmp_path_factory.mktemp("noise"), noise)
    capture.packets(summary=True)


def test_writing_a_capture_again_as_pcapng_changes_nothing_but_the_frame_numbers(
    whole: Capture, tmp_path: Path
) -> None:
    write(whole, tmp_path / "again.pcapng")
    pd.testing.assert_frame_equal(open_capture(tmp_path / "again.pcapng").packets(), whole.packets())


def test_messages_are_the_decoded_packets(whole: Capture) -> None:
    rows = dict(whole.messages())
    frame = whole.packets()
    assert list(rows) == list(frame.index[frame["leader"] == "data"])


def test_a_log_with_a_limit_counts_what_it_dropped(exchange: Exchange) -> None:
    log = PacketLog(limit=500)
    for direction, data in exchange:
        log.record(direction, data, START)
    assert log.size == sum(len(data) for _, data in exchange)
    assert log.dropped > 0
    assert 0 < len(log.packets()) < len(exchange)
