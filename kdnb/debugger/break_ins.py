"""Stopping a running target: the byte 62, sent again until the target stops, and what becomes of one too many.

A 62 that a target hears when it has stopped already breaks it once more after the next continue (1.6): on a slow
machine or line the second one was under way when the first was answered. Such an echo is nobody's wish. It is known by
three things: the target says that a 62 stopped it (DbgBreakPointWithStatus got CONTROL_C), nobody wants a break, and
one more was sent than answered. What was sent long ago is no longer expected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kdnb.debugger.session import Session

__all__ = ["BreakIns"]

INTERVAL = 1.5
"""Between two break-ins while the target doesn't stop (1.8: 1-2 s)."""
ECHO_TIME = 10.0
"""Seconds of running after which a 62 that has not stopped the target is forgotten. Targets look for one at each tick
of their clock, so this allows for a machine or line that is as slow as the link's own patience with it."""


class BreakIns:
    """When the next 62 goes out, and how many of those that went out may still stop the target."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._next = 0.0
        self._owed = 0
        """Sent and not answered by a stop."""
        self._is_first_stop = False
        self._running_since: float | None = None
        self._ran = 0.0
        """How long the target has run since the last one was sent, up to its last stop."""
        self.echoes = 0
        """Stops that were echoes, so far."""

    # --- sending --------------------------------------------------------------------------------

    def send_if_wanted(self) -> None:
        """Send one if the user wants the target to stop and it is time for one."""
        now = self._session.clock()
        if self._session.break_wanted and now >= self._next:
            self._session.target.break_in()
            self._next = now + INTERVAL
            self._owed += 1
            self._ran = 0.0
            if self._running_since is not None:
                self._running_since = now

    def hold_off(self, seconds: float) -> None:
        """None before so many seconds have passed; 0 is at once."""
        self._next = self._session.clock() + seconds

    # --- echoes ---------------------------------------------------------------------------------

    def met(self) -> None:
        """The first stop over a line, or of a machine. Whether one of the 62 of connecting led to it is not known, nor
        whether the debugger before this one has sent one too many: at least one is owed."""
        self._owed = max(self._owed, self._session.target.statistics.break_ins, 1)
        self._is_first_stop = True
        self._ran = 0.0

    def resumed(self) -> None:
        self._running_since = self._session.clock()
        self._is_first_stop = False

    def stopped(self) -> None:
        if self._running_since is not None:
            self._ran += self._session.clock() - self._running_since
            self._running_since = None
        if self._ran >= ECHO_TIME:
            self._owed = 0

    def answered(self) -> None:
        """A 62 has stopped the target, as it was meant to."""
        if not self._is_first_stop:
            self._owed = max(self._owed - 1, 0)

    def take_echo(self) -> bool:
        """Whether a stop by a 62 that nobody wants just now is an echo. It is counted, so ask once for each stop."""
        if self._is_first_stop or not self._owed:
            return False
        self._owed -= 1
        self.echoes += 1
        return True
