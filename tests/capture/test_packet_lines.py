"""The summary column: a line for everything that can be a row."""

from __future__ import annotations

import pytest

from kdnb.capture.decode import PacketRecord
from kdnb.capture.packet_lines import packet_lines
from kdnb.protocol.constants import Direction, MachineType

BASE = PacketRecord(
    0, 1, 0, Direction.TO_HOST, "serial", "data", 3, 0x80800000, 0, 0, True, False, 0,
    b"\x30\x32\0\0" + bytes(4) + b"\x05\0\0\0" + bytes(4) + b"hi\r\n\x1b", 0, 0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, r'PrintString "hi\r\n\x1b"'),
        ({"leader": "control", "packet_type": 4}, "ACKNOWLEDGE 80800000"),
        ({"leader": "control", "packet_type": 99}, "0x63 80800000"),
        ({"leader": "breakin", "packet_type": None}, "break in"),
        ({"valid": False}, "damaged packet, 21 bytes"),
        ({"leader": "none", "packet_type": 0, "transport": "kdnet"}, "data channel open"),
        ({"leader": "none", "packet_type": None, "transport": "kdnet-control"}, "poke"),
        (
            {"leader": "none", "packet_type": None, "transport": "kdnet", "valid": False},
            "21 bytes that don't authenticate",
        ),
    ],
)
def test_each_kind_of_row_has_its_line(changes: dict[str, object], line: str) -> None:
    assert packet_lines([BASE._replace(**changes)], MachineType.AMD64) == [line]  # type: ignore[arg-type]
