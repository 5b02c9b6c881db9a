"""The simulated machine as a server: one KD client after another, over any byte transport.

One loop on one thread owns the machine, the stub and the line. It waits in the transport's read, so that
input wakes it at once and an idle guest costs next to nothing; a busy guest runs between polls of the line.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kdnb.errors import TransportClosed
from kdnb.protocol.constants import Direction
from kdnb.protocol.kdnet import KdnetCodec
from kdnb.protocol.link import Link, Role
from kdnb.simulator.architecture import architecture_of
from kdnb.simulator.guest_symbols import write_symbols
from kdnb.simulator.machine import Machine
from kdnb.simulator.net import Pokes, key_of
from kdnb.simulator.stub import Stub
from kdnb.transport.faults import FaultRules, FaultyTransport
from kdnb.transport.registry import listen
from kdnb.transport.signals import closed_by_signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.transport.base import Listener, Transport

__all__ = ["Server", "run_simulator"]

TICK = 0.010
"""Seconds that an idle guest waits between clock ticks; a running target polls its line once per tick."""

PATIENCE = 0.1
"""Longest wait at a stop, in seconds: then the loop looks whether it is to end."""


SEEN_FROM_THE_START = frozenset({"boot", "bugcheck"})
"""Scenarios that would be over before somebody looks: the machine is powered on when the first client comes."""


class Server:
    """Serves one machine. `close()` may be called from any thread or signal handler."""

    def __init__(
        self,
        machine: Machine,
        listener: Listener,
        *,
        faults: FaultRules | None = None,
        key: bytes | None = None,
        power_on_with_client: bool = False,
    ) -> None:
        self._stub = Stub(machine)
        self._powered = not power_on_with_client
        self._listener = listener
        self._faults = faults
        self._key = key
        self._pokes: Pokes | None = None
        self._transport: Transport | None = None
        self._closing = False

    def run(self) -> None:
        """Until `close()` or the guest's own shutdown."""
        while not self._done:
            transport = self._listener.accept(self._wait())
            if transport is not None:
                self._powered = True
                self._serve(transport)
            elif self._powered:
                self._stub.step(time.monotonic())

    def close(self) -> None:
        """Make `run` return soon."""
        self._closing = True
        if self._transport is not None:
            self._transport.wake()

    @property
    def _done(self) -> bool:
        return self._closing or self._stub.shut_down

    def _serve(self, transport: Transport) -> None:
        if self._faults is not None:
            transport = FaultyTransport(transport, self._faults, written=Direction.TO_HOST)
        self._transport = transport
        codec = KdnetCodec(Role.TARGET, self._key, os.urandom) if self._key is not None else None
        self._pokes = Pokes(codec) if codec is not None else None
        self._stub.attach(Link(Role.TARGET, kdnet=codec), time.monotonic())
        try:
            while not self._done:
                self._turn(transport)
        except TransportClosed:
            pass
        finally:
            self._transport = None
            self._stub.detach()
            transport.close()

    def _turn(self, transport: Transport) -> None:
        """Say what is to be said, read what is there, let time pass, let the machine run."""
        stub = self._stub
        self._write(transport)
        data = transport.read(self._wait())
        now = time.monotonic()
        if data:
            stub.receive_data(data, now)
        due = stub.next_timeout()
        if due is not None and due <= now:
            stub.handle_timeout(now)
        stub.step(now)

    def _write(self, transport: Transport) -> None:
        if self._pokes is None:
            if data := self._stub.data_to_send():
                transport.write(data)
            return
        for datagram in [*self._pokes.due(time.monotonic()), *self._stub.datagrams_to_send()]:
            if datagram:  # empty until the handshake has given a key
                transport.write(datagram)

    def _wait(self) -> float:
        """Seconds until there is something to do without input."""
        if not self._powered:
            return PATIENCE
        if self._stub.wants_to_run:
            return 0.0
        if self._stub.is_running:
            return TICK
        due = self._stub.next_timeout()
        return PATIENCE if due is None else min(PATIENCE, max(0.0, due - time.monotonic()))


def run_simulator(
    spec: str,
    *,
    scenario: str = "idle",
    architecture: str = "amd64",
    symbols: Path | str | None = None,
    faults: str | None = None,
    until_stdin_closes: bool = False,
    write: Callable[[str], None],
) -> int:
    """What `kdnb simulate` does: serve at `spec` until SIGINT, SIGTERM or, if asked, the end of standard input.

    `write` gets the one line that says where the machine listens; with port 0 it names the real port.
    """
    rules = FaultRules.parse(faults) if faults else None
    machine = Machine(scenario, architecture_of(architecture))
    if symbols is not None:
        write_symbols(Path(symbols), machine.architecture)
    machine.boot()
    with contextlib.closing(listen(spec)) as listener:
        server = Server(
            machine, listener, faults=rules, key=key_of(spec), power_on_with_client=scenario in SEEN_FROM_THE_START
        )
        with closed_by_signals(server.close):
            if until_stdin_closes:
                _watch_standard_input(server.close)
            write(f"listening on {listener.address} scenario={scenario} arch={architecture}")
            server.run()
    return 0


def _watch_standard_input(close: Callable[[], None]) -> None:
    """Call `close` when the parent is gone. A thread, since Windows can't wait for a pipe and a socket at once."""

    def wait() -> None:
        # past Python's buffer: at shutdown the interpreter would wait for its lock, which this read holds
        while os.read(sys.stdin.fileno(), 4096):
            pass
        close()

    threading.Thread(target=wait, name="parent watch", daemon=True).start()
