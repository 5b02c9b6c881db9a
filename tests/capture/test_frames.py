"""The frame itself: missing values, unknown numbers, categories. Whole captures are in test_open."""

from __future__ import annotations

import pandas as pd

from kdnb.capture.decode import PacketRecord
from kdnb.capture.frames import COLUMNS, Tag, to_frame
from kdnb.protocol.constants import Direction


def record(**changes: object) -> PacketRecord:
    base = PacketRecord(
        1_000, 1, None, Direction.TO_HOST, "kdnet", "none", None, None, None, None, True, False, 0, b"", 0, 0
    )
    return base._replace(**changes)  # type: ignore[arg-type]


def test_what_is_missing_is_missing_in_every_column() -> None:
    row = to_frame([record(time=None)]).iloc[0]
    present = {name for name in COLUMNS if not pd.isna(row[name])}
    assert present == {"position", "direction", "transport", "leader", "valid", "resend", "repaired", "junk", "payload"}


def test_unknown_packet_types_show_their_number() -> None:
    assert to_frame([record(packet_type=77, leader="data")])["type"].tolist() == ["0x4d"]


def test_only_types_that_occur_are_categories() -> None:
    frame = to_frame([record(packet_type=4, leader="control", packet_id=1, length=0, checksum=0)])
    assert list(frame["type"].cat.categories) == ["ACKNOWLEDGE"]
    assert frame["type"].value_counts().to_dict() == {"ACKNOWLEDGE": 1}


def test_tags_fill_cell_and_command() -> None:
    frame = to_frame([record(tag=0), record(tag=1)], [Tag(), Tag("4", "k")])
    assert frame["cell"].tolist() == [pd.NA, "4"]
    assert frame["command"].tolist() == [pd.NA, "k"]


def test_a_million_years_of_latency_is_missing_when_one_time_is() -> None:
    body = b"\x30\x31\0\0" + bytes(52)
    ask = record(direction=Direction.TO_TARGET, leader="data", packet_type=2, packet_id=0, payload=body, time=None)
    answer = ask._replace(direction=Direction.TO_HOST, time=5)
    frame = to_frame([ask, answer])
    assert frame["reply_to"].tolist() == [pd.NA, 0]
    assert frame["latency"].isna().all()
