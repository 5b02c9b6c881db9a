"""A session on the simulated machine in virtual time: slow machines and slow lines cost nothing and repeat exactly."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from kdnb.debugger.session import Session
from kdnb.protocol.link import Link, Role
from kdnb.simulator.stub import Stub
from kdnb.target.live import LiveTarget
from kdnb.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kdnb.protocol.link import LinkEvent, LinkStatistics
    from kdnb.simulator.machine import Machine

TICK = 0.005
"""Virtual seconds between two turns of the machine: each polls one byte."""


class VirtualMachine:
    """A pump over a link, joined to a stub by a line that takes `latency` seconds.

    In the spans of `asleep` the machine does nothing: it neither runs nor reads, as a process that gets no time.
    """

    def __init__(
        self,
        machine: Machine,
        *,
        latency: float = 0.001,
        asleep: Sequence[tuple[float, float]] = (),
        tick: float = TICK,
    ) -> None:
        self.clock = FakeClock()
        self.link = Link(Role.HOST)
        self.stub = Stub(machine, Link(Role.TARGET))
        self.asleep = list(asleep)
        self.latency = latency
        self._tick = tick
        self._next_turn = 0.0
        self._to_target: deque[tuple[float, bytes]] = deque()
        self._to_host: deque[tuple[float, bytes]] = deque()
        self._events: deque[LinkEvent | None] = deque()

    # --- what a live target needs of a pump ----------------------------------------------------------

    def start(self) -> None:
        """Nothing to start: time passes in `next_event`."""

    def send(self, packet_type: int, payload: bytes, *, give_up: bool = True, confirm: bool = True) -> None:
        self.link.send(packet_type, payload, self.clock.now, give_up=give_up, confirm=confirm)

    def send_break_in(self) -> None:
        self.link.send_break_in()

    def reset(self) -> None:
        self.link.reset(self.clock.now)

    def wake(self) -> None:
        """Nobody waits: there is one thread."""

    def close(self) -> None:
        """Nothing to close."""

    is_network = False

    @property
    def statistics(self) -> LinkStatistics:
        return self.link.statistics

    @property
    def troubles(self) -> int:
        return self.link.statistics.troubles

    def next_event(self, timeout: float) -> LinkEvent | None:
        deadline = self.clock.now + timeout
        while not self._events:
            self._exchange()
            if self._events:
                break
            if self.clock.now >= deadline:
                return None
            self.clock.now = max(min(self._next_due(), deadline), self.clock.now)
        return self._events.popleft()

    # --- time ----------------------------------------------------------------------------------------

    def let_pass(self, seconds: float) -> None:
        """Time passes; what the host's link hears meanwhile waits."""
        held: deque[LinkEvent | None] = deque()
        end = self.clock.now + seconds
        while self.clock.now < end:
            event = self.next_event(end - self.clock.now)
            if event is not None:
                held.append(event)
        self._events = held + self._events

    def _awake(self) -> float:
        """Now, or when the machine wakes up."""
        now = self.clock.now
        return next((end for start, end in self.asleep if start <= now < end), now)

    def _next_due(self) -> float:
        now, awake = self.clock.now, self._awake()
        dues = [self._to_host[0][0]] if self._to_host else []
        if (due := self.link.next_timeout()) is not None:
            dues.append(due)
        if self._to_target:
            dues.append(max(self._to_target[0][0], awake))
        if (due := self.stub.next_timeout()) is not None:
            dues.append(max(due, awake))
        if self.stub.is_running:
            dues.append(max(self._next_turn, awake))
        return max(min(dues, default=now + 1.0), now)

    def _exchange(self) -> None:
        """Everything that is due now."""
        now = self.clock.now
        self._carry(self._to_target, self.link.data_to_send())
        if self._awake() <= now:
            while self._to_target and self._to_target[0][0] <= now:
                self.stub.receive_data(self._to_target.popleft()[1], now)
            self.stub.handle_timeout(now)
            if self.stub.is_running and self._next_turn <= now:
                self._next_turn = now + self._tick
                self.stub.step(now)
            self._carry(self._to_host, self.stub.data_to_send())
        while self._to_host and self._to_host[0][0] <= now:
            self.link.receive_data(self._to_host.popleft()[1], now)
        self.link.handle_timeout(now)
        self._carry(self._to_target, self.link.data_to_send())
        while (event := self.link.next_event()) is not None:
            self._events.append(event)

    def _carry(self, line: deque[tuple[float, bytes]], data: bytes) -> None:
        if data:
            line.append((self.clock.now + self.latency, data))


def virtual_session(pump: VirtualMachine, **options: Any) -> Session:
    """A session over it, not connected."""
    target = LiveTarget(pump, clock=pump.clock)  # type: ignore[arg-type]  # as good as a pump
    session = Session(target, clock=pump.clock, **options)
    target.cancelled = session.cancel_requested
    return session
