"""What becomes of a state change: a stop to report, or something to continue quietly.

Pass counts, filters, conditions and one-shot breakpoints are judged here; nothing here resumes the target.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from kdnb.debugger.loader_list import clean
from kdnb.debugger.stops import BREAKPOINT_CODES, STEP_CODES, Cause, break_cause, break_status, describe, load_details
from kdnb.protocol.constants import BreakStatus, ContinueStatus, NewState
from kdnb.protocol.messages.state_change import LoadSymbols, StateChange64
from kdnb.protocol.messages.state_change32 import LoadSymbols32
from kdnb.protocol.names import exception_name
from kdnb.results.events import DebugPrint, LinkStateChange, ModuleEvent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.debugger.breakpoints import Breakpoint
    from kdnb.debugger.session import Session
    from kdnb.target.base import Change

__all__ = ["Decisions"]

MAX_NOTE = 4096
STILL_STOPPED = "The target has stood still since its line was lost."
INITIAL_BREAK = "Kernel Debugger connection established.  (Initial Breakpoint requested)"


class Decisions:
    """The judge of a session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.stepping = False
        """The present command steps: pass counts don't count then (7.6)."""
        self._is_first_stop = self._is_first_load = False
        """The target has restarted, and not stopped (`sxe ibp`) or loaded an image (`sxe iml`) since."""
        self._condition_note = ""
        self.hold_next = False
        """The target stood still when its line was lost: its next stop is reported, whatever it is."""

    def restarted(self) -> None:
        """The target has begun anew: what comes next is its first of everything."""
        self._is_first_stop = self._is_first_load = True
        self.hold_next = False

    @contextmanager
    def step(self) -> Iterator[None]:
        """Around a step, until its stop is told."""
        self.stepping = True
        try:
            yield
        finally:
            self.stepping = False

    def decide(self, change: Change) -> tuple[Cause | None, int]:
        """Why to report this stop, or None and the status to go on with."""
        first, self._is_first_stop = self._is_first_stop, False
        cause, status = self._judge(change)
        chosen = self._session.filters["ibp"]
        if cause is None and first and chosen.action == "break":
            # The target stands still already, as a rule where it loads its kernel: no 62 has to race its boot.
            cause = Cause("break", (), INITIAL_BREAK, requested=True, commands=tuple(filter(None, [chosen.commands])))
        held, self.hold_next = self.hold_next, False
        if cause is None and held:
            cause = Cause("break", details=STILL_STOPPED)
        return cause, status

    def _judge(self, change: Change) -> tuple[Cause | None, int]:
        match change.state:
            case NewState.LoadSymbolsStateChange:
                return self._image_changed(change), ContinueStatus.DBG_CONTINUE
            case NewState.CommandStringStateChange:
                self._command_string(change)
                return None, ContinueStatus.DBG_CONTINUE
            case NewState.ExceptionStateChange:
                return self._exception(change)
        return Cause("exception", details=f"unknown state change {change.new_state:#x}"), ContinueStatus.DBG_CONTINUE

    def _command_string(self, change: Change) -> None:
        """A target may ask its debugger to run a command (2.4). It is shown; run only where the user has allowed it."""
        session = self._session
        command = change.command if isinstance(change, StateChange64) else None
        if command is None:
            return
        name, text = command
        allowed = bool(session.options.get("run_target_commands")) and session.run_commands is not None
        verb = "runs" if allowed else "asks to run (not done)"
        self._say(f"the target {verb}: {clean(f'{name} {text}'.strip())}"[:MAX_NOTE])
        if allowed and session.run_commands is not None:
            session.run_commands(session, text)

    def _say(self, text: str) -> None:
        self._session.events.on_print.publish(DebugPrint(f"{text}\n", self._session.current_processor))

    def _exception(self, change: Change) -> tuple[Cause | None, int]:
        session = self._session
        exception = change.exception
        code = exception.code if exception is not None else 0
        if code in BREAKPOINT_CODES:
            hits = session.breakpoints.hits_at(change.program_counter & session.address_mask)
            if hits:
                return self._hit(hits), ContinueStatus.DBG_CONTINUE
            if self.is_echo(change):
                return None, ContinueStatus.DBG_CONTINUE
            cause = break_cause(session, change)
            if cause.requested:
                session.break_ins.answered()
            if cause.reason == "bugcheck" or session.break_wanted:
                return cause, ContinueStatus.DBG_CONTINUE
        elif code in STEP_CODES:
            hits = session.breakpoints.hits_of(getattr(getattr(change, "report", None), "dr6", 0))
            if hits or self.stepping:
                return self._hit(hits) if hits else Cause("step"), ContinueStatus.DBG_CONTINUE
            cause = Cause("step")
        else:
            cause = Cause("exception")
        return self._filtered(cause, code, first_chance=exception is None or bool(exception.first_chance))

    def is_echo(self, change: Change) -> bool:
        """Whether a 62 too many stopped the target, and nobody wants it to. Ask once for each stop."""
        session, exception = self._session, change.exception
        if exception is None or exception.code not in BREAKPOINT_CODES or session.break_wanted:
            return False
        if session.breakpoints.hits_at(change.program_counter & session.address_mask):
            return False
        return break_status(session, change) == BreakStatus.CONTROL_C and session.break_ins.take_echo()

    def _filtered(self, cause: Cause, code: int, *, first_chance: bool) -> tuple[Cause | None, int]:
        """What the filter of an exception makes of it."""
        chosen = self._session.filters.of_exception(code)
        stops = chosen.action == "break" or (chosen.action == "second" and not first_chance)
        status = chosen.continue_status(ContinueStatus.DBG_CONTINUE)
        if stops:
            commands = chosen.commands if first_chance else chosen.second_commands
            return replace(cause, commands=(commands,) if commands else ()), status
        if chosen.action != "ignore":
            chance = "first chance" if first_chance else "!!! second chance !!!"
            self._say(f"{exception_name(code) or 'Unknown exception'} - code {code:08x} ({chance})")
        return None, status

    def _hit(self, hits: list[Breakpoint]) -> Cause | None:
        """Which of the breakpoints at this place really stop the target."""
        session = self._session
        stopping = [breakpoint for breakpoint in hits if self._stops(breakpoint)]
        if not stopping:
            return Cause("break", requested=True) if session.break_wanted else None
        numbered = tuple(breakpoint for breakpoint in stopping if breakpoint.number >= 0)
        reason = "breakpoint" if numbered else ("step" if self.stepping else "temporary")
        for breakpoint in numbered:
            if breakpoint.one_shot:
                session.breakpoints.remove(breakpoint.number)
        details, self._condition_note = self._condition_note, ""
        return Cause(reason, numbered, details)

    def _stops(self, breakpoint: Breakpoint) -> bool:
        session = self._session
        if breakpoint.accept is not None and not breakpoint.accept():
            return False
        change = session.change
        assert change is not None
        if breakpoint.thread is not None and breakpoint.thread != change.thread & session.address_mask:
            return False
        if breakpoint.process is not None and breakpoint.process != session.processes.current():
            return False
        if not self._depth_fits(breakpoint):
            return False
        if breakpoint.number >= 0:
            breakpoint.hits += 1
        if breakpoint.remaining > 1 and not self.stepping:
            breakpoint.remaining -= 1
            return False
        if breakpoint.when is not None:
            return self._condition(breakpoint)
        return True

    def _depth_fits(self, breakpoint: Breakpoint) -> bool:
        limits = [depth for depth in (breakpoint.max_depth, breakpoint.min_depth) if depth is not None]
        if not limits:
            return True
        depth = len(self._session.unwind(max(limits) + 1).frames)
        shallow = breakpoint.max_depth is None or depth < breakpoint.max_depth
        return shallow and (breakpoint.min_depth is None or depth > breakpoint.min_depth)

    def _condition(self, breakpoint: Breakpoint) -> bool:
        """Ask the user's function; where it fails the target stays stopped, and the failure is kept."""
        session = self._session
        assert breakpoint.when is not None
        assert session.change is not None
        session.stop = describe(session, session.change, Cause("breakpoint", (breakpoint,)))
        try:
            with session.events.calling():
                return bool(breakpoint.when(session.stop))
        except Exception as error:  # a user's code: anything can come
            session.events.failures.append(error)
            self._condition_note = f"condition of breakpoint {breakpoint.number} failed: {error!r}"[:MAX_NOTE]
            return True
        finally:
            session.stop = None

    def _image_changed(self, change: Change) -> Cause | None:
        session = self._session
        body = change.body
        if not isinstance(body, (LoadSymbols, LoadSymbols32)):
            return None
        if isinstance(body, LoadSymbols) and (body.is_reboot or body.is_hibernation):
            session.modules.clear()
            session.events.on_state.publish(LinkStateChange("restarted", "the target goes down"))
            return None
        path, base, unload = clean(change.path or ""), body.base & session.address_mask, bool(body.unload)
        if unload:
            session.modules.unloaded(base)
        else:
            session.modules.loaded(path, base, body.size_of_image, body.checksum)
        session.breakpoints.resolve_deferred()
        session.events.on_module.publish(ModuleEvent(path, base, body.size_of_image, unload, body.process_id))
        return self._module_cause(path, base, body.size_of_image, unload=unload)

    def _module_cause(self, path: str, base: int, size: int, *, unload: bool) -> Cause | None:
        """Whether the filters want to stop where an image came or went."""
        filters = self._session.filters
        chosen = filters["ud" if unload else "ld"]
        first, self._is_first_load = self._is_first_load and not unload, self._is_first_load and unload
        if first and filters["iml"].action == "break":
            chosen = filters["iml"]
        if not chosen.matches(path) or chosen.action not in ("break", "output"):
            return None
        details = load_details(path, base, size, unload=unload)
        if chosen.action == "output":
            self._say(details)
            return None
        return Cause("unload" if unload else "load", details=details, commands=tuple(filter(None, [chosen.commands])))
