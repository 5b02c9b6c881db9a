"""A target that answers as a test tells it, over the real link and an in-memory line."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import pytest

from kdnb.debugger.engine import clock
from kdnb.errors import TransportClosed
from kdnb.protocol.codec import decode, encode, packet_type_of
from kdnb.protocol.constants import Api, Direction, MachineType
from kdnb.protocol.link import Link, PacketReceived, PeerReset, Role
from kdnb.protocol.messages.control_report import ControlReportAmd64
from kdnb.protocol.messages.manipulate import Manipulate
from kdnb.protocol.messages.state_change import ExceptionRecord64, StateChange64
from kdnb.protocol.messages.version import VersionBody
from kdnb.target.live import LiveSettings, LiveTarget
from kdnb.transport.memory import memory_pair
from kdnb.transport.pump import Pump

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kdnb.protocol.messages.message import Message
    from kdnb.target.base import TargetEvent


def breakpoint_stop(address: int = 0xFFFFF80000001000, thread: int = 0xFFFF800000000040) -> StateChange64:
    """The announcement of an int3."""
    record = ExceptionRecord64(code=0x80000003, address=address, first_chance=1)
    report = ControlReportAmd64(instruction_count=1, instruction_stream=b"\xcc".ljust(16, b"\x90"))
    return StateChange64(0x3030, 0, 0, 1, thread, address, record, report)


def version(machine: int = MachineType.AMD64) -> VersionBody:
    return VersionBody(major=15, minor=19041, protocol=6, machine=machine, kernel_base=0xFFFFF80000000000)


class ScriptedTarget:
    """The other end. `answer` gets each request and gives what to send; RESET repeats the announcement."""

    def __init__(self, transport: object, answer: Callable[[Message], list[Message]], link: Link | None = None) -> None:
        self.requests: list[Message] = []
        self.resets = 0
        self.announcement: StateChange64 | None = None
        self._answer = answer
        self._arrived = threading.Condition()
        self._pump = Pump(transport, link or Link(Role.TARGET))  # type: ignore[arg-type]  # one end of a memory pair
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._pump.start()
        self._thread.start()

    def send(self, *messages: Message) -> None:
        for message in messages:
            if isinstance(message, StateChange64):
                self.announcement = message
            self._pump.send(packet_type_of(message), encode(message))

    def wait_for(self, count: int) -> list[Message]:
        """The first `count` packets that came from the host."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.requests) >= count, 10.0), self.requests
        return self.requests[:count]

    def _run(self) -> None:
        with contextlib.suppress(TransportClosed):
            while True:
                event = self._pump.next_event(5.0)
                if isinstance(event, PacketReceived):
                    message = decode(event.packet_type, event.payload, Direction.TO_TARGET)
                    with self._arrived:
                        self.requests.append(message)
                        self._arrived.notify_all()
                    self.send(*self._answer(message))
                elif isinstance(event, PeerReset):
                    self.resets += 1
                    if self.announcement is not None and not event.in_flight:
                        self.send(self.announcement)

    def close(self) -> None:
        self._pump.close()
        self._thread.join(5.0)


@contextlib.contextmanager
def joined(
    answer: Callable[[Message], list[Message]], announcement: StateChange64 | None = None, **settings: float
) -> Iterator[tuple[LiveTarget, ScriptedTarget]]:
    """A live target that was connected to a scripted one by its announcement."""
    here, there = memory_pair()
    target = LiveTarget(Pump(here, Link(Role.HOST)), clock=clock, settings=LiveSettings(**settings))
    scripted = ScriptedTarget(there, answer)
    scripted.announcement = announcement or breakpoint_stop()
    try:
        target.connect(10.0, break_in=True)
        yield target, scripted
    finally:
        target.close()
        scripted.close()


def reply(request: Message, body: object = None, data: bytes = b"", status: int = 0) -> Manipulate:
    """The reply to a request; without `body` its union comes back as it was."""
    assert isinstance(request, Manipulate)
    given = request.body if body is None else body
    return Manipulate(request.api, given, data, request.processor, request.processor_level, status)  # type: ignore[arg-type]


def is_api(message: Message, api: Api) -> bool:
    return isinstance(message, Manipulate) and message.api == api


def events(target: LiveTarget, count: int) -> list[TargetEvent]:
    found: list[TargetEvent] = []
    for _ in range(100):
        if len(found) == count:
            return found
        event = target.wait(5.0)
        if event is not None:
            found.append(event)
    pytest.fail(f"only {found} came")
