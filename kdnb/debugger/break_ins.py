"""Stopping a running target: the byte 62, sent again until the target stops."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kdnb.debugger.session import Session

__all__ = ["BreakIns"]

INTERVAL = 1.5
"""Between two break-ins while the target doesn't stop (1.8: 1-2 s)."""


class BreakIns:
    """When the next 62 goes out."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._next = 0.0

    def send_if_wanted(self) -> None:
        """Send one if the user wants the target to stop and it is time for one."""
        now = self._session.clock()
        if self._session.break_wanted and now >= self._next:
            self._session.target.break_in()
            self._next = now + INTERVAL

    def hold_off(self, seconds: float) -> None:
        """None before so many seconds have passed; 0 is at once."""
        self._next = self._session.clock() + seconds
