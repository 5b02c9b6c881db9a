"""Stack walks: the chain of callers from a set of registers, innermost first.

Bounded in every direction: by `limit`, by a stack pointer that has to grow (but for processor frames, which may
change stacks), and by frames that come back. How the walk ended is said in a note.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.debugger.unwind_step import ModuleLookup, UnwindStep
from kdnb.debugger.unwind_x64 import unwind_leaf, unwind_x64
from kdnb.debugger.unwind_x86 import unwind_x86
from kdnb.errors import MemoryReadError, SymbolFileError, UnsupportedError
from kdnb.protocol.constants import MachineType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kdnb.results.memory import MemoryReader
    from kdnb.symbols.unwind_info import RuntimeFunction

__all__ = ["ModuleLookup", "UnwoundFrame", "unwind"]

UNKNOWN_MODULE = "WARNING: Frame IP not in any known module. Following frames may be wrong."
NO_UNWIND_DATA = "WARNING: Stack unwind information not available. Following frames may be wrong."

_KTRAP_FRAME_RIP = 0x168  # offset of Rip in x64's KTRAP_FRAME; from public headers

_NAMES = {MachineType.AMD64: ("rip", "rsp"), MachineType.I386: ("eip", "esp")}


@dataclass(frozen=True, slots=True)
class UnwoundFrame:
    """One frame. Addresses are numbers; registers are those in this frame, as far as they are known."""

    instruction_pointer: int
    child_sp: int
    """Stack pointer in this frame (x64), or the frame's EBP (x86)."""
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

    @property
    def lookup_address(self) -> int:
        """The address that surely lies in the frame's function."""
        return self.instruction_pointer - (0 if self.exact else 1)


def unwind(
    registers: Mapping[str, int], machine: int, memory: MemoryReader, modules: ModuleLookup, limit: int = 256
) -> tuple[list[UnwoundFrame], str | None]:
    """Frames from `registers` outwards, and why the walk ended early (None at the stack's regular end).

    `registers` maps lower-case names to numbers: `rip`, `rsp` and the other general registers (`eip`, `esp`,
    `ebp`). Raises `UnsupportedError` for machines without a walker; never for what the target holds.
    """
    if machine not in _NAMES:
        raise UnsupportedError(f"stacks of machine {machine:#x} can't be walked yet", "x64 and x86 can")
    pc_name, sp_name = _NAMES[MachineType(machine)]
    frames: list[UnwoundFrame] = []
    seen: set[tuple[int, int]] = set()
    current, exact = dict(registers), True
    while len(frames) < limit:
        pc, sp = current[pc_name], current[sp_name]
        if (pc, sp) in seen:
            return frames, "stack walk ended: the frames repeat"
        seen.add((pc, sp))
        try:
            step = _step(current, machine, memory, modules, exact)
        except (MemoryReadError, SymbolFileError) as error:
            frames.append(UnwoundFrame(pc, sp, 0, current, exact))
            return frames, f"stack walk ended: {error.message}"
        if step is None:
            frames.append(UnwoundFrame(pc, sp, 0, current, exact, warning=UNKNOWN_MODULE))
            return frames, UNKNOWN_MODULE
        caller = dict(step.registers)
        child_sp = step.frame_pointer or sp
        trap_frame = step.trap_frame - _KTRAP_FRAME_RIP if step.trap_frame is not None else None
        frames.append(
            UnwoundFrame(pc, child_sp, caller[pc_name], current, exact, step.function, trap_frame, step.warning)
        )
        if caller[pc_name] == 0:
            return frames, None
        if step.trap_frame is None and caller[sp_name] <= sp:
            return frames, f"stack walk ended: the stack pointer {caller[sp_name]:#x} doesn't grow"
        current, exact = caller, step.trap_frame is not None
    return frames, f"stack walk ended after {limit} frames"


def _step(
    registers: Mapping[str, int], machine: int, memory: MemoryReader, modules: ModuleLookup, exact: bool
) -> UnwindStep | None:
    """The caller; None where nothing says how to find it."""
    pc = registers[_NAMES[MachineType(machine)][0]]
    module = modules.find(pc if exact else pc - 1)
    if machine == MachineType.I386:
        step = unwind_x86(registers, memory, exact)
        return step if module else _warn(step, UNKNOWN_MODULE)
    if module is None:
        # A call or jump through a bad pointer: the return address is on top, as in a leaf. Further out it would
        # only be a guess, and one wrong guess gives a page of wrong frames.
        return unwind_leaf(registers, memory, UNKNOWN_MODULE) if exact else None
    image = module.image
    if image is None:
        return unwind_leaf(registers, memory, NO_UNWIND_DATA)
    step = unwind_x64(registers, memory, image, module.base, exact)
    # A function that called another one has a frame, so it can't lack its entry.
    return _warn(step, NO_UNWIND_DATA) if step.function is None and not exact else step


def _warn(step: UnwindStep, warning: str) -> UnwindStep:
    return UnwindStep(step.registers, step.function, step.frame_pointer, step.trap_frame, warning, step.saved)
