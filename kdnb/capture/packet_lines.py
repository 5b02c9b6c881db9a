"""One line of text for each packet: what the `summary` column says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.capture.frames import packet_type_name
from kdnb.protocol import codec
from kdnb.protocol.constants import Direction, PacketType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kdnb.capture.decode import PacketRecord
    from kdnb.protocol.constants import MachineType

__all__ = ["packet_lines"]


def packet_lines(records: Sequence[PacketRecord], machine: MachineType) -> list[str]:
    """A line for each record; damaged packets say just that."""
    return [_line(record, machine) for record in records]


def _line(record: PacketRecord, machine: MachineType) -> str:
    if record.leader == "breakin":
        return "break in"
    if record.transport == "kdnet-control":
        return "poke" if record.direction is Direction.TO_HOST else "handshake response"
    if record.packet_type is None:
        return f"{len(record.payload)} bytes that don't authenticate"
    if not record.valid:
        return f"damaged packet, {len(record.payload)} bytes"
    if record.leader == "data":
        return codec.summary(
            codec.decode(record.packet_type, record.payload, record.direction, machine), record.direction
        )
    if record.packet_type == PacketType.UNUSED:
        return "data channel open"
    return f"{packet_type_name(record.packet_type)} {record.packet_id:08x}"
