"""The pretend machine as its debugger stub sees it: it runs until something happens, stands still, is read and resumed.

What the guest has to say to a debugger comes out of `run` as a value of `simulator.events`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.errors import UsageError
from kdnb.simulator.architecture import AMD64, Architecture
from kdnb.simulator.board import SLICE, Board
from kdnb.simulator.cpu import TRAP_FLAG, Halt, Processor, TripleFault
from kdnb.simulator.debug_access import DebugAccess
from kdnb.simulator.debug_registers import DR6_FIXED, SINGLE_STEP_BIT
from kdnb.simulator.debug_services import (
    Service,
    end_service,
    read_exception,
    read_path,
    read_symbols,
    read_text,
    service_registers,
)
from kdnb.simulator.devices import DEBUG_BREAK_PORT
from kdnb.simulator.events import FileWanted, LoadSymbols, MachineEvent, Print, Prompt, Rebooted, Shutdown, Trap
from kdnb.simulator.interrupts import call
from kdnb.simulator.loader import SCENARIOS
from kdnb.simulator.pci import PciConfiguration
from kdnb.simulator.register_forms import SavedFrames

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Machine"]

_BOOT_LIMIT = 2000
_DEBUG, _BREAKPOINT, _ASSERTION, _DEBUG_SERVICE = 1, 3, 0x2C, 0x2D
_STATUS_BREAKPOINT, _STATUS_SINGLE_STEP, _STATUS_ASSERTION = 0x80000003, 0x80000004, 0xC0000420
_FAILED = 0x80000000  # the bit that tells a failure status from a success
_LARGEST_ANSWER = 0x200


@dataclass(frozen=True, slots=True)
class _Stop:
    """Why the machine stands still: what to do when the debugger lets it go on (with "handled" or not)."""

    processor: Processor
    finish: Callable[[bool], None]
    frames: SavedFrames | None = None


class Machine(DebugAccess):
    """One machine in one scenario.

    After `Trap` or `LoadSymbols` call `resume`, after `Prompt` or `FileWanted` `answer`, then `run`.
    """

    def __init__(self, scenario: str = "idle", architecture: Architecture = AMD64) -> None:
        if scenario not in SCENARIOS:
            raise UsageError(f"no scenario {scenario!r}", f"choose one of {', '.join(SCENARIOS)}")
        super().__init__(architecture)
        self.scenario = scenario
        self.pci = PciConfiguration()
        self._stop: _Stop | None = None
        self._reset()

    # --- power -------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Start from the beginning; returns when the system is up, in the scenario `boot` at the first instruction.

        What the guest prints and reports until then is lost, as before a debugger is there.
        """
        self._reset()
        if self.scenario == "boot":
            return
        for _ in range(_BOOT_LIMIT):
            event = self.run(1)
            if isinstance(event, Trap):
                raise RuntimeError(f"the guest stopped while booting: {event}")
            if isinstance(event, LoadSymbols):
                self.resume(0, trace=False, dr7=None)
            if isinstance(event, FileWanted):
                self.answer(b"")
            if self.processors[-1].started and (self.is_idle or self.scenario != "idle"):
                return
        raise RuntimeError("the guest did not come up")

    def reboot(self) -> None:
        """Reset, in the same scenario. What the guest says from its first instruction on comes out of `run`."""
        self._reset()

    def bug_check(self, code: int = 0xE2) -> None:
        """Make the processor that stopped call KeBugCheckEx(code, 0, 0, 0, 0), and let the machine run."""
        call(self._stopped_processor, self._exports["KeBugCheckEx"], (code, 0, 0, 0, 0))
        self._stop = None

    def _reset(self) -> None:
        self._board = Board(self.scenario, self._memory, self.pci, self.architecture)
        self._asked: tuple[Processor, int, int] | None = None
        self._stepping: Processor | None = None
        self._wrote = False
        self._stop = None

    # --- running ----------------------------------------------------------------------------------------

    @property
    def is_idle(self) -> bool:
        """Every processor waits for the next tick: a server may wait for input as long as a tick lasts."""
        return self._stop is None and self._stepping is None and self._board.is_idle

    @property
    def ticks(self) -> int:
        """Clock interrupts since the reset: 64 in a second of the guest's time."""
        return self._board.ticks

    def run(self, slices: int) -> MachineEvent | None:
        """At most so many turns of a processor. The event that ended the run, or None."""
        if self._stop is not None or self._asked is not None:
            raise RuntimeError("the machine stands still: resume or answer first")
        if self._wrote:
            self._wrote = False
            self._board.forget_translations()
        for _ in range(slices):
            try:
                event = self._step() if self._stepping is not None else self._run_turn()
            except TripleFault:
                self._board.devices.reset_requested = True
                event = None
            event = event or self._power_event()
            if event is not None:
                return event
        return None

    def _run_turn(self) -> MachineEvent | None:
        result = self._board.run_turn()
        return None if result is None else self._event(*result)

    def _step(self) -> MachineEvent | None:
        """One instruction of the processor that traces: TF ends it, or `hlt` does. The others stand still."""
        processor, self._stepping = self._stepping, None
        assert processor is not None
        halt = processor.run(SLICE)
        return self._single_step(processor) if halt in (Halt.IDLE, Halt.BUDGET) else self._event(processor, halt)

    def _power_event(self) -> MachineEvent | None:
        devices = self._board.devices
        if devices.reset_requested:
            self._reset()
            return Rebooted()
        if devices.power_off_requested:
            devices.power_off_requested = False
            return Shutdown()
        return None

    # --- what a processor raises -----------------------------------------------------------------------

    def _event(self, processor: Processor, halt: Halt) -> MachineEvent | None:
        """The event of a run that ended so; what is no debugger's business goes to the guest's handler."""
        if halt is Halt.WATCH:
            return self._trap(processor, _STATUS_SINGLE_STEP, _DEBUG)
        if halt is not Halt.EXCEPTION:
            return None
        vector = processor.vector
        if vector == _DEBUG_SERVICE:
            return self._debug_service(processor)
        if vector == _DEBUG:
            return self._single_step(processor)
        if vector == _BREAKPOINT:
            return self._trap(processor, _STATUS_BREAKPOINT, vector, length=1, parameters=(0,))
        if vector == _ASSERTION:
            return self._trap(processor, _STATUS_ASSERTION, vector, length=2)
        processor.deliver(vector, processor.error_code)
        return None

    def _single_step(self, processor: Processor) -> Trap:
        processor.debug.dr6 |= SINGLE_STEP_BIT
        return self._trap(processor, _STATUS_SINGLE_STEP, _DEBUG)

    def _trap(
        self,
        processor: Processor,
        code: int,
        vector: int,
        *,
        length: int = 0,
        parameters: tuple[int, ...] = (),
    ) -> Trap:
        """Stop for the debugger; if it doesn't handle the exception the guest's own handler gets it.

        `length` is that of the instruction if the processor is already behind it.
        """

        def finish(handled: bool) -> None:
            if not handled:
                processor.pc += length
                processor.deliver(vector)

        address = processor.pc - length
        processor.pc = address
        processor.set("eflags", processor.get("eflags") & ~TRAP_FLAG)
        self._stop = _Stop(processor, finish)
        return Trap(processor.number, code, address, parameters)

    def _debug_service(self, processor: Processor) -> MachineEvent | None:
        service, *arguments = service_registers(processor)
        if service == Service.PRINT:
            text = read_text(processor)
            end_service(processor, _STATUS_BREAKPOINT if self.io_read(DEBUG_BREAK_PORT, 1) else 0)
            return Print(processor.number, text)
        if service == Service.PROMPT:
            room = min(arguments[3], _LARGEST_ANSWER)
            self._asked = processor, arguments[2], room
            return Prompt(processor.number, read_text(processor), room)
        if service == Service.PULL_FILE:
            self._asked = processor, arguments[1], arguments[2]
            return FileWanted(processor.number, read_path(processor), arguments[2])
        if service in (Service.LOAD_SYMBOLS, Service.UNLOAD_SYMBOLS):
            return self._symbols(processor, unload=service == Service.UNLOAD_SYMBOLS)
        if service == Service.REPORT_EXCEPTION:
            return self._exception(processor)
        end_service(processor, 0)
        return None

    def _symbols(self, processor: Processor, *, unload: bool) -> LoadSymbols:
        pc = processor.pc

        def finish(handled: bool) -> None:
            if processor.pc == pc:
                end_service(processor, 0)

        self._stop = _Stop(processor, finish)
        return read_symbols(processor, unload=unload)

    def _exception(self, processor: Processor) -> Trap:
        def finish(handled: bool) -> None:
            end_service(processor, int(handled))

        _service, _record, trap_frame, exception_frame, _ = service_registers(processor)
        frames = SavedFrames(trap_frame, exception_frame)
        self._stop = _Stop(processor, finish, frames)
        return read_exception(processor)

    # --- stopped -------------------------------------------------------------------------------------------

    @property
    def _stopped_processor(self) -> Processor:
        return self.processors[0] if self._stop is None else self._stop.processor

    def _frames(self, processor: int) -> SavedFrames | None:
        """Where the registers of the stopped code lie, if not in the processor."""
        stop = self._stop
        return stop.frames if stop is not None and stop.processor.number == processor else None

    def resume(self, status: int, trace: bool, dr7: int | None, processor: int | None = None) -> None:
        """End the stop. A failure status passes the exception to the guest; `trace` stops again after one instruction.

        `dr7` goes to every processor (None: leave as it is). `processor` is the one to trace, the stopped one if None.
        """
        stop = self._stop
        traced = self._stopped_processor if processor is None else self.processors[processor]
        handled = not status & _FAILED
        if dr7 is not None:
            self._set_dr7(dr7)
        frames = self._frames(traced.number)
        if handled:
            self._forms.set_trap_flag(traced, frames, trace)
        self._stop = None
        try:
            if stop is not None:
                stop.finish(handled)
        except TripleFault:
            self._board.devices.reset_requested = True
        if handled and trace and frames is None:
            traced.halted = False
            self._stepping = traced

    def _set_dr7(self, dr7: int) -> None:
        for processor in self.processors:
            processor.debug.dr6 = DR6_FIXED
            if processor.debug.dr7 != dr7:
                processor.debug.dr7 = dr7
                processor.arm()

    def answer(self, text: bytes) -> None:
        """End a `Prompt` or a `FileWanted`, the latter with the file or nothing."""
        if self._asked is None:
            raise RuntimeError("the guest asked nothing")
        (processor, buffer, room), self._asked = self._asked, None
        processor.write(buffer, text[:room])
        end_service(processor, min(len(text), room))

    def request_break_in(self) -> None:
        """The guest finds it at its next clock tick, or after its next print, and calls DbgBreakPointWithStatus(1)."""
        self._board.devices.break_requested = True
