"""What the columns say of payloads: API, status, processor, address, count, for many packets at once.

Packets with the same layout are joined and read as one numpy array, by the dtype that the structure's
declaration gives; so the layouts stay in `protocol/`, and a row costs well under a microsecond.
Damaged packets have no fields: their bytes can't be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kdnb.protocol.api_names import API_NAMES
from kdnb.protocol.codec import RawMessage, decode
from kdnb.protocol.constants import (
    CONTROL_REQUEST_SIZE,
    DEBUG_IO_SIZE,
    FILE_IO_SIZE,
    MANIPULATE_SIZE,
    STATE_CHANGE32_SIZE,
    STATE_CHANGE64_SIZE,
    TRACE_IO_SIZE,
    Api,
    Direction,
    FileIoApi,
    MachineType,
    PacketType,
)
from kdnb.protocol.messages.debug_io import ShortPrintHeader
from kdnb.protocol.messages.file_io import FileIoHeader, FileTransferBody
from kdnb.protocol.messages.manipulate import ManipulateHeader, body_type
from kdnb.protocol.messages.state_change import StateChangeHeader
from kdnb.protocol.messages.state_change32 import StateChangeHeader32
from kdnb.protocol.messages.trace_io import ControlRequestBody, TraceHeader
from kdnb.protocol.messages.version import VersionBody

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy

    from kdnb.capture.decode import PacketRecord
    from kdnb.protocol.wire import Structure

__all__ = ["Column", "PayloadFields", "find_machine", "read_fields"]

NEW_STATE_MASK = 0xFFFF
"""The alternate partition's bit lies above the state's number (the protocol reference 2.1)."""

COUNT_FIELDS = ("transfer_count", "byte_count", "length", "size", "count")
ACTUAL_FIELDS = ("actual", "bytes_copied")
"""Names under which the structures declare what the columns `count` and `actual` hold."""

HEADERS: dict[int, tuple[type[Structure], int]] = {
    PacketType.STATE_MANIPULATE: (ManipulateHeader, MANIPULATE_SIZE),
    PacketType.STATE_CHANGE64: (StateChangeHeader, STATE_CHANGE64_SIZE),
    PacketType.STATE_CHANGE32: (StateChangeHeader32, STATE_CHANGE32_SIZE),
    PacketType.DEBUG_IO: (ShortPrintHeader, DEBUG_IO_SIZE),
    PacketType.FILE_IO: (FileIoHeader, FILE_IO_SIZE),
    PacketType.TRACE_IO: (TraceHeader, TRACE_IO_SIZE),
    PacketType.CONTROL_REQUEST: (ControlRequestBody, CONTROL_REQUEST_SIZE),
}
"""What every payload of a type begins with, and the bytes that its fixed part needs."""

REPLY_DIRECTIONS = {PacketType.STATE_MANIPULATE: Direction.TO_HOST, PacketType.FILE_IO: Direction.TO_TARGET}
"""Types whose header has a status, and the direction in which it means something."""

CONTEXT_SIZES = {0x2CC: MachineType.I386, 0x4D0: MachineType.AMD64, 0x390: MachineType.ARM64, 0x1A0: MachineType.ARM}
STATE_CHANGES = (PacketType.STATE_CHANGE32, PacketType.STATE_CHANGE64)


class Column:
    """Numbers of one column, and for which rows they are known."""

    __slots__ = ("known", "values")

    def __init__(self, rows: int, dtype: str) -> None:
        import numpy as np

        self.values: numpy.ndarray[Any, Any] = np.zeros(rows, dtype)
        self.known: numpy.ndarray[Any, Any] = np.zeros(rows, bool)

    def set(self, rows: Any, values: Any) -> None:
        self.values[rows] = values
        self.known[rows] = True

    def to_list(self) -> list[int | None]:
        known = self.known.tolist()
        return [value if is_known else None for value, is_known in zip(self.values.tolist(), known, strict=True)]


@dataclass(slots=True)
class PayloadFields:
    """The payload columns of the packet frame, one entry for each record."""

    api: list[str | None]
    api_number: Column
    status: Column
    processor: Column
    address: Column
    count: Column
    actual: Column
    undecoded: list[int]
    """Rows of valid data packets whose type or API is unknown, or that are too short for it."""


def read_fields(records: Sequence[PacketRecord]) -> PayloadFields:
    """The fields of all `records`."""
    size = len(records)
    fields = PayloadFields(
        [None] * size,
        Column(size, "u4"),
        Column(size, "u4"),
        Column(size, "u2"),
        Column(size, "u8"),
        Column(size, "u8"),
        Column(size, "u8"),
        [],
    )
    by_type: dict[int, list[int]] = {}
    for row, record in enumerate(records):
        if record.leader == "data" and record.valid and record.packet_type is not None:
            by_type.setdefault(record.packet_type, []).append(row)
    for packet_type, rows in by_type.items():
        _read_type(records, packet_type, rows, fields)
    fields.undecoded.sort()
    return fields


def _read_type(records: Sequence[PacketRecord], packet_type: int, rows: list[int], fields: PayloadFields) -> None:
    """All packets of one type: header first, then each API's own part."""
    if packet_type not in HEADERS:
        fields.undecoded += rows
        return
    header_type, minimum = HEADERS[packet_type]
    short = {row for row in rows if len(records[row].payload) < minimum and _is_raw(records[row])}
    if short:
        fields.undecoded += short
        rows = [row for row in rows if row not in short]
    if not rows:
        return
    header = _gather(records, rows, header_type)
    numbers = header[header.dtype.names[0]]
    fields.api_number.set(rows, numbers)
    if "processor" in header.dtype.names:
        fields.processor.set(rows, header["processor"])
    reply_direction = REPLY_DIRECTIONS.get(PacketType(packet_type))
    if reply_direction is not None:
        replies = [index for index, row in enumerate(rows) if records[row].direction is reply_direction]
        fields.status.set([rows[index] for index in replies], header["status"][replies])
    by_api: dict[int, list[int]] = {}
    for row, number in zip(rows, numbers.tolist(), strict=True):
        by_api.setdefault(number & NEW_STATE_MASK if packet_type in STATE_CHANGES else number, []).append(row)
    for number, members in by_api.items():
        name = API_NAMES.get((packet_type, number))
        if name is None:
            fields.undecoded += members
        for row in members:
            fields.api[row] = name
        if packet_type == PacketType.STATE_MANIPULATE:
            _read_body(records, members, body_type(number, MachineType.AMD64), fields)
        elif number in (FileIoApi.ReadFile, FileIoApi.WriteFile):
            _read_transfer(records, members, fields)


def _is_raw(record: PacketRecord) -> bool:
    return isinstance(decode(record.packet_type or 0, record.payload, record.direction), RawMessage)


def _read_body(records: Sequence[PacketRecord], rows: list[int], form: type[Structure], fields: PayloadFields) -> None:
    """Address, count and actual of one union form; `actual` only of replies (requests hold leftovers there)."""
    body = _gather(records, rows, form, ManipulateHeader.SIZE)
    names: Iterable[str] = body.dtype.names or ()
    if "address" in names:
        fields.address.set(rows, body["address"])
    for name in COUNT_FIELDS:
        if name in names:
            fields.count.set(rows, body[name])
            break
    for name in ACTUAL_FIELDS:
        if name in names:
            replies = [index for index, row in enumerate(rows) if records[row].direction is Direction.TO_HOST]
            fields.actual.set([rows[index] for index in replies], body[name][replies])


def _read_transfer(records: Sequence[PacketRecord], rows: list[int], fields: PayloadFields) -> None:
    """ReadFile and WriteFile: the length is what is wanted in the request, what was done in the reply."""
    lengths = _gather(records, rows, FileTransferBody, FileIoHeader.SIZE)["length"]
    for row, length in zip(rows, lengths.tolist(), strict=True):
        column = fields.count if records[row].direction is Direction.TO_HOST else fields.actual
        column.set(row, length)


def _gather(
    records: Sequence[PacketRecord], rows: Sequence[int], form: type[Structure], offset: int = 0
) -> numpy.ndarray[Any, Any]:
    """The structure at `offset` of the payloads of `rows`, as one array."""
    import numpy as np

    end = offset + form.SIZE
    return np.frombuffer(b"".join([records[row].payload[offset:end] for row in rows]), form.dtype())


def find_machine(records: Sequence[PacketRecord], fields: PayloadFields) -> MachineType | None:
    """What the target is: by its GetVersion reply, else by the size of a context, else by its addresses."""
    by_context: MachineType | None = None
    by_address: MachineType | None = None
    for row, name in enumerate(fields.api):
        record = records[row]
        if name is None or record.direction is not Direction.TO_HOST:
            continue
        if name == Api.GetVersion.name and len(record.payload) >= MANIPULATE_SIZE:
            number = VersionBody.decode(record.payload, ManipulateHeader.SIZE).machine
            if number in set(MachineType):
                return MachineType(number)
        elif name == Api.GetContext.name:
            by_context = by_context or CONTEXT_SIZES.get(len(record.payload) - MANIPULATE_SIZE)
        elif record.packet_type == PacketType.STATE_CHANGE64 and by_address is None:
            by_address = _machine_by_address(record.payload)
    return by_context or by_address


def _machine_by_address(payload: bytes) -> MachineType:
    """32-bit addresses come sign-extended: no kernel of x64 has its code in the topmost 2 GiB (a guess that holds)."""
    counter = StateChangeHeader.decode(payload).program_counter
    return MachineType.I386 if counter >> 31 == 0x1FFFFFFFF else MachineType.AMD64
