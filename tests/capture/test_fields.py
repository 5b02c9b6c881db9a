"""Columns read in bulk agree with the codec, message by message, for every API both ways."""

from __future__ import annotations

from typing import Any

import pytest

from kdnb.capture.decode import PacketRecord
from kdnb.capture.fields import find_machine, read_fields
from kdnb.protocol import codec
from kdnb.protocol.constants import (
    Api,
    ControlRequestApi,
    DebugIoApi,
    Direction,
    FileIoApi,
    MachineType,
    NewState,
    PacketType,
    TraceIoApi,
)

EVERY_API = [
    (PacketType.STATE_MANIPULATE, Api, 80),
    (PacketType.STATE_CHANGE64, NewState, 0xF4),
    (PacketType.STATE_CHANGE32, NewState, 0x68),
    (PacketType.DEBUG_IO, DebugIoApi, 30),
    (PacketType.FILE_IO, FileIoApi, 70),
    (PacketType.TRACE_IO, TraceIoApi, 64),
    (PacketType.CONTROL_REQUEST, ControlRequestApi, 12),
]
COUNT_FIELDS = ("transfer_count", "byte_count", "length", "size", "count")
ACTUAL_FIELDS = ("actual", "bytes_copied")
CASES = [(kind, int(api), size) for kind, apis, size in EVERY_API for api in apis]


def record(packet_type: int, payload: bytes, direction: Direction, *, valid: bool = True) -> PacketRecord:
    return PacketRecord(
        0, 1, 0, direction, "serial", "data", packet_type, 0, len(payload), 0, valid, False, 0, payload, 0, 0
    )


def first_of(body: Any, names: tuple[str, ...]) -> int | None:
    return next((getattr(body, name) for name in names if hasattr(body, name)), None)


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize(("packet_type", "api", "size"), CASES)
def test_bulk_columns_agree_with_the_codec(packet_type: PacketType, api: int, size: int, direction: Direction) -> None:
    payload = api.to_bytes(4, "little") + bytes(range(1, size - 3))
    message: Any = codec.decode(packet_type, payload, direction)
    fields = read_fields([record(packet_type, payload, direction)])
    assert not fields.undecoded
    assert fields.api == [codec.api_name(message)]
    assert fields.api_number.to_list() == [api]
    assert fields.processor.to_list() == [getattr(message, "processor", None)]
    if packet_type == PacketType.STATE_MANIPULATE:
        is_reply = direction is Direction.TO_HOST
        assert fields.status.to_list() == [message.status if is_reply else None]
        assert fields.address.to_list() == [getattr(message.body, "address", None)]
        assert fields.count.to_list() == [first_of(message.body, COUNT_FIELDS)]
        assert fields.actual.to_list() == [first_of(message.body, ACTUAL_FIELDS) if is_reply else None]
    if packet_type == PacketType.FILE_IO:
        is_reply = direction is Direction.TO_TARGET
        assert fields.status.to_list() == [message.status if is_reply else None]
        length = message.body.length if api in (FileIoApi.ReadFile, FileIoApi.WriteFile) else None
        assert fields.count.to_list() == [None if is_reply else length]
        assert fields.actual.to_list() == [length if is_reply else None]


def test_damaged_packets_have_no_fields() -> None:
    fields = read_fields([record(2, bytes(80), Direction.TO_HOST, valid=False)])
    assert fields.api_number.to_list() == [None]
    assert not fields.undecoded


def test_unknown_and_short_packets_count_as_undecoded() -> None:
    rows = [
        record(2, b"\x99\x99\0\0" + bytes(60), Direction.TO_HOST),
        record(2, b"\x30\x31\0\0", Direction.TO_HOST),
        record(77, bytes(60), Direction.TO_HOST),
        record(3, b"\x30\x32\0\0" + bytes(4) + b"\x02\0\0\0hi", Direction.TO_HOST),  # the short print header
    ]
    fields = read_fields(rows)
    assert fields.undecoded == [0, 1, 2]
    assert fields.api == [None, None, None, "PrintString"]
    assert fields.api_number.to_list() == [0x9999, None, None, 0x3230]


def state_change_at(counter: int) -> bytes:
    return b"\x30\x30\0\0" + bytes(20) + counter.to_bytes(8, "little") + bytes(0xD0)


@pytest.mark.parametrize(
    ("counter", "machine"),
    [(0xFFFFFFFF80401000, MachineType.I386), (0xFFFFF80000401000, MachineType.AMD64), (0x9CF07E, MachineType.AMD64)],
)
def test_without_a_version_the_addresses_tell_the_machine(counter: int, machine: MachineType) -> None:
    rows = [record(7, state_change_at(counter), Direction.TO_HOST)]
    assert find_machine(rows, read_fields(rows)) is machine


@pytest.mark.parametrize(("size", "machine"), [(0x2CC, MachineType.I386), (0x390, MachineType.ARM64)])
def test_the_size_of_a_context_tells_more_than_an_address(size: int, machine: MachineType) -> None:
    rows = [
        record(7, state_change_at(0xFFFFF80000401000), Direction.TO_HOST),
        record(2, b"\x32\x31\0\0" + bytes(52 + size), Direction.TO_HOST),
    ]
    assert find_machine(rows, read_fields(rows)) is machine


def test_nothing_tells_nothing() -> None:
    assert find_machine([], read_fields([])) is None
