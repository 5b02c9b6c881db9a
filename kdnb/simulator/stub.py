"""The target side of KD: a machine at one end, a link in the target role at the other.

Sans-I/O: bytes and time come in as arguments, and `step` lets the machine run for a while when nothing
holds it. What the stub does when is protocol reference 1.5-1.11: a running target eats one byte per tick and
only 62 means anything; what happens is announced until it is acknowledged, prints and load-symbols give up
after the retry count, exceptions and prompts never do; at a stop requests are answered one by one, and a
RESET or a 62 makes it say its state again.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from kdnb.protocol import codec
from kdnb.protocol.constants import ContinueStatus, Direction, PacketType
from kdnb.protocol.link import (
    BreakInReceived,
    Link,
    LinkFailed,
    PacketReceived,
    PacketSent,
    PeerReset,
    ResendRequested,
)
from kdnb.protocol.messages.debug_io import DebugPrint, DebugPromptReply
from kdnb.protocol.messages.file_io import FileIo
from kdnb.protocol.messages.manipulate import Manipulate
from kdnb.simulator.events import FileWanted, LoadSymbols, Print, Prompt, Rebooted, Shutdown, Trap
from kdnb.simulator.stub_announce import debug_print, debug_prompt, state_change
from kdnb.simulator.stub_apis import carry_out
from kdnb.simulator.stub_breakpoints import BreakpointTable
from kdnb.simulator.stub_files import FilePull
from kdnb.simulator.stub_halt import Effect, Halt, Outcome, Resume, Switch
from kdnb.simulator.stub_polls import BREAK_IN, Polls, packet_ends

if TYPE_CHECKING:
    from kdnb.protocol.link import LinkEvent
    from kdnb.protocol.messages.message import Message
    from kdnb.simulator.events import MachineEvent
    from kdnb.simulator.machine import Machine

__all__ = ["Phase", "Stub"]

MANUALLY_INITIATED_CRASH = 0xE2
KDNET_READ = 0x448
"""Bytes of memory in a reply on KDNET, so that it fits one Ethernet frame (protocol reference 1.1)."""
_REFRESHING = b"KDTARGET: Refreshing KD connection\n"


class Phase(Enum):
    """What the stub is doing; in all but the first the machine stands still."""

    RUNNING = auto()
    PRINTING = auto()
    PROMPTING = auto()
    PULLING = auto()
    """A driver's file is asked for at the debugger."""
    STOPPED = auto()


_WANTED: dict[Phase, frozenset[int]] = {
    Phase.RUNNING: frozenset(),
    Phase.PRINTING: frozenset(),
    Phase.PROMPTING: frozenset({PacketType.DEBUG_IO}),
    Phase.PULLING: frozenset({PacketType.FILE_IO}),
    Phase.STOPPED: frozenset({PacketType.STATE_MANIPULATE}),
}


class Stub:
    """One simulated target. `slices` is how much of the machine one `step` runs: two are one round."""

    def __init__(self, machine: Machine, link: Link | None = None, *, slices: int = 2) -> None:
        self.machine = machine
        self.phase = Phase.RUNNING
        self.debugger_present = True
        self.shut_down = False
        self._link = link
        self._slices = slices
        self._breakpoints = BreakpointTable(machine)
        self._polls = Polls()
        self._halt: Halt | None = None
        self._event: Trap | LoadSymbols | Prompt | FileWanted | None = None
        self._announcement: Message | None = None
        self._file: FilePull | None = None
        self._announcing = False
        self._in_flight = False

    # --- the line ----------------------------------------------------------------------------------

    def attach(self, link: Link, now: float) -> None:
        """A client is there: numbering starts anew, and it is told what nobody has acknowledged yet."""
        self._link = link
        self._polls.clear()
        self._in_flight = False
        self.debugger_present = True
        self._enter(self.phase)
        if self._announcing:
            self._announce(now)

    def detach(self) -> None:
        """The line is cut: prints are lost, an exception or a prompt waits for the next client."""
        self._link = None
        self._in_flight = False
        self._polls.clear()
        if self.phase is Phase.PULLING:
            self._give(b"")
        elif self.phase is Phase.PRINTING or isinstance(self._event, LoadSymbols):
            self._run_on(ContinueStatus.DBG_CONTINUE)

    def receive_data(self, data: bytes, now: float) -> None:
        """Bytes from the line: for the link while the machine stands still, else for its polls.

        On KDNET it is one datagram, and all of them are the link's: a poll reads a whole one (1.8).
        """
        if self.is_running and not (self._link is not None and self._link.is_kdnet):
            self._polls.add(data)
        elif self._link is not None and self._link.is_at_boundary and not self._link.is_kdnet:
            self._receive_packets(self._link, data, now)
        elif self._link is not None:
            self._link.receive_data(data, now)
            self._handle_events(now)

    def _receive_packets(self, link: Link, data: bytes, now: float) -> None:
        """One packet after the other: what follows the one that lets go of the machine is the polls'."""
        start = 0
        for end in packet_ends(data):
            piece = data[start:end]
            if self.phase is Phase.RUNNING:
                self.receive_data(data[start:], now)
                return
            if self.phase is Phase.PRINTING and piece == BREAK_IN:
                self._polls.break_pending = True
            else:
                link.receive_data(piece, now)
                self._handle_events(now)
            start = end

    def data_to_send(self) -> bytes:
        return b"".join(self.datagrams_to_send())

    def datagrams_to_send(self) -> list[bytes]:
        """What has to go out, one piece per packet."""
        return self._link.datagrams_to_send() if self._link is not None else []

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is due; None when nothing is waited for."""
        return self._link.next_timeout() if self._link is not None else None

    def handle_timeout(self, now: float) -> None:
        if self._link is not None:
            self._link.handle_timeout(now)
            self._handle_events(now)

    # --- the machine -------------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """False while a stop, a print or a prompt holds the machine."""
        return self.phase is Phase.RUNNING

    @property
    def wants_to_run(self) -> bool:
        """True when `step` has work right away: the machine isn't idle, or bytes wait to be polled."""
        return self.is_running and (self._polls.has_bytes or not self.machine.is_idle)

    def step(self, now: float) -> None:
        """Poll one byte and run the machine for a while, unless it is held."""
        if self.phase is not Phase.RUNNING or self.shut_down:
            return
        self._poll_break_in(now)
        if not self.is_running:
            return
        event = self.machine.run(self._slices)
        if event is not None:
            self._happened(event, now)

    def _poll_break_in(self, now: float) -> None:
        if not self._polls.poll():
            return
        self.machine.request_break_in()
        if not self.debugger_present:
            self.debugger_present = True
            self._hold(Phase.PRINTING, None, DebugPrint(_REFRESHING), now)

    def _happened(self, event: MachineEvent, now: float) -> None:
        match event:
            case Trap():
                self._stop(event, event.processor, now)
            case LoadSymbols() if self._link is not None and self.debugger_present:
                self._stop(event, event.processor, now)
            case LoadSymbols():
                self.machine.resume(ContinueStatus.DBG_CONTINUE, False, None)
            case Print() if self._link is not None and self.debugger_present:
                self._hold(Phase.PRINTING, None, debug_print(event), now)
            case FileWanted() if self._link is not None and self.debugger_present:
                self._pull(event, now)
            case FileWanted():
                self.machine.answer(b"")
            case Prompt():
                self._hold(Phase.PROMPTING, event, debug_prompt(event), now)
            case Rebooted():
                self._start_anew()
            case Shutdown():
                self.shut_down = True

    def _pull(self, event: FileWanted, now: float) -> None:
        """Ask for a driver's file; the guest goes on when it is closed or refused."""
        network = self._link is not None and self._link.is_kdnet
        self._file = FilePull(event.path, KDNET_READ) if network else FilePull(event.path)
        assert self._file.request is not None
        self._hold(Phase.PULLING, event, self._file.request, now)

    def _pulled(self, pull: FilePull, reply: FileIo, now: float) -> None:
        self._announcement = pull.take(reply)
        if self._announcement is not None:
            self._announce(now)
        else:
            self._give(pull.content)

    def _give(self, content: bytes) -> None:
        """Let the guest go on with the debugger's file, or its own."""
        self.machine.answer(content)
        self._run_on(ContinueStatus.DBG_CONTINUE)

    def _stop(self, event: Trap | LoadSymbols, processor: int, now: float) -> None:
        """Hold the machine and announce why, from `processor`."""
        self._halt = Halt(self.machine, self._breakpoints, processor)
        if self._link is not None and self._link.is_kdnet:
            self._halt.largest_read = KDNET_READ
        self._hold(Phase.STOPPED, event, state_change(self._halt, event), now)

    def _hold(
        self, phase: Phase, event: Trap | LoadSymbols | Prompt | FileWanted | None, message: Message, now: float
    ) -> None:
        self._enter(phase)
        self._event = event
        self._announcement = message
        self._announce(now)
        if self._polls.has_bytes:
            self.receive_data(self._polls.take_all(), now)

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        if self._link is not None:
            self._link.wanted = _WANTED[phase]
            self._link.polling = self._link.is_kdnet and phase is Phase.RUNNING

    def _run_on(self, status: int, trace: bool = False, dr7: int | None = None) -> None:
        self._event = self._announcement = self._file = None
        if self._halt is not None:
            self._breakpoints.insert_owed(self._halt.processor)
            self.machine.resume(status, trace, dr7, self._halt.processor)
            self._halt = None
        self._enter(Phase.RUNNING)

    def _start_anew(self) -> None:
        """After a reset nothing of the old machine counts, and ids are those of a boot (1.4)."""
        self._breakpoints.forget()
        self._halt = self._event = self._announcement = self._file = None
        self._in_flight = False
        self.debugger_present = True
        if self._link is not None:
            self._link.restart()
        self._enter(Phase.RUNNING)

    # --- sending -----------------------------------------------------------------------------------

    def _announce(self, now: float) -> None:
        """Say what holds the machine; only prints, load-symbols and files are ever given up (1.7)."""
        if self._announcement is None:
            return
        gives_up = self.phase in (Phase.PRINTING, Phase.PULLING) or isinstance(self._event, LoadSymbols)
        self._announcing = True
        self._send(self._announcement, now, give_up=gives_up)

    def _send(self, message: Message, now: float, *, give_up: bool) -> None:
        if self._link is not None:
            self._in_flight = True
            self._link.send(codec.packet_type_of(message), codec.encode(message), now, give_up=give_up)

    # --- receiving ---------------------------------------------------------------------------------

    def _handle_events(self, now: float) -> None:
        repeat = False
        while self._link is not None and (event := self._link.next_event()) is not None:
            if isinstance(event, PeerReset | BreakInReceived | ResendRequested):
                repeat = True
                if isinstance(event, BreakInReceived):
                    self._polls.break_pending = True  # as a target's leader hunt keeps it, at a stop too (1.6)
            else:
                self._handle_event(event, now)
        if repeat and not self._in_flight:
            self._announce(now)

    def _handle_event(self, event: LinkEvent, now: float) -> None:
        match event:
            case PacketSent():
                self.debugger_present = True
                self._delivered(now)
            case LinkFailed():
                self._gave_up()
            case PacketReceived(packet_type=packet_type, payload=payload):
                self.debugger_present = True
                self._received(packet_type, payload, now)

    def _delivered(self, now: float) -> None:
        self._in_flight = self._announcing = False
        if self.phase is Phase.PRINTING:
            self._run_on(ContinueStatus.DBG_CONTINUE)
            self._poll_break_in(now)

    def _gave_up(self) -> None:
        """No debugger: a print or a load-symbols lets go of the machine; a lost reply leaves it stopped."""
        self._in_flight = False
        self.debugger_present = False
        if self._announcing:
            self._announcing = False
            if self.phase is Phase.PULLING:
                self._give(b"")
            else:
                self._run_on(ContinueStatus.DBG_CONTINUE)

    def _received(self, packet_type: int, payload: bytes, now: float) -> None:
        message = codec.decode(packet_type, payload, Direction.TO_TARGET, self.machine.architecture.machine)
        if self._file is not None and isinstance(message, FileIo):
            self._pulled(self._file, message, now)
        elif self._halt is not None and isinstance(message, Manipulate):
            self._follow(carry_out(self._halt, message), now)
        elif isinstance(self._event, Prompt) and isinstance(message, DebugPromptReply):
            prompt = self._event
            self.machine.answer(message.text[: prompt.max_length])
            self._run_on(ContinueStatus.DBG_CONTINUE)

    def _follow(self, outcome: Outcome, now: float) -> None:
        """Do what a handler asked for; a reply is the usual case."""
        match outcome:
            case Manipulate():
                self._send(outcome, now, give_up=True)
            case Resume(status=status, trace=trace, dr7=dr7):
                self._run_on(status, bool(trace), dr7)
            case Switch(processor=processor):
                self._switch(processor, now)
            case Effect.BUG_CHECK:
                self.machine.bug_check(MANUALLY_INITIATED_CRASH)
                self._run_on(ContinueStatus.DBG_CONTINUE)
            case Effect.REBOOT:
                self.machine.reboot()
                self._start_anew()

    def _switch(self, processor: int, now: float) -> None:
        if isinstance(self._event, Trap | LoadSymbols):
            self._stop(self._event, processor, now)
