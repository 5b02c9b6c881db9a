"""The text that `kdnb decode` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.capture.log import PacketLog
from kdnb.capture.open import open_capture
from kdnb.capture.summary import summarise
from kdnb.capture.writers import write

if TYPE_CHECKING:
    from pathlib import Path

    from kdnb.protocol.constants import Direction


@pytest.fixture
def path(exchange: list[tuple[Direction, bytes]], tmp_path: Path) -> Path:
    log = PacketLog()
    for index, (direction, data) in enumerate(exchange):
        log.record(direction, data, 1_700_000_000_000_000_000 + index * 1_000_000)
    write(log, tmp_path / "x.pcapng")
    return tmp_path / "x.pcapng"


def test_the_summary_counts_packets_junk_and_time(path: Path, exchange: list[tuple[Direction, bytes]]) -> None:
    capture = open_capture(path)
    lines = summarise(capture).splitlines()
    assert lines[0] == f"{path}: {len(exchange) - 1} packets in {len(exchange)} frames, 0.03 s, serial, AMD64"
    words = [line.split() for line in lines]
    assert ["STATE_MANIPULATE", "4", "4"] in words
    assert ["ReadVirtualMemory", "2", "3"] in words
    assert ["BREAKIN", "1", "0"] in words
    assert f"invalid 0, undecoded 0, junk bytes {len(exchange[0][1])}, resends 1, repaired 0" in lines
    assert "5 replies, latency 2.000 / 2.000 / 2.000 ms (least, median, most)" in lines
    assert lines[-1].endswith("us per frame")
    assert repr(capture) == summarise(capture)


def test_problems_are_its_last_lines(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])
    assert summarise(open_capture(path)).splitlines()[-1].startswith("problem: the file ends inside a block")


def test_a_raw_log_has_packets_instead_of_frames(exchange: list[tuple[Direction, bytes]], tmp_path: Path) -> None:
    raw = tmp_path / "raw.bin"
    raw.write_bytes(b"".join(data for way, data in exchange if way == "to_host"))
    text = summarise(open_capture(raw))
    assert "us per packet" in text
    assert " frames" not in text
    assert "latency" not in text
