"""How much memory one request asks for: the largest piece that the target serves well, less on a bad line.

A request costs a round trip however small it is, so large ones are better, until the line damages most of them.
"""

from __future__ import annotations

__all__ = ["SMALLEST", "TransferSize"]

SMALLEST = 0x40
"""Smaller pieces are hardly shorter on the line than the headers around them."""
GROW_AFTER = 4
"""Undisturbed requests of the present size before a larger one is tried."""
SHRINK_AFTER = 2
"""Disturbed requests in a row before a smaller one is tried: one alone says little about the size."""


class TransferSize:
    """Halves after disturbed requests, doubles after a row of good ones. `limit` is what the target gives."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = limit
        self._good = self._bad = 0

    def trimmed(self, count: int) -> None:
        """The target gave less than was asked for, with no hole behind: that is its limit."""
        self.limit = max(count, SMALLEST)
        self.size = min(self.size, self.limit)

    def went(self, count: int, *, well: bool) -> None:
        """A request for `count` bytes came through; `well`: nothing had to be repaired or repeated."""
        if not well:
            self._good = 0
            self._bad += 1
            if self._bad >= SHRINK_AFTER:
                self._shrink(count, 2)
        else:
            self._bad = 0
            if count >= self.size:
                self._good += 1
                if self._good >= GROW_AFTER:
                    self.size = min(self.size * 2, self.limit)
                    self._good = 0

    def failed(self, count: int) -> int:
        """A request for `count` bytes got no reply at all; gives the size of the next try."""
        self._shrink(count, 4)
        return min(count, self.size)

    def _shrink(self, count: int, divisor: int) -> None:
        self.size = max(min(self.size, count) // divisor, SMALLEST)
        self._good = self._bad = 0
