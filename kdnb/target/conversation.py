"""The conversation with a live target: requests and replies, events, and what WinDbg answers by itself.

One request is outstanding at a time. An ACK is no promise of a reply (wrong ids and types are acknowledged too):
after a silence the link is reset and the request made again. Prints, questions and file requests may come between
any two packets; file requests are answered by the map of `.kdfiles`, which is empty at first (4.2).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from kdnb.errors import (
    Cancelled,
    LinkError,
    RequestFailed,
)
from kdnb.protocol.codec import decode, encode, packet_type_of
from kdnb.protocol.constants import (
    Api,
    Direction,
    MachineType,
    PacketType,
    Status,
)
from kdnb.protocol.kdnet import WRONG_KEY
from kdnb.protocol.link_events import (
    LinkFailed,
    LinkSynchronised,
    NotAuthenticated,
    PacketReceived,
    PeerReset,
    PeerRestarted,
)
from kdnb.protocol.messages.debug_io import DebugPrint, DebugPrompt
from kdnb.protocol.messages.file_io import FileIo
from kdnb.protocol.messages.manipulate import Manipulate
from kdnb.protocol.messages.memory import MemoryBody
from kdnb.protocol.messages.state_change import StateChange64
from kdnb.protocol.messages.state_change32 import StateChange32
from kdnb.protocol.messages.trace_io import ControlRequest
from kdnb.protocol.messages.version import VersionBody
from kdnb.protocol.names import status_name
from kdnb.target.base import Printed, Prompted, Refused, Restarted, StateChanged
from kdnb.target.files import FileService
from kdnb.target.settings import LiveSettings
from kdnb.target.target_line import TargetLine

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.protocol.link_events import LinkEvent
    from kdnb.protocol.messages.message import Message
    from kdnb.protocol.wire import Structure
    from kdnb.target.base import Change, TargetEvent
    from kdnb.transport.pump import Pump

__all__ = ["Conversation", "LiveSettings", "failed"]

T = TypeVar("T")

_MANIPULATE = PacketType.STATE_MANIPULATE.value
_UNANSWERED = frozenset({Api.SwitchProcessor, Api.Reboot, Api.CauseBugCheck})
"""Requests without a reply, but for a refusal (3.2)."""
NOT_OFFERED = "this target doesn't offer it"


class Conversation(TargetLine):
    """Requests and events over a pump. Not thread-safe but for `wake`."""

    def __init__(
        self,
        pump: Pump,
        *,
        clock: Callable[[], float],
        settings: LiveSettings | None = None,
        cancelled: Callable[[], bool] = lambda: False,
        answer: Callable[[str], str | None] | None = None,
        open_pump: Callable[[], Pump] | None = None,
    ) -> None:
        """`answer` gives the answer to a DbgPrompt question; without it, or where it gives None, the target is told to
        break once, or to ignore in the middle of a request. `open_pump` opens the line anew (`reopen`)."""
        super().__init__(pump, clock=clock, settings=settings, cancelled=cancelled, open_pump=open_pump)
        self.machine = int(MachineType.AMD64)
        self.answer = answer
        self.files: FileService = FileService()
        self._processor = 0
        self._level = 0
        self._in_request = False

    # --- connecting -----------------------------------------------------------------------------

    def connect(self, timeout: float, *, break_in: bool) -> None:
        self._pump.start()
        if not break_in:
            return
        start = self._clock()
        next_break, next_word = start + self._settings.first_break_in, start + self._settings.progress_after
        self._reset()
        while not self._heard:
            now = self._clock()
            self._check(now - start, timeout)
            if now >= next_break:
                self.break_in()
                next_break = now + self._settings.break_in_interval
            if now >= next_word:
                self._tell(now - start)
                next_word = now + self._settings.progress_interval
            event = self._next(min(self._settings.slice, max(next_break - now, 0.01)))
            if isinstance(event, LinkFailed):
                self._reset()
            elif event is not None:
                self._take(event)
                if isinstance(event, LinkSynchronised | PeerReset):
                    # It is stopped and repeats its announcement: 62 would only give one break too many (1.6).
                    next_break = max(next_break, self._clock() + self._settings.break_in_interval)

    def listen(self) -> None:
        """Hear a line that was opened anew and ask for nothing: a stopped target repeats its announcement after a
        RESET, one that runs takes no notice of it (1.9)."""
        self._pump.start()
        self._reset()

    def _begin_anew(self, pump: Pump) -> None:
        super()._begin_anew(pump)
        self._stop_key: tuple[object, ...] | None = None
        """What the present stop was announced with; None while the target runs. A repetition is no new stop."""
        self._left_key: tuple[object, ...] | None = None
        """The same of the stop that the target was told to leave last."""

    # --- requests -------------------------------------------------------------------------------

    def request(self, api: int, body: Structure, data: bytes = b"", processor: int | None = None) -> Manipulate:
        reply = self._exchange(api, body, data, processor)
        if failed(reply.status):
            raise _refusal(reply)
        return reply

    def _exchange(self, api: int, body: Structure, data: bytes = b"", processor: int | None = None) -> Manipulate:
        """One request and its reply, whatever its status."""
        for attempt in range(self._settings.attempts):
            reply = self._attempt(api, body, data, processor, again=attempt > 0)
            if reply is not None:
                return reply
        raise self._no_reply(api)

    def _attempt(
        self, api: int, body: Structure, data: bytes = b"", processor: int | None = None, *, again: bool
    ) -> Manipulate | None:
        """Ask once, in step with the target; None when no reply came in time."""
        number = self._processor if processor is None else processor
        message = Manipulate(int(api), body, data, number, 0xFFFF if number == 0xFFFF else self._level)
        reply = self._ask(encode(message), lambda payload: self._reply_to(message, payload), again=again)
        if reply is not None and isinstance(reply.body, VersionBody):
            self.machine = reply.body.machine
        return reply

    def _reply_to(self, request: Manipulate, payload: bytes) -> Manipulate | None:
        reply = decode(_MANIPULATE, payload, Direction.TO_HOST, self.machine)
        if isinstance(reply, Manipulate) and reply.api == request.api and _answers(reply, request):
            return reply
        return None

    def _no_reply(self, api: int) -> LinkError:
        self._raise_if_lost()
        return LinkError(f"no reply to {_api_name(api)}", "try again, or .restart to connect anew")

    def _ask(self, request: bytes, reply_of: Callable[[bytes], T | None], *, again: bool) -> T | None:
        """Send once, in step with the target, and wait; None when no reply came in time.

        `reply_of` tells the reply from a late other one.
        """
        if self._lost:
            self._raise_if_lost()
        if again or self._out_of_step:
            self._resynchronise()
        longest = self._settings.slice
        deadline = self._clock() + self._settings.reply_timeout
        self._in_request = self._out_of_step = True
        try:
            if not self._send_payload(_MANIPULATE, request):
                return None
            while (left := deadline - self._clock()) > 0.0:
                event = self._next(left if left < longest else longest)
                if isinstance(event, PacketReceived):
                    if event.packet_type != _MANIPULATE:
                        self._take(event)
                    elif (reply := reply_of(event.payload)) is not None:
                        self._out_of_step = False
                        return reply
                elif isinstance(event, LinkFailed):
                    return None
                elif isinstance(event, PeerRestarted):
                    self._take(event)
                    self._out_of_step = False
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
        self._reset()
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

    def _send(self, message: Message) -> bool:
        """False where the link had failed meanwhile: nothing was sent."""
        return self._send_payload(packet_type_of(message), encode(message))

    # --- events ---------------------------------------------------------------------------------

    def wait(self, timeout: float) -> TargetEvent | None:
        if not self._events:
            event = self._next(timeout)
            if event is not None:
                self._take(event)
        return self._events.popleft() if self._events else None

    def _take(self, event: LinkEvent) -> None:
        """Anything that is not the reply being waited for."""
        match event:
            case PacketReceived(packet_type, payload):
                self._take_message(decode(packet_type, payload, Direction.TO_HOST, self.machine))
            case PeerRestarted():
                self._stop_key = None
                self.files.close_all()
                self._queue(Restarted())
            case NotAuthenticated():
                self._lose(WRONG_KEY)
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
                self._send(self.files.answer(message))
            case ControlRequest():
                self._send(replace(message, body=replace(message.body, granted=0)))
            case Manipulate() if message.api in _UNANSWERED and failed(message.status):
                self._stop_key = self._left_key
                self._queue(Refused(_refusal(message)))
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
        given = self.answer(question) if self.answer is not None else None
        if given is not None:
            return given
        return "i" if self._in_request else "o"

    def _catch_up(self) -> None:
        """Take what the target has said so far: behind a request that lets it go it would pass for something new."""
        while (event := self._next(0.0)) is not None:
            self._take(event)
            if isinstance(event, PeerRestarted):
                raise LinkError("the target restarted", "wait for its next stop")

    def _send_and_forget(self, message: Manipulate) -> None:
        """A request without a reply: done once it is acknowledged. What comes then is an event."""
        self._raise_if_lost()
        if self._out_of_step:
            self._resynchronise()
        self._catch_up()
        self._left_key = self._stop_key
        before = self._repetitions()
        sent = self._send_payload(_MANIPULATE, encode(message), confirm=True)
        failure = "" if sent else "the link had failed"
        early: list[LinkEvent] = []
        deadline = self._clock() + self._settings.attempts * self._settings.reply_timeout
        while self._unconfirmed and not failure:
            if self._clock() >= deadline:
                failure, self._out_of_step = "no acknowledgement from the target", True
                break
            event = self._next(self._settings.slice)
            if isinstance(event, LinkFailed):
                failure = event.reason
            elif isinstance(event, PeerRestarted):
                self._take(event)
                return
            elif event is not None:
                early.append(event)
            self._raise_if_lost()
        if failure:
            raise LinkError(f"{_api_name(message.api)}: {failure}", "try again, or .restart to connect anew")
        repeated, asked_again = (now - then for now, then in zip(self._repetitions(), before, strict=True))
        has_gone_on = repeated and not asked_again
        if has_gone_on:
            # Its first ACK was lost and the target has gone on: what it announces is new, even in the same words.
            self._stop_key = None
        for event in early:  # else it is the stop that is being left, said once more while the request was under way
            self._take(event)
        if not has_gone_on and not any(isinstance(event, Refused) for event in self._events):
            self._stop_key = None


def failed(status: int) -> bool:
    """NT_SUCCESS turned round: warnings and errors have the top bit."""
    return bool(status & 0x80000000)


def _refusal(reply: Manipulate) -> RequestFailed:
    name = _api_name(reply.api)
    text = status_name(reply.status) or "failure"
    hint = NOT_OFFERED if reply.status == Status.NOT_IMPLEMENTED else ""
    message = f"{name}: the target answers {text} ({reply.status:#010x})"
    return RequestFailed(message, hint, api=name, status=reply.status)


def _answers(reply: Manipulate, request: Manipulate) -> bool:
    """A late reply to an earlier request of the same API is told by its address, a damaged one by its length."""
    if isinstance(reply.body, MemoryBody) and isinstance(request.body, MemoryBody):
        return reply.body.address == request.body.address and (
            not reply.data or len(reply.data) == reply.body.actual or failed(reply.status)
        )
    return True


def _api_name(api: int) -> str:
    try:
        return Api(api).name
    except ValueError:
        return f"API {api:#x}"
