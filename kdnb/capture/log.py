"""The live packet log: every chunk of a session as it went over the wire, decoded when someone asks.

Recording is cheap enough for whoever waits for a reply: one tuple for each chunk, put where it belongs later.
Decoding goes on from where it stopped the last time, so that asking for the packets after every cell costs what is new.
"""

from __future__ import annotations

import threading
from collections import deque
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

_TO_HOST = Direction.TO_HOST  # bound once: an enum takes as long to give a member as all the rest of `record`


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
        self._tag = 0
        """The last of them: of what is recorded now."""
        self._fresh: deque[tuple[int, bool, bytes | int, int]] = deque()
        """Time, whether it came to the host, data and tag of chunks that have no position yet; of data that was dropped
        its length. Tuples of nothing but numbers and bytes are no work for the garbage collector."""
        self._offsets = dict.fromkeys(Direction, 0)
        self._size = 0
        self._counted = 0
        """Bytes recorded; kept only where there is a limit."""
        self._recording = threading.Lock()
        self._decoding = threading.RLock()
        self.heard_at: int | None = None
        """When the target was last heard, in ns since 1970."""
        self.dropped = 0
        """Bytes that went by after the limit was reached."""

    @property
    def size(self) -> int:
        """Bytes that went over the wire, both directions together."""
        with self._decoding:
            self._place()
            return self._size

    @property
    def tags(self) -> Sequence[Tag]:
        return self._tags

    def record(self, direction: Direction, data: bytes, time_ns: int) -> None:
        """Keep a chunk; `time_ns` counts since 1970."""
        to_host = direction is _TO_HOST
        if to_host:
            self.heard_at = time_ns
        kept = data if self._limit is None else self._within(self._limit, data)
        self._fresh.append((time_ns, to_host, kept, self._tag))  # one step: threads can't mix here

    def _within(self, limit: int, data: bytes) -> bytes | int:
        """The data, or its length where the log is full."""
        with self._recording:
            self._counted += len(data)
            if self._counted <= limit:
                return data
            self.dropped += len(data)
            return len(data)

    def tag(self, cell: str | None, command: str | None) -> None:
        """Say what causes the chunks from now on."""
        with self._recording:
            if self._tags[-1] != (cell, command):
                self._tags.append(Tag(cell, command))
                self._tag = len(self._tags) - 1

    def _place(self) -> None:
        """Give what was recorded since the last time its place in the streams."""
        while self._fresh:
            time_ns, to_host, data, tag = self._fresh.popleft()
            direction = Direction.TO_HOST if to_host else Direction.TO_TARGET
            offset = self._offsets[direction]
            size = data if isinstance(data, int) else len(data)
            if size and not isinstance(data, int):
                self._chunks.append(Chunk(time_ns, direction, bytes(data), self._size, offset, True, tag))
            self._size += size
            self._offsets[direction] = offset + size

    def decode(self) -> None:
        with self._decoding:
            self._place()
            super().decode()

    def packets(self, summary: bool = False) -> pandas.DataFrame:
        with self._decoding:
            return super().packets(summary)
