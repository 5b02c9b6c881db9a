"""How much memory one request asks for: the largest piece that the target serves well, less on a bad line.

A request costs a round trip however small it is, so large ones are better, until the line damages most of them.
"""

from __future__ import annotations

__all__ = ["SMALLEST", "TransferSize"]

SMALLEST = 0x40
"""Smaller pieces are hardly shorter on the line than the headers around them."""
GROW_AFTER = 8
"""Undisturbed requests of the present size before a larger one is tried."""


class TransferSize:
    """Halves when a request was disturbed, doubles after a row of good ones. `limit` is what the target gives."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = limit
        self._good = 0

    def trimmed(self, count: int) -> None:
        """The target gave less than was asked for, with no hole behind: that is its limit."""
        self.limit = max(count, SMALLEST)
        self.size = min(self.size, self.limit)

    def went(self, count: int, *, well: bool) -> None:
        """A request for `count` bytes came through; `well`: nothing had to be repaired or repeated."""
        if not well:
            self.size = max(min(self.size, count) // 2, SMALLEST)
            self._good = 0
        elif count >= self.size:
            self._good += 1
            if self._good >= GROW_AFTER:
                self.size = min(self.size * 2, self.limit)
                self._good = 0
