"""What went by so far, as one line: packets by type and direction, and what was wrong with them.

Takes chunks as they come and keeps only counters, so that it serves a conversation of any length.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from kdnb.capture.decode import Chunk, SerialConversation
from kdnb.capture.decode_kdnet import KdnetConversation
from kdnb.capture.frames import record_kind
from kdnb.capture.pairing import ResendFinder
from kdnb.protocol.constants import Direction

if TYPE_CHECKING:
    from kdnb.capture.decode import Decoder, PacketRecord

__all__ = ["LiveCounts"]


class LiveCounts:
    """Counters of one conversation. `key` makes it one of KDNET datagrams."""

    def __init__(self, key: bytes | None = None) -> None:
        self._decoder: Decoder = SerialConversation() if key is None else KdnetConversation(key)
        self._resends = ResendFinder()
        self._offsets = dict.fromkeys(Direction, 0)
        self.packets: dict[str, Counter[Direction]] = {}
        """Valid packets by type and direction."""
        self.invalid = 0
        self.resends = 0

    @property
    def junk(self) -> int:
        """Bytes that belong to no packet."""
        return self._decoder.junk

    def feed(self, direction: Direction, data: bytes, time_ns: int) -> None:
        """Take in a chunk."""
        offset = self._offsets[direction]
        self._offsets[direction] += len(data)
        self._count(self._decoder.feed(Chunk(time_ns, direction, data, offset, offset, True)))

    def finish(self) -> None:
        """Nothing more comes: what is left over is junk or a truncated packet."""
        self._count(self._decoder.finish())

    def _count(self, records: list[PacketRecord]) -> None:
        for record in records:
            self.resends += self._resends.look(record)[0]
            if record.valid:
                self.packets.setdefault(record_kind(record), Counter())[record.direction] += 1
            else:
                self.invalid += 1

    def __str__(self) -> str:
        """`STATE_MANIPULATE 12/12, ...`: how many went to the target, and how many to the host."""
        to_target, to_host = Direction.TO_TARGET, Direction.TO_HOST
        ordered = sorted(self.packets.items(), key=lambda item: -item[1].total())
        parts = [f"{kind} {count[to_target]}/{count[to_host]}" for kind, count in ordered]
        size = f"{self._offsets[to_target]}/{self._offsets[to_host]} bytes"
        return f"{', '.join([size, *parts])}; junk {self.junk}, invalid {self.invalid}, resends {self.resends}"
