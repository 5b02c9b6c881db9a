"""The pump: joins one transport to one link. The only place where the protocol meets a thread and a clock.

Who sends writes at once, and who waits for an event reads the line meanwhile, each from its own thread: a request and
its reply cost no thread switch. While nobody waits, the pump's own thread stands in, so that what comes is acknowledged
and repeated in time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from kdnb.errors import KdnbError, TransportClosed
from kdnb.protocol.constants import Direction
from kdnb.protocol.packet_ids import Role
from kdnb.transport.base import AddressedTransport
from kdnb.transport.clock import wall_time_ns

if TYPE_CHECKING:
    from kdnb.protocol.link import Link, LinkEvent, LinkStatistics
    from kdnb.transport.base import Transport

__all__ = ["Observer", "Pump"]

Observer = Callable[[Direction, bytes, int], None]

READ_WAIT = 0.5
"""The longest single wait on the line, in seconds. Shorter than the link's first timeout after a send, so a sender need
not wake the reader to have its timer noticed."""
STAND_IN_AFTER = 0.2
"""Seconds without anybody in `next_event` after which the pump's own thread reads: well below the second after which a
target repeats what is not acknowledged."""
JOIN_TIMEOUT = 5.0


class Pump:
    """Runs a link over a transport.

    `observer(direction, data, time_ns)` gets every chunk that went over the wire, in order, with wall time in
    nanoseconds since 1970; on KDNET whole datagrams. It is called with the pump's lock held: it must not call back.
    """

    def __init__(self, transport: Transport, link: Link, observer: Observer | None = None) -> None:
        self._transport = transport
        self._datagrams = transport.datagrams
        self._network = transport if isinstance(transport, AddressedTransport) else None
        self._link = link
        self._observer = observer
        outward = link.role is Role.HOST
        self._written = Direction.TO_TARGET if outward else Direction.TO_HOST
        self._read = Direction.TO_HOST if outward else Direction.TO_TARGET
        self._lock = threading.Lock()
        self._reading = threading.Lock()  # held by the one thread that waits on the line
        self._woken = False
        self._error: KdnbError | None = None
        self._over = threading.Event()
        self._attended_until = 0.0  # till then somebody waits in `next_event`, or may be back soon
        self._reader_returns = 0.0  # when whoever reads will look at the clock again
        self._thread = threading.Thread(target=self._run, name="kdnb pump", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def __enter__(self) -> Pump:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, packet_type: int, payload: bytes, *, give_up: bool = True, confirm: bool = True) -> None:
        """Send a packet or queue it behind the one in flight. Raises LinkError or TransportClosed."""
        with self._lock:
            if self._error is not None:
                raise self._error
            self._link.send(packet_type, payload, time.monotonic(), give_up=give_up, confirm=confirm)
            self._flush()

    def send_break_in(self) -> None:
        with self._lock:
            self._raise_if_over()
            self._link.send_break_in()
            self._flush()

    def reset(self) -> None:
        """Resynchronise (host only)."""
        with self._lock:
            self._raise_if_over()
            self._link.reset(time.monotonic())
            self._flush()

    def next_event(self, timeout: float) -> LinkEvent | None:
        """The next event of the link; None at the timeout or after `wake`.

        When the line is gone, what arrived before comes out first; then this raises TransportClosed.
        """
        if self._woken:
            self._woken = False
            return None
        now = time.monotonic()
        deadline = now + timeout
        self._attended_until = deadline + STAND_IN_AFTER
        if not self._reading.acquire(False):
            self._transport.wake()  # the stand-in makes room
            if not self._reading.acquire(timeout=max(timeout, STAND_IN_AFTER)):
                return None
        try:
            while (event := self._link.next_event()) is None and now <= deadline and not self._woken:
                if self._error is not None:
                    raise self._error
                now = self._read_line(now, deadline)
            if event is None:
                self._woken = False
        finally:
            self._reading.release()
        self._attended_until = now + STAND_IN_AFTER
        return event

    def wake(self) -> None:
        """Make a `next_event` that waits, or else the next one, return None; from any thread."""
        self._woken = True
        if self._reading.locked():  # else who comes next looks at it before reading
            self._transport.wake()

    @property
    def statistics(self) -> LinkStatistics:
        """A copy of the link's counters."""
        with self._lock:
            return replace(self._link.statistics)

    @property
    def troubles(self) -> int:
        """Everything that had to be repaired so far (`LinkStatistics.troubles`); asked around every read."""
        return self._link.statistics.troubles

    @property
    def is_network(self) -> bool:
        """True on KDNET."""
        return self._link.is_kdnet

    def close(self) -> None:
        """End the thread and close the transport; harmless when done already."""
        with self._lock:
            self._end(TransportClosed("the connection was closed here"))
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(JOIN_TIMEOUT)
        self._transport.close()

    # --- reading, in whatever thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        """The pump's own thread: reads while nobody else does."""
        while self._error is None:
            attended = self._attended_until - time.monotonic()
            if attended > 0.0:
                self._over.wait(min(attended, STAND_IN_AFTER))
            else:
                with self._reading:
                    now = time.monotonic()
                    self._read_line(now, now + READ_WAIT)

    def _read_line(self, now: float, deadline: float) -> float:
        """One wait on the line, and what follows from it; gives the time after it. The reading lock is held.

        The wait ends when the link wants to see the clock, and at `deadline` at the latest.
        """
        try:
            until = min(now + READ_WAIT, deadline)
            self._reader_returns = until  # who sets a timer after this look at it finds it here, and wakes the reader
            due = self._link.next_timeout()
            if due is not None and due < until:
                until = due
            data = self._transport.read(until - now)
            with self._lock:
                self._reader_returns = 0.0
                now = time.monotonic()
                if data:
                    if self._observer is not None:
                        self._observer(self._read, data, wall_time_ns())
                    if self._network is None:
                        self._link.receive_data(data, now)
                    else:
                        self._link.receive_data(data, now, self._network.sender)
                self._link.handle_timeout(now)
                self._flush()
                return now
        except KdnbError as error:
            self._end(error)
        except Exception as error:
            # An observer or a driver failed in a way nobody foresaw: the waiter must hear of it, not the thread.
            self._end(TransportClosed(f"the connection failed: {type(error).__name__}: {error}"))
        self._reader_returns = 0.0
        return time.monotonic()

    def _flush(self) -> None:
        """Write what the link wants written. The lock is held."""
        if self._network is not None:
            self._answer_others(self._network)
        pieces = self._link.datagrams_to_send()
        if len(pieces) > 1 and not self._datagrams:
            pieces = [b"".join(pieces)]
        for data in pieces:
            if self._observer is not None:
                self._observer(self._written, data, wall_time_ns())
            self._transport.write(data)
        if self._reader_returns:
            due = self._link.next_timeout()
            if due is not None and due < self._reader_returns:
                self._transport.wake()

    def _answer_others(self, network: AddressedTransport) -> None:
        """What goes elsewhere than to the other end of the session; and where that is."""
        for datagram, address in self._link.answers_to_send():
            assert address is not None
            if self._observer is not None:
                self._observer(self._written, datagram, wall_time_ns())
            network.send_to(datagram, address)
        if self._link.peer is not None:
            network.settle(self._link.peer)

    def _raise_if_over(self) -> None:
        if self._error is not None:
            raise self._error

    def _end(self, error: KdnbError) -> None:
        self._error = self._error or error
        self._over.set()
        self._transport.wake()
