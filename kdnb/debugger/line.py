"""The line of a session: opened from its connection string, and opened anew when it was lost.

What outlives a line stays with the session: its packet log, breakpoints and callbacks. A KDNET line begins with a
fresh handshake, `sim:` with a new machine where the old one has ended.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kdnb.errors import ConnectError, ConnectionStringError
from kdnb.protocol.kdnet import KdnetCodec, parse_key
from kdnb.protocol.link import Link
from kdnb.protocol.packet_ids import Role
from kdnb.target.settings import link_settings, retry_time
from kdnb.transport.pump import Pump
from kdnb.transport.registry import open_transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.capture.log import PacketLog
    from kdnb.simulator.child import SimulatedMachine
    from kdnb.transport.base import Transport
    from kdnb.transport.registry import Spec

__all__ = ["Line"]

_NOT_REOPENED = frozenset({"sim", "net"})
"""A simulated machine that has ended is not there again, and KDNET has no end of file: a target that restarts calls."""
RETRY_INTERVAL = 0.5
"""Seconds between two tries to open a line at which nobody is there yet."""


class Line:
    """Opens the line of one session. `address` is what is opened: for `sim:` where the machine listens."""

    def __init__(self, spec: Spec, text: str, log: PacketLog, timeout: float) -> None:
        """Raises UsageError for options that can't be; opens nothing but a simulated machine."""
        self.machine: SimulatedMachine | None = None
        self.log = log
        self._spec = spec
        self._text = text
        self._timeout = timeout
        self._settings = link_settings(spec.options)
        self.retry_for = retry_time(spec.options) if spec.scheme not in _NOT_REOPENED else 0.0
        """Seconds for which the line is opened again by itself when it was lost."""
        self._key = parse_key(spec.options["key"]) if "key" in spec.options else None
        if spec.scheme == "sim":
            self.machine = start_machine(spec, timeout)

    def open(self) -> Pump:
        """A pump over the line, not started. Raises ConnectError."""
        codec = KdnetCodec(Role.HOST, self._key, os.urandom) if self._key is not None else None
        link = Link(Role.HOST, settings=self._settings, kdnet=codec)
        return Pump(self._transport(), link, self.log.record)

    def open_within(
        self, remaining: Callable[[], float], pause: Callable[[float], object], tell: Callable[[str], None]
    ) -> Pump:
        """The same; with the option `reconnect` somebody who isn't there yet is waited for."""
        told = False
        while True:
            try:
                return self.open()
            except ConnectError as error:
                if self._spec.options.get("reconnect", "off") or remaining() <= 0:
                    raise
                if not told:
                    tell(f"waiting for {self._spec}: {error.message}; start the target, or stop waiting")
                    told = True
                pause(min(RETRY_INTERVAL, max(remaining(), 0.0)))

    def _transport(self) -> Transport:
        if self.machine is None:
            return open_transport(self._text)
        if not self.machine.is_running:
            self.machine.close()
            self.machine = start_machine(self._spec, self._timeout)
        return open_transport(self.machine.address)

    def close(self) -> None:
        """End the simulated machine, if this line started one."""
        if self.machine is not None:
            self.machine.close()


def start_machine(spec: Spec, timeout: float) -> SimulatedMachine:
    """The machine that a `sim:` string names. Raises ConnectionStringError, ConnectError or MissingExtraError."""
    from kdnb.simulator.child import SimulatedMachine
    from kdnb.simulator.loader import SCENARIOS

    unknown = set(spec.options) - {"scenario", "arch"}
    if unknown:
        raise ConnectionStringError(f"sim: doesn't know the option {min(unknown)!r}", "it knows arch, scenario")
    scenario = spec.options.get("scenario", "")
    if scenario and scenario not in SCENARIOS:
        raise ConnectionStringError(f"sim: has no scenario {scenario!r}", f"choose one of {', '.join(SCENARIOS)}")
    architecture = spec.options.get("arch", "amd64")
    if architecture not in ("amd64", "x64", "x86"):
        raise ConnectionStringError(f"sim: has no machine of type {architecture!r}", "choose amd64 or x86")
    return SimulatedMachine(scenario, timeout, "x86" if architecture == "x86" else "")
