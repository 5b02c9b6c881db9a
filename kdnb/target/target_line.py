"""The line to a live target: its link's events, one by one; RESET; and what happens when it is lost and opened anew.

What the packets mean is the business of `conversation`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from kdnb.errors import (
    AuthenticationError,
    Cancelled,
    ConnectError,
    LinkError,
    TransportClosed,
    UnsupportedError,
)
from kdnb.protocol.codec import decode
from kdnb.protocol.constants import Direction
from kdnb.protocol.kdnet import WRONG_KEY, WRONG_KEY_HINT
from kdnb.protocol.link_events import LinkFailed, PacketReceived, PacketSent, PeerRestarted
from kdnb.protocol.messages.debug_io import DebugPrint
from kdnb.target.base import LinkLost, Printed
from kdnb.target.progress import describe
from kdnb.target.settings import LiveSettings
from kdnb.transport.opening import Opening

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.protocol.link_events import LinkEvent, LinkStatistics
    from kdnb.target.base import TargetEvent
    from kdnb.transport.pump import Pump

__all__ = ["TargetLine"]

EVENTS_KEPT = 10000
"""Prints that nobody fetched; a storm must not eat the memory."""


class TargetLine:
    """A pump, and what is known of the other end by what went over it. Not thread-safe but for `wake`."""

    _lost: str
    """Why the line is gone; empty while it is there."""

    def __init__(
        self,
        pump: Pump,
        *,
        clock: Callable[[], float],
        settings: LiveSettings | None,
        cancelled: Callable[[], bool],
        open_pump: Callable[[], Pump] | None,
    ) -> None:
        """`open_pump` opens the line anew (`reopen`)."""
        self.cancelled = cancelled
        self.progress: Callable[[str], None] = lambda line: None
        """Told now and then what connecting waits for."""
        self._open_pump = open_pump
        self._opening: Opening | None = None
        self._clock = clock
        self._settings = settings or LiveSettings()
        self._events: deque[TargetEvent] = deque()
        self._begin_anew(pump)

    # --- opened, lost, opened anew --------------------------------------------------------------

    def reopen(self) -> None:
        """Close the line and open it anew; `connect` comes next. Raises ConnectError where nobody is there."""
        while not self.try_reopen(self._settings.slice):
            if self.cancelled():
                raise Cancelled("connecting was stopped")

    def try_reopen(self, timeout: float = 0.0) -> bool:
        """One look at the opening of the line, which goes on meanwhile: True when it is open, not heard yet.

        Raises ConnectError where nobody is there; the next call begins another attempt.
        """
        if self._open_pump is None:
            raise UnsupportedError("this line can't be opened anew", "connect again")
        if self._opening is None:
            self._pump.close()
            self._lost = self._lost or "the connection was closed here"
            self._opening = Opening(self._open_pump)
        if not self._opening.wait(timeout):
            return False
        opening, self._opening = self._opening, None
        self._begin_anew(opening.take())
        return True

    def _begin_anew(self, pump: Pump) -> None:
        """What holds for one line."""
        self._pump = pump
        self._lost = ""
        self._events.clear()
        self._last_packet: PacketReceived | None = None
        self._maybe_again: PacketReceived | None = None
        """What came last before a RESET: where its ACK was lost the target says it once more, under a new id."""
        self._out_of_step = False
        """A request was abandoned: its reply may still come."""
        self._heard = False
        """The target has said something since the line was opened; somebody else may have fetched it."""
        self._unconfirmed = False
        """A request was sent that has no reply, and its acknowledgement has not been reported."""

    def hasten(self) -> None:
        self._settings = replace(self._settings, attempts=1, reply_timeout=min(self._settings.reply_timeout, 2.0))

    def close(self) -> None:
        if self._opening is not None:
            self._opening.abandon()
        self._pump.close()

    def _lose(self, reason: str) -> None:
        if not self._lost:
            self._lost = reason
            self._queue(LinkLost(reason))

    def _raise_if_lost(self) -> None:
        if self._lost:
            raise LinkError(f"the link is lost: {self._lost}", "connect anew: .restart or kd.reconnect()")

    # --- while it is being reached ---------------------------------------------------------------

    def _check(self, elapsed: float, timeout: float) -> None:
        if self.cancelled():
            raise Cancelled("connecting was stopped")
        if self._lost == WRONG_KEY:
            raise AuthenticationError(WRONG_KEY, WRONG_KEY_HINT)
        if self._lost:
            raise ConnectError(f"no connection: {self._lost}", "see that the target is there, then connect again")
        if elapsed >= timeout:
            seen, advice = self._seen()
            raise ConnectError(f"the target doesn't answer ({timeout:.3g} s): {seen}", advice)

    def _tell(self, elapsed: float) -> None:
        seen, advice = self._seen()
        self.progress(f"waiting for the target ({elapsed:.0f} s): {seen}; {advice}, or stop waiting")

    def _seen(self) -> tuple[str, str]:
        return describe(self._pump.statistics, network=self._pump.is_network)

    # --- what goes over it ----------------------------------------------------------------------

    @property
    def statistics(self) -> LinkStatistics:
        return self._pump.statistics

    def wake(self) -> None:
        self._pump.wake()

    def break_in(self) -> None:
        if self._lost:
            return
        try:
            self._pump.send_break_in()
        except TransportClosed as error:
            self._lose(error.message)

    def _reset(self) -> None:
        try:
            self._pump.reset()
        except TransportClosed as error:
            self._lose(error.message)
        self._unconfirmed = False
        self._maybe_again = self._last_packet

    def _send_payload(self, packet_type: int, payload: bytes, *, confirm: bool = False) -> bool:
        try:
            self._pump.send(packet_type, payload, confirm=confirm)
        except TransportClosed as error:
            self._lose(error.message)
            return False
        except LinkError:
            self._out_of_step = True
            return False
        self._unconfirmed = self._unconfirmed or confirm
        return True

    def _next(self, timeout: float) -> LinkEvent | None:
        """The link's next event. A closed line is the end (`LinkLost`); a target that is silent may come back."""
        try:
            event = self._pump.next_event(timeout)
        except TransportClosed as error:
            self._lose(error.message)
            return None
        if isinstance(event, PacketReceived):
            self._last_packet = event
            if self._maybe_again is not None:
                again, self._maybe_again = self._maybe_again, None
                if _is_same_print(again, event):
                    return None
        elif isinstance(event, PacketSent):
            self._unconfirmed = False
        elif isinstance(event, LinkFailed | PeerRestarted):
            self._out_of_step = self._out_of_step or isinstance(event, LinkFailed)
            self._unconfirmed = False
        return event

    def _queue(self, event: TargetEvent) -> None:
        self._heard = self._heard or not isinstance(event, LinkLost)
        if len(self._events) >= EVENTS_KEPT and isinstance(event, Printed):
            return
        self._events.append(event)

    def _repetitions(self) -> tuple[int, int]:
        """Packets sent again so far, and how many of them because the target asked for it."""
        statistics = self._pump.statistics
        return statistics.retransmitted, statistics.asked_again


def _is_same_print(first: PacketReceived, second: PacketReceived) -> bool:
    if (first.packet_type, first.payload) != (second.packet_type, second.payload):
        return False
    return isinstance(decode(second.packet_type, second.payload, Direction.TO_HOST), DebugPrint)
