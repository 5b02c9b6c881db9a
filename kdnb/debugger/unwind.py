"""Stack walks: the chain of callers from a set of registers, innermost first.

Bounded in every direction: by `limit`, by a stack pointer that has to grow (but for processor frames, which may
change stacks), and by frames that come back. How the walk ended is said in a note. Where nothing says who the caller
is, the stack is looked through for a likely return address, and the frame is marked as a guess.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kdnb.debugger.stack_scan import scan_for_caller
from kdnb.debugger.unwind_arm64 import unwind_arm64, unwind_arm64_leaf
from kdnb.debugger.unwind_step import ModuleLookup, UnwindStep
from kdnb.debugger.unwind_x64 import unwind_leaf, unwind_x64
from kdnb.debugger.unwind_x86 import TRAP_EIP, unwind_x86
from kdnb.errors import MemoryReadError, SymbolFileError, UnsupportedError
from kdnb.protocol.constants import MachineType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kdnb.results.memory import MemoryReader
    from kdnb.symbols.unwind_info import RuntimeFunction

__all__ = ["ModuleLookup", "UnwoundFrame", "unwind"]

UNKNOWN_MODULE = "WARNING: Frame IP not in any known module. Following frames may be wrong."
NO_UNWIND_DATA = "WARNING: Stack unwind information not available. Following frames may be wrong."
GUESSED = "WARNING: The caller was found by a scan of the stack. Following frames may be wrong."

_TRAP_FRAME_PC = {MachineType.AMD64: 0x168, MachineType.I386: TRAP_EIP}
"""Offset in KTRAP_FRAME of what the processor pushed last; from public headers."""

_NAMES = {
    MachineType.AMD64: ("rip", "rsp"),
    MachineType.I386: ("eip", "esp"),
    MachineType.ARM64: ("pc", "sp"),
}


@dataclass(frozen=True, slots=True)
class UnwoundFrame:
    """One frame. Addresses are numbers; registers are those in this frame, as far as they are known."""

    instruction_pointer: int
    child_sp: int
    """Stack pointer in this frame (x64, ARM64), or the frame's EBP (x86)."""
    return_address: int
    """0 where the walk ended."""
    registers: Mapping[str, int]
    exact: bool
    """Whether `instruction_pointer` is the next instruction; otherwise it is a return address, and names and
    lines are those of the byte before it."""
    function: RuntimeFunction | None = None
    """Function table entry, as RVAs of the module."""
    trap_frame: int | None = None
    """Where this is a trap handler's frame: address of the KTRAP_FRAME, whose tail the processor pushed."""
    warning: str = ""
    """Why the frames after this one may be wrong, in WinDbg's words."""
    is_guess: bool = False
    """Found by a scan of the stack."""
    frame_summary: str = ""
    """x86: what kv adds of the PDB's notes, `FPO: [1,0,0]`."""

    @property
    def lookup_address(self) -> int:
        """The address that surely lies in the frame's function."""
        return self.instruction_pointer - (0 if self.exact else 1)


def unwind(
    registers: Mapping[str, int], machine: int, memory: MemoryReader, modules: ModuleLookup, limit: int = 256
) -> tuple[list[UnwoundFrame], str | None]:
    """Frames from `registers` outwards, and why the walk ended early (None at the stack's regular end).

    `registers` maps lower-case names to numbers: `rip`, `rsp` and the other general registers (`eip`, `esp`,
    `ebp`; `pc`, `sp`, `lr`, `fp`). Raises `UnsupportedError` for machines without a walker; never for what the target
    holds.
    """
    if machine not in _NAMES:
        raise UnsupportedError(f"stacks of machine {machine:#x} can't be walked yet", "x64, x86 and ARM64 can")
    pc_name, sp_name = _NAMES[MachineType(machine)]
    frames: list[UnwoundFrame] = []
    seen: set[tuple[int, int]] = set()
    current, exact, guessed, parameters = dict(registers), True, False, 0
    while len(frames) < limit:
        pc, sp = current[pc_name], current[sp_name]
        if (pc, sp) in seen:
            return frames, "stack walk ended: the frames repeat"
        seen.add((pc, sp))
        step, problem = _step(current, machine, memory, modules, exact, parameters)
        if problem:
            # The step failed, or led nowhere: only now a guess is better than nothing.
            guess = scan_for_caller(current, MachineType(machine), memory, modules)
            if guess is not None:
                step, problem = UnwindStep(guess, step.function if step else None, warning=GUESSED), ""
        if step is None:
            warning = problem if problem == UNKNOWN_MODULE else ""
            frames.append(UnwoundFrame(pc, sp, 0, current, exact, warning=warning, is_guess=guessed))
            return frames, problem
        caller = dict(step.registers)
        child_sp = step.frame_pointer or sp
        trap_frame = None
        if step.trap_frame is not None:
            trap_frame = step.trap_frame - _TRAP_FRAME_PC.get(MachineType(machine), 0)
        frames.append(
            UnwoundFrame(
                pc,
                child_sp,
                caller[pc_name],
                current,
                exact,
                step.function,
                trap_frame,
                step.warning,
                guessed,
                step.frame_summary,
            )
        )
        if caller[pc_name] == 0:
            return frames, None
        if step.trap_frame is None and caller[sp_name] <= sp and not (machine == MachineType.ARM64 and exact):
            return frames, f"stack walk ended: the stack pointer {caller[sp_name]:#x} doesn't grow"
        current, exact, guessed = caller, step.trap_frame is not None, step.warning == GUESSED
        parameters = step.parameter_size
    return frames, f"stack walk ended after {limit} frames"


def _step(
    registers: Mapping[str, int],
    machine: int,
    memory: MemoryReader,
    modules: ModuleLookup,
    exact: bool,
    callee_parameters: int,
) -> tuple[UnwindStep | None, str]:
    """The caller, and why it is none or a bad one: a text asks for a guess."""
    pc_name = _NAMES[MachineType(machine)][0]
    try:
        step = _known_step(registers, machine, memory, modules, exact, callee_parameters)
    except (MemoryReadError, SymbolFileError) as error:
        return None, f"stack walk ended: {error.message}"
    if step is None:
        return None, UNKNOWN_MODULE
    # A step without data that leaves all modules is surely wrong. 0 is the regular end of a stack, but not where it is
    # only taken for a return address, since nothing is known of the code (x64, ARM64).
    caller = step.registers[pc_name]
    if caller:
        led_nowhere = step.warning and modules.find(caller - 1) is None
    else:
        led_nowhere = step.warning == UNKNOWN_MODULE and machine != MachineType.I386
    return step, step.warning if led_nowhere else ""


def _known_step(
    registers: Mapping[str, int],
    machine: int,
    memory: MemoryReader,
    modules: ModuleLookup,
    exact: bool,
    callee_parameters: int,
) -> UnwindStep | None:
    """The caller by what is known of the code; None where nothing says how to find it."""
    pc = registers[_NAMES[MachineType(machine)][0]]
    module = modules.find(pc if exact else pc - 1)
    if machine == MachineType.I386:
        step = unwind_x86(registers, memory, modules, exact, callee_parameters)
        return step if module else _warn(step, UNKNOWN_MODULE)
    leaf = unwind_leaf if machine == MachineType.AMD64 else unwind_arm64_leaf
    if module is None:
        # A call or jump through a bad pointer: the return address is on top (x64) or in lr (ARM64), as in a leaf.
        # Further out it would only be a guess, and one wrong guess gives a page of wrong frames.
        return leaf(registers, memory, UNKNOWN_MODULE) if exact else None
    image = module.image
    if image is None:
        return leaf(registers, memory, NO_UNWIND_DATA)
    walker = unwind_x64 if machine == MachineType.AMD64 else unwind_arm64
    step = walker(registers, memory, image, module.base, exact)
    # A function that called another one has a frame, so it can't lack its entry.
    return _warn(step, NO_UNWIND_DATA) if step.function is None and not exact else step


def _warn(step: UnwindStep, warning: str) -> UnwindStep:
    return replace(step, warning=warning)
