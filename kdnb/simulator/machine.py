"""The pretend machine: RAM, two processors, a clock and devices, running the guest kernel.

Processors run in turns of a fixed number of instructions and the clock counts turns, never wall time, so the same
actions give the same run. What the guest has to say to a debugger comes out of `run` as a value of `simulator.events`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.errors import UsageError
from kdnb.simulator.contexts import (
    CSTAR,
    EFER,
    FMASK,
    FS_BASE,
    GS_BASE,
    GS_SWAP,
    LSTAR,
    STAR,
    SavedFrames,
    read_context,
    read_special,
    set_trap_flag,
    write_context,
    write_special,
)
from kdnb.simulator.cpu import INTERRUPT_FLAG, TRAP_FLAG, Halt, Processor, TripleFault
from kdnb.simulator.debug_registers import DR6_FIXED, SINGLE_STEP_BIT
from kdnb.simulator.devices import Devices
from kdnb.simulator.events import LoadSymbols, MachineEvent, Print, Prompt, Rebooted, Shutdown, Trap
from kdnb.simulator.loader import (
    LOADER_BLOCK,
    PROCESSOR_COUNT,
    SCENARIOS,
    STARTUP_STACKS,
    LoadedGuest,
    guest_exports,
    guest_files,
    load_guest,
)
from kdnb.simulator.memory import PhysicalMemory
from kdnb.simulator.pci import PciConfiguration

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Machine"]

SLICE = 5000
"""Instructions in one turn of a processor."""
TURNS_PER_TICK = 4
"""Rounds of turns between two clock interrupts: 20000 instructions of each processor, 1/64 s of the guest's time."""

_EARLY_END_COST = SLICE // 4  # how much of a turn an event uses up: unicorn doesn't say how far it came
_BOOT_LIMIT = 2000
_DEBUG, _BREAKPOINT, _ASSERTION, _DEBUG_SERVICE, _CLOCK = 1, 3, 0x2C, 0x2D, 0xD1
_STATUS_BREAKPOINT, _STATUS_SINGLE_STEP, _STATUS_ASSERTION = 0x80000003, 0x80000004, 0xC0000420
_PRINT, _PROMPT, _LOAD_SYMBOLS, _UNLOAD_SYMBOLS, _REPORT_EXCEPTION = 1, 2, 3, 4, 0x100
_FAILED = 0x80000000  # the bit that tells a failure status from a success
_PRCB, _CURRENT_THREAD = 0x180, 8
_LARGEST_TEXT = 0x1000
_MSRS = frozenset({0x10, 0x1B, 0x1D9, 0x277, EFER, STAR, LSTAR, CSTAR, FMASK, FS_BASE, GS_BASE, GS_SWAP})


class Machine:
    """One machine in one scenario. After `Trap` or `LoadSymbols` call `resume`, after `Prompt` `answer`, then `run` on."""

    def __init__(self, scenario: str = "idle") -> None:
        if scenario not in SCENARIOS:
            raise UsageError(f"no scenario {scenario!r}", f"choose one of {', '.join(SCENARIOS)}")
        self.scenario = scenario
        self.pci = PciConfiguration()
        self.processors: list[Processor] = []
        self._memory = PhysicalMemory()
        self._exports = guest_exports()
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
            if self.processors[-1].started and (self.is_idle or self.scenario != "idle"):
                return
        raise RuntimeError("the guest did not come up")

    def reboot(self) -> None:
        """Reset, in the same scenario. What the guest says from its first instruction on comes out of `run`."""
        self._reset()

    def bug_check(self, code: int = 0xE2) -> None:
        """Make the processor that stopped call KeBugCheckEx(code, 0, 0, 0, 0) when it goes on."""
        processor = self._stopped_processor()
        self._on_resume = None
        self._frames[processor.number] = None
        stack = (processor.get("rsp") - 0x80) & ~15
        processor.write(stack - 8, processor.get("rip").to_bytes(8, "little") + bytes(0x30))
        values = {"rsp": stack - 8, "rip": self._exports["KeBugCheckEx"], "rcx": code, "rdx": 0, "r8": 0, "r9": 0}
        for name, value in values.items():
            processor.set(name, value)
        processor.set("eflags", processor.get("eflags") & ~(INTERRUPT_FLAG | TRAP_FLAG))
        processor.halted = False
        self._stopped = None

    def _reset(self) -> None:
        self._memory.clear()
        self._ticks = 0
        self._devices = Devices(lambda: self._ticks, self.pci)
        guest = load_guest(self._memory, self.scenario)
        self.kernel_base = guest.kernel_base
        self.processors = [self._new_processor(number, guest) for number in range(PROCESSOR_COUNT)]
        self.processors[0].started = True
        self._frames: list[SavedFrames | None] = [None] * PROCESSOR_COUNT
        self._stopped: Processor | None = None
        self._on_resume: Callable[[bool], None] | None = None
        self._prompt: tuple[Processor, int, int] | None = None
        self._stepping: Processor | None = None
        self._turn = 0
        self._budget = SLICE
        self._rounds = 0
        self._wrote = False

    def _new_processor(self, number: int, guest: LoadedGuest) -> Processor:
        processor = Processor(number, self._memory, guest, self._devices)
        processor.start(guest.entry, STARTUP_STACKS[number], LOADER_BLOCK, number)
        return processor

    # --- time ----------------------------------------------------------------------------------------

    @property
    def is_idle(self) -> bool:
        """Every processor waits for the next tick: a server may wait for input as long as a tick lasts."""
        return self._stopped is None and all(processor.halted for processor in self._running())

    @property
    def ticks(self) -> int:
        """Clock interrupts since the reset: 64 in a second of the guest's time."""
        return self._ticks

    def run(self, slices: int) -> MachineEvent | None:
        """At most so many turns. The event that ended the run, or None."""
        if self._stopped is not None or self._prompt is not None:
            raise RuntimeError("the machine stands still: resume or answer first")
        self._forget_translations()
        for _ in range(slices):
            event = self._step_turn() if self._stepping is not None else self._run_turn()
            event = event or self._power_event()
            if event is not None:
                return event
        return None

    def _running(self) -> list[Processor]:
        return [processor for processor in self.processors if processor.started]

    def _run_turn(self) -> MachineEvent | None:
        processor = self.processors[self._turn]
        event = None
        if processor.started:
            self._interrupt(processor)
            if not processor.halted:
                event = self._guarded(processor, self._budget)
        self._budget -= _EARLY_END_COST if self._ended_early else SLICE
        if self._budget <= 0:
            self._next_turn()
        return event

    def _next_turn(self) -> None:
        self._budget = SLICE
        self._turn = (self._turn + 1) % PROCESSOR_COUNT
        if self._turn:
            return
        self._rounds += 1
        if self._devices.ready:
            self.processors[1].started = True
        if self._rounds >= TURNS_PER_TICK or self.is_idle:
            self._rounds = 0
            self._ticks += 1
            for processor in self._running():
                processor.interrupt_pending = True

    def _interrupt(self, processor: Processor) -> None:
        """Deliver the clock interrupt where the guest lets it in."""
        self._ended_early = False
        if processor.interrupt_pending and processor.get("eflags") & INTERRUPT_FLAG:
            processor.interrupt_pending = False
            processor.deliver(_CLOCK)

    def _step_turn(self) -> MachineEvent | None:
        """One instruction of the processor that traces: TF ends it, or `hlt` does. The others stand still."""
        processor = self._stepping
        assert processor is not None
        self._stepping = None
        event = self._guarded(processor, SLICE)
        if event is None and processor.halted:
            return self._single_step(processor)
        return event

    def _guarded(self, processor: Processor, instructions: int) -> MachineEvent | None:
        try:
            halt = processor.run(instructions)
            self._ended_early = halt in (Halt.EXCEPTION, Halt.WATCH)
            if halt is Halt.WATCH:
                return self._trap(processor, _STATUS_SINGLE_STEP, processor.get("rip"), _DEBUG)
            return self._exception(processor) if halt is Halt.EXCEPTION else None
        except TripleFault:
            self._reset()
            return Rebooted()

    def _power_event(self) -> MachineEvent | None:
        if self._devices.reset_requested:
            self._reset()
            return Rebooted()
        if self._devices.power_off_requested:
            self._devices.power_off_requested = False
            return Shutdown()
        return None

    # --- what a processor raises -----------------------------------------------------------------------

    def _exception(self, processor: Processor) -> MachineEvent | None:
        vector, rip = processor.vector, processor.get("rip")
        if vector == _DEBUG_SERVICE:
            return self._debug_service(processor)
        if vector == _DEBUG:
            return self._single_step(processor)
        if vector == _BREAKPOINT:
            processor.set("rip", rip - 1)
            return self._trap(processor, _STATUS_BREAKPOINT, rip - 1, vector, after=1, parameters=(0,))
        if vector == _ASSERTION:
            processor.set("rip", rip - 2)
            return self._trap(processor, _STATUS_ASSERTION, rip - 2, vector, after=2)
        processor.deliver(vector, processor.error_code)
        return None

    def _single_step(self, processor: Processor) -> MachineEvent:
        processor.debug.dr6 |= SINGLE_STEP_BIT
        return self._trap(processor, _STATUS_SINGLE_STEP, processor.get("rip"), _DEBUG)

    def _trap(
        self, processor: Processor, code: int, address: int, vector: int, *, after: int = 0, parameters: tuple[int, ...] = ()
    ) -> Trap:
        """Stop for the debugger; if it doesn't handle the exception the guest's own handler gets it."""

        def finish(handled: bool) -> None:
            if not handled:
                processor.set("rip", processor.get("rip") + after)
                processor.deliver(vector)

        processor.set("eflags", processor.get("eflags") & ~TRAP_FLAG)
        self._stop(processor, finish)
        return Trap(processor.number, code, address, parameters)

    def _debug_service(self, processor: Processor) -> MachineEvent | None:
        """`int 2dh`: rax says which, and the byte after the instruction is skipped."""
        service, first, second = processor.get("rax"), processor.get("rcx"), processor.get("rdx")
        if service == _PRINT:
            text = processor.read(first, min(second & 0xFFFF, _LARGEST_TEXT))
            broken = self._devices.read(0x4B44, 1)
            self._end_service(processor, _STATUS_BREAKPOINT if broken else 0)
            return Print(processor.number, text)
        if service == _PROMPT:
            room = min(processor.get("r9"), 0x200)
            self._prompt = processor, processor.get("r8"), room
            return Prompt(processor.number, processor.read(first, min(second & 0xFFFF, _LARGEST_TEXT)), room)
        if service in (_LOAD_SYMBOLS, _UNLOAD_SYMBOLS):
            return self._symbols(processor, first, second, unload=service == _UNLOAD_SYMBOLS)
        if service == _REPORT_EXCEPTION:
            return self._second_chance(processor, first, SavedFrames(second, processor.get("r8")))
        self._end_service(processor, 0)
        return None

    def _end_service(self, processor: Processor, result: int) -> None:
        processor.set("rax", result)
        processor.set("rip", processor.get("rip") + 1)

    def _symbols(self, processor: Processor, name: int, information: int, *, unload: bool) -> LoadSymbols:
        length = int.from_bytes(processor.read(name, 2), "little")
        path = processor.read(processor.read_u64(name + 8), min(length, 0x200))
        process_id = int.from_bytes(processor.read(information + 8, 8), "little", signed=True)
        checksum = int.from_bytes(processor.read(information + 16, 4), "little")
        size = int.from_bytes(processor.read(information + 20, 4), "little")
        rip = processor.get("rip")

        def finish(handled: bool) -> None:
            if processor.get("rip") == rip:
                self._end_service(processor, 0)

        self._stop(processor, finish)
        return LoadSymbols(processor.number, path, processor.read_u64(information), size, checksum, process_id, unload)

    def _second_chance(self, processor: Processor, record: int, frames: SavedFrames) -> Trap:
        data = processor.read(record, 0x98).ljust(0x98, b"\0")
        count = min(int.from_bytes(data[24:28], "little"), 15)
        parameters = tuple(int.from_bytes(data[32 + 8 * i : 40 + 8 * i], "little") for i in range(count))

        def finish(handled: bool) -> None:
            self._end_service(processor, int(handled))

        self._stop(processor, finish, frames)
        code, address = int.from_bytes(data[:4], "little"), int.from_bytes(data[16:24], "little")
        return Trap(processor.number, code, address, parameters, first_chance=False)

    # --- stopped -------------------------------------------------------------------------------------------

    def _stop(self, processor: Processor, finish: Callable[[bool], None], frames: SavedFrames | None = None) -> None:
        self._stopped = processor
        self._on_resume = finish
        self._frames[processor.number] = frames

    def _stopped_processor(self) -> Processor:
        return self._stopped or self.processors[0]

    def resume(self, status: int, trace: bool, dr7: int | None, processor: int | None = None) -> None:
        """End the stop. A failure status passes the exception to the guest; `trace` stops again after one instruction.

        `dr7` goes to every processor (None: leave as it is). `processor` is the one to trace, the stopped one if None.
        """
        stopped, finish = self._stopped_processor(), self._on_resume
        handled = not status & _FAILED
        self._on_resume = self._stopped = None
        if dr7 is not None:
            for each in self.processors:
                each.debug.dr6 = DR6_FIXED
                if each.debug.dr7 != dr7:
                    each.debug.dr7 = dr7
                    each.arm()
        traced = stopped if processor is None else self.processors[processor]
        frames = self._frames[traced.number]
        if handled:
            set_trap_flag(traced, frames, trace)
        self._frames = [None] * PROCESSOR_COUNT
        if finish is not None:
            finish(handled)
        if handled and trace and frames is None:
            traced.halted = False
            self._stepping = traced

    def answer(self, text: bytes) -> None:
        """End a `Prompt`."""
        if self._prompt is None:
            raise RuntimeError("the guest asked nothing")
        processor, buffer, room = self._prompt
        self._prompt = None
        processor.write(buffer, text[:room])
        self._end_service(processor, min(len(text), room))

    def request_break_in(self) -> None:
        """The guest finds it at its next clock tick, or after its next print, and calls DbgBreakPointWithStatus(1)."""
        self._devices.break_requested = True

    # --- what a debugger reads and writes ----------------------------------------------------------------------

    def read_virtual(self, processor: int, address: int, size: int) -> bytes:
        """Up to the first hole."""
        return self.processors[processor].read(address, size)

    def write_virtual(self, processor: int, address: int, data: bytes) -> int:
        """Bytes written, up to the first hole; page protection doesn't hinder a debugger."""
        self._wrote = True
        return self.processors[processor].write(address, data)

    def read_physical(self, address: int, size: int) -> bytes:
        return self._memory.read(address, size)

    def write_physical(self, address: int, data: bytes) -> int:
        self._wrote = True
        return self._memory.write(address, data)

    def _forget_translations(self) -> None:
        if self._wrote:
            self._wrote = False
            for processor in self.processors:
                processor.forget_translations()

    def get_context(self, processor: int) -> bytes:
        """CONTEXT, 0x4D0 bytes."""
        return read_context(self.processors[processor], self._frames[processor])

    def set_context(self, processor: int, data: bytes) -> None:
        write_context(self.processors[processor], data, self._frames[processor])

    def get_special(self, processor: int) -> bytes:
        """KSPECIAL_REGISTERS, 0xF0 bytes."""
        return read_special(self.processors[processor]).encode()

    def set_special(self, processor: int, data: bytes) -> None:
        write_special(self.processors[processor], data)

    def msr_read(self, processor: int, number: int) -> int:
        """Raises `KeyError` for a number that the processor doesn't have."""
        if number not in _MSRS:
            raise KeyError(number)
        return self.processors[processor].msr_read(number)

    def msr_write(self, processor: int, number: int, value: int) -> None:
        if number not in _MSRS:
            raise KeyError(number)
        self.processors[processor].msr_write(number, value)

    def io_read(self, port: int, size: int) -> int:
        return self._devices.read(port & 0xFFFF, size)

    def io_write(self, port: int, size: int, value: int) -> None:
        self._devices.write(port & 0xFFFF, size, value)

    # --- where the guest keeps things ----------------------------------------------------------------------------

    def pcr(self, processor: int) -> int:
        """Address of the KPCR, 0 before the processor has one."""
        return self.processors[processor].msr_read(GS_BASE)

    def prcb(self, processor: int) -> int:
        return self.pcr(processor) + _PRCB if self.pcr(processor) else 0

    def thread(self, processor: int) -> int:
        """Address of the running KTHREAD."""
        prcb = self.prcb(processor)
        return self.processors[processor].read_u64(prcb + _CURRENT_THREAD) if prcb else 0

    @property
    def build(self) -> int:
        return self._read_export("NtBuildNumber", 4) & 0xFFFF

    @property
    def loaded_module_list(self) -> int:
        return self._exports["PsLoadedModuleList"]

    @property
    def debugger_data_list(self) -> int:
        """Address of the list head that leads to the KDBG block; 0 before the kernel has set it up."""
        block = self._read_export("KdVersionBlock", 40)
        return block >> (8 * 32)

    def images(self) -> list[tuple[str, bytes, str, bytes]]:
        """The guest's files: image name, image, PDB name, PDB."""
        return [(file.name, file.image, file.pdb_name, file.pdb) for file in guest_files()]

    def _read_export(self, name: str, size: int) -> int:
        return int.from_bytes(self.processors[0].read(self._exports[name], size), "little")
