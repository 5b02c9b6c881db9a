"""A recording on disk that grows while a conversation goes on: pcapng, appended block by block.

Each chunk is one whole block in one system call, and what was written is never touched again: whatever becomes of
the process, the file holds every chunk that it had passed on by then.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from kdnb.capture.pcapng import PcapngWriter
from kdnb.errors import CaptureError, UsageError
from kdnb.protocol.constants import Direction

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Recorder"]


class Recorder:
    """Appends what goes by to a new pcapng file. `record` fits a relay's or a pump's observer.

    A disk that is full ends the recording, not the conversation: `problem` then says so, and the file keeps its
    whole blocks.
    """

    def __init__(self, path: Path, *, datagrams: bool = False) -> None:
        """Raises UsageError where the suffix isn't .pcapng, CaptureError where the file can't be made."""
        if path.suffix.lower() != ".pcapng":
            raise UsageError(f"can't record into {path.name}: recordings are .pcapng files", "give a name with .pcapng")
        self.path = path
        self.problem = ""
        """Why nothing is recorded any more; empty while all is well."""
        self._datagrams = datagrams
        self._conversation = -1
        self._offsets = dict.fromkeys(Direction, 0)
        self._lock = threading.Lock()
        self._whole = 0  # bytes of the file that are whole blocks
        try:
            self._file = path.open("wb", buffering=0)
            self._writer = PcapngWriter(self)
        except OSError as error:
            raise CaptureError(f"can't write {path}: {error.strerror or error}", "check the folder") from None

    def begin(self) -> None:
        """What follows is another conversation: another connection in the file."""
        with self._lock:
            self._conversation += 1
            self._offsets = dict.fromkeys(Direction, 0)

    def record(self, direction: Direction, data: bytes, time_ns: int) -> None:
        """Append a chunk; `time_ns` counts since 1970. On KDNET a chunk is a datagram."""
        with self._lock:
            if self.problem:
                return
            try:
                if self._datagrams:
                    self._writer.datagram(direction, data, time_ns)
                else:
                    offset = self._offsets[direction]
                    self._writer.stream(direction, data, time_ns, offset, max(self._conversation, 0))
                    self._offsets[direction] = offset + len(data)
            except (OSError, ValueError) as error:  # ValueError: it was closed meanwhile
                self._give_up(error)

    def close(self) -> None:
        with self._lock:
            self._file.close()

    def write(self, data: bytes, /) -> None:
        """The writer's output: a whole block."""
        written = self._file.write(data)
        if written != len(data):
            raise OSError(0, "the disk took only a part of a packet")
        self._whole += len(data)

    def _give_up(self, error: Exception) -> None:
        self.problem = f"can't record into {self.path} any more: {getattr(error, 'strerror', None) or error}"
        with contextlib.suppress(OSError, ValueError):
            self._file.truncate(self._whole)
