"""One processor: a unicorn instance, its debug registers, and delivery of interrupts through the guest's IDT."""

from __future__ import annotations

import struct
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from kdnb.simulator.debug_registers import DebugRegisters, Watch
from kdnb.simulator.memory import PAGE, PhysicalMemory, translate
from kdnb.simulator.unicorn_state import VECTORS_WITH_ERROR_CODE, load_unicorn, new_unicorn, take_error_code

if TYPE_CHECKING:
    from kdnb.simulator.devices import Devices
    from kdnb.simulator.loader import LoadedGuest

__all__ = ["Halt", "Processor", "TripleFault"]

GENERAL_REGISTERS = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{i}" for i in range(8, 16)))
TRAP_FLAG, INTERRUPT_FLAG, RESUME_FLAG = 0x100, 0x200, 0x10000
KERNEL_CODE, KERNEL_DATA = 0x10, 0x18
_MASKED_ON_ENTRY = TRAP_FLAG | INTERRUPT_FLAG | RESUME_FLAG | 0x4000
_HALT_INSTRUCTION = b"\xf4"
INVALID_OPCODE = 6
_FAULTS = frozenset(range(32)) - {1, 2, 3, 4}


class Halt(Enum):
    """Why `Processor.run` came back."""

    BUDGET = auto()
    """The instructions are used up."""
    IDLE = auto()
    """`hlt`: nothing to do before the next interrupt."""
    EXCEPTION = auto()
    """`Processor.vector` was raised; nothing is delivered yet."""
    WATCH = auto()
    """A debug register fired; DR6 says which."""


class TripleFault(Exception):
    """An interrupt could not be delivered: the real board would reset."""


class Processor:
    """Registers by their lower-case names through `get` and `set`; memory as this processor sees it."""

    def __init__(self, number: int, memory: PhysicalMemory, guest: LoadedGuest, devices: Devices) -> None:
        unicorn, x86_const = load_unicorn()
        self.number = number
        self.started = False
        self.halted = False
        self.interrupt_pending = False
        self.vector = 0
        self.error_code = 0
        self.debug = DebugRegisters()
        self._memory = memory
        self._unicorn = unicorn
        self._ids = {
            name.removeprefix("UC_X86_REG_").lower(): value
            for name, value in vars(x86_const).items()
            if name.startswith("UC_X86_REG_")
        }
        self._uc = new_unicorn(memory, guest.root)
        self._never = guest.end_of_code
        self._stop: Halt | None = None
        self._watch_hooks: list[Any] = []
        self._fired = 0
        self._passed_at: int | None = None
        self._uc.hook_add(unicorn.UC_HOOK_INTR, self._on_interrupt)
        self._uc.hook_add(unicorn.UC_HOOK_INSN, self._on_in, None, 1, 0, x86_const.UC_X86_INS_IN)
        self._uc.hook_add(unicorn.UC_HOOK_INSN, self._on_out, None, 1, 0, x86_const.UC_X86_INS_OUT)
        self._devices = devices

    def start(self, rip: int, rsp: int, rcx: int, rdx: int) -> None:
        """The state in which the loader hands a processor to the guest."""
        for name, value in {"cs": KERNEL_CODE, "ss": KERNEL_DATA, "eflags": 2, "rip": rip, "rsp": rsp - 8}.items():
            self.set(name, value)
        self.set("rcx", rcx)
        self.set("rdx", rdx)
        self.set("mxcsr", 0x1F80)
        self.set("fpcw", 0x27F)

    # --- registers ---------------------------------------------------------------------------------

    def get(self, name: str) -> int:
        return int(self._uc.reg_read(self._ids[name]))

    def set(self, name: str, value: int) -> None:
        self._uc.reg_write(self._ids[name], value)

    def table_register(self, name: str) -> tuple[int, int, int]:
        """Selector, base and limit of gdtr, idtr, tr or ldtr."""
        selector, base, limit, _flags = self._uc.reg_read(self._ids[name])
        return selector, base, limit

    def set_table_register(self, name: str, base: int, limit: int) -> None:
        self._uc.reg_write(self._ids[name], (0, base, limit, 0))

    def msr_read(self, number: int) -> int:
        return int(self._uc.msr_read(number))

    def msr_write(self, number: int, value: int) -> None:
        self._uc.msr_write(number, value)

    # --- memory ----------------------------------------------------------------------------------------

    def read(self, address: int, size: int) -> bytes:
        """Bytes up to the first page that isn't mapped."""
        root, data = self.get("cr3"), b""
        while size:
            physical = translate(self._memory, root, address)
            part = min(size, PAGE - address % PAGE)
            chunk = b"" if physical is None else self._memory.read(physical, part)
            data += chunk
            if len(chunk) < part:
                break
            address, size = address + part, size - part
        return data

    def write(self, address: int, data: bytes) -> int:
        """Bytes written, up to the first page that isn't mapped; page protection is not asked."""
        root, done = self.get("cr3"), 0
        while done < len(data):
            physical = translate(self._memory, root, address + done)
            if physical is None:
                break
            part = data[done : done + PAGE - (address + done) % PAGE]
            written = self._memory.write(physical, part)
            done += written
            if written < len(part):
                break
        return done

    def read_u64(self, address: int) -> int:
        return int.from_bytes(self.read(address, 8), "little")

    def forget_translations(self) -> None:
        """Somebody else wrote to RAM: translated code and page table entries may be stale."""
        self._uc.ctl_flush_tb()
        self.set("cr3", self.get("cr3"))

    # --- running ---------------------------------------------------------------------------------------

    def run(self, instructions: int) -> Halt:
        """Execute at most so many instructions."""
        self._stop = None
        rip = self.get("rip")
        if rip != self._passed_at:
            self._passed_at = None
        try:
            self._uc.emu_start(rip, self._never, count=instructions)
        except self._unicorn.UcError as error:
            if error.errno != self._unicorn.UC_ERR_INSN_INVALID:
                raise TripleFault(f"processor {self.number}: {error}") from error
            self.vector = INVALID_OPCODE
            return Halt.EXCEPTION
        if self._stop is Halt.EXCEPTION and self.vector in _FAULTS:
            self.error_code = take_error_code(self._uc)
        if self._stop is not None:
            return self._stop
        if self.read(self.get("rip") - 1, 1) == _HALT_INSTRUCTION:
            self.halted = True
            return Halt.IDLE
        return Halt.BUDGET

    def deliver(self, vector: int, error_code: int | None = None) -> None:
        """Enter the guest's handler as the processor would: machine frame on the right stack, RIP from the gate.

        Raises `TripleFault` when gate or stack can't be reached.
        """
        gate = self.read(self.table_register("idtr")[1] + 16 * vector, 16)
        if len(gate) < 16 or not gate[5] & 0x80:
            raise TripleFault(f"processor {self.number}: no gate for vector {vector:#x}")
        low, selector, stack_index, _type, middle, high = struct.unpack("<HHBBHI4x", gate)
        rsp, flags = self.get("rsp"), self.get("eflags")
        top = self._handler_stack(stack_index & 7, rsp) & ~15
        frame = [self.get("rip"), self.get("cs"), flags, rsp, self.get("ss")]
        if vector in VECTORS_WITH_ERROR_CODE and error_code is not None:
            frame.insert(0, error_code)
        top -= 8 * len(frame)
        data = struct.pack(f"<{len(frame)}Q", *frame)
        if self.write(top, data) < len(data):
            raise TripleFault(f"processor {self.number}: no stack at {top:#x} for vector {vector:#x}")
        self.set("rsp", top)
        self.set("cs", selector)
        self.set("rip", low | middle << 16 | high << 32)
        self.set("eflags", flags & ~_MASKED_ON_ENTRY)
        self.halted = False

    def _handler_stack(self, index: int, rsp: int) -> int:
        task_state = self.table_register("tr")[1]
        if index:
            return self.read_u64(task_state + 0x24 + 8 * (index - 1))
        return self.read_u64(task_state + 4) if self.get("cs") & 3 else rsp

    # --- debug registers -----------------------------------------------------------------------------------

    def arm(self) -> None:
        """Make the debug registers effective as they are now."""
        for hook in self._watch_hooks:
            self._uc.hook_del(hook)
        self._watch_hooks.clear()
        self._fired = 0
        watches = self.debug.watches()
        for watch in watches:
            self._arm_execution(watch) if watch.executes else self._arm_data(watch)
        if any(not watch.executes for watch in watches):
            # an access is noticed in its instruction; only the next one can be stopped before it begins
            self._watch_hooks.append(self._uc.hook_add(self._unicorn.UC_HOOK_CODE, self._on_any_instruction))
        self.forget_translations()

    def _arm_execution(self, watch: Watch) -> None:
        hook = self._uc.hook_add(
            self._unicorn.UC_HOOK_CODE, self._on_watched_instruction, watch, watch.address, watch.address
        )
        self._watch_hooks.append(hook)

    def _arm_data(self, watch: Watch) -> None:
        physical = translate(self._memory, self.get("cr3"), watch.address)
        if physical is None:
            return
        kind = self._unicorn.UC_HOOK_MEM_WRITE | (self._unicorn.UC_HOOK_MEM_READ if watch.reads else 0)
        last = physical + watch.size - 1
        # accesses that begin up to seven bytes before may reach into the watched ones
        self._watch_hooks.append(self._uc.hook_add(kind, self._on_access, (watch, physical, last), physical - 7, last))

    def _on_access(
        self, uc: Any, kind: int, address: int, size: int, value: int, place: tuple[Watch, int, int]
    ) -> None:
        watch, first, last = place
        if address <= last and address + size > first:
            self._fired |= 1 << watch.number

    def _on_any_instruction(self, uc: Any, address: int, size: int, data: object) -> None:
        if self._fired:
            self._stop_at_watch(self._fired)
            self._fired = 0

    def _on_watched_instruction(self, uc: Any, address: int, size: int, watch: Watch) -> None:
        if self._passed_at == address:  # the resume flag of real processors: once past after reporting
            self._passed_at = None
            return
        self._passed_at = address
        self._stop_at_watch(1 << watch.number)

    def _stop_at_watch(self, bits: int) -> None:
        self.debug.dr6 |= bits
        self._stop = Halt.WATCH
        self._uc.emu_stop()

    # --- what unicorn reports ------------------------------------------------------------------------------

    def _on_interrupt(self, uc: Any, vector: int, data: object) -> None:
        self.vector = vector
        self._stop = Halt.EXCEPTION
        uc.emu_stop()

    def _on_in(self, uc: Any, port: int, size: int, data: object) -> int:
        return self._devices.read(port, size)

    def _on_out(self, uc: Any, port: int, size: int, value: int, data: object) -> None:
        self._devices.write(port, size, value)
