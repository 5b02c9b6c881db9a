"""The proxy: sits between any KD client and any KD target, passes every byte on, and records all of it.

One client after another. The conversation runs on the relay's two threads; the thread that calls `Proxy.run` only
accepts, counts and tells. Fault rules damage a direction on its way in, so that the recording shows what the
receiver got.
"""

from __future__ import annotations

import contextlib
from collections import deque
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from kdnb.capture.live_counts import LiveCounts
from kdnb.capture.recorder import Recorder
from kdnb.errors import ConnectionStringError, KdnbError, TransportClosed
from kdnb.protocol.constants import Direction
from kdnb.protocol.kdnet import parse_key
from kdnb.protocol.kdnet_witness import KdnetWitness
from kdnb.transport.faults import FaultRules, FaultyTransport
from kdnb.transport.line import LineListener
from kdnb.transport.registry import is_byte_stream, listen, open_transport, parse_spec
from kdnb.transport.relay import Relay
from kdnb.transport.signals import closed_by_signals
from kdnb.transport.udp import UdpTransport

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.transport.base import Listener, Transport

__all__ = ["Proxy", "run_proxy"]

ACCEPT_WAIT = 0.25
"""Seconds in which a waiting proxy notices that it is to end; a client is taken at once."""
COUNT_INTERVAL = 2.0
"""Seconds between two lines of counts, while anything goes by."""
RETRY_WAIT = 1.0
"""Seconds before a client that is always there (a serial line) is served again: its target may be gone for long."""


class Proxy:
    """Serves one client after another. `close` may be called from any thread or signal handler."""

    def __init__(
        self,
        listener: Listener,
        open_target: Callable[[], Transport],
        recorder: Recorder,
        *,
        faults: FaultRules | None = None,
        key: bytes | None = None,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        """`key` is that of a KDNET conversation: for the counts, and to tell the target from strangers. `tell` gets a
        line now and then."""
        self._listener = listener
        self._open_target = open_target
        self._recorder = recorder
        self._faults = faults
        self._key = key
        self._tell = tell
        self._endings: SimpleQueue[str | None] = SimpleQueue()
        self._closing = False
        self._last_failure = ""

    def run(self) -> None:
        """Until `close`. Raises ConnectError where the client's line is gone."""
        while not self._closing:
            client = self._accept()
            if client is not None:
                with contextlib.closing(client):
                    self._serve(client)
                if isinstance(self._listener, LineListener):
                    self._pause()

    def close(self) -> None:
        """Make `run` return soon; what was passed on by then is recorded."""
        self._closing = True
        self._endings.put(None)

    def _accept(self) -> Transport | None:
        try:
            return self._listener.accept(ACCEPT_WAIT)
        except TransportClosed:
            if self._closing:
                return None
            raise

    def _serve(self, client: Transport) -> None:
        try:
            target = self._open_target()
        except KdnbError as error:
            self._tell_failure(str(error))
            return
        self._last_failure = ""
        with contextlib.closing(target):
            if client.datagrams != target.datagrams:
                raise ConnectionStringError(
                    "a byte stream and KDNET can't be joined", "use net: on both sides, or none"
                )
            self._converse(client, target)

    def _tell_failure(self, text: str) -> None:
        if text != self._last_failure or not isinstance(self._listener, LineListener):
            self._tell(text)  # for a line, which is tried again and again, only once
        self._last_failure = text

    def _converse(self, client: Transport, target: Transport) -> None:
        chunks: deque[tuple[Direction, bytes, int]] = deque()

        witness = KdnetWitness(self._key) if self._key is not None else None
        if witness is not None and isinstance(target, UdpTransport):
            target.is_trusted = witness.is_target

        def observe(direction: Direction, data: bytes, time_ns: int) -> None:
            if witness is not None and direction is Direction.TO_TARGET:
                witness.hear_host(data)
            self._recorder.record(direction, data, time_ns)
            chunks.append((direction, data, time_ns))

        counts = LiveCounts(self._key if client.datagrams else None)
        self._recorder.begin()
        endings: SimpleQueue[str | None] = SimpleQueue()
        self._endings = endings
        relay = Relay(*self._damaged(client, target), observe, endings.put)
        self._tell("a client is there: recording")
        relay.start()
        try:
            reason = self._watch(counts, chunks)
        finally:
            relay.close()
        self._take(counts, chunks)
        counts.finish()
        self._tell(f"{reason}: {counts}")

    def _damaged(self, client: Transport, target: Transport) -> tuple[Transport, Transport]:
        """Both ends, each with the faults of what is read from it."""
        if self._faults is None:
            return client, target
        both = []
        for end, read, written in (
            (client, Direction.TO_TARGET, Direction.TO_HOST),
            (target, Direction.TO_HOST, Direction.TO_TARGET),
        ):
            rules = replace(self._faults, direction=read)
            both.append(FaultyTransport(end, rules, written=written) if self._faults.hits(read) else end)
        return both[0], both[1]

    def _watch(self, counts: LiveCounts, chunks: deque[tuple[Direction, bytes, int]]) -> str:
        """Until the conversation is over; gives the reason."""
        trouble = ""
        while not self._closing:
            try:
                reason = self._endings.get(timeout=COUNT_INTERVAL)
            except Empty:
                reason = ""
                if self._take(counts, chunks):
                    self._tell(str(counts))
            if self._recorder.problem != trouble:
                trouble = self._recorder.problem
                self._tell(f"{trouble}; the conversation goes on")
            if reason:
                return reason
        return "ended here"

    @staticmethod
    def _take(counts: LiveCounts, chunks: deque[tuple[Direction, bytes, int]]) -> bool:
        """Count what went by since the last time; whether anything did."""
        anything = bool(chunks)
        while chunks:
            counts.feed(*chunks.popleft())
        return anything

    def _pause(self) -> None:
        self._endings = SimpleQueue()  # what the last conversation left there ends no pause
        with contextlib.suppress(Empty):
            if not self._closing:
                self._endings.get(timeout=RETRY_WAIT)


def run_proxy(
    listen_spec: str,
    target_spec: str,
    output: Path | str,
    *,
    faults: str | None = None,
    write: Callable[[str], None],
    tell: Callable[[str], None],
) -> int:
    """What `kdnb proxy` does, until SIGINT or SIGTERM; gives the exit status.

    `write` gets the one line that says where the proxy listens; `tell` what happens.
    """
    rules = FaultRules.parse(faults) if faults else None
    near, far = parse_spec(listen_spec), parse_spec(target_spec)
    if not is_byte_stream(far):
        raise ConnectionStringError(
            f"{far.scheme}: is no byte stream",
            "serve the simulated machine with kdnb simulate --listen tcp:127.0.0.1:5555",
        )
    if (near.scheme == "net") != (far.scheme == "net"):
        raise ConnectionStringError("a byte stream and KDNET can't be joined", "use net: on both sides, or none")
    if near.options.get("key") != far.options.get("key"):
        raise ConnectionStringError("the two sides have different keys", "a target and its debugger share one key")
    key = parse_key(far.options["key"]) if far.scheme == "net" else None
    recorder = Recorder(Path(output), datagrams=key is not None)
    with contextlib.closing(recorder), contextlib.closing(listen(listen_spec)) as listener:
        proxy = Proxy(listener, lambda: open_transport(target_spec), recorder, faults=rules, key=key, tell=tell)
        with closed_by_signals(proxy.close):
            write(f"listening on {listener.address} target={far} recording={recorder.path}")
            proxy.run()
    return 1 if recorder.problem else 0
