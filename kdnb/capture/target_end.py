"""Which end of a conversation is the target: by what each of them says.

Only a target announces state changes and prints; only a host lets it go on. The rest is weaker evidence.
"""

from __future__ import annotations

from kdnb.protocol.constants import MANIPULATE_SIZE, NO_REPLY, SYNC_PACKET_ID, Api, PacketType, Status
from kdnb.protocol.framing import FramedPacket, Framer
from kdnb.protocol.messages.manipulate import ManipulateHeader

__all__ = ["CERTAIN", "TargetScore"]

CERTAIN = 1 << 20
"""Weight of what only one end can say. The rest weighs a few points: it decides where nothing certain was said, but no
number of packets of a client with habits of its own makes it certain."""
TARGET_ONLY = frozenset({PacketType.STATE_CHANGE32, PacketType.STATE_CHANGE64, PacketType.TRACE_IO})
WRITES = frozenset(
    {
        Api.WriteVirtualMemory,
        Api.WritePhysicalMemory,
        Api.WriteControlSpace,
        Api.SetContext,
        Api.SetContextEx,
        Api.SetBusData,
        Api.SearchMemory,
        Api.FillMemory,
    }
)
"""Their requests carry data, their replies none."""
BOTH_WAYS = frozenset({Api.WriteBreakPointEx, Api.RestoreBreakPointEx})


class TargetScore:
    """Evidence from one stream: positive when its sender is the target. `valid` counts packets."""

    def __init__(self) -> None:
        self.score = 0
        self.valid = 0
        self._framer = Framer(repair=True)

    def feed(self, data: bytes) -> None:
        for framed in self._framer.feed(data):
            if isinstance(framed, FramedPacket) and framed.valid:
                self.valid += 1
                self.score += _evidence(framed)


def _evidence(framed: FramedPacket) -> int:
    packet = framed.packet
    if packet.is_control:
        return 0
    score = 2 if packet.packet_id & SYNC_PACKET_ID else 0
    if packet.packet_type in TARGET_ONLY:
        return score + CERTAIN
    if packet.packet_type == PacketType.DEBUG_IO:
        return score + 5
    if packet.packet_type == PacketType.FILE_IO:
        return score + (3 if len(packet.payload) > 64 else -1)
    if packet.packet_type == PacketType.STATE_MANIPULATE and len(packet.payload) >= MANIPULATE_SIZE:
        header = ManipulateHeader.decode(packet.payload)
        if header.api in NO_REPLY:
            return score - CERTAIN
        if header.api in BOTH_WAYS:
            return score
        if len(packet.payload) > MANIPULATE_SIZE:  # data: of a write request or of another reply
            return score + (-3 if header.api in WRITES else 3)
        return score - (header.status == Status.PENDING)
    return score
