"""Write a capture or a live log: pcapng for Wireshark, CSV, JSON lines and Parquet for everything else.

Tables hold the packet frame with its summary. In text formats payloads are hexadecimal, times ISO 8601 in
UTC, latencies nanoseconds, integers decimal, and missing is `<NA>` (null in JSON).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdnb.capture.pcapng import PcapngWriter
from kdnb.errors import CaptureError, MissingExtraError, UsageError
from kdnb.protocol.constants import CONTROL_LEADER, DATA_LEADER
from kdnb.protocol.packet import Packet, encode_packet

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas

    from kdnb.capture.decode import PacketRecord
    from kdnb.capture.recording import Recording
    from kdnb.protocol.constants import Direction

__all__ = ["FORMATS", "write", "write_decrypted"]

MISSING = "<NA>"


def write(recording: Recording, path: str | Path) -> None:
    """Write to `path` in the format of its suffix. Raises `UsageError` for an unknown one."""
    target = Path(path)
    writer = FORMATS.get(target.suffix.lower())
    if writer is None:
        known = ", ".join(FORMATS)
        raise UsageError(f"can't write {target}: its suffix names no format", f"use one of {known}")
    try:
        writer(recording, target)
    except OSError as error:
        raise CaptureError(f"can't write {target}: {error.strerror or error}", "check the folder") from None


def write_pcapng(recording: Recording, path: Path) -> None:
    """The chunks as they were, as TCP or UDP between loopback addresses."""
    recording.decode()
    chunks = [
        (chunk.position, index, chunk)
        for index, conversation in enumerate(recording.conversations)
        for chunk in conversation.chunks
    ]
    chunks.sort(key=lambda item: item[0])  # stable: what one frame or read held stays together
    datagrams = [conversation.datagrams for conversation in recording.conversations]
    with path.open("wb") as file:
        writer = PcapngWriter(file)
        for _, index, chunk in chunks:
            if datagrams[index]:
                writer.datagram(chunk.direction, chunk.data, chunk.time)
            else:
                writer.stream(chunk.direction, chunk.data, chunk.time, chunk.offset, index)


def write_decrypted(recording: Recording, path: str | Path) -> None:
    """The KD packets themselves as pcapng, framed as on a serial line: what was inside KDNET, readable without its key.

    Valid packets only; handshakes and the packets without meaning that open a data channel are left out.
    Raises `UsageError` where the suffix isn't .pcapng.
    """
    target = Path(path)
    if target.suffix.lower() != ".pcapng":
        raise UsageError(f"can't write {target}: decrypted packets go into .pcapng", "give a name with .pcapng")
    recording.decode()
    offsets: dict[tuple[int, Direction], int] = {}
    try:
        with target.open("wb") as file:
            writer = PcapngWriter(file)
            for record in recording.records:
                if data := _framed(record):
                    side = (record.conversation, record.direction)
                    offset = offsets.get(side, 0)
                    writer.stream(record.direction, data, record.time, offset, record.conversation)
                    offsets[side] = offset + len(data)
    except OSError as error:
        raise CaptureError(f"can't write {target}: {error.strerror or error}", "check the folder") from None


def _framed(record: PacketRecord) -> bytes:
    """A record's packet as a serial line carries it; nothing where there is none."""
    if record.valid and record.leader == "breakin":
        return record.payload
    leader = {"data": DATA_LEADER, "control": CONTROL_LEADER}.get(record.leader)
    if not record.valid or leader is None or not record.packet_type or record.packet_id is None:
        return b""
    return encode_packet(Packet(leader, record.packet_type, record.packet_id, record.payload, record.checksum or 0))


def write_csv(recording: Recording, path: Path) -> None:
    """One row for each packet, with a header line."""
    _as_text(recording).to_csv(path, index=False, na_rep=MISSING, lineterminator="\n")


def write_jsonl(recording: Recording, path: Path) -> None:
    """One JSON object for each packet."""
    with path.open("w", encoding="utf-8") as file:
        for row in _rows(_as_text(recording)):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def write_parquet(recording: Recording, path: Path) -> None:
    """The frame with its dtypes; reading it with pandas gives the same frame back."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("Parquet needs pyarrow", "pip install 'kdnb[analysis]'") from None
    table = pyarrow.Table.from_pandas(recording.packets(summary=True), preserve_index=False)
    index = table.schema.get_field_index("payload")
    table = table.set_column(index, "payload", table.column(index).cast(pyarrow.large_binary()))
    pyarrow.parquet.write_table(table, path, compression="zstd")


FORMATS = {".csv": write_csv, ".jsonl": write_jsonl, ".parquet": write_parquet, ".pcapng": write_pcapng}


def _as_text(recording: Recording) -> pandas.DataFrame:
    """The frame with payloads, times and latencies in the form that text formats share."""
    import numpy as np
    import pandas as pd

    frame = recording.packets(summary=True)
    times = frame["time"]
    stamps = np.datetime_as_string(times.dt.tz_localize(None).to_numpy(), unit="ns")
    frame["time"] = pd.array([None if stamp == "NaT" else f"{stamp}Z" for stamp in stamps], dtype="string")
    latencies = frame["latency"]
    missing = latencies.isna().to_numpy()
    frame["latency"] = pd.arrays.IntegerArray(np.where(missing, 0, latencies.to_numpy().view("i8")), missing)
    frame["payload"] = pd.array([payload.hex() for payload in frame["payload"]], dtype="string")
    return frame


def _rows(frame: pandas.DataFrame) -> Iterator[dict[str, Any]]:
    """Rows as plain Python values; missing is None."""
    names = list(frame.columns)
    columns = [
        [None if gone else value for value, gone in zip(frame[name].tolist(), frame[name].isna().tolist(), strict=True)]
        for name in names
    ]
    for values in zip(*columns, strict=True):
        yield dict(zip(names, values, strict=True))
