"""One processor: a unicorn instance and its debug registers. Entering the guest's handlers is `interrupts`'."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from kdnb.simulator.debug_registers import DebugRegisters, Watch
from kdnb.simulator.interrupts import INTERRUPT_FLAG, TRAP_FLAG, TripleFault, deliver, enter_system_call
from kdnb.simulator.memory import PAGE, PhysicalMemory, translate
from kdnb.simulator.unicorn_state import load_unicorn, new_unicorn, set_privilege, take_error_code

if TYPE_CHECKING:
    from kdnb.simulator.devices import Devices
    from kdnb.simulator.loader import LoadedGuest

__all__ = ["INTERRUPT_FLAG", "TRAP_FLAG", "Halt", "Processor", "TripleFault"]

_HALT_INSTRUCTION = b"\xf4"
_BUSY_TASK = 0x8B00  # as unicorn keeps a descriptor's second half
_NOWHERE = 0  # where unicorn would end a run, but its processors are told to have no such place
INVALID_OPCODE = 6
_GS_SWAP = 0xC0000102
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
    SYSTEM_CALL = auto()
    """`syscall`: the processor is at the guest's entry now."""


class Processor:
    """Registers by their lower-case names through `get` and `set`; memory as this processor sees it."""

    def __init__(self, number: int, memory: PhysicalMemory, guest: LoadedGuest, devices: Devices) -> None:
        unicorn, x86_const = load_unicorn()
        self.number = number
        self.architecture = guest.architecture
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
        self._uc = new_unicorn(memory, guest.root, guest.architecture.paging)
        self._stop: Halt | None = None
        self._watch_hooks: list[Any] = []
        self._fired = 0
        self._passed_at: int | None = None
        self._uc.hook_add(unicorn.UC_HOOK_INTR, self._on_interrupt)
        self._uc.hook_add(unicorn.UC_HOOK_INSN, self._on_in, None, 1, 0, x86_const.UC_X86_INS_IN)
        self._uc.hook_add(unicorn.UC_HOOK_INSN, self._on_out, None, 1, 0, x86_const.UC_X86_INS_OUT)
        self._uc.hook_add(unicorn.UC_HOOK_INSN, self._on_system_call, None, 1, 0, x86_const.UC_X86_INS_SYSCALL)
        self._devices = devices

    # --- registers ---------------------------------------------------------------------------------

    def get(self, name: str) -> int:
        return int(self._uc.reg_read(self._ids[name]))

    def set(self, name: str, value: int) -> None:
        self._uc.reg_write(self._ids[name], value)

    @property
    def pc(self) -> int:
        """RIP or EIP."""
        return self.get(self.architecture.program_counter)

    @pc.setter
    def pc(self, address: int) -> None:
        self.set(self.architecture.program_counter, address)

    @property
    def sp(self) -> int:
        """RSP or ESP."""
        return self.get(self.architecture.stack_pointer)

    @sp.setter
    def sp(self, address: int) -> None:
        self.set(self.architecture.stack_pointer, address)

    @property
    def is_user_mode(self) -> bool:
        return self.get("cs") & 3 == 3

    @property
    def has_kernel_gs(self) -> bool:
        """Whether GS (on x86 FS) leads to the KPCR. In user mode, and before `swapgs`, it leads to a TEB."""
        return bool(self.get(self.architecture.system_pointer) >> 63) or self.architecture.pointer_size == 4

    @property
    def system_pointer(self) -> int:
        """Address of the KPCR, 0 before there is one."""
        return self.get(self.architecture.system_pointer) if self.has_kernel_gs else self.msr_read(_GS_SWAP)

    def enter_kernel_mode(self, cs: int, ss: int) -> None:
        """What a gate or `syscall` does to the segments: code runs in ring 0 from here on."""
        if self.is_user_mode:
            set_privilege(self._uc, 0)
        self.set("cs", cs)
        self.set("ss", ss)

    def table_register(self, name: str) -> tuple[int, int, int]:
        """Selector, base and limit of gdtr, idtr, tr or ldtr."""
        selector, base, limit, _flags = self._uc.reg_read(self._ids[name])
        return selector, base, limit

    def set_table_register(self, name: str, base: int, limit: int) -> None:
        self._uc.reg_write(self._ids[name], (0, base, limit, 0))

    def set_task_register(self, selector: int, base: int, limit: int) -> None:
        self._uc.reg_write(self._ids["tr"], (selector, base, limit, _BUSY_TASK))

    def msr_read(self, number: int) -> int:
        return int(self._uc.msr_read(number))

    def msr_write(self, number: int, value: int) -> None:
        self._uc.msr_write(number, value)

    # --- memory ----------------------------------------------------------------------------------------

    def read(self, address: int, size: int) -> bytes:
        """Bytes up to the first page that isn't mapped."""
        data = b""
        while size:
            physical = self.translate(address)
            part = min(size, PAGE - address % PAGE)
            chunk = b"" if physical is None else self._memory.read(physical, part)
            data += chunk
            if len(chunk) < part:
                break
            address, size = address + part, size - part
        return data

    def write(self, address: int, data: bytes) -> int:
        """Bytes written, up to the first page that isn't mapped; page protection is not asked."""
        done = 0
        while done < len(data):
            physical = self.translate(address + done)
            if physical is None:
                break
            part = data[done : done + PAGE - (address + done) % PAGE]
            written = self._memory.write(physical, part)
            done += written
            if written < len(part):
                break
        return done

    def read_number(self, address: int, size: int) -> int:
        return int.from_bytes(self.read(address, size), "little")

    def read_pointer(self, address: int) -> int:
        return self.read_number(address, self.architecture.pointer_size)

    def translate(self, address: int) -> int | None:
        """Physical address, None where nothing is mapped."""
        return translate(self._memory, self.get("cr3"), address, self.architecture.paging)

    def forget_translations(self) -> None:
        """Somebody else wrote to RAM: translated code and page table entries may be stale."""
        self._uc.ctl_flush_tb()
        self.set("cr3", self.get("cr3"))

    # --- running ---------------------------------------------------------------------------------------

    def run(self, instructions: int) -> Halt:
        """Execute at most so many instructions."""
        self._stop = None
        pc = self.pc
        if pc != self._passed_at:
            self._passed_at = None
        try:
            self._uc.emu_start(pc, _NOWHERE, count=instructions)
        except self._unicorn.UcError as error:
            if error.errno != self._unicorn.UC_ERR_INSN_INVALID:
                raise TripleFault(f"processor {self.number}: {error}") from error
            self.vector = INVALID_OPCODE
            return Halt.EXCEPTION
        if self._stop is Halt.EXCEPTION and self.vector in _FAULTS:
            self.error_code = take_error_code(self._uc)
        if self._stop is Halt.SYSTEM_CALL:
            enter_system_call(self)
        if self._stop is not None:
            return self._stop
        self.halted = self._has_halted()
        return Halt.IDLE if self.halted else Halt.BUDGET

    def _has_halted(self) -> bool:
        """Whether a run that nothing else ended was ended by `hlt`, which unicorn doesn't tell.

        It may also have ended for its budget, behind an instruction whose last byte is that of `hlt`: then waiting for
        the next interrupt does no harm where one can come. So only `hlt` with interrupts on counts.
        """
        if self.is_user_mode or not self.get("eflags") & INTERRUPT_FLAG:
            return False
        return self.read(self.pc - 1, 1) == _HALT_INSTRUCTION

    def deliver(self, vector: int, error_code: int | None = None) -> None:
        """Enter the guest's handler. Raises `TripleFault` when gate or stack can't be reached."""
        deliver(self, vector, error_code)

    # --- debug registers -----------------------------------------------------------------------------------

    def arm(self) -> None:
        """Make the debug registers effective as they are now."""
        # unicorn looks up the hooked code as it drops a hook, and keeps the fault where that is another process's
        state = self._uc.context_save()
        for hook in self._watch_hooks:
            self._uc.hook_del(hook)
        self._uc.context_restore(state)
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
        physical = self.translate(watch.address)
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

    def _on_system_call(self, uc: Any, data: object) -> None:
        self._stop = Halt.SYSTEM_CALL
        uc.emu_stop()

    def _on_in(self, uc: Any, port: int, size: int, data: object) -> int:
        return self._devices.read(port, size)

    def _on_out(self, uc: Any, port: int, size: int, value: int, data: object) -> None:
        self._devices.write(port, size, value)
