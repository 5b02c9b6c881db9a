"""The conversation with a live target: requests and replies, events, and what WinDbg answers by itself.

One request is outstanding at a time. An ACK is no promise of a reply (wrong ids and types are acknowledged too):
after a silence the link is reset and the request made again. Prints, questions and file requests may come between
any two packets; file requests are refused as WinDbg refuses them (the protocol reference 4.2).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kdnb.errors import Cancelled, ConnectError, LinkError, RequestFailed, TransportClosed
from kdnb.protocol.codec import decode, encode, packet_type_of
from kdnb.protocol.constants import (
    Api,
    Direction,
    FileIoApi,
    MachineType,
    Status,
)
from kdnb.protocol.link_events import LinkFailed, LinkSynchronised, PacketReceived, PacketSent, PeerReset, PeerRestarted
from kdnb.protocol.messages.debug_io import DebugPrint, DebugPrompt
from kdnb.protocol.messages.file_io import FileIo
from kdnb.protocol.messages.manipulate import Manipulate
from kdnb.protocol.messages.memory import MemoryBody
from kdnb.protocol.messages.state_change import StateChange64
from kdnb.protocol.messages.state_change32 import StateChange32
from kdnb.protocol.messages.trace_io import ControlRequest
from kdnb.protocol.messages.version import VersionBody
from kdnb.protocol.names import status_name
from kdnb.target.base import LinkLost, Printed, Prompted, Restarted, StateChanged

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.protocol.link_events import LinkEvent
    from kdnb.protocol.messages.message import Message
    from kdnb.protocol.wire import Structure
    from kdnb.target.base import Change, TargetEvent
    from kdnb.transport.pump import Pump

__all__ = ["Conversation", "LiveSettings", "failed"]

EVENTS_KEPT = 10000
"""Prints that nobody fetched; a storm must not eat the memory."""


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """Times in seconds. Real debuggers differ (the protocol reference 1.7, chapter 12 no. 2)."""

    reply_timeout: float = 5.0
    """From a request to its reply; comments in target code speak of 5 s and 10 s."""
    attempts: int = 3
    """How often a request is made before the link counts as lost."""
    first_break_in: float = 0.15
    """Silence after the first RESET before 62: a stopped target has answered by then, a running one only hears 62."""
    break_in_interval: float = 1.5
    """Between two 62 while nothing comes (1.8: 1-2 s)."""
    slice: float = 0.25
    """Longest wait without looking whether the user gave up."""


class Conversation:
    """Requests and events over a pump. Not thread-safe but for `wake`."""

    def __init__(
        self,
        pump: Pump,
        *,
        clock: Callable[[], float],
        settings: LiveSettings | None = None,
        cancelled: Callable[[], bool] = lambda: False,
        answer: Callable[[str], str] | None = None,
    ) -> None:
        """`answer` gives the answer to a DbgPrompt question; without it the target is told to break once, or to
        ignore where it asks in the middle of a request."""
        self.machine = int(MachineType.AMD64)
        self.answer = answer
        self.cancelled = cancelled
        self._pump = pump
        self._clock = clock
        self._settings = settings or LiveSettings()
        self._events: deque[TargetEvent] = deque()
        self._stop_key: tuple[object, ...] | None = None
        """What the present stop was announced with; None while the target runs. A repetition is no new stop."""
        self._processor = 0
        self._level = 0
        self._out_of_step = False
        """A request was abandoned: its reply may still come."""
        self._in_request = False
        self._lost = ""

    # --- connecting -----------------------------------------------------------------------------

    def connect(self, timeout: float, *, break_in: bool) -> None:
        self._pump.start()
        if not break_in:
            return
        now = self._clock()
        deadline, next_break = now + timeout, now + self._settings.first_break_in
        self._pump.reset()
        while not self._heard():
            now = self._clock()
            self._check(now, deadline, timeout)
            if now >= next_break:
                self.break_in()
                next_break = now + self._settings.break_in_interval
            event = self._next(min(self._settings.slice, max(next_break - now, 0.01)))
            if isinstance(event, LinkFailed):
                self._pump.reset()
            elif event is not None:
                self._take(event)
                if isinstance(event, LinkSynchronised | PeerReset):
                    # It is stopped and repeats its announcement: 62 would only give one break too many (1.6).
                    next_break = max(next_break, self._clock() + self._settings.break_in_interval)

    def _heard(self) -> bool:
        return any(not isinstance(event, LinkLost) for event in self._events)

    def _check(self, now: float, deadline: float, timeout: float) -> None:
        if self.cancelled():
            raise Cancelled("connecting was stopped")
        if self._lost:
            raise ConnectError(f"no connection: {self._lost}", "see that the target is there, then connect again")
        if now >= deadline:
            raise ConnectError(
                f"the target doesn't answer ({timeout:g} s)",
                "see that it was started with debugging on, on this line, and that no other debugger holds it",
            )

    # --- requests -------------------------------------------------------------------------------

    def request(self, api: int, body: Structure, data: bytes = b"", processor: int | None = None) -> Manipulate:
        reply = self._exchange(api, body, data, processor)
        if failed(reply.status):
            name = _api_name(api)
            text = status_name(reply.status) or "failure"
            raise RequestFailed(
                f"{name}: the target answers {text} ({reply.status:#010x})", api=name, status=reply.status
            )
        return reply

    def _exchange(self, api: int, body: Structure, data: bytes = b"", processor: int | None = None) -> Manipulate:
        """One request and its reply, whatever its status."""
        number = self._processor if processor is None else processor
        level = 0xFFFF if number == 0xFFFF else self._level
        message = Manipulate(int(api), body, data, number, level)
        for attempt in range(self._settings.attempts):
            self._raise_if_lost()
            if attempt or self._out_of_step:
                self._resynchronise()
            reply = self._ask(message)
            if reply is not None:
                if isinstance(reply.body, VersionBody):
                    self.machine = reply.body.machine
                return reply
        self._raise_if_lost()
        raise LinkError(f"no reply to {_api_name(api)}", "try again, or connect again")

    def _ask(self, message: Manipulate) -> Manipulate | None:
        """Send once and wait; None when no reply came in time."""
        deadline = self._clock() + self._settings.reply_timeout
        self._in_request = self._out_of_step = True
        try:
            self._send(message)
            while (now := self._clock()) < deadline:
                event = self._next(min(self._settings.slice, deadline - now))
                if isinstance(event, PacketReceived):
                    reply = decode(event.packet_type, event.payload, Direction.TO_HOST, self.machine)
                    if isinstance(reply, Manipulate):
                        if reply.api == message.api and _answers(reply, message):
                            self._out_of_step = False
                            return reply
                    else:
                        self._take_message(reply)
                elif isinstance(event, LinkFailed):
                    return None
                elif isinstance(event, PeerRestarted):
                    self._take(event)
                    raise LinkError("the target restarted", "wait for its next stop")
                elif event is None:
                    self._raise_if_lost()
                    if self.cancelled():
                        raise Cancelled("the command was stopped")
        finally:
            self._in_request = False
        return None

    def _resynchronise(self) -> None:
        """RESET, the reliable way back at a stop; the target repeats its announcement, which is no new stop."""
        self._pump.reset()
        deadline = self._clock() + self._settings.reply_timeout
        while (now := self._clock()) < deadline:
            event = self._next(min(self._settings.slice, deadline - now))
            if isinstance(event, LinkFailed):
                return
            if event is None:
                self._raise_if_lost()
                if self.cancelled():
                    raise Cancelled("the command was stopped")
                continue
            self._take(event)
            if isinstance(event, PacketReceived):  # the announcement, or what else it had to say
                break
        self._out_of_step = False

    def _send(self, message: Message) -> None:
        self._pump.send(packet_type_of(message), encode(message))

    # --- events ---------------------------------------------------------------------------------

    def wait(self, timeout: float) -> TargetEvent | None:
        if not self._events:
            event = self._next(timeout)
            if event is not None:
                self._take(event)
        return self._events.popleft() if self._events else None

    def wake(self) -> None:
        self._pump.wake()

    def _take(self, event: LinkEvent) -> None:
        """Anything that is not the reply being waited for."""
        match event:
            case PacketReceived(packet_type, payload):
                self._take_message(decode(packet_type, payload, Direction.TO_HOST, self.machine))
            case PeerRestarted():
                self._stop_key = None
                self._queue(Restarted())
            case _:
                pass

    def _take_message(self, message: Message) -> None:
        match message:
            case StateChange64() | StateChange32():
                self._announce(message)
            case DebugPrint():
                self._queue(Printed(message.text, message.processor))
            case DebugPrompt():
                answer = self._answer(message.string).encode("latin-1", "replace")
                self._send(message.reply(answer))
                self._queue(Prompted(message.text, answer, message.processor))
            case FileIo():
                self._refuse(message)
            case ControlRequest():
                self._send(replace(message, body=replace(message.body, granted=0)))
            case _:
                pass  # trace data, unknown packets, and replies that come too late: the packet log has them

    def _announce(self, change: Change) -> None:
        key = (change.new_state, change.processor, change.thread, change.body.encode())
        if key == self._stop_key:
            return
        self._stop_key = key
        self._processor = change.processor
        if isinstance(change, StateChange64):
            self._level = change.processor_level
        self._queue(StateChanged(change))

    def _answer(self, question: str) -> str:
        if self.answer is not None:
            return self.answer(question)
        return "i" if self._in_request else "o"

    def _refuse(self, message: FileIo) -> None:
        """No host file is served: create gets NO_SUCH_FILE as WinDbg answers without a map (4.2), the rest fails."""
        missing = Status.NO_SUCH_FILE if message.api == FileIoApi.CreateFile else Status.UNSUCCESSFUL
        self._send(replace(message, status=int(missing)))

    def _queue(self, event: TargetEvent) -> None:
        if len(self._events) >= EVENTS_KEPT and isinstance(event, Printed):
            return
        self._events.append(event)

    def _next(self, timeout: float) -> LinkEvent | None:
        """The link's next event. A closed line is the end (`LinkLost`); a target that is silent may come back."""
        try:
            return self._pump.next_event(timeout)
        except TransportClosed as error:
            if not self._lost:
                self._lost = error.message
                self._queue(LinkLost(error.message))
            return None

    def _raise_if_lost(self) -> None:
        if self._lost:
            raise LinkError(f"the link is lost: {self._lost}", "connect again")

    def _send_and_forget(self, message: Manipulate) -> None:
        """A request without a reply: done once it is acknowledged. What comes then is an event."""
        self._raise_if_lost()
        if self._out_of_step:
            self._resynchronise()
        self._send(message)
        while True:
            event = self._next(self._settings.slice)
            if isinstance(event, PacketSent):
                break
            if isinstance(event, LinkFailed):
                self._out_of_step = True
                raise LinkError(f"{_api_name(message.api)}: {event.reason}", "try again, or connect again")
            if event is not None:
                self._take(event)
            self._raise_if_lost()
        self._stop_key = None

    def break_in(self) -> None:
        if not self._lost:
            self._pump.send_break_in()

    def close(self) -> None:
        self._pump.close()


def failed(status: int) -> bool:
    """NT_SUCCESS turned round: warnings and errors have the top bit."""
    return bool(status & 0x80000000)


def _answers(reply: Manipulate, request: Manipulate) -> bool:
    """A late reply to an earlier request of the same API is told by its address."""
    if isinstance(reply.body, MemoryBody) and isinstance(request.body, MemoryBody):
        return reply.body.address == request.body.address
    return True


def _api_name(api: int) -> str:
    try:
        return Api(api).name
    except ValueError:
        return f"API {api:#x}"
