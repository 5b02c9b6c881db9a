"""A session on a simulated machine in this process: the real server on a thread, the real line over loopback."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from kdnb.capture.log import PacketLog
from kdnb.debugger.engine import clock
from kdnb.debugger.session import Session
from kdnb.protocol.link import Link, Role
from kdnb.simulator.architecture import AMD64
from kdnb.simulator.machine import Machine
from kdnb.simulator.serve import SEEN_FROM_THE_START, Server
from kdnb.target.live import LiveSettings, LiveTarget
from kdnb.transport.pump import Pump
from kdnb.transport.registry import listen, open_transport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from kdnb.simulator.architecture import Architecture

TIMEOUT = 30.0
QUICK = LiveSettings(first_break_in=0.02)
"""A machine in this process answers RESET within milliseconds, if it is stopped."""


class Serving:
    """A machine in this process, and the line to it."""

    def __init__(self, machine: Machine, server: Server, address: str) -> None:
        self.machine = machine
        self.address = address
        self._server = server

    def cut(self) -> None:
        """The line breaks; the machine stays as it is, and waits for the next client."""
        transport = self._server._transport
        assert transport is not None
        transport.close()


@contextlib.contextmanager
def serve(scenario: str = "idle", architecture: Architecture = AMD64) -> Iterator[str]:
    """A booted machine that waits for one client after another; gives its connection string."""
    with serving(scenario, architecture) as machine:
        yield machine.address


@contextlib.contextmanager
def serving(scenario: str = "idle", architecture: Architecture = AMD64) -> Iterator[Serving]:
    """The same, with the machine itself."""
    machine = Machine(scenario, architecture)
    machine.boot()
    listener = listen("tcp:127.0.0.1:0")
    server = Server(machine, listener, power_on_with_client=scenario in SEEN_FROM_THE_START)
    thread = threading.Thread(target=server.run, name="simulated machine", daemon=True)
    thread.start()
    try:
        yield Serving(machine, server, listener.address)
    finally:
        server.close()
        thread.join(TIMEOUT)
        listener.close()


@contextlib.contextmanager
def open_session(address: str, *, faults: str | None = None, **options: Any) -> Iterator[Session]:
    """A session over a fresh line to `address`, not connected yet; its target runs on at the end."""
    log = PacketLog()
    transport = open_transport(address)
    if faults is not None:
        from kdnb.transport.faults import FaultRules, FaultyTransport

        transport = FaultyTransport(transport, FaultRules.parse(faults))
    target = LiveTarget(Pump(transport, Link(Role.HOST), log.record), clock=clock, settings=QUICK)
    session = Session(target, clock=clock, log=log, **options)
    target.cancelled = session.cancel_requested
    try:
        yield session
    finally:
        with contextlib.suppress(Exception):
            session.detach()
        target.close()


def packets(session: Session) -> int:
    """Packets that went over the wire so far, both ways, acknowledgements included."""
    assert session.log is not None
    return len(session.log.packets())
