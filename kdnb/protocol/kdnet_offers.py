"""A KDNET host's side of the handshake: whose offers it answers, and which keys may come into use by that.

An offer alone changes nothing: it may be an old one, played back by a stranger. Only who can derive the key from the
answer is the target, and proves it by the first data frame under that key, from the address that the answer went to.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["WRONG_KEY_TIME", "Absences", "Address", "Offer", "Offers"]

Address = tuple[str, int] | None
"""Where a datagram came from; None where only one can be at the other end."""

OFFER_INTERVAL = 3.017
"""Seconds between two offers of a target (kdnet.md, Handshake 1)."""
WRONG_KEY_TIME = OFFER_INTERVAL + 0.5
"""Seconds from the first offer that doesn't authenticate until the key is called wrong: a target that has the right one
has offered itself meanwhile, whatever strangers send."""
OFFERS_KEPT = 4
"""Answered offers whose key may still come into use: a target may send two before it hears the first answer."""
MOVED_AFTER = 3
"""Offers from another address, with nothing heard of the session's target in between, before it is taken for the same
target that has moved. A target offers itself every three seconds, also while it is connected; so one that is there is
heard in between, and a second machine with the same key doesn't take its session over."""
ADDRESSES_KEPT = 64
"""Whoever plays old offers back can't push the target's own aside, unless it speaks for as many addresses."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer that was answered."""

    nonce: bytes
    version: int
    response: bytes
    data_key: bytes


class Absences:
    """Offers from elsewhere while the session's target is not heard."""

    def __init__(self) -> None:
        self._unanswered: dict[Address, int] = {}

    def may_have_moved(self, sender: Address) -> bool:
        """Count an offer from another address than the session's; whether the target may be there now."""
        if len(self._unanswered) >= ADDRESSES_KEPT:
            self._unanswered.clear()  # a flood of addresses is no target
        self._unanswered[sender] = self._unanswered.get(sender, 0) + 1
        return self._unanswered[sender] >= MOVED_AFTER

    def peer_heard(self) -> None:
        """The session's target is where it was."""
        self._unanswered.clear()


class Offers(Absences):
    """The offers that were answered since the present session began."""

    def __init__(self, answer: Callable[[bytes], tuple[bytes, bytes]]) -> None:
        """`answer` gives for the body of an offer the body of a response and the data key that follows from it."""
        super().__init__()
        self._answer = answer
        self._answered: dict[Address, deque[Offer]] = {}

    def take(self, body: bytes, nonce: bytes, version: int, sender: Address) -> Offer:
        """The offer as it is to be answered; a repeated one gets the same answer."""
        kept = self._answered.pop(sender, None) or deque(maxlen=OFFERS_KEPT)
        self._answered[sender] = kept  # last in the order
        if len(self._answered) > ADDRESSES_KEPT:
            del self._answered[next(iter(self._answered))]
        for offer in kept:
            if offer.nonce == nonce:
                return offer
        offer = Offer(nonce, version, *self._answer(body))
        kept.appendleft(offer)
        return offer

    def answered_to(self, sender: Address) -> tuple[Offer, ...]:
        """Whose key a data frame from this address may use, newest first."""
        return tuple(self._answered.get(sender, ()))

    def clear(self) -> None:
        self._answered.clear()
        self._unanswered.clear()
