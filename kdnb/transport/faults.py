"""A bad line, on purpose: rules, a line that follows them, and a transport wrapped in two such lines.

Everything is drawn from one seeded generator per direction, in the order of the bytes, so a seed gives the same
faults however the bytes are chunked. There is no thread: what is delayed is held until its time, and released by the
next read.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections import deque
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from kdnb.errors import ConnectionStringError
from kdnb.protocol.constants import Direction
from kdnb.protocol.framing import FramedPacket, Framer

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.transport.base import Transport

__all__ = ["FaultRules", "FaultyLine", "FaultyTransport"]


@dataclass(frozen=True, slots=True)
class FaultRules:
    """What a line does wrong. Shares are from 0 to 1."""

    drop: float = 0.0
    """Share of the bytes that are lost (datagrams: whole datagrams)."""
    flip: float = 0.0
    """Share of the bytes in which one bit is turned over."""
    junk: float = 0.0
    """Chance of a random byte before each byte."""
    damage: float = 0.0
    """Share of the packets that get one hit: a byte replaced by another."""
    dup: float = 0.0
    """Share of the packets that come twice."""
    reorder: float = 0.0
    """Share of the packets that change places with the next one."""
    delay: float = 0.0
    """Share of the packets that are held for `delay_seconds`. On a byte stream what follows waits too."""
    delay_seconds: float = 0.0
    direction: Direction | None = None
    """The direction that is hit; None is both."""
    seed: int = 0

    @classmethod
    def parse(cls, text: str) -> FaultRules:
        """Read `drop=0.01,delay=0.1:0.5,dir=to_host,seed=3`. Raises ConnectionStringError."""
        values: dict[str, float | int | Direction] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _, value = part.partition("=")
            values.update(_parse_rule(name.strip(), value.strip()))
        return cls(**values)  # type: ignore[arg-type]  # _parse_rule gives each field its own type

    def hits(self, direction: Direction) -> bool:
        return self.direction in {None, direction}

    @property
    def by_packet(self) -> bool:
        return bool(self.damage or self.dup or self.reorder or self.delay)


_SHARES = ("drop", "flip", "junk", "damage", "dup", "reorder")


def _parse_rule(name: str, value: str) -> dict[str, float | int | Direction]:
    try:
        if name in _SHARES:
            return {name: _share(value)}
        if name == "delay":
            share, _, seconds = value.partition(":")
            held = float(seconds)
            if not 0 <= held <= 3600:
                raise ValueError
            return {"delay": _share(share), "delay_seconds": held}
        if name == "seed":
            return {"seed": int(value)}
        if name == "dir":
            return {"direction": Direction(value)}
    except ValueError as error:
        hint = "shares are from 0 to 1, delay=SHARE:SECONDS, dir=to_host or to_target"
        raise ConnectionStringError(f"fault rule {name}={value} can't be read", hint) from error
    known = ", ".join(field.name for field in fields(FaultRules) if field.name not in {"delay_seconds", "direction"})
    raise ConnectionStringError(f"there is no fault rule {name!r}", f"rules are {known}, dir")


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise ValueError
    return share


class _Gaps:
    """Counts bytes down to the next hit: one draw per hit instead of one per byte."""

    def __init__(self, share: float, generator: random.Random) -> None:
        self._share = share
        self._generator = generator
        self._left = self._draw()

    def _draw(self) -> float:
        if self._share <= 0:
            return math.inf
        if self._share >= 1:
            return 0
        return math.floor(math.log(1.0 - self._generator.random()) / math.log(1.0 - self._share))

    def hits(self, count: int) -> list[int]:
        """Which of the next `count` bytes are hit."""
        found = []
        while self._left < count:
            found.append(int(self._left))
            self._left += 1 + self._draw()
        self._left -= count
        return found


class FaultyLine:
    """One direction of a bad line: bytes (or datagrams) in, what is left of them out. Time is an argument."""

    def __init__(self, rules: FaultRules, direction: Direction, *, datagrams: bool = False) -> None:
        self._rules = rules
        self._datagrams = datagrams
        self._active = rules.hits(direction)
        self._streams = {name: random.Random(f"{rules.seed} {direction.value} {name}") for name in _STREAMS}
        self._drop, self._flip, self._junk = (_Gaps(getattr(rules, name), self._streams[name]) for name in _BYTE_RULES)
        self._framer = Framer(break_in=direction is Direction.TO_TARGET)
        self._pending = bytearray()  # bytes given to the framer that no packet has claimed yet
        self._pending_base = 0
        self._swapped: bytes | None = None  # waits to come after the next packet
        self._ready: deque[tuple[float, bytes]] = deque()

    def feed(self, data: bytes, now: float) -> None:
        """Bytes enter the line."""
        if not data:
            return
        if not self._active:
            self._ready.append((now, data))
        elif self._datagrams:
            self._pass_packet(data, now)
        elif not self._rules.by_packet:
            self._emit(data, now)
        else:
            self._feed_framer(data, now)

    def end_chunk(self, now: float) -> None:
        """No more bytes belong to what was fed so far: what is left counts as a packet."""
        if self._pending:
            self._framer.finish()
            self._pass_packet(self._claim(self._pending_base + len(self._pending)), now)

    def flush(self, now: float) -> None:
        """The line went quiet: let go of what waited for more bytes, or for a packet to change places with."""
        self.end_chunk(now)
        if self._swapped is not None:
            held, self._swapped = self._swapped, None
            self._emit(held, now)

    def take(self, now: float) -> list[bytes]:
        """What comes out by now; datagrams one by one."""
        if self._datagrams:  # a delayed datagram is overtaken
            due = [data for time_due, data in self._ready if time_due <= now]
            self._ready = deque(entry for entry in self._ready if entry[0] > now)
            return due
        output = []
        while self._ready and self._ready[0][0] <= now:
            output.append(self._ready.popleft()[1])
        return output

    def next_due(self) -> float | None:
        """When something comes out next; None where nothing waits for a time."""
        return min((due for due, _ in self._ready), default=None)

    def _feed_framer(self, data: bytes, now: float) -> None:
        self._pending += data
        for framed in self._framer.feed(data):
            if isinstance(framed, FramedPacket) and framed.valid:
                if framed.offset > self._pending_base:
                    self._emit(self._claim(framed.offset), now)
                self._pass_packet(self._claim(framed.offset + framed.size), now)
            elif not isinstance(framed, FramedPacket):
                self._emit(self._claim(framed.offset + 1), now)

    def _claim(self, end: int) -> bytes:
        count = max(end - self._pending_base, 0)
        claimed = bytes(self._pending[:count])
        del self._pending[:count]
        self._pending_base += len(claimed)
        return claimed

    def _pass_packet(self, packet: bytes, now: float) -> None:
        if not packet:
            return
        if self._draw("damage"):
            packet = self._hit(packet)
        due = now + self._rules.delay_seconds if self._draw("delay") else now
        copies = 2 if self._draw("dup") else 1
        if self._swapped is None and self._draw("reorder"):
            self._swapped = packet * copies if not self._datagrams else packet
            return
        for _ in range(copies):
            self._emit(packet, due)
        if self._swapped is not None:
            held, self._swapped = self._swapped, None
            self._emit(held, due)

    def _draw(self, rule: str) -> bool:
        share = getattr(self._rules, rule)
        return bool(share) and self._streams[rule].random() < share

    def _hit(self, packet: bytes) -> bytes:
        place = self._streams["damage"].randrange(len(packet))
        changed = packet[place] ^ self._streams["damage"].randrange(1, 256)
        return packet[:place] + bytes([changed]) + packet[place + 1 :]

    def _emit(self, data: bytes, due: float) -> None:
        data = self._hit_bytes(data)
        if data:
            # On a stream nothing overtakes: what follows a delayed packet waits with it.
            last = self._ready[-1][0] if self._ready and not self._datagrams else due
            self._ready.append((max(due, last), data))

    def _hit_bytes(self, data: bytes) -> bytes:
        if self._datagrams:
            if self._drop.hits(1):
                return b""
            dropped: list[int] = []
        else:
            dropped = self._drop.hits(len(data))
        flipped = self._flip.hits(len(data))
        inserted = self._junk.hits(len(data))
        if not (dropped or flipped or inserted):
            return data
        changed = [bytes([byte]) for byte in data]
        for place in flipped:
            changed[place] = bytes([data[place] ^ 1 << self._streams["flipped bit"].randrange(8)])
        for place in dropped:
            changed[place] = b""
        for place in inserted:
            changed[place] = bytes([self._streams["junk value"].randrange(256)]) + changed[place]
        return b"".join(changed)


_BYTE_RULES = ("drop", "flip", "junk")
_STREAMS = (*_BYTE_RULES, "flipped bit", "junk value", "damage", "dup", "reorder", "delay")


class FaultyTransport:
    """A transport over a bad line. `written` is the direction of what is written here."""

    def __init__(
        self,
        inner: Transport,
        rules: FaultRules,
        *,
        written: Direction = Direction.TO_TARGET,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._lock = threading.Lock()  # the reading thread sends what had been delayed
        read = Direction.TO_HOST if written is Direction.TO_TARGET else Direction.TO_TARGET
        self._outward = FaultyLine(rules, written, datagrams=inner.datagrams)
        self._inward = FaultyLine(rules, read, datagrams=inner.datagrams)
        self._arrived: deque[bytes] = deque()

    @property
    def datagrams(self) -> bool:
        return self._inner.datagrams

    def read(self, timeout: float) -> bytes:
        deadline = self._clock() + timeout
        while True:
            now = self._clock()
            self._send_due(now)
            self._arrived.extend(self._inward.take(now))
            if self._arrived:
                if self.datagrams:
                    return self._arrived.popleft()
                data = b"".join(self._arrived)
                self._arrived.clear()
                return data
            if now >= deadline and timeout > 0:
                return b""
            dues = [due for due in (self._inward.next_due(), self._outward.next_due()) if due is not None]
            until = min([deadline, *dues])
            data = self._inner.read(max(until - now, 0.0))
            now = self._clock()
            self._inward.feed(data, now)
            if not data:
                self._inward.flush(now)
                with self._lock:
                    self._outward.flush(now)
                if now < until or timeout <= 0:  # woken
                    self._arrived.extend(self._inward.take(now))
                    return self._arrived.popleft() if self._arrived else b""

    def write(self, data: bytes) -> None:
        now = self._clock()
        with self._lock:
            self._outward.feed(data, now)
            self._outward.end_chunk(now)
        self._send_due(now)

    def wake(self) -> None:
        self._inner.wake()

    def close(self) -> None:
        self._inner.close()

    def _send_due(self, now: float) -> None:
        with self._lock:
            for data in self._outward.take(now):
                self._inner.write(data)
