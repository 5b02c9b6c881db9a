"""Registers of all processors at the present stop: read once per stop, changed by Get-change-Set.

A context costs one request, special registers (control, debug, descriptor tables) another; nothing is read twice
while the target stays stopped. The debug registers are those of the special registers: the ones in CONTEXT stay 0
in the kernel (measured on real targets).
"""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import TYPE_CHECKING

from kdnb.debugger.disassembly import annotation
from kdnb.debugger.register_names import (
    ALIASES,
    HIDDEN,
    HIDDEN_PREFIXES,
    part_of,
    parts,
    program_counter,
    stack_pointer,
)
from kdnb.errors import KdnbError, UnknownNameError, UnsupportedError, UsageError
from kdnb.protocol.constants import MachineType
from kdnb.protocol.context.registers import context_type, register_values, special_registers_type, with_registers
from kdnb.results.registers import RegisterSet, order

if TYPE_CHECKING:
    from kdnb.debugger.session import Session
    from kdnb.protocol.wire import Structure
    from kdnb.results.disassembly import Instruction
    from kdnb.target.base import Change

__all__ = ["Registers"]

SPECIAL_SELECTOR = 2
"""Control space of 64-bit targets: KSPECIAL_REGISTERS (the protocol reference 3.7)."""
X86_SPECIAL_OFFSET = 0x2CC
"""Control space of x86 is KPROCESSOR_STATE: the CONTEXT lies before."""
MACHINE_NAMES = {
    MachineType.AMD64: "amd64",
    MachineType.I386: "x86",
    MachineType.ARM64: "arm64",
    MachineType.ARM: "arm",
    MachineType.ARMNT: "arm",
}


class Registers:
    """Registers by name, in either case. Without a processor number those of the current one."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._contexts: dict[int, Structure] = {}
        self._special: dict[int, Structure] = {}
        self._before: dict[int, dict[str, int]] = {}
        self._written_in: Change | None = None
        """The stop in which a CONTEXT was written last: what it was announced with is no longer true."""

    def invalidate(self) -> None:
        """The target has run, or another path changed registers. What was known is kept for comparison."""
        for processor, context in self._contexts.items():
            self._before[processor] = _visible(context)
        self._contexts.clear()
        self._special.clear()

    # --- records --------------------------------------------------------------------------------

    def context(self, processor: int | None = None) -> Structure:
        """The whole CONTEXT of a processor."""
        number = self._number(processor)
        if number not in self._contexts:
            self._session.require_stopped()
            form = context_type(self._session.machine)
            if form is None:
                raise UnsupportedError(f"registers of {self._session.machine.name} are not known", "x64 and x86 are")
            self._contexts[number] = form.decode(self._session.target.get_context(number))
        return self._contexts[number]

    def special(self, processor: int | None = None) -> Structure:
        """KSPECIAL_REGISTERS of a processor."""
        number = self._number(processor)
        if number not in self._special:
            self._session.require_stopped()
            form = special_registers_type(self._session.machine)
            if form is None:
                raise UnsupportedError(f"special registers of {self._session.machine.name} are not known")
            data = self._session.target.read_control_space(number, self._special_address(), form.SIZE)
            self._special[number] = form.decode(data)
        return self._special[number]

    def write_special(self, processor: int, record: Structure) -> None:
        """Write KSPECIAL_REGISTERS back, as many bytes as were read."""
        self._session.target.write_control_space(processor, self._special_address(), record.encode())
        self._special[processor] = record

    def _special_address(self) -> int:
        return X86_SPECIAL_OFFSET if self._session.machine == MachineType.I386 else SPECIAL_SELECTOR

    def _number(self, processor: int | None) -> int:
        number = self._session.current_processor if processor is None else processor
        if not 0 <= number < max(self._session.processor_count, 1):
            raise UsageError(
                f"there is no processor {number}", f"the target has 0 to {self._session.processor_count - 1}"
            )
        return number

    # --- by name --------------------------------------------------------------------------------

    def get(self, name: str, processor: int | None = None) -> int:
        """Value of a register, sub-register or flag; `UnknownNameError` for any other name."""
        name = ALIASES.get(name.lower(), name.lower())
        part = part_of(self._session.machine, name)
        if part is not None:
            return part.extract(self.get(part.register, processor))
        where = self._place(name)
        if where is None:
            raise self._unknown(name)
        record = self.special(processor) if where[0] else self.context(processor)
        return register_values(record)[where[1]]

    def find(self, name: str) -> int | None:
        """Like `get`, but None for what is no register of this machine."""
        return self.get(name) if self.has(name) else None

    def has(self, name: str) -> bool:
        """Whether the machine has a register of that name; sends nothing."""
        name = ALIASES.get(name.lower(), name.lower())
        return part_of(self._session.machine, name) is not None or self._place(name) is not None

    def _place(self, name: str) -> tuple[bool, str] | None:
        """Whether a register is a special one, and its name in that record."""
        machine = self._session.machine
        form, special = context_type(machine), special_registers_type(machine)
        if special is not None:
            kernel = f"kernel_{name}" if name in ("dr0", "dr1", "dr2", "dr3", "dr6", "dr7") else name
            places = special.layout().integers
            if kernel in places and (kernel != name or form is None or name not in form.layout().integers):
                return True, kernel
        if form is not None and name in form.layout().integers and _is_register(name):
            return False, name
        return None

    def _unknown(self, name: str) -> UnknownNameError:
        near = difflib.get_close_matches(name, self.names(), 3)
        hint = f"did you mean {', '.join(near)}?" if near else "r lists the registers"
        return UnknownNameError(f"Bad register error at '{name[:60]}'", hint, near)

    def names(self) -> list[str]:
        """Every name that `get` takes, those that `r` shows first."""
        machine = self._session.machine
        form, special = context_type(machine), special_registers_type(machine)
        found = [name for name in form.layout().integers if _is_register(name)] if form else []
        found += [n.removeprefix("kernel_") for n in special.layout().integers if _is_register(n)] if special else []
        return sorted(dict.fromkeys([*found, *parts(machine)]), key=order(MACHINE_NAMES.get(machine, "")))

    def width(self, name: str) -> int:
        """Bits of a register."""
        name = ALIASES.get(name.lower(), name.lower())
        part = part_of(self._session.machine, name)
        if part is not None:
            return part.size
        where = self._place(name)
        if where is None:
            raise self._unknown(name)
        form = (special_registers_type if where[0] else context_type)(self._session.machine)
        assert form is not None
        name = form.layout().integers[where[1]][0]
        field = dict(form.layout().fields)[name]
        return field.size * 8 // (field.count or 1)

    def set(self, name: str, value: int, processor: int | None = None) -> None:
        """Change a register of the current processor."""
        session = self._session
        session.require_stopped()
        session.require_writable("a register would change")
        number = self._number(processor)
        if number != session.current_processor:
            raise UsageError(
                f"registers of processor {number} can't be changed from here", f"switch to it first: ~{number}s"
            )
        name = ALIASES.get(name.lower(), name.lower())
        part = part_of(session.machine, name)
        if part is not None:
            name, value = part.register, part.insert(self.get(part.register), value)
        where = self._place(name)
        if where is None:
            raise self._unknown(name)
        value &= (1 << self.width(name)) - 1
        if where[0]:
            self.write_special(number, with_registers(self.special(number), {where[1]: value}))
            return
        self._write(number, {where[1]: value})

    def _write(self, processor: int, values: dict[str, int]) -> None:
        """Write registers of a CONTEXT."""
        changed = with_registers(self.context(processor), values)
        self._session.target.set_context(processor, changed.encode())
        self._contexts[processor] = changed
        self._written_in = self._session.change

    # --- the usual ones -------------------------------------------------------------------------

    @property
    def pc(self) -> int:
        """The instruction pointer; costs nothing, since every stop tells it."""
        change = self._session.change
        is_read = self._session.current_processor in self._contexts
        if change is not None and change is not self._written_in and not is_read:
            return change.program_counter & self._session.address_mask
        return self.get(program_counter(self._session.machine))

    def pc_of(self, processor: int) -> int:
        """The instruction pointer of any processor; another than the current one costs its CONTEXT."""
        is_current = processor == self._session.current_processor
        return self.pc if is_current else self.get(program_counter(self._session.machine), processor)

    def move_pc(self, value: int, processor: int | None = None) -> None:
        """Set the instruction pointer, as every debugger does to pass an int3; no change in the sense of read-only."""
        self._write(self._number(processor), {program_counter(self._session.machine): value})

    @property
    def sp(self) -> int:
        return self.get(stack_pointer(self._session.machine))

    # --- values ---------------------------------------------------------------------------------

    def values(self, processor: int | None = None, *, special: bool = False) -> dict[str, int]:
        """All registers of a processor; `special` adds control, debug and descriptor-table registers."""
        number = self._number(processor)
        found = _visible(self.context(number))
        if special or number in self._special:
            extra = register_values(self.special(number))
            found |= {n.removeprefix("kernel_"): value for n, value in extra.items() if _is_register(n)}
            if "msr_gs_base" in extra:
                found["gs_base"] = extra["msr_gs_base"]
        return found

    def snapshot(self, processor: int | None = None, mask: int = 0, *, special: bool = False) -> RegisterSet:
        """The registers as a value, with the current instruction and what it is about to touch."""
        session = self._session
        number = self._number(processor)
        values = self.values(number, special=special)
        pc = values[program_counter(session.machine)]
        before = self._before.get(number, {})
        return RegisterSet(
            machine=MACHINE_NAMES[session.machine],
            processor=number,
            values=values,
            changed=frozenset(name for name, value in values.items() if before.get(name, value) != value),
            symbol=session.symbols.format(pc),
            instruction=self.instruction(pc, values),
            mask=mask,
        )

    def instruction(self, pc: int, values: dict[str, int]) -> Instruction | None:
        """The instruction at `pc` with its annotation; None where there is no disassembler."""
        session = self._session
        try:
            (instruction,) = session.disassemble(pc, 1)
            if not instruction.data:
                return instruction
            text = annotation(instruction, values, session.memory, session.machine, session.symbols.name_at)
        except (KdnbError, ValueError):
            return None
        return replace(instruction, annotation=text)


def _is_register(name: str) -> bool:
    return name not in HIDDEN and not name.startswith(HIDDEN_PREFIXES)


def _visible(context: Structure) -> dict[str, int]:
    """The registers of a CONTEXT without its bookkeeping fields, and without its unused debug registers."""
    values = register_values(context)
    return {n: v for n, v in values.items() if _is_register(n) and not (n.startswith("dr") and n[2:].isdigit())}
