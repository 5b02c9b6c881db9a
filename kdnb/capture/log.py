"""The live packet log: every chunk of a session as it went over the wire, decoded when someone asks.

Recording is cheap enough for the pump's thread: one tuple for each chunk. Decoding goes on from where it
stopped the last time, so that asking for the packets after every cell costs what is new.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from kdnb.capture.decode import Chunk, SerialConversation
from kdnb.capture.decode_kdnet import KdnetConversation
from kdnb.capture.frames import Tag
from kdnb.capture.recording import Conversation, Recording
from kdnb.protocol.constants import Direction
from kdnb.protocol.kdnet import parse_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas

__all__ = ["PacketLog"]


class PacketLog(Recording):
    """A recording that grows. `record` is the pump's observer; any thread may call any method.

    `key` (text or bytes) makes it a log of KDNET datagrams. `limit` bounds the bytes kept: what comes
    later is counted in `dropped` and leaves a gap.
    """

    def __init__(self, key: str | bytes | None = None, limit: int | None = None) -> None:
        self.key = parse_key(key) if isinstance(key, str) else key
        decoder = SerialConversation() if self.key is None else KdnetConversation(self.key)
        conversation = Conversation(decoder, self.key is not None)
        super().__init__([conversation])
        self._chunks = conversation.chunks
        self._tags = [Tag()]
        self._limit = limit
        self._offsets = dict.fromkeys(Direction, 0)
        self._size = 0
        self._recording = threading.Lock()
        self._decoding = threading.RLock()
        self.dropped = 0
        """Bytes that went by after the limit was reached."""

    @property
    def size(self) -> int:
        """Bytes that went over the wire, both directions together."""
        return self._size

    @property
    def tags(self) -> Sequence[Tag]:
        return self._tags

    def record(self, direction: Direction, data: bytes, time_ns: int) -> None:
        """Keep a chunk; `time_ns` counts since 1970."""
        if not data:
            return
        with self._recording:
            position, offset = self._size, self._offsets[direction]
            self._size = position + len(data)
            self._offsets[direction] = offset + len(data)
            if self._limit is not None and self._size > self._limit:
                self.dropped += len(data)
                return
            tag = len(self._tags) - 1
            self._chunks.append(Chunk(time_ns, direction, bytes(data), position, offset, True, tag))

    def tag(self, cell: str | None, command: str | None) -> None:
        """Say what causes the chunks from now on."""
        with self._recording:
            if self._tags[-1] != (cell, command):
                self._tags.append(Tag(cell, command))

    def decode(self) -> None:
        with self._decoding:
            super().decode()

    def packets(self, summary: bool = False) -> pandas.DataFrame:
        with self._decoding:
            return super().packets(summary)
