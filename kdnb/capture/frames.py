"""The packet frame: records as a DataFrame with exactly the columns and dtypes of the public contract.

One place builds it, for capture files, live logs and exports alike. Columns are built as arrays; missing
is `<NA>`. pandas is imported here and nowhere else in this layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from kdnb.capture.fields import PayloadFields, read_fields
from kdnb.capture.pairing import find_resends, pair_replies
from kdnb.protocol.constants import Direction, PacketType, name_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas

    from kdnb.capture.decode import PacketRecord
    from kdnb.capture.fields import Column

__all__ = ["COLUMNS", "Tag", "packet_type_name", "record_kind", "to_frame"]

COLUMNS = (
    "time", "position", "stream_offset", "direction", "transport", "leader", "type", "packet_id", "length",
    "checksum", "valid", "api", "api_number", "status", "processor", "address", "count", "actual", "reply_to",
    "latency", "resend", "repaired", "junk", "payload", "cell", "command",
)  # fmt: skip
"""All columns in order; `summary` follows where it was asked for."""

DIRECTIONS = tuple(direction.value for direction in Direction)
TRANSPORTS = ("serial", "kdnet", "kdnet-control")
LEADERS = ("data", "control", "breakin", "none")
NOT_A_TIME = -(2**63)


class Tag(NamedTuple):
    """What caused a packet of a live session: cell and command, None where there is none."""

    cell: str | None = None
    command: str | None = None


NO_TAGS = (Tag(),)


def packet_type_name(number: int) -> str:
    """`STATE_MANIPULATE` and its like; the number in hexadecimal when it has no name."""
    return name_of(PacketType, number) or f"{number:#x}"


def record_kind(record: PacketRecord) -> str:
    """What counts of packets go by: the type, `BREAKIN`, or `kdnet-control`."""
    if record.packet_type is not None:
        return packet_type_name(record.packet_type)
    return "BREAKIN" if record.leader == "breakin" else record.transport


def to_frame(
    records: Sequence[PacketRecord],
    tags: Sequence[Tag] = NO_TAGS,
    summaries: Sequence[str] | None = None,
    fields: PayloadFields | None = None,
) -> pandas.DataFrame:
    """The packet frame of `records`, which are in order. `fields` saves reading the payloads again."""
    import numpy as np
    import pandas as pd

    fields = fields or read_fields(records)
    resends, repeated = find_resends(records)
    replies = pair_replies(records, fields.api_number.to_list(), fields.processor.to_list(), repeated)
    columns = list(zip(*records, strict=True)) if records else [()] * 16
    time, position, offset, direction, transport, leader, packet_type, packet_id, length, checksum = columns[:10]
    valid, repaired, junk, payload, tag, _ = columns[10:]

    times = np.array([NOT_A_TIME if value is None else value for value in time], "i8")
    type_names = [None if value is None else packet_type_name(value) for value in packet_type]
    payloads = np.empty(len(records), object)
    payloads[:] = payload
    data: dict[str, Any] = {
        "time": pd.DatetimeIndex(times.view("M8[ns]")).tz_localize("UTC"),
        "position": np.array(position, "i8"),
        "stream_offset": _integers(offset, "Int64"),
        "direction": _category(direction, DIRECTIONS),
        "transport": _category(transport, TRANSPORTS),
        "leader": _category(leader, LEADERS),
        "type": _category(type_names, _present(type_names)),
        "packet_id": _integers(packet_id, "UInt32"),
        "length": _integers(length, "UInt32"),
        "checksum": _integers(checksum, "UInt32"),
        "valid": pd.array(np.array(valid, bool), dtype="boolean"),
        "api": _category(fields.api, _present(fields.api)),
        "api_number": _masked(fields.api_number),
        "status": _masked(fields.status),
        "processor": _masked(fields.processor),
        "address": _masked(fields.address),
        "count": _masked(fields.count),
        "actual": _masked(fields.actual),
        "reply_to": _integers(replies, "Int64"),
        "latency": _latency(times, replies),
        "resend": pd.array(np.array(resends, bool), dtype="boolean"),
        "repaired": pd.array(np.array(repaired, bool), dtype="boolean"),
        "junk": _integers(junk, "UInt32"),
        "payload": payloads,
        "cell": pd.array([tags[index].cell for index in tag], dtype="string"),
        "command": pd.array([tags[index].command for index in tag], dtype="string"),
    }
    if summaries is not None:
        data["summary"] = pd.array(list(summaries), dtype="string")
    return pd.DataFrame(data, copy=False)


def _present(names: Sequence[str | None]) -> list[str]:
    """The categories that occur, in order: a frame's `value_counts()` has no rows of zeros."""
    return sorted({name for name in names if name is not None})


def _category(values: Sequence[str | None], categories: Sequence[str]) -> Any:
    import numpy as np
    import pandas as pd

    codes: dict[str | None, int] = {name: index for index, name in enumerate(categories)}
    codes[None] = -1
    found = np.fromiter((codes[value] for value in values), "i2", len(values))
    return pd.Categorical.from_codes(found, categories=pd.Index(list(categories)))


def _integers(values: Sequence[int | None], dtype: str) -> Any:
    """A nullable integer array from numbers and None."""
    import numpy as np
    import pandas as pd

    missing = np.fromiter((value is None for value in values), bool, len(values))
    numbers = np.fromiter((0 if value is None else value for value in values), dtype.lower(), len(values))
    return pd.arrays.IntegerArray(numbers, missing)


def _masked(column: Column) -> Any:
    import pandas as pd

    return pd.arrays.IntegerArray(column.values, ~column.known)


def _latency(times: Any, replies: Sequence[int | None]) -> Any:
    """From request to reply, where both have a time."""
    import numpy as np

    latency = np.full(len(times), NOT_A_TIME, "i8")
    rows = np.array([row for row, request in enumerate(replies) if request is not None], "i8")
    requests = np.array([request for request in replies if request is not None], "i8")
    if len(rows):
        known = (times[rows] != NOT_A_TIME) & (times[requests] != NOT_A_TIME)
        latency[rows[known]] = times[rows[known]] - times[requests[known]]
    return latency.view("m8[ns]")
