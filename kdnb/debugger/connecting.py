"""Getting in touch with a target: for the first time, and again when its line was lost.

A lost line is opened again by itself, while the engine has nothing else to do. That does nothing to the target: one
that runs is left running, one that stands still is asked where it stands and stays there, whatever the filters say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.errors import AuthenticationError, Cancelled, ConnectError, KdnbError
from kdnb.results.events import LinkStateChange

if TYPE_CHECKING:
    from kdnb.debugger.session import Session
    from kdnb.results.events import Stop

__all__ = ["Connecting"]

FIRST_BREAK_IN = 0.05
"""After the target was first heard: time to take the stop that it may have announced, before 62 asks for one."""
REOPEN_INTERVAL = 0.5
"""Seconds between two tries to open a lost line again."""
RETRY_INTERVAL = 2.0
"""The same while nobody waits for it."""
LOOK_INTERVAL = 0.1
"""Seconds between two looks at an attempt that is under way."""
OPEN_AGAIN = "the line is open again; a target that runs goes on running, one that stands still reports its stop"


class Connecting:
    """How a session comes by its target."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.under_way = False
        """The line is being opened: there is nothing to break into, so a wish to stop ends the waiting."""
        self.retry_for = 0.0
        """Seconds for which a lost line is tried again; 0 is not at all."""
        self._retry_until = self._next_retry = 0.0
        self._was_stopped = False
        """The target stood still when it was last heard of."""
        self._heard = True
        """Something has been heard over the present line."""

    def connect(self, timeout: float, *, break_in: bool) -> Stop | None:
        before, self.under_way = self.under_way, True
        try:
            return self._connect(timeout, break_in=break_in)
        finally:
            self.under_way = before

    def _connect(self, timeout: float, *, break_in: bool) -> Stop | None:
        session = self._session
        deadline = session.clock() + timeout
        session.target.connect(timeout, break_in=break_in)
        self._heard = True
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
            self.was_lost(session.lost or error.message)
            raise
        finally:
            self.under_way = False

    # --- by itself ------------------------------------------------------------------------------

    def was_lost(self, reason: str) -> None:
        """The line is gone. One that is closed again as soon as it is open is no news, and is tried less often."""
        session = self._session
        self._was_stopped = self._was_stopped or session.change is not None
        if not session.lost and self._heard:
            self._retry_until = session.clock() + self.retry_for
            session.events.on_state.publish(LinkStateChange("lost", reason))
        session.lost = reason
        session.left_stop()
        self._next_retry = session.clock() + (REOPEN_INTERVAL if self._heard else RETRY_INTERVAL)

    def was_heard(self, *, stopped: bool) -> None:
        """The target has said something, perhaps where it stands."""
        self._heard = True
        self._was_stopped = self._was_stopped and not stopped

    @property
    def is_retrying(self) -> bool:
        """Whether the lost line is being tried again."""
        return bool(self._session.lost) and self._session.clock() < self._retry_until

    @property
    def advice(self) -> str:
        """What to do about a lost line."""
        if self.is_retrying:
            return "it is opened again as soon as somebody is there; .restart waits for that, kd.packets() has the log"
        return ".restart or kd.reconnect() opens it anew; kd.packets() has what was said"

    def until_retry(self) -> float | None:
        """Seconds until `retry` has something to do; None: never."""
        return max(self._next_retry - self._session.clock(), 0.0) if self.is_retrying else None

    def retry(self) -> None:
        """Go on opening the lost line, and hear it where that has succeeded. Never waits."""
        session = self._session
        if self.until_retry() != 0.0:
            return
        self._next_retry = session.clock() + LOOK_INTERVAL
        try:
            is_open = session.target.try_reopen()
        except KdnbError as error:
            self._next_retry = session.clock() + RETRY_INTERVAL
            if self._next_retry >= self._retry_until:
                self._retry_until = 0.0
                session.events.on_state.publish(LinkStateChange("lost", f"{error.message}; {self.advice}"))
            return
        if is_open:
            self._meet_again()
            session.target.listen()

    def _meet_again(self) -> None:
        session = self._session
        session.lost = ""
        session.forget()
        if self._was_stopped:
            session.execution.hold_next_stop()
        if self._heard:
            session.events.on_state.publish(LinkStateChange("connected", OPEN_AGAIN))
        self._heard = False

    # --- when asked -----------------------------------------------------------------------------

    def _take_over(self, deadline: float) -> Stop | None:
        session = self._session
        session.target.reopen()
        session.left_stop()
        session.lost = ""
        session.forget()
        return self.connect(max(deadline - session.clock(), 1.0), break_in=True)
