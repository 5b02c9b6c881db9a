"""A target that answers from made-up memory, joined to a `LiveTarget` by a bad line in virtual time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kdnb.protocol.codec import DebugPrint, decode, encode, packet_type_of
from kdnb.protocol.constants import Api, Direction, PacketType
from kdnb.protocol.link import BreakInReceived, LinkFailed, PacketReceived, PacketSent, PeerReset, ResendRequested
from kdnb.protocol.messages.manipulate import Manipulate
from kdnb.protocol.messages.memory import MemoryBody
from kdnb.target.live import LiveTarget
from kdnb.testing import JoinedLinks, VirtualPump
from tests.target.scripted import breakpoint_stop

if TYPE_CHECKING:
    from kdnb.protocol.link import LinkEvent
    from kdnb.protocol.link_events import LinkSettings
    from kdnb.protocol.messages.message import Message
    from kdnb.target.settings import LiveSettings
    from kdnb.transport.faults import FaultRules

BASE = 0xFFFFF80000000000
SIZE = 0x10000
MEMORY = b"".join(hashlib.sha256(b"%d" % number).digest() + bytes(32) for number in range(SIZE // 64))
"""Half noise, half zeros, and no two places alike."""
KDNET_READ = 0x448


@dataclass
class MemoryTarget:
    """Stopped for good; answers reads, and prints a numbered line before every `print_each`-th reply."""

    joined: JoinedLinks
    print_each: int = 10
    silent: int = 0
    """So many requests are acknowledged and not answered."""
    prints: int = 0
    answered: int = 0
    failures: list[str] = field(default_factory=list)
    _in_flight: int = 0

    def __post_init__(self) -> None:
        self.joined.on_target = self.hear
        self.joined.target.wanted = frozenset({PacketType.STATE_MANIPULATE})

    def hear(self, event: LinkEvent) -> None:
        match event:
            case PacketReceived(packet_type, payload):
                message = decode(packet_type, payload, Direction.TO_TARGET)
                if isinstance(message, Manipulate):
                    self._answer(message)
            case PacketSent():
                self._in_flight -= 1
            case LinkFailed(reason):
                self._in_flight = 0
                self.failures.append(reason)
            case PeerReset(in_flight=False) | ResendRequested() | BreakInReceived() if not self._in_flight:
                self._say(breakpoint_stop())

    def _answer(self, request: Manipulate) -> None:
        if self.silent:
            self.silent -= 1
            return
        self.answered += 1
        if self.print_each and self.answered % self.print_each == 0:
            self.prints += 1
            self._say(DebugPrint(b"%d" % self.prints))
        if request.api != Api.ReadVirtualMemory or not isinstance(request.body, MemoryBody):
            self._say(Manipulate(request.api, request.body, b"", status=0xC0000001))
            return
        at = request.body.address - BASE
        limit = KDNET_READ if self.joined.target.is_kdnet else 3944
        data = MEMORY[at : at + min(request.body.transfer_count, limit)] if 0 <= at < SIZE else b""
        body = MemoryBody(request.body.address, request.body.transfer_count, len(data))
        self._say(Manipulate(request.api, body, data, status=0 if data else 0xC0000001))

    def _say(self, message: Message) -> None:
        self._in_flight += 1
        self.joined.target.send(packet_type_of(message), encode(message), self.joined.clock.now)


def virtual(
    rules: FaultRules | None = None,
    *,
    key: bytes | None = None,
    settings: LiveSettings | None = None,
    link: LinkSettings | None = None,
    **more: object,
) -> tuple[LiveTarget, MemoryTarget]:
    """A live target (not connected) and the machine at the other end of its line."""
    joined = JoinedLinks(rules, key=key, host_settings=link, **more)  # type: ignore[arg-type]  # `line`, when given
    machine = MemoryTarget(joined)
    return LiveTarget(VirtualPump(joined), clock=joined.clock, settings=settings), machine  # type: ignore[arg-type]  # as good as a pump
