"""How a running target listens: one byte per clock tick, of which only 62 means anything (protocol reference 1.8).

While the machine stands still its link reads; so the stub must know where in a chunk the packet ends that
lets go of the machine. What comes behind it is for these polls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.protocol.constants import BREAKIN_BYTE
from kdnb.protocol.framing import FramedPacket, Framer

if TYPE_CHECKING:
    from collections.abc import Iterator

BREAK_IN = bytes([BREAKIN_BYTE])

UNREAD_LIMIT = 0x10000
"""Bytes kept for the polls; a client that sends more to a running target is shouting at a wall."""


class Polls:
    """The bytes that wait for a clock tick each. `break_pending`: a 62 was seen already, as ControlCPending."""

    def __init__(self) -> None:
        self.break_pending = False
        self._unread = bytearray()

    @property
    def has_bytes(self) -> bool:
        """True when a poll has something to find."""
        return self.break_pending or bool(self._unread)

    def add(self, data: bytes) -> None:
        self._unread += data[: UNREAD_LIMIT - len(self._unread)]

    def clear(self) -> None:
        self._unread.clear()

    def take_all(self) -> bytes:
        """The machine stopped: what is left is for the link."""
        data = bytes(self._unread)
        self._unread.clear()
        return data

    def poll(self) -> bool:
        """What the clock interrupt does: True for a break-in, any other byte is gone."""
        pending, self.break_pending = self.break_pending, False
        return pending or (bool(self._unread) and self._unread.pop(0) == BREAKIN_BYTE)


def packet_ends(data: bytes) -> Iterator[int]:
    """Where in a chunk that begins at a packet boundary packets and break-in bytes end, and where the chunk does.

    A damaged packet makes one piece with what comes next: nobody can say where it ends.
    """
    end = 0
    for item in Framer(break_in=True).feed(data):
        if isinstance(item, FramedPacket) and not item.valid:
            continue
        end = item.offset + (item.size if isinstance(item, FramedPacket) else len(BREAK_IN))
        yield end
    if end < len(data):
        yield len(data)
