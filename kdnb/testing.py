"""For tests, ours and yours: a clock that stands still, two links joined by a bad line, conversations as scripts.

Nothing here waits: time is a number that is moved on. So a line that loses half of its packets and a link that
repeats them for a minute are tested in milliseconds, and a seed gives the same run every time.
"""

from __future__ import annotations

import difflib
import random
from collections import deque
from dataclasses import astuple
from typing import TYPE_CHECKING

from kdnb.protocol.constants import Direction, PacketType
from kdnb.protocol.framing import BreakIn, FramedPacket, Framer
from kdnb.protocol.kdnet import KdnetCodec
from kdnb.protocol.link import Link, LinkEvent, LinkSettings, LinkStatistics, Role
from kdnb.protocol.packet import encode_packet, make_control, make_data
from kdnb.transport.faults import FaultRules, FaultyLine

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Conversation", "FakeClock", "JoinedLinks", "VirtualPump"]


class FakeClock:
    """A clock that moves only when told to. Call it for the time in seconds."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


Line = FaultyLine
"""What `JoinedLinks` takes as a line: anything with `feed`, `end_chunk`, `flush`, `take` and `next_due`."""


class JoinedLinks:
    """A host and a target link, joined by a line with faults, in virtual time.

    Events gather in `host_events` and `target_events`; `on_host` and `on_target` are called with each one, and may
    send. `key` makes it a KDNET line (datagrams), connected before the faults begin.
    """

    LATENCY = 0.002
    """Seconds that the line takes; about what a serial line at 115200 baud needs for a small packet."""

    def __init__(
        self,
        rules: FaultRules | None = None,
        *,
        key: bytes | None = None,
        host_settings: LinkSettings | None = None,
        target_settings: LinkSettings | None = None,
        line: Callable[[Direction], Line] | None = None,
    ) -> None:
        rules = rules or FaultRules()
        codecs = {role: None if key is None else KdnetCodec(role, key, self._entropy) for role in Role}
        self.clock = FakeClock()
        self.host = Link(Role.HOST, settings=host_settings, kdnet=codecs[Role.HOST])
        self.target = Link(Role.TARGET, settings=target_settings, kdnet=codecs[Role.TARGET])
        self.host_events: list[LinkEvent] = []
        self.target_events: list[LinkEvent] = []
        self.on_host: Callable[[LinkEvent], None] | None = None
        self.on_target: Callable[[LinkEvent], None] | None = None
        self._datagrams = key is not None
        self._chunks = random.Random(rules.seed)
        make = line or (lambda direction: FaultyLine(rules, direction, datagrams=self._datagrams))
        self._to_target = make(Direction.TO_TARGET)
        self._to_host = make(Direction.TO_HOST)
        self._shake_hands(codecs[Role.HOST], codecs[Role.TARGET])

    def run(self, until: Callable[[], bool] | None = None, limit: float = 3600.0) -> bool:
        """Let time pass until `until()` holds or nothing more can happen. True when `until` holds.

        Raises AssertionError when `limit` seconds of virtual time were not enough.
        """
        while until is None or not until():
            if not self.step():
                return until is None
            if self.clock.now > limit:
                raise AssertionError(f"no end after {limit:g} s of virtual time")
        return True

    def step(self) -> bool:
        """Carry what can be carried, or move the clock to when something is due. False when nothing is left to do."""
        if self._exchange():
            return True
        due = self.next_due()
        if due is None:
            self.flush()
            return self._exchange()
        self.advance(due)
        return True

    def next_due(self) -> float | None:
        """When the next timer of a link, or something delayed on the line, is due; None when nothing is."""
        ends = (self.host.next_timeout(), self.target.next_timeout())
        lines = (self._to_target.next_due(), self._to_host.next_due())
        return min((due for due in (*ends, *lines) if due is not None), default=None)

    def flush(self) -> None:
        """The line goes quiet: what it held back for more bytes comes out."""
        self._to_target.flush(self.clock.now)
        self._to_host.flush(self.clock.now)

    def advance(self, due: float) -> None:
        """Move the clock on, and do what is due then."""
        self.clock.now = max(self.clock.now, due)
        self.host.handle_timeout(self.clock.now)
        self.target.handle_timeout(self.clock.now)
        self._exchange()

    def calm(self) -> None:
        """From now on the line does nothing wrong any more."""
        perfect = FaultRules()
        self.flush()
        while self._exchange():
            pass
        self._to_target = FaultyLine(perfect, Direction.TO_TARGET, datagrams=self._datagrams)
        self._to_host = FaultyLine(perfect, Direction.TO_HOST, datagrams=self._datagrams)

    def exchange(self) -> bool:
        """Carry what can be carried now; whether anything was."""
        return self._exchange()

    @staticmethod
    def _entropy(count: int) -> bytes:
        return random.Random(count).randbytes(count)

    @staticmethod
    def _shake_hands(host: KdnetCodec | None, target: KdnetCodec | None) -> None:
        if host is None or target is None:
            return
        host.receive(target.poke())
        for datagram in host.datagrams_to_send():
            target.receive(datagram)
        for datagram in target.datagrams_to_send():
            host.receive(datagram)

    def _exchange(self) -> bool:
        moved = self._hand_over(self.host, self.host_events, self.on_host)
        moved |= self._hand_over(self.target, self.target_events, self.on_target)
        now = self.clock.now
        for source, line in ((self.host, self._to_target), (self.target, self._to_host)):
            for piece in source.datagrams_to_send():
                line.feed(piece, now + self.LATENCY)
                line.end_chunk(now + self.LATENCY)
                moved = True
        for line, destination in ((self._to_target, self.target), (self._to_host, self.host)):
            for data in line.take(now):
                for chunk in self._cut(data):
                    destination.receive_data(chunk, now)
                moved = True
        return moved

    def _cut(self, data: bytes) -> list[bytes]:
        if self._datagrams or len(data) < 2:
            return [data]
        place = self._chunks.randrange(len(data))
        return [part for part in (data[:place], data[place:]) if part]

    @staticmethod
    def _hand_over(link: Link, events: list[LinkEvent], callback: Callable[[LinkEvent], None] | None) -> bool:
        moved = False
        while (event := link.next_event()) is not None:
            moved = True
            events.append(event)
            if callback is not None:
                callback(event)
        return moved


class VirtualPump:
    """A pump over joined links: what a `LiveTarget` needs, in virtual time and on one thread."""

    def __init__(self, joined: JoinedLinks) -> None:
        self.joined = joined
        self._events: deque[LinkEvent] = deque()
        joined.on_host = self._events.append

    def start(self) -> None:
        """Nothing to start: time passes in `next_event`."""

    def send(self, packet_type: int, payload: bytes, *, give_up: bool = True, confirm: bool = True) -> None:
        self.joined.host.send(packet_type, payload, self.joined.clock.now, give_up=give_up, confirm=confirm)

    def send_break_in(self) -> None:
        self.joined.host.send_break_in()

    def reset(self) -> None:
        self.joined.host.reset(self.joined.clock.now)

    def next_event(self, timeout: float) -> LinkEvent | None:
        """The next event of the host's link; the clock moves on by at most `timeout` seconds."""
        joined = self.joined
        deadline = joined.clock.now + timeout
        while not self._events:
            if joined.exchange():
                continue
            due = joined.next_due()
            if due is None or due > deadline:
                joined.flush()
                if not joined.exchange():
                    joined.advance(deadline)
                    break
            else:
                joined.advance(due)
        return self._events.popleft() if self._events else None

    def wake(self) -> None:
        """Nobody waits: there is one thread."""

    def close(self) -> None:
        """Nothing to close."""

    @property
    def is_network(self) -> bool:
        return self.joined.host.is_kdnet

    @property
    def troubles(self) -> int:
        return self.statistics.troubles

    @property
    def statistics(self) -> LinkStatistics:
        return self.joined.host.statistics


class Conversation:
    """A link's behaviour as a script: one line per thing that happens.

        ! send 2 hello              what the owner does: send, break, reset, restart, want TYPE...
        -> data 2 80800000 hello    bytes that the link sends
        <- ack 80800000             bytes that it receives
        => PacketSent 80800000 2    an event that it reports
        + 1.0                       the clock moves on

    Packets are `data TYPE ID TEXT`, `ack ID`, `resend [ID]`, `reset [ID]`, `break`, `hex BYTES`; `damaged` before
    `data` breaks its checksum. Ids and bytes are hex. `play` carries out the lines with `!`, `<-` and `+`, and
    compares all that follows from them with the other lines; it raises AssertionError with a diff.
    """

    def __init__(self, link: Link, clock: FakeClock | None = None) -> None:
        self.link = link
        self.clock = clock or FakeClock()
        self._framer = Framer(break_in=link.role is Role.HOST)

    def play(self, script: str) -> None:
        expected = [" ".join(line.split()) for line in script.splitlines() if line.split("#")[0].strip()]
        expected = [line.split(" #")[0] for line in expected]
        actual: list[str] = []
        for line in expected:
            if line.startswith(("!", "<-", "+")):
                actual.append(line)
                self._do(line)
                actual += self._observed()
        if actual != expected:
            diff = "\n".join(difflib.ndiff(expected, actual))
            raise AssertionError(f"the conversation went another way (- expected, + happened):\n{diff}")

    def _do(self, line: str) -> None:
        arrow, *words = line.split(" ")
        if arrow == "+":
            self.clock.advance(float(words[0]))
            self.link.handle_timeout(self.clock.now)
        elif arrow == "<-":
            self.link.receive_data(_packet_bytes(words), self.clock.now)
        else:
            self._call(words)

    def _call(self, words: list[str]) -> None:
        match words:
            case ["send", packet_type, *text]:
                self.link.send(int(packet_type), " ".join(text).encode(), self.clock.now)
            case ["insist", packet_type, *text]:
                self.link.send(int(packet_type), " ".join(text).encode(), self.clock.now, give_up=False)
            case ["break"]:
                self.link.send_break_in()
            case ["reset"]:
                self.link.reset(self.clock.now)
            case ["restart"]:
                self.link.restart()
            case ["want", *types]:
                self.link.wanted = frozenset(map(int, types))
            case _:
                raise ValueError(f"no such call: {' '.join(words)}")

    def _observed(self) -> list[str]:
        lines = [f"-> {_packet_text(framed)}" for framed in self._framer.feed(self.link.data_to_send())]
        while (event := self.link.next_event()) is not None:
            lines.append(f"=> {_event_text(event)}")
        return lines


_CONTROLS = {"ack": PacketType.ACKNOWLEDGE, "resend": PacketType.RESEND, "reset": PacketType.RESET}


def _packet_bytes(words: list[str]) -> bytes:
    match words:
        case ["damaged", *rest]:
            good = bytearray(_packet_bytes(rest))
            good[-2] ^= 0x40
            return bytes(good)
        case ["data", packet_type, packet_id, *text]:
            return encode_packet(make_data(int(packet_type), int(packet_id, 16), " ".join(text).encode()))
        case [("ack" | "resend" | "reset") as name, *packet_id]:
            return encode_packet(make_control(_CONTROLS[name], int(packet_id[0], 16) if packet_id else 0))
        case ["break"]:
            return b"b"
        case ["hex", *digits]:
            return bytes.fromhex("".join(digits))
        case _:
            raise ValueError(f"no such packet: {' '.join(words)}")


def _packet_text(framed: FramedPacket | BreakIn) -> str:
    if isinstance(framed, BreakIn):
        return "break"
    packet = framed.packet
    if packet.is_control:
        name = next(name for name, value in _CONTROLS.items() if value == packet.packet_type)
        return f"{name} {packet.packet_id:08x}" if packet.packet_id else name
    return f"data {packet.packet_type} {packet.packet_id:08x} {packet.payload.decode(errors='replace')}".rstrip()


def _event_text(event: LinkEvent) -> str:
    shown = []
    for value in event if isinstance(event, tuple) else astuple(event):
        if isinstance(value, bytes):
            shown.append(value.decode(errors="replace"))
        elif isinstance(value, int) and value > 0xFFFF:
            shown.append(f"{value:08x}")
        else:
            shown.append(str(value))
    return " ".join([type(event).__name__, *shown])
