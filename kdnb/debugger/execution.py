"""Running and stopping: what `g`, `t`, `p`, `gu` and a break-in do, and what becomes of each stop.

A target is resumed in one of two ways: traced (one instruction) or free. Where a breakpoint of ours lies at the
present instruction it is traced over first and inserted then. A stop that is nobody's business (a pass count, a false
condition, an image load) is continued quietly; every other one is announced.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from kdnb.debugger.arrivals import Arrivals
from kdnb.debugger.decisions import Decisions
from kdnb.debugger.disassembly import disassemble, instruction_size
from kdnb.debugger.resuming import Resuming
from kdnb.debugger.stops import Cause, describe
from kdnb.errors import Cancelled, KdnbError, LinkError, UsageError
from kdnb.protocol.constants import Api, ContinueStatus, MachineType
from kdnb.results.events import DebugPrint, LinkStateChange
from kdnb.target.base import Refused, Restarted, StateChanged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kdnb.debugger.session import Session
    from kdnb.results.events import Stop
    from kdnb.target.base import Change, TargetEvent

__all__ = ["Execution"]

SLICE = 0.25
"""Longest wait for the target without looking at what the user wants, in seconds."""
BREAK_IN_TIMEOUT = 30.0


class Execution:
    """The running side of a session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._arrivals = Arrivals(session)
        self._decisions = Decisions(session)
        self._resuming = Resuming(session)
        self._give_up = False
        self.under_way = False
        """Stops are judged and left again: who wants the command to end wants a break, wherever the target is now."""
        self._left: tuple[Change | None, Stop | None] = None, None
        """The stop that the target was told to leave by a request which it may refuse."""
        self._commanding = False
        self._resume_with: int | None = None
        """A breakpoint's command asked to go on, with this status."""

    def leave(self) -> None:
        """Let the stopped target run and don't look back."""
        self._resuming.pass_compiled_breakpoint()
        self._session.breakpoints.clear_temporary()
        self._resuming.resume(ContinueStatus.DBG_CONTINUE, trace=False)

    def give_up(self) -> None:
        """End the present wait, whatever it waits for; from any thread."""
        self._give_up = True
        self._session.target.wake()

    def clear_give_up(self) -> None:
        """A new command begins: what ended the wait of an earlier one is over."""
        self._give_up = False

    @property
    def met_restart(self) -> bool:
        """The target has begun anew since it was told to (`reboot`)."""
        return self._arrivals.met_restart

    # --- commands -------------------------------------------------------------------------------

    def go(
        self, status: int, until: int | Sequence[int] | None, timeout: float | None, *, wait: bool = True
    ) -> Stop | None:
        session = self._session
        self._require_outside()
        if wait and session.is_running and not session.lost and not until:
            return self.wait_for_stop(timeout)
        session.require_stopped()
        if self._commanding:
            self._resume_with = status
            return None
        for address in [until] if isinstance(until, int) else until or ():
            session.breakpoints.add_temporary(address)
        deadline = None if timeout is None else session.clock() + timeout
        self._set_off(self._default_status(status))
        if not wait:
            return session.stop
        return self._wait(deadline)

    def _require_outside(self) -> None:
        """Raise where a user's callback asks: what it was told of isn't over before it has returned."""
        if self._session.events.in_callback:
            raise UsageError("a callback can't let the target run", "what a condition returns says whether it goes on")

    def wait_for_stop(self, timeout: float | None) -> Stop | None:
        """The next stop of a target that runs already (behind `.reboot`, `g &`), or the present one."""
        return self._wait(None if timeout is None else self._session.clock() + timeout)

    def _default_status(self, status: int) -> int:
        """Plain `g` leaves an exception to the system, as its filter says: to call it handled would repeat it."""
        change = self._session.change
        exception = change.exception if change is not None else None
        if status != ContinueStatus.DBG_CONTINUE or exception is None:
            return status
        return self._session.filters.of_exception(exception.code).continue_status(status)

    def repeat(self, step: Callable[[], Stop], count: int) -> Stop:
        """`step` that often; ends early at a stop that is no step."""
        if count < 1:
            raise UsageError("a step count is at least 1")
        for _ in range(count):
            stop = step()
            if stop.reason not in ("step", "temporary"):
                break
            self._session.require_stopped()
        return stop

    def step(self) -> Stop:
        session = self._session
        self._require_outside()
        session.require_stopped()
        if self._resuming.pass_compiled_breakpoint():
            return self._announce(Cause("step"))  # passing it is the step: nothing has run
        with self._decisions.step():
            self._resuming.resume(ContinueStatus.DBG_CONTINUE, trace=True)
            return self._wait_long()

    def step_over(self) -> Stop:
        session = self._session
        self._require_outside()
        session.require_stopped()
        pc = session.registers.pc
        (instruction,) = disassemble(session.memory, pc, 1, session.machine, lambda _: None)
        if not (instruction.is_call or instruction.mnemonic.startswith("rep")):
            return self.step()
        thread = session.change.thread if session.change is not None else 0
        behind = pc + instruction_size(session.memory, pc, session.machine)
        depth = session.registers.sp
        return self.return_to(behind, thread, depth)

    def step_out(self) -> Stop:
        session = self._session
        self._require_outside()
        session.require_stopped()
        frames = session.unwind(2).frames
        if not frames or not frames[0].return_address:
            raise UsageError("the caller of this function is not known", "k shows what is; g ADDRESS runs to a place")
        thread = session.change.thread if session.change is not None else 0
        depth = frames[1].child_sp if len(frames) > 1 else session.registers.sp + 1
        if session.machine == MachineType.I386:
            depth = session.registers.sp + 1  # ChildEBP says nothing about the stack pointer
        return self.return_to(frames[0].return_address, thread, depth)

    def return_to(self, address: int, thread: int, depth: int) -> Stop:
        """Run until a thread comes by an address with its stack pointer at `depth` or further out."""
        self._require_outside()
        self._session.require_stopped()
        self._session.breakpoints.add_temporary(address, lambda: self._is_back(thread, depth))
        with self._decisions.step():
            self._set_off(ContinueStatus.DBG_CONTINUE)
            return self._wait_long()

    def _is_back(self, thread: int, depth: int) -> bool:
        """Whether this is the same thread at the stack depth from which a call was made, or further out."""
        change = self._session.change
        return change is not None and change.thread == thread and self._session.registers.sp >= depth

    def break_in(self, timeout: float | None) -> Stop:
        session = self._session
        if session.stop is not None:
            return session.stop
        self._require_outside()
        session.request_break()
        if session.change is not None:  # it stopped, but taking the stop over failed: the line may be better now
            with self._on_the_way():
                self._settle(self._arrivals.stopped(session.change))
        session.break_ins.hold_off(0.0)
        limit = BREAK_IN_TIMEOUT if timeout is None else timeout
        stop = self._wait(session.clock() + limit)
        if stop is None:
            session.clear_break()
            raise LinkError(f"the target doesn't stop ({limit:g} s)", "it may hang with interrupts off, or be gone")
        return stop

    def switch_processor(self, processor: int) -> Stop:
        session = self._session
        self._require_outside()
        session.require_stopped()
        if processor == session.current_processor and session.stop is not None:
            return session.stop
        self._left = session.change, session.stop
        session.target.switch_processor(processor)
        session.left_stop()
        change = self._next_change(session.clock() + BREAK_IN_TIMEOUT)
        if change is None:
            raise LinkError(f"processor {processor} doesn't announce itself", "kd.break_in() asks the target again")
        self._arrivals.stopped(change)
        # The same stop seen from elsewhere: nothing has run, so nobody is told of a new one.
        stop = replace(describe(session, change, Cause("switch")), sequence=session.sequence, code=0)
        event = session.last_stop
        session.stop = event if event is not None and event.processor == processor else stop
        return stop

    def reboot(self, timeout: float = 0.0) -> Stop | None:
        """Restart the target (`.reboot`): no reply comes. Waits `timeout` seconds for it to be there again.

        Gives the first stop where the filters want one (`sxe ibp`, `sxe iml`), else None: the target runs.
        """
        session = self._session
        self._arrivals.met_restart = False
        self._send_away(Api.Reboot)
        deadline = session.clock() + timeout
        while session.stop is None and not self._arrivals.met_restart and session.clock() < deadline:
            self._wait_slice(deadline)
            session.between_events()
        wanted = [name for name in ("ibp", "iml") if session.filters[name].action == "break"]
        return self._wait(deadline) if wanted and session.clock() < deadline else session.stop

    def crash(self) -> Stop | None:
        """Make the target bug check (`.crash`); its stop is the value."""
        self._send_away(Api.CauseBugCheck)
        return self._wait(self._session.clock() + BREAK_IN_TIMEOUT)

    def _send_away(self, api: Api) -> None:
        session = self._session
        self._require_outside()
        session.require_stopped()
        session.require_writable("the target would go down")
        session.breakpoints.clear_temporary()
        self._left = session.change, session.stop
        session.target.send_away(api, session.current_processor)
        session.left_stop()
        session.events.on_state.publish(LinkStateChange("running"))

    def hold_next_stop(self) -> None:
        """The target stood still when its line was lost: it is to stay there until the user lets it go."""
        self._decisions.hold_next = True

    # --- waiting --------------------------------------------------------------------------------

    def serve(self, timeout: float) -> None:
        """Take one event while nobody waits for the target; the engine calls this when it has nothing else to do."""
        session = self._session
        if session.lost:
            session.connecting.retry()
            return
        if session.is_running:
            session.break_ins.send_if_wanted()
        event = session.target.wait(timeout)
        if event is not None:
            self._handle(event)

    def _wait_long(self) -> Stop:
        """Until the target stops, however long that takes."""
        while (stop := self._wait(None)) is None:
            pass
        return stop

    def _wait(self, deadline: float | None) -> Stop | None:
        """The next stop; None at the deadline, with the target still running."""
        session = self._session
        while session.stop is None:
            self._wait_slice(deadline)
            session.between_events()
            if session.stop is None and deadline is not None and session.clock() >= deadline:
                return None
        return session.stop

    def _wait_slice(self, deadline: float | None) -> None:
        session = self._session
        if session.lost:
            raise LinkError(f"the link is lost: {session.lost}", session.connecting.advice)
        if self._give_up:
            self._give_up = False
            raise Cancelled("gave up waiting; the target still runs")
        if session.connecting.under_way and session.cancel_requested():
            raise Cancelled("connecting was stopped")
        session.break_ins.send_if_wanted()
        wait = SLICE if deadline is None else min(SLICE, max(deadline - session.clock(), 0.0))
        event = session.target.wait(wait)
        if event is not None:
            self._handle(event)

    def _next_change(self, deadline: float | None = None) -> Change | None:
        """The next state change, whatever it is; None when the target restarted instead, or at the deadline."""
        session = self._session
        while deadline is None or session.clock() < deadline:
            if session.lost:
                raise LinkError(f"the link is lost: {session.lost}", session.connecting.advice)
            if self._give_up:
                self._give_up = False
                raise Cancelled("gave up waiting; the target still runs")
            session.break_ins.send_if_wanted()
            event = session.target.wait(SLICE)
            if isinstance(event, StateChanged):
                return event.change
            if event is not None:
                self._handle(event)
                if isinstance(event, Restarted):
                    break
        return None

    def _handle(self, event: TargetEvent) -> None:
        if isinstance(event, Refused):
            self._take_back()
            raise event.error
        change = self._arrivals.take(event)
        if isinstance(event, Restarted):
            self._decisions.restarted()
        if change is not None:
            self._resuming.note_compiled_breakpoint(change)
            with self._on_the_way():
                self._settle(change)

    def _take_back(self) -> None:
        """The target refuses what it was sent away with: the stop lasts."""
        session, (change, stop) = self._session, self._left
        if session.change is None and change is not None:
            self._arrivals.stopped(change)
            session.stop = stop
            session.events.on_state.publish(LinkStateChange("stopped", "refused"))

    @contextmanager
    def _on_the_way(self) -> Iterator[None]:
        before, self.under_way = self.under_way, True
        try:
            yield
        finally:
            self.under_way = before
            if not before and self._session.stop is not None:
                self._grant_break()  # asked for while the stop was being told

    def _grant_break(self) -> None:
        """The target has stopped, so whoever wanted a break has it; of a hundred steps it was the last."""
        if self._session.break_wanted and self._decisions.stepping:
            self._session.cancel()
        self._session.clear_break()

    def _settle(self, change: Change | None) -> None:
        """Announce a stop, or go on quietly until one is to be announced or the target runs."""
        session = self._session
        while change is not None:
            change = session.change or change
            cause, status = self._decisions.decide(change)
            if cause is not None:
                wanted = session.break_wanted
                stop = self._announce(cause)
                status_after = self._run_commands(stop, cause)
                if status_after is None or wanted:
                    return  # a stop that the user waits for is not gone on from
                status = status_after
            change = self._start(status)

    # --- stopping -------------------------------------------------------------------------------

    def _announce(self, cause: Cause) -> Stop:
        session = self._session
        assert session.change is not None
        stop = describe(session, session.change, cause)
        session.sequence = stop.sequence
        session.previous_stop = session.last_stop
        session.stop = session.last_stop = stop
        session.breakpoints.clear_temporary()
        self._grant_break()
        session.break_ins.hold_off(0.0)
        session.events.on_stop.publish(stop)
        session.events.on_state.publish(LinkStateChange("stopped", stop.reason))
        return stop

    def _run_commands(self, stop: Stop, cause: Cause) -> int | None:
        """Run the commands of the breakpoints and filters behind a stop; the status to go on with, if one says so."""
        session = self._session
        if session.run_commands is None or self._decisions.stepping or self._commanding:
            return None
        self._resume_with = None
        commands = [(f"breakpoint {breakpoint.number}", breakpoint.command) for breakpoint in cause.hits]
        commands += [("the event filter", command) for command in cause.commands]
        for owner, command in commands:
            if not command or self._resume_with is not None:
                continue
            self._commanding, self.under_way = True, False
            try:
                session.run_commands(session, command)
            except KdnbError as error:
                session.events.failures.append(error)
                text = f"command of {owner} failed: {error}\n"
                session.events.on_print.publish(DebugPrint(text, stop.processor))
                self._resume_with = None
                break
            finally:
                self._commanding, self.under_way = False, True
        status, self._resume_with = self._resume_with, None
        return status if session.stop is stop else None

    @property
    def resume_pending(self) -> bool:
        """A breakpoint's command has asked to go on: the rest of its list is not run."""
        return self._resume_with is not None

    def _next_stop(self) -> Change | None:
        """The next state change, taken over; None when the target restarted instead."""
        change = self._next_change()
        if change is not None:
            change = self._arrivals.stopped(change)
            self._resuming.note_compiled_breakpoint(change)
        return change

    # --- resuming -------------------------------------------------------------------------------

    def _set_off(self, status: int) -> None:
        with self._on_the_way():
            self._settle(self._start(status))

    def _start(self, status: int) -> Change | None:
        """Let the target run freely. A change comes back where it stopped for another reason before it got going."""
        session = self._session
        self._resuming.pass_compiled_breakpoint()
        pc = session.registers.pc
        if status != ContinueStatus.DBG_EXCEPTION_NOT_HANDLED and session.breakpoints.stops_execution_at(pc):
            processor = session.current_processor
            self._resuming.resume(status, trace=True, quiet=True)
            change = self._next_stop()
            while change is not None and self._decisions.is_echo(change):
                # The tick came before the instruction. It is still to be traced: the interrupted code has the flag.
                self._resuming.pass_compiled_breakpoint()
                self._resuming.resume(ContinueStatus.DBG_CONTINUE, trace=False, quiet=True, leave_out=pc)
                change = self._next_stop()
            if change is None:
                return None
            if not self._resuming.is_clean_step(change, processor):
                return change
            status = ContinueStatus.DBG_CONTINUE
        self._resuming.resume(status, trace=False)
        return None
