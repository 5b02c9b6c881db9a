"""Who sits between a KDNET host and its target, and has the key, can tell the target from strangers.

An offer can be played back, and a data frame too; so an offer counts once, a data frame once under its key, and where
a session is under way, an offer from elsewhere only after the rule by which a host takes a target for moved.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from kdnb.protocol.kdnet import (
    TAG_SIZE,
    Channel,
    ReplayWindow,
    derive_data_key,
    is_kdnet,
    is_poke,
    is_response,
    open_frame,
)
from kdnb.protocol.kdnet_offers import Absences

if TYPE_CHECKING:
    from kdnb.protocol.kdnet_offers import Address

__all__ = ["KdnetWitness"]

TAGS_KEPT = 4096
"""Offers of three and a half hours."""
KEYS_KEPT = 16
"""Answers of a host whose key may come into use, or is in use."""


class KdnetWitness:
    """Hears both directions, and says which datagrams only the target can have sent."""

    def __init__(self, key: bytes) -> None:
        self._control_key = key
        self._tags: deque[bytes] = deque(maxlen=TAGS_KEPT)
        self._keys: deque[tuple[bytes, ReplayWindow]] = deque(maxlen=KEYS_KEPT)
        self._peer: Address = None
        """Where the last data frame of the target came from."""
        self._elsewhere = Absences()

    def hear_host(self, datagram: bytes) -> None:
        """Learn the data key that follows from an answer to an offer."""
        if not is_kdnet(datagram) or datagram[5] != Channel.CONTROL:
            return
        frame = open_frame(self._control_key, self._control_key, datagram)
        if frame is not None and frame.to_target and is_response(frame.body):
            key = derive_data_key(self._control_key, frame.body)
            if all(known != key for known, _ in self._keys):
                self._keys.appendleft((key, ReplayWindow()))

    def is_target(self, datagram: bytes, sender: Address) -> bool:
        """Whether what goes to the target is to go to this sender from now on."""
        if not is_kdnet(datagram):
            return False
        is_data = datagram[5] == Channel.DATA
        fits = self._is_fresh_data(datagram) if is_data else self._is_fresh_offer(datagram)
        if not fits:
            return False
        if not is_data and self._peer is not None and sender != self._peer:
            return self._elsewhere.may_have_moved(sender)
        self._elsewhere.peer_heard()
        if is_data:
            self._peer = sender
        return True

    def _is_fresh_offer(self, datagram: bytes) -> bool:
        tag = datagram[-TAG_SIZE:]
        frame = open_frame(self._control_key, self._control_key, datagram)
        if frame is None or frame.to_target or not is_poke(frame.body) or tag in self._tags:
            return False
        self._tags.append(tag)
        return True

    def _is_fresh_data(self, datagram: bytes) -> bool:
        for key, seen in tuple(self._keys):  # another thread may learn one meanwhile
            frame = open_frame(self._control_key, key, datagram)
            if frame is not None:
                return not frame.to_target and seen.accept(frame.sequence)
        return False
