"""The live log: decoded as it grows, tagged, and the same as the file it is written to."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from kdnb.capture.log import PacketLog
from kdnb.capture.open import open_capture
from kdnb.capture.writers import write
from kdnb.protocol.constants import Direction
from kdnb.protocol.kdnet import KdnetCodec
from kdnb.protocol.packet_ids import Role

if TYPE_CHECKING:
    from pathlib import Path

Exchange = list[tuple[Direction, bytes]]
TO_TARGET, TO_HOST = Direction.TO_TARGET, Direction.TO_HOST
START = 1_700_000_000_000_000_000
KEY = "1a2b3c4d5e6f.zzyxwv9876.q1w2e3r4t5y6.3w5e11264sgsf"


def record(log: PacketLog, exchange: Exchange, start: int = START) -> None:
    for index, (direction, data) in enumerate(exchange):
        log.record(direction, data, start + index * 1000)


def without_place(frame: pd.DataFrame, *more: str) -> pd.DataFrame:
    return frame.drop(columns=["position", *more])


def test_the_log_gives_the_same_frame_as_its_file_read_back(exchange: Exchange, tmp_path: Path) -> None:
    log = PacketLog()
    record(log, exchange)
    write(log, tmp_path / "log.pcapng")
    back = open_capture(tmp_path / "log.pcapng").packets()
    pd.testing.assert_frame_equal(without_place(log.packets()), without_place(back))


def test_asking_after_every_chunk_gives_the_same_as_asking_once(exchange: Exchange) -> None:
    often, once = PacketLog(), PacketLog()
    rows = []
    for index, (direction, data) in enumerate(exchange):
        half = len(data) // 2
        for log in (often, once):
            log.record(direction, data[:half], START + index)
            log.record(direction, data[half:], START + index)
        rows.append(len(often.packets()))
    assert rows == sorted(rows)
    pd.testing.assert_frame_equal(often.packets(), once.packets())


def test_positions_are_byte_offsets_of_the_live_stream(exchange: Exchange) -> None:
    log = PacketLog()
    record(log, exchange)
    frame = log.packets()
    starts = [sum(len(data) for _, data in exchange[:index]) for index in range(1, len(exchange))]
    assert frame["position"].tolist() == starts


def test_packets_carry_the_cell_and_command_that_were_current(exchange: Exchange) -> None:
    log = PacketLog()
    record(log, exchange[:5])
    log.tag("7", "dd nt!x")
    record(log, exchange[5:8])
    log.tag("7", "dd nt!x")
    record(log, exchange[8:9])
    log.tag(None, None)
    record(log, exchange[9:])
    frame = log.packets()
    assert frame["cell"].isna().sum() == len(frame) - 4
    assert frame.loc[frame["cell"] == "7", "command"].tolist() == ["dd nt!x"] * 4
    assert list(frame.index[frame["cell"].notna()]) == [4, 5, 6, 7]


def test_replies_are_paired_across_calls(exchange: Exchange) -> None:
    log = PacketLog()
    half = next(index for index, (way, data) in enumerate(exchange) if way is TO_TARGET and len(data) > 20) + 1
    record(log, exchange[:half])
    assert log.packets()["reply_to"].notna().sum() == 0
    record(log, exchange[half:])
    assert log.packets()["reply_to"].notna().sum() == 5


def test_an_empty_log_has_the_columns_all_the_same(exchange: Exchange) -> None:
    empty, log = PacketLog().packets(), PacketLog()
    record(log, exchange)
    full = log.packets()
    assert len(empty) == 0
    assert [str(dtype) for dtype in empty.dtypes] == [str(dtype) for dtype in full.dtypes]


def entropy(size: int) -> bytes:
    return hashlib.shake_128(b"entropy").digest(size)


@pytest.fixture
def kdnet_log(exchange: Exchange) -> PacketLog:
    """The session over KDNET, handshake first, sealed by the codecs of both ends."""
    log = PacketLog(KEY)
    host, target = (KdnetCodec(role, log.key or b"", entropy) for role in (Role.HOST, Role.TARGET))
    time = START

    def deliver(direction: Direction, datagram: bytes) -> None:
        nonlocal time
        time += 1000
        log.record(direction, datagram, time)
        (target if direction is TO_TARGET else host).receive(datagram)

    deliver(TO_HOST, target.poke())
    for datagram in host.datagrams_to_send():
        deliver(TO_TARGET, datagram)
    for datagram in target.datagrams_to_send():
        deliver(TO_HOST, datagram)
    ids = {TO_TARGET: 0x80000000, TO_HOST: 0}
    for direction, data in exchange[1:]:
        body = data
        if len(data) > 16:  # a data packet: ids count by two, and there is no trailer
            body = data[:8] + ids[direction].to_bytes(4, "little") + data[12:-1]
            ids[direction] += 2
        deliver(direction, (host if direction is TO_TARGET else target).seal(body))
    return log


def test_a_kdnet_session_is_decrypted_live(kdnet_log: PacketLog, exchange: Exchange) -> None:
    frame = kdnet_log.packets()
    assert frame["valid"].all()
    assert len(frame) == 3 + len(exchange) - 1
    assert frame["transport"].value_counts().to_dict() == {"kdnet": len(frame) - 2, "kdnet-control": 2, "serial": 0}
    assert frame["stream_offset"].isna().all()
    assert (frame["leader"] == "breakin").sum() == 1
    assert frame["reply_to"].notna().sum() == 5


def test_a_kdnet_log_gives_the_same_frame_as_its_file_read_back(kdnet_log: PacketLog, tmp_path: Path) -> None:
    write(kdnet_log, tmp_path / "log.pcapng")
    back = open_capture(tmp_path / "log.pcapng", KEY).packets()
    pd.testing.assert_frame_equal(without_place(kdnet_log.packets()), without_place(back))


def test_the_log_knows_when_the_target_was_last_heard() -> None:
    log = PacketLog()
    assert log.heard_at is None
    log.record(TO_HOST, b"0000", START)
    log.record(TO_TARGET, b"iiii", START + 5)
    assert log.heard_at == START
