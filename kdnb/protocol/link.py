"""The link: packets over a line that loses, damages and repeats them. One class plays both ends.

Sans-I/O: bytes and time come in as arguments, bytes to send and events come out. One data packet is in flight at a
time; others wait in a queue. What happens in which state stands in `link_states`; this file only recognises inputs,
carries out actions, and keeps the two timers. Times are seconds of any monotonic clock.

Serial, pipe and TCP carry a byte stream (`data_to_send`). KDNET carries datagrams (`datagrams_to_send`, and each call
of `receive_data` takes one whole datagram); the codec of `kdnet` seals and opens them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.errors import LinkError
from kdnb.protocol.constants import (
    BREAKIN_BYTE,
    CONTROL_LEADER,
    DEBUG_IO_SIZE,
    FILE_IO_SIZE,
    MANIPULATE_SIZE,
    PacketType,
)
from kdnb.protocol.framing import BreakIn, Framed, FramedPacket, Framer, decode_datagram
from kdnb.protocol.kdnet_offers import WRONG_KEY_TIME
from kdnb.protocol.link_events import (
    HOST_SETTINGS,
    TARGET_SETTINGS,
    BreakInReceived,
    LinkEvent,
    LinkFailed,
    LinkSettings,
    LinkStatistics,
    LinkSynchronised,
    NotAuthenticated,
    PacketReceived,
    PacketSent,
    PeerReset,
    PeerRestarted,
    ResendRequested,
)
from kdnb.protocol.link_states import TRANSITIONS, Action, Input, State
from kdnb.protocol.packet import Packet, encode_control, encode_data
from kdnb.protocol.packet_ids import IdMeaning, KdnetIds, PacketIds, Role, SerialIds

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.protocol.kdnet import KdnetCodec
    from kdnb.protocol.kdnet_offers import Address

__all__ = [
    "HOST_SETTINGS",
    "TARGET_SETTINGS",
    "BreakInReceived",
    "Link",
    "LinkEvent",
    "LinkFailed",
    "LinkSettings",
    "LinkStatistics",
    "LinkSynchronised",
    "NotAuthenticated",
    "PacketReceived",
    "PacketSent",
    "PeerReset",
    "PeerRestarted",
    "ResendRequested",
    "Role",
    "State",
]

_SMALLEST = {
    PacketType.STATE_MANIPULATE: MANIPULATE_SIZE,
    PacketType.DEBUG_IO: DEBUG_IO_SIZE,
    PacketType.FILE_IO: FILE_IO_SIZE,
}
"""Header sizes below which a target asks for RESEND (protocol reference 1.5 step 8)."""

_BY_MEANING = {
    IdMeaning.EXPECTED: Input.DATA,
    IdMeaning.DUPLICATE: Input.DUPLICATE,
    IdMeaning.SYNC: Input.SYNC,
    IdMeaning.INVALID: Input.DAMAGED,
}

# Bound once: a round trip asks for these a dozen times, and an enum takes 0.15 microseconds to give a member.
_IDLE = State.IDLE
_SEND, _ACK, _STALE_ACK, _DATA, _SYNC = Input.SEND, Input.ACK, Input.STALE_ACK, Input.DATA, Input.SYNC
_EXPECTED = IdMeaning.EXPECTED
_ACKNOWLEDGE = PacketType.ACKNOWLEDGE

_COUNTED = {Input.DUPLICATE: "duplicates", Input.UNWANTED: "unwanted", Input.DAMAGED: "damaged"}


@dataclass(slots=True)
class _Outgoing:
    packet_type: int
    payload: bytes
    give_up: bool
    confirm: bool


class Link:
    """One end of the line.

    `wanted` is for the target: the packet types it waits for just now; None takes all. Others are acknowledged and
    dropped, as real targets do (protocol reference 1.5 step 7).
    """

    def __init__(self, role: Role, *, settings: LinkSettings | None = None, kdnet: KdnetCodec | None = None) -> None:
        self.role = role
        self.settings = settings or (HOST_SETTINGS if role is Role.HOST else TARGET_SETTINGS)
        self.wanted: frozenset[int] | None = None
        self.polling = False
        """KDNET target whose machine runs: it polls for a break-in, and other packets are lost."""
        self.state = State.IDLE
        self.statistics = LinkStatistics()
        self._kdnet = kdnet
        self._ids: PacketIds = self._fresh_ids()
        self._framer = Framer(break_in=role is Role.TARGET)
        self._events: deque[LinkEvent] = deque()
        self._output: list[bytes] = []
        self._answers: list[tuple[bytes, Address]] = []
        self._queue: deque[_Outgoing] = deque()
        self._in_flight: _Outgoing | None = None
        self._deadline: float | None = None  # for the ACK, or for the echo of a RESET
        self._quiet_deadline: float | None = None  # for the rest of half a packet, or for silence after a break-in
        self._break_in_seen = False
        self._retries_left = 0
        self._resends_left = 0
        self._had_contact = False
        self._now = 0.0
        self._given: Input = _SEND
        self._received = Packet(0, 0, 0)
        self._last_taken: Packet | None = None
        self._sync_unconfirmed = False
        self._key_deadline: float | None = None
        """When a key that is in doubt is called wrong."""
        self._key_complained = False
        self._rows = self._bind_table()

    # --- what the owner calls -------------------------------------------------------------------------------------

    def receive_data(self, data: bytes, now: float, sender: Address = None) -> None:
        """Take bytes from the line (KDNET: one datagram, and where it came from)."""
        self._now = now
        self.statistics.bytes_received += len(data)
        if self._kdnet is not None:
            self._receive_datagram(data, now, sender)
            return
        self._break_in_seen = False
        self._quiet_deadline = None
        framer = self._framer
        packets = framer.take_sound(data)
        if packets is not None:
            for packet in packets:
                self._received = packet
                self._step(self._input_of(packet), now)
            return
        framed = framer.feed(data)
        self._take_all(framed, now)
        if framer.is_at_boundary:
            if framed and isinstance(framed[-1], BreakIn):
                self._break_in_seen = True
                self._quiet_deadline = now + self.settings.break_in_wait
        elif framer.is_partial or self.role is Role.TARGET:
            self._quiet_deadline = now + self.settings.quiet_time

    @property
    def is_kdnet(self) -> bool:
        """True when `receive_data` takes whole datagrams and `datagrams_to_send` gives them."""
        return self._kdnet is not None

    @property
    def is_at_boundary(self) -> bool:
        """True when the next byte begins a packet, or is a break-in."""
        return self._framer.is_at_boundary

    def send(self, packet_type: int, payload: bytes, now: float, *, give_up: bool = True, confirm: bool = True) -> None:
        """Send a packet, or queue it behind the one in flight.

        `give_up=False` repeats it for ever: a target does so with exceptions and prompts (protocol reference 1.7).
        `confirm` reports its arrival (`PacketSent`); who waits for an answer has no need of that.
        Raises LinkError after the link has failed.
        """
        self._queue.append(_Outgoing(packet_type, payload, give_up, confirm))
        self._step(_SEND, now)

    def send_break_in(self) -> None:
        """Send the break-in byte at once. It has no ACK: send it again if no state change comes."""
        self.statistics.break_ins += 1
        self._put(bytes([BREAKIN_BYTE]))

    def reset(self, now: float) -> None:
        """Host: resynchronise. Drops what is in flight and queued, and repeats RESET until the target is heard."""
        self._retries_left = self.settings.resets
        self._step(Input.RESET_WANTED, now)

    def restart(self) -> None:
        """Back to the state at power-on (target: first packet with SYNC). Sends nothing, forgets everything."""
        self._step(Input.RESTART, 0.0)
        if self._kdnet is not None and self.role is Role.TARGET:
            self._kdnet.restart()

    def data_to_send(self) -> bytes:
        """What has to go out on a byte stream."""
        return b"".join(self.datagrams_to_send())

    def datagrams_to_send(self) -> list[bytes]:
        """What has to go out, one piece per packet."""
        output, self._output = self._output, []
        return output

    @property
    def peer(self) -> Address:
        """KDNET: where the other end of the session is, to which `datagrams_to_send` go; None before there is one."""
        return None if self._kdnet is None else self._kdnet.peer

    def answers_to_send(self) -> list[tuple[bytes, Address]]:
        """KDNET: datagrams for others than `peer`, who offer themselves as targets."""
        answers, self._answers = self._answers, []
        return answers

    def next_event(self) -> LinkEvent | None:
        return self._events.popleft() if self._events else None

    def next_timeout(self) -> float | None:
        """When `handle_timeout` wants to be called, on the clock of `now`; None: not before something happens."""
        if self._key_deadline is not None:
            return min(due for due in (self._deadline, self._quiet_deadline, self._key_deadline) if due is not None)
        if self._deadline is None or self._quiet_deadline is None:
            return self._quiet_deadline if self._deadline is None else self._deadline
        return min(self._deadline, self._quiet_deadline)

    def handle_timeout(self, now: float) -> None:
        """Time has passed: do what is due. Harmless when nothing is."""
        self._judge_key(now)
        if self._quiet_deadline is not None and now >= self._quiet_deadline:
            self._quiet_deadline = None
            self._line_is_quiet(now)
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            endless = self.settings.resets == 0 if self.state is State.RESYNCING else self._repeats_for_ever()
            self._retries_left -= 1
            self._step(Input.TIMEOUT if endless or self._retries_left >= 0 else Input.EXHAUSTED, now)

    # --- recognising inputs ---------------------------------------------------------------------------------------

    def _receive_datagram(self, datagram: bytes, now: float, sender: Address) -> None:
        codec = self._kdnet
        assert codec is not None
        sessions = codec.sessions
        body = codec.receive(datagram, sender)
        for answer in codec.datagrams_to_send():
            if sender == codec.peer:
                self._output.append(answer)
            else:
                self._answers.append((answer, sender))
        self.statistics.rejected, self.statistics.forged = codec.rejected, codec.forged
        self.statistics.sessions = codec.sessions
        if codec.key_is_doubtful and self._key_deadline is None and not self._key_complained:
            self._key_deadline = now + WRONG_KEY_TIME
        self._judge_key(now)
        if codec.sessions != sessions:
            self._new_session()
        framed = decode_datagram(body) if body is not None else None
        if framed is None:
            return
        if isinstance(framed, BreakIn):
            self._step(Input.BREAK_IN, now)
        elif framed.packet.packet_type != PacketType.UNUSED and not self.polling:
            self._take_all([framed], now)

    def _judge_key(self, now: float) -> None:
        """Call the key wrong once a target that has it would have been heard."""
        codec = self._kdnet
        if codec is None or self._key_deadline is None or now < self._key_deadline:
            return
        self._key_deadline = now + WRONG_KEY_TIME if codec.key_is_doubtful else None
        if codec.key_is_wrong:
            self._key_deadline, self._key_complained = None, True
            self._events.append(NotAuthenticated())

    def _new_session(self) -> None:
        """A new data key: both counters begin anew, and what was under way is void."""
        self._ids = self._fresh_ids()
        self._last_taken = None
        if self.role is Role.HOST and self._had_contact:
            self._forget()
            self.state = State.IDLE
            self._events.append(PeerRestarted())
        if self._deadline is not None:
            self._deadline = self._now  # what waited for a key can go out now

    def _line_is_quiet(self, now: float) -> None:
        if self._break_in_seen:
            self._break_in_seen = False
            self._step(Input.BREAK_IN, now)
            return
        was_data = self._framer.is_partial_data
        framed = self._framer.finish()
        found = [item for item in framed if isinstance(item, FramedPacket) and item.valid]
        self._take_all(list(found), now)
        if was_data and not any(not item.packet.is_control for item in found):
            self._step(Input.DAMAGED, now)

    def _take_all(self, framed: list[Framed], now: float) -> None:
        self.statistics.junk = self._framer.junk_count
        for item in framed:
            if isinstance(item, FramedPacket):
                packet = self._received = item.packet
                self._step(self._input_of(packet) if item.valid else Input.DAMAGED, now)

    def _input_of(self, packet: Packet) -> Input:
        self.statistics.last_type = packet.packet_type
        if packet.leader == CONTROL_LEADER:
            if packet.packet_type == _ACKNOWLEDGE:
                expected = self._in_flight is not None and self._ids.is_acknowledged_by(packet.packet_id)
                return _ACK if expected else _STALE_ACK
            if packet.packet_type == PacketType.RESEND:
                return self._resend_input()
            return Input.RESET
        if self.wanted is not None and self.state is _IDLE:
            if packet.packet_type not in self.wanted:
                return Input.UNWANTED
            if len(packet.payload) < _SMALLEST.get(PacketType(packet.packet_type), 0):
                return Input.DAMAGED
        meaning = self._ids.meaning(packet.packet_id)
        if meaning is _EXPECTED:
            return _DATA
        if meaning is IdMeaning.SYNC and self._sync_unconfirmed and packet == self._last_taken:
            return Input.DUPLICATE  # its ACK was lost; a restart would begin with other content
        if meaning is IdMeaning.DUPLICATE and self.settings.repeated_ids and not self._is_last_taken(packet):
            return Input.DATA
        return _BY_MEANING[meaning]

    def _is_last_taken(self, packet: Packet) -> bool:
        last = self._last_taken
        return last is None or (last.packet_type, last.payload) == (packet.packet_type, packet.payload)

    def _resend_input(self) -> Input:
        if self._in_flight is None:
            return Input.RESEND
        self._resends_left -= 1
        return Input.RESEND if self._resends_left >= 0 or self._repeats_for_ever() else Input.EXHAUSTED

    def _repeats_for_ever(self) -> bool:
        return self._in_flight is not None and not self._in_flight.give_up

    # --- the machine ----------------------------------------------------------------------------------------------

    def _step(self, given: Input, now: float) -> None:
        actions, state = self._rows[self.state][given]
        self._given = given
        self._now = now
        for act in actions:
            act()
        self.state = state
        if self._queue and state is _IDLE:
            self._step(_SEND, now)

    def _bind_table(self) -> dict[State, dict[Input, tuple[tuple[Callable[[], None], ...], State]]]:
        """The transitions of this role by state and input: each action as the method that carries it out, and what is
        counted as well."""
        methods: dict[Action, Callable[[], None]] = {
            Action.TRANSMIT: self._transmit,
            Action.RETRANSMIT: self._retransmit,
            Action.CONFIRM: self._confirm,
            Action.ACKNOWLEDGE: self._acknowledge,
            Action.DELIVER: self._deliver,
            Action.ADOPT: self._adopt,
            Action.ASK_RESEND: self._ask_resend,
            Action.ACCEPT_RESET: self._accept_reset,
            Action.FORGET: self._forget,
            Action.SEND_RESET: self._send_reset,
            Action.ANSWER_RESET: self._answer_reset,
            Action.SYNCHRONISED: self._synchronised,
            Action.REPORT_RESEND: lambda: self._events.append(ResendRequested()),
            Action.REPORT_BREAK_IN: lambda: self._events.append(BreakInReceived()),
            Action.FAIL: self._fail,
            Action.RESTART: self._restart,
            Action.REFUSE: self._refuse,
        }
        rows: dict[State, dict[Input, tuple[tuple[Callable[[], None], ...], State]]] = {}
        for (state, given), cell in TRANSITIONS[self.role].items():
            actions = (*(methods[action] for action in cell.actions), *self._counting(given))
            rows.setdefault(state, {})[given] = actions, cell.state
        return rows

    def _counting(self, given: Input) -> tuple[Callable[[], None], ...]:
        name = _COUNTED.get(given)

        def count() -> None:
            assert name is not None
            setattr(self.statistics, name, getattr(self.statistics, name) + 1)

        return () if name is None else (count,)

    def _transmit(self) -> None:
        self._in_flight = self._queue.popleft()
        self._retries_left = self.settings.retries if self._had_contact else self.settings.first_contact_retries
        self._resends_left = self.settings.resend_limit
        self.statistics.sent += 1
        self._put_in_flight(self._in_flight)

    def _retransmit(self) -> None:
        assert self._in_flight is not None
        self.statistics.retransmitted += 1
        self.statistics.asked_again += self._given is Input.RESEND
        self._put_in_flight(self._in_flight)

    def _put_in_flight(self, outgoing: _Outgoing) -> None:
        self._put(encode_data(outgoing.packet_type, self._ids.next_to_send, outgoing.payload, self._kdnet is None))
        self._deadline = self._now + self.settings.ack_timeout

    def _confirm(self) -> None:
        assert self._in_flight is not None
        if self._in_flight.confirm:
            self._events.append(PacketSent(self._ids.next_to_send, self._in_flight.packet_type))
        self._ids.advance()
        self._in_flight = None
        self._deadline = None
        self._had_contact = True
        self._sync_unconfirmed = False

    def _acknowledge(self) -> None:
        self._put(encode_control(_ACKNOWLEDGE, self._ids.ack_id(self._received.packet_id)))

    def _deliver(self) -> None:
        packet = self._received
        self._sync_unconfirmed = self._given is _SYNC
        self._ids.delivered(packet.packet_id)
        self._last_taken = packet
        self._had_contact = True
        self.statistics.received += 1
        self._events.append(PacketReceived(packet.packet_type, packet.payload, packet.packet_id))

    def _adopt(self) -> None:
        if self._had_contact:
            self._events.append(PeerRestarted())
        self._ids.adopt(self._received.packet_id)
        self._forget()

    def _ask_resend(self) -> None:
        self.statistics.resends_asked += 1
        self._put(encode_control(PacketType.RESEND))

    def _accept_reset(self) -> None:
        self._ids.reset()
        self._events.append(PeerReset(in_flight=self._in_flight is not None))

    def _answer_reset(self) -> None:
        self._had_contact = True
        self._accept_reset()
        self._put(encode_control(PacketType.RESET, self._ids.reset_id()))

    def _send_reset(self) -> None:
        self.statistics.resets += 1
        self._put(encode_control(PacketType.RESET, self._ids.reset_id()))
        self._deadline = self._now + self.settings.reset_interval

    def _synchronised(self) -> None:
        self._deadline = None
        self._events.append(LinkSynchronised())

    def _fail(self) -> None:
        waiting = "no answer to RESET" if self.state is State.RESYNCING else "no acknowledgement"
        self.statistics.failures += 1
        self._forget()
        self._events.append(LinkFailed(f"{waiting} from the {'target' if self.role is Role.HOST else 'host'}"))

    def _restart(self) -> None:
        self._forget()
        self._ids.restart()
        self._last_taken = None
        self._had_contact = False

    def _refuse(self) -> None:
        self._queue.clear()
        if self.role is Role.TARGET:
            raise LinkError("only the host resynchronises a link")
        raise LinkError("the link has failed", "resynchronise it, or connect again")

    def _forget(self) -> None:
        if self._in_flight is not None:
            self._ids.abandon()
        self._in_flight = None
        self._queue.clear()
        self._deadline = None

    # --- output ---------------------------------------------------------------------------------------------------

    def _put(self, data: bytes) -> None:
        sealed = data if self._kdnet is None else self._kdnet.seal(data)
        if sealed:  # without a KDNET session nothing can go out: the timer tries again
            self._output.append(sealed)

    def _fresh_ids(self) -> PacketIds:
        return SerialIds(self.role) if self._kdnet is None else KdnetIds(self.role)
