"""How packets are numbered: the serial toggle with its SYNC bit, and KDNET's counters.

Both answer the same few questions of the link: which id goes out next, what an incoming id means, what an ACK carries.
They hold numbers only; what follows from an answer is decided by the table in `link_states`.
Sources: protocol reference 1.4 (serial) and chapter 7 (KDNET).
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from kdnb.protocol.constants import INITIAL_PACKET_ID, SYNC_PACKET_ID

__all__ = ["IdMeaning", "KdnetIds", "PacketIds", "Role", "SerialIds"]


class Role(Enum):
    """Which end of the line: the host debugs, the target is debugged."""

    HOST = "host"
    TARGET = "target"


class IdMeaning(Enum):
    """What the id of an incoming data packet says."""

    EXPECTED = "expected"
    DUPLICATE = "duplicate"
    SYNC = "sync"
    INVALID = "invalid"


_EXPECTED = IdMeaning.EXPECTED
_PLAIN = frozenset({INITIAL_PACKET_ID, INITIAL_PACKET_ID ^ 1})


class PacketIds(Protocol):
    """The numbering of both directions, seen from one end."""

    next_to_send: int

    def meaning(self, packet_id: int) -> IdMeaning:
        """What an incoming data packet with this id is."""

    def delivered(self, packet_id: int) -> None:
        """A data packet with this id was taken."""

    def adopt(self, packet_id: int) -> None:
        """A data packet with SYNC was taken: the peer has begun anew."""

    def ack_id(self, packet_id: int) -> int:
        """The id of the ACK for a data packet with this id."""

    def is_acknowledged_by(self, packet_id: int) -> bool:
        """Does an ACK with this id acknowledge what was sent last?"""

    def advance(self) -> None:
        """What was sent last is done with; the next data packet takes a new id."""

    def abandon(self) -> None:
        """What was sent last is given up; whether it arrived is unknown."""

    def reset_id(self) -> int:
        """The id that a RESET carries."""

    def reset(self) -> None:
        """A RESET was exchanged."""

    def restart(self) -> None:
        """Back to the state at power-on."""


class SerialIds:
    """Ids that toggle between 0x80800000 and 0x80800001; the target's first one carries SYNC (0x800).

    `expected` is None while the host doesn't know where the target's numbering stands.
    """

    def __init__(self, role: Role) -> None:
        self.role = role
        self.next_to_send = INITIAL_PACKET_ID
        self.expected: int | None = None
        self.restart()

    def meaning(self, packet_id: int) -> IdMeaning:
        if packet_id not in _PLAIN:
            synchronises = packet_id ^ SYNC_PACKET_ID in _PLAIN and self.role is Role.HOST
            return IdMeaning.SYNC if synchronises else IdMeaning.INVALID
        return _EXPECTED if self.expected == packet_id or self.expected is None else IdMeaning.DUPLICATE

    def delivered(self, packet_id: int) -> None:
        self.expected = packet_id & ~SYNC_PACKET_ID ^ 1

    def adopt(self, packet_id: int) -> None:
        self.delivered(packet_id)
        self.next_to_send = INITIAL_PACKET_ID

    def ack_id(self, packet_id: int) -> int:
        return packet_id & ~SYNC_PACKET_ID

    def is_acknowledged_by(self, packet_id: int) -> bool:
        return packet_id & ~SYNC_PACKET_ID == self.next_to_send & ~SYNC_PACKET_ID

    def advance(self) -> None:
        self.next_to_send = self.next_to_send & ~SYNC_PACKET_ID ^ 1

    def abandon(self) -> None:
        pass  # only a RESET can tell both ends where they stand

    def reset_id(self) -> int:
        return 0

    def reset(self) -> None:
        self.next_to_send = self.expected = INITIAL_PACKET_ID

    def restart(self) -> None:
        if self.role is Role.TARGET:
            self.next_to_send = INITIAL_PACKET_ID | SYNC_PACKET_ID
            self.expected = INITIAL_PACKET_ID
        else:
            self.next_to_send = INITIAL_PACKET_ID
            self.expected = None


class KdnetIds:
    """Counters by two: the target from 0, the host from 0x80000000. A RESET doesn't restart them.

    An id is new when it is above the highest one taken (gaps are allowed: a sender that gives a packet up skips its
    id); bit 31 tells the sender, so a packet that comes back to its sender is invalid.
    """

    def __init__(self, role: Role) -> None:
        self._own_bit = 0x80000000 if role is Role.HOST else 0
        self.next_to_send = self._own_bit
        self._highest = -1

    def meaning(self, packet_id: int) -> IdMeaning:
        if packet_id & 0x80000000 == self._own_bit or packet_id & 1:
            return IdMeaning.INVALID
        return IdMeaning.EXPECTED if packet_id & 0x7FFFFFFF > self._highest else IdMeaning.DUPLICATE

    def delivered(self, packet_id: int) -> None:
        self._highest = max(self._highest, packet_id & 0x7FFFFFFF)

    def adopt(self, packet_id: int) -> None:
        self.delivered(packet_id)

    def ack_id(self, packet_id: int) -> int:
        return packet_id

    def is_acknowledged_by(self, packet_id: int) -> bool:
        return packet_id == self.next_to_send

    def advance(self) -> None:
        self.next_to_send = self._own_bit | (self.next_to_send + 2) & 0x7FFFFFFF

    def abandon(self) -> None:
        self.advance()  # another packet under this id would count as a duplicate if the first one did arrive

    def reset_id(self) -> int:
        return self.next_to_send

    def reset(self) -> None:
        pass

    def restart(self) -> None:
        pass  # counters begin anew only with a new data key, and then with a new object
