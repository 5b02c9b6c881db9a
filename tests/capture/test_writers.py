"""Exports: what comes back is what was written, and other programs can read it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from kdnb.capture.frames import COLUMNS
from kdnb.capture.log import PacketLog
from kdnb.capture.open import open_capture
from kdnb.capture.pcapng import TARGET_PORT
from kdnb.capture.writers import write, write_decrypted
from kdnb.errors import CaptureError, MissingExtraError, UsageError
from kdnb.protocol.constants import Direction

if TYPE_CHECKING:
    from pathlib import Path

START = 1_700_000_000_123_456_789


@pytest.fixture(scope="module")
def log(exchange: list[tuple[Direction, bytes]]) -> PacketLog:
    log = PacketLog()
    log.tag("3", 'dd "x", 1\nsecond line')
    for index, (direction, data) in enumerate(exchange):
        log.record(direction, data, START + index * 1000)
    return log


def test_csv_has_hex_payloads_decimal_numbers_and_explicit_gaps(log: PacketLog, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    write(log, path)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    frame = log.packets(summary=True)
    assert list(rows[0]) == [*COLUMNS, "summary"]
    assert [bytes.fromhex(row["payload"]) for row in rows] == list(frame["payload"])
    assert rows[0]["time"] == "2023-11-14T22:13:20.123457789Z"
    last = [row for row in rows if row["api"] == "ReadVirtualMemory"][-1]
    assert last["address"] == str(2**64 - 8)
    assert last["latency"] == "2000"
    assert rows[0]["address"] == "<NA>"
    assert rows[0]["command"] == 'dd "x", 1\nsecond line'
    assert rows[0]["valid"] == "True"


def test_csv_read_by_pandas_gives_the_numbers_back(log: PacketLog, tmp_path: Path) -> None:
    write(log, tmp_path / "x.csv")
    frame = log.packets()
    back = pd.read_csv(tmp_path / "x.csv", dtype={"address": "UInt64", "reply_to": "Int64"})
    pd.testing.assert_series_equal(back["address"], frame["address"])
    pd.testing.assert_series_equal(back["reply_to"], frame["reply_to"])
    assert (pd.to_datetime(back["time"]) == frame["time"]).all()


def test_json_lines_hold_one_object_for_each_packet(log: PacketLog, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    write(log, path)
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    frame = log.packets(summary=True)
    assert [row["summary"] for row in rows] == list(frame["summary"])
    assert [row["position"] for row in rows] == list(frame["position"])
    assert rows[0]["address"] is None
    assert rows[0]["valid"] is True
    assert max(row["address"] or 0 for row in rows) == 2**64 - 8


def test_parquet_gives_the_same_frame_back(log: PacketLog, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    parquet = pytest.importorskip("pyarrow.parquet")
    write(log, path)
    assert str(parquet.read_schema(path).field("payload").type) == "large_binary"
    pd.testing.assert_frame_equal(pd.read_parquet(path), log.packets(summary=True))


def test_parquet_without_pyarrow_names_the_extra(
    log: PacketLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pyarrow; pip install 'kdnb\[analysis\]'"):
        write(log, tmp_path / "x.parquet")


@pytest.mark.external("tshark")
def test_tshark_reads_the_pcapng_as_streams_without_complaints(log: PacketLog, tmp_path: Path) -> None:
    path = tmp_path / "x.pcapng"
    write(log, path)
    options = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
    fields = ["-e", "tcp.len", "-e", "tcp.srcport", "-e", "_ws.expert.message", "-e", "frame.time_epoch"]
    done = subprocess.run(
        ["tshark", "-r", str(path), *options, "-T", "fields", *fields], capture_output=True, text=True, check=True
    )
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    chunks = log.conversations[0].chunks
    assert [int(row[0]) for row in rows] == [len(chunk.data) for chunk in chunks]
    assert [row[1] == str(TARGET_PORT) for row in rows] == [chunk.direction is Direction.TO_HOST for chunk in chunks]
    assert not [row[2] for row in rows if "checksum" in row[2].lower() or "retransmission" in row[2].lower()]
    assert rows[0][3].endswith("123456789") or "22:13:20.123456789" in rows[0][3]


def test_an_unknown_suffix_is_refused(log: PacketLog, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"its suffix names no format; use one of \.csv, \.jsonl, \.parquet, \.pcapng"):
        write(log, tmp_path / "x.xlsx")


def test_a_folder_that_is_not_there_is_one_clear_line(log: PacketLog, tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="can't write"):
        write(log, tmp_path / "absent" / "x.csv")


def test_packets_without_their_transport_read_the_same(log: PacketLog, tmp_path: Path) -> None:
    write_decrypted(log, tmp_path / "plain.pcapng")
    columns = ["direction", "type", "packet_id", "api", "address", "status", "payload", "reply_to", "time"]
    before, after = log.packets(), open_capture(tmp_path / "plain.pcapng").packets()
    pd.testing.assert_frame_equal(after[columns], before[before["valid"]][columns].reset_index(drop=True))


def test_packets_without_their_transport_go_into_pcapng_only(log: PacketLog, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pcapng"):
        write_decrypted(log, tmp_path / "plain.csv")
