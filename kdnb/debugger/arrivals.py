"""What a target says of itself, taken over: stops, prints, questions, restarts, the end of the line.

Whether a stop is anybody's business is decided elsewhere (`decisions`); here the session only learns of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kdnb.protocol.codec import decode, encode, packet_type_of
from kdnb.protocol.constants import Direction, MachineType
from kdnb.protocol.messages.state_change import StateChange64
from kdnb.results.events import DebugPrint, LinkStateChange
from kdnb.target.base import LinkLost, Printed, Prompted, Restarted, StateChanged

if TYPE_CHECKING:
    from kdnb.debugger.session import Session
    from kdnb.target.base import Change, TargetEvent

__all__ = ["Arrivals"]

MAX_TEXT = 4096


class Arrivals:
    """The part of execution that hears the target."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.met_restart = False
        """The target has begun anew; whoever waits for that sets it back."""

    def take(self, event: TargetEvent) -> Change | None:
        """Take an event over; a stop comes back, for somebody to decide about."""
        session = self._session
        if not isinstance(event, LinkLost):
            session.connecting.was_heard(stopped=isinstance(event, StateChanged))
        match event:
            case StateChanged(change):
                return self.stopped(change)
            case Printed(text, processor):
                self._printed(text[:MAX_TEXT].decode("latin-1"), processor)
            case Prompted(text, answer, processor):
                shown = (text[:MAX_TEXT] + b" " + answer + b"\n").decode("latin-1")
                session.events.on_print.publish(DebugPrint(shown, processor))
            case Restarted():
                session.left_stop()
                session.forget()
                self.met_restart = True
                session.events.on_state.publish(LinkStateChange("restarted"))
            case LinkLost(reason):
                session.connecting.was_lost(reason)
        return None

    def stopped(self, change: Change) -> Change:
        """The target is stopped: take over what it said, and take our breakpoints out.

        The change comes back as it reads for the target's machine, which only the first stop tells.
        """
        session = self._session
        session.drop_caches()
        session.stop = None
        session.change = change
        session.current_processor = change.processor
        session.processor_count = max(change.number_processors, change.processor + 1, 1)
        session.break_ins.stopped()
        if session.version is None:
            session.break_ins.met()
            session.activate()
            session.change = self._with_machine(change)
            self._report_breakpoints()
        else:
            session.breakpoints.lift()
        self._tell_code(session.change)
        return session.change

    def _tell_code(self, change: Change) -> None:
        """The code at the instruction pointer came with the stop: nobody has to ask for it.

        Not for ARM64, of whose report the sources disagree (the protocol reference 2.5).
        """
        session = self._session
        report: Any = getattr(change, "report", None)
        count = getattr(report, "instruction_count", 0)
        if count and session.machine in (MachineType.AMD64, MachineType.I386):
            pc = change.program_counter & session.address_mask
            code = session.breakpoints.without_ours(pc, bytes(report.instruction_stream[:count]))
            if not session.breakpoints.show_in(pc, code):
                session.memory.tell(pc, code)

    def _with_machine(self, change: Change) -> Change:
        """The change read anew, now that the machine is known: control reports differ."""
        if self._session.machine == MachineType.AMD64 or not isinstance(change, StateChange64):
            return change  # until GetVersion has told the machine, AMD64 is assumed
        again = decode(packet_type_of(change), encode(change), Direction.TO_HOST, self._session.machine)
        return again if isinstance(again, StateChange64) else change

    def _printed(self, text: str, processor: int) -> None:
        """A print as the filter `out` wants it: shown, dropped, or a reason to stop."""
        session = self._session
        chosen = session.filters["out"]
        if chosen.action != "ignore" or not chosen.matches_output(text):
            session.events.on_print.publish(DebugPrint(text, processor))
        if chosen.action == "break" and chosen.matches_output(text) and session.is_running:
            session.request_break()

    def _report_breakpoints(self) -> None:
        """The target is new, so every breakpoint has to be set again: say what became of each."""
        breakpoints = list(self._session.breakpoints)
        if not breakpoints:
            return
        known = [str(b.number) for b in breakpoints if b.address is not None and b.enabled]
        waiting = [str(b.number) for b in breakpoints if b.address is None]
        parts = [f"breakpoints set again: {' '.join(known)}"] if known else []
        parts += [f"waiting for their modules: {' '.join(waiting)}"] if waiting else []
        disabled = [str(b.number) for b in breakpoints if b.address is not None and not b.enabled]
        parts += [f"disabled: {' '.join(disabled)}"] if disabled else []
        self._session.events.on_state.publish(LinkStateChange("rearmed", "; ".join(parts)))
