"""A line as a listener: a serial port or a pair of FIFOs has no connections, so it counts as a client that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.transport.base import Transport

__all__ = ["LineListener"]


class LineListener:
    """Gives the line itself as the client; where that was closed, opens it anew."""

    def __init__(self, address: str, open_line: Callable[[], Transport]) -> None:
        """Raises ConnectError at once where the line can't be opened."""
        self.address = address
        self._open = open_line
        self._first: Transport | None = open_line()

    def accept(self, timeout: float) -> Transport | None:
        """The line, at once. Raises ConnectError where it is gone."""
        first, self._first = self._first, None
        return self._open() if first is None else first

    def close(self) -> None:
        if self._first is not None:
            self._first.close()
            self._first = None
