"""Getting in touch with a target: for the first time, and again when its line was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.errors import AuthenticationError, Cancelled, ConnectError
from kdnb.results.events import LinkStateChange

if TYPE_CHECKING:
    from kdnb.debugger.session import Session
    from kdnb.results.events import Stop

__all__ = ["Connecting"]

FIRST_BREAK_IN = 0.05
"""After the target was first heard: time to take the stop that it may have announced, before 62 asks for one."""
REOPEN_INTERVAL = 0.5
"""Seconds between two tries to open a lost line again."""


class Connecting:
    """How a session comes by its target."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.under_way = False
        """The line is being opened: there is nothing to break into, so a wish to stop ends the waiting."""

    def connect(self, timeout: float, *, break_in: bool) -> Stop | None:
        session = self._session
        deadline = session.clock() + timeout
        session.target.connect(timeout, break_in=break_in)
        session.events.on_state.publish(LinkStateChange("connected"))
        if not break_in:
            return None
        session.request_break()
        session.break_ins.hold_off(FIRST_BREAK_IN)
        stop = session.execution.wait_for_stop(deadline - session.clock())
        if stop is None:
            raise ConnectError(
                f"the target is there but doesn't stop ({timeout:.3g} s)", "give it more time, or use break_in=False"
            )
        return stop

    def reconnect(self, timeout: float) -> Stop | None:
        """Open the line anew and take over what is there; breakpoints go in again as the target is resumed."""
        session = self._session
        deadline = session.clock() + timeout
        self.under_way = True
        try:
            while True:
                try:
                    return self._take_over(deadline)
                except ConnectError:
                    if session.clock() >= deadline:
                        raise
                session.pause(REOPEN_INTERVAL)
        except (ConnectError, AuthenticationError, Cancelled) as error:
            session.left_stop()
            session.lost = session.lost or error.message
            raise
        finally:
            self.under_way = False

    def _take_over(self, deadline: float) -> Stop | None:
        session = self._session
        session.target.reopen()
        session.left_stop()
        session.lost = ""
        session.forget()
        return self.connect(max(deadline - session.clock(), 1.0), break_in=True)
