"""What all messages have in common: fixed structures in a row, then data of any length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from kdnb.protocol.constants import PacketType
    from kdnb.protocol.wire import Structure

__all__ = ["Message", "RawMessage", "ansi_text"]


class Message:
    """One decoded payload. Subclasses are frozen dataclasses; `structures` and `rest` put the payload together."""

    __slots__ = ()
    PACKET_TYPE: ClassVar[PacketType]

    def structures(self) -> tuple[Structure, ...]:
        """The fixed parts in wire order, from offset 0 on, without gaps."""
        raise NotImplementedError

    def rest(self) -> bytes:
        """What follows the fixed parts."""
        raise NotImplementedError

    def encode(self) -> bytes:
        """The payload; the exact inverse of decode."""
        return b"".join([structure.encode() for structure in self.structures()]) + self.rest()


@dataclass(frozen=True, slots=True)
class RawMessage(Message):
    """A payload that is too short for its type, or of an unknown type or API."""

    packet_type: int
    payload: bytes

    def structures(self) -> tuple[Structure, ...]:
        return ()

    def rest(self) -> bytes:
        return self.payload

    @property
    def api(self) -> int | None:
        """First four bytes, which number the API in all packet types."""
        return int.from_bytes(self.payload[:4], "little") if len(self.payload) >= 4 else None


def ansi_text(data: bytes) -> str:
    """Text of a target: its code page is unknown; ASCII and Latin-1 come out right, and no byte fails."""
    return data.decode("latin-1")
