"""From one x86 frame to its caller (the protocol reference 8.4).

In this order: code that runs straight to a return; the instructions of a prolog whose place the PDB gives; the frame
data and FPO records of the PDB; the chain of saved EBPs, which functions that use EBP for something else break. Without
records the first instructions of a function are recognised by their bytes, where EBP still is the caller's.

FPO records mark trap handlers. What lies above their frame is no return address but an interrupted EIP, behind which CS
and the flags follow: it is taken from its place, never looked for. Once the KTRAP_FRAME is built EBP points to it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kdnb.debugger.epilog_x86 import follows_cookie_check, run_epilog
from kdnb.debugger.prolog_x86 import undo_prolog
from kdnb.debugger.stack_scan import is_return_address
from kdnb.debugger.unwind_step import UnwindStep, read_integer
from kdnb.errors import MemoryReadError, SymbolFileError
from kdnb.protocol.constants import MachineType
from kdnb.symbols.frame_data import FrameData, FrameKind, FrameTable, run_frame_program

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kdnb.debugger.unwind_step import CodeModule, ModuleLookup
    from kdnb.results.memory import MemoryReader

__all__ = ["TRAP_EIP", "unwind_x86"]

_MASK = 0xFFFFFFFF
_FRAME_SETUP = (b"\x8b\xec", b"\x89\xe5")  # mov ebp, esp in both encodings
_MAX_EPILOG = 64
_SEARCHED_WORDS = 64
_SEARCH = ".raSearch"
_NUMBERED = {
    f"${number}": name for number, name in enumerate(("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"), 17)
}
"""Frame programs by MSVC name registers by CodeView's numbers, clang's by their names."""
_TRAP_EBP, TRAP_EIP = 0x60, 0x68
"""Places in KTRAP_FRAME."""
_TRAP_MARK, _MARK = 8, (0xBADB0D00).to_bytes(4, "little")
"""DbgArgMark: what the kernel's trap entries write so that debuggers know a trap frame in the chain of EBPs."""


def unwind_x86(
    registers: Mapping[str, int],
    memory: MemoryReader,
    modules: ModuleLookup,
    exact: bool,
    callee_parameters: int = 0,
) -> UnwindStep:
    """The caller of the frame; `exact` as for x64, `callee_parameters` bytes lie on top of a caller's frame.

    Raises `MemoryReadError` for the stack.
    """
    registers = {**registers, **{name: registers[name] & _MASK for name in ("eip", "esp", "ebp")}}
    eip = registers["eip"]
    module = modules.find(eip if exact else eip - 1)
    table = _frame_table(module)
    rva = eip - module.base if module is not None else 0
    record = table.lookup(rva if exact else rva - 1) if table is not None else None
    is_trap = table is not None and table.is_trap(rva if exact else rva - 1)
    searches = record is not None and _SEARCH in record.program
    if exact or (searches and follows_cookie_check(eip, memory)):
        code = _read_available(memory, eip, _MAX_EPILOG)
        function = table.start_of(rva) if table is not None else None
        bounds = (module.base + function.begin, module.base + function.end) if module and function else None
        # A trap handler jumps to the common way out with its frame still there.
        if (left := run_epilog(code, eip, registers, memory, None if is_trap else bounds)) is not None:
            behind, interrupted = left
            if interrupted:
                return _interrupted(behind, memory, behind["esp"])
            return _step(behind, memory, behind["esp"], record)
        in_prolog = function is not None and rva <= function.begin + max(function.prolog_size - 1, 0)
        if function is not None and in_prolog and not is_trap:
            called = undo_prolog(eip - rva + function.begin, eip, registers, memory)
            if called is not None:
                return _step(called, memory, called["esp"], record)
        if record is None and (pushed := _bytes_on_stack(memory, eip)) is not None:
            caller_ebp = read_integer(memory, registers["esp"], 4) if pushed else registers["ebp"]
            return _step({**registers, "ebp": caller_ebp}, memory, registers["esp"] + pushed)
    if record is not None and record.kind is FrameKind.TSS:
        # Entered by a task switch, so nobody called it: `.tss` shows the registers of the other task.
        return UnwindStep({**registers, "eip": 0}, frame_summary=record.summary)
    if is_trap and record is not None:
        if not exact or _SEARCH not in record.program:
            return replace(_leave_trap(registers, memory), frame_summary=record.summary)
        at = registers["esp"] + record.local_size + record.saved_size
        return _interrupted(_run_program(registers, memory, record, at & _MASK, 0), memory, at & _MASK)
    if record is not None and (record.program or record.kind is FrameKind.FPO):
        try:
            return _by_record(registers, memory, modules, record, callee_parameters, exact)
        except SymbolFileError:
            pass  # the record is damaged; perhaps the chain holds
    ebp = registers["ebp"]
    if _read_available(memory, ebp + _TRAP_MARK, 4) == _MARK:
        return _leave_trap(registers, memory)
    return _step({**registers, "ebp": read_integer(memory, ebp, 4)}, memory, ebp + 4, record)


def _frame_table(module: CodeModule | None) -> FrameTable | None:
    try:
        return module.frame_table if module is not None else None
    except SymbolFileError:
        return None


def _step(
    registers: Mapping[str, int], memory: MemoryReader, return_slot: int, record: FrameData | None = None
) -> UnwindStep:
    caller = dict(registers)
    caller.update(eip=read_integer(memory, return_slot & _MASK, 4), esp=(return_slot + 4) & _MASK)
    return UnwindStep(
        caller,
        frame_pointer=return_slot - 4 & _MASK,
        parameter_size=record.parameter_size if record is not None else 0,
        frame_summary=record.summary if record is not None else "",
    )


def _by_record(
    registers: Mapping[str, int],
    memory: MemoryReader,
    modules: ModuleLookup,
    record: FrameData,
    callee_parameters: int,
    exact: bool,
) -> UnwindStep:
    start = registers["esp"] + record.local_size + record.saved_size
    at = _search(start, 0 if exact else callee_parameters, memory, modules)
    if not record.program:
        caller = dict(registers)
        if record.uses_ebp:
            # Where MSVC's functions push EBP, as other stack walkers have it too.
            saved = registers["esp"] + callee_parameters + record.saved_size - 8
            caller["ebp"] = read_integer(memory, saved & _MASK, 4)
        return _step(caller, memory, at, record)
    caller = _run_program(registers, memory, record, at, callee_parameters)
    return UnwindStep(
        caller,
        frame_pointer=caller["esp"] - 8 & _MASK,
        parameter_size=record.parameter_size,
        frame_summary=record.summary,
    )


def _run_program(
    registers: Mapping[str, int], memory: MemoryReader, record: FrameData, at: int, callee_parameters: int
) -> dict[str, int]:
    """The caller's registers by a frame program whose search for the return address ends at `at`."""
    values = {f"${name}": value for name, value in registers.items()} | {
        _SEARCH: at, ".raSearchStart": at, ".cbLocals": record.local_size, ".cbParams": record.parameter_size,
        ".cbSavedRegs": record.saved_size, ".cbCalleeParams": callee_parameters,
    }  # fmt: skip
    found = run_frame_program(record.program, values, lambda address: read_integer(memory, address, 4))
    if "$eip" not in found or "$esp" not in found:
        raise SymbolFileError("frame program without a return address")
    assigned = {_NUMBERED.get(name, name[1:]): value for name, value in found.items()}
    return {**registers, **{name: value for name, value in assigned.items() if name in registers}}


def _search(start: int, callee_parameters: int, memory: MemoryReader, modules: ModuleLookup) -> int:
    """`.raSearch`: the first likely return address from the fixed part of the frame on; `start` where there is none.

    Arguments for calls to come may lie below it: those of the callee that is left, or pushed ones.
    """
    places = [start + callee_parameters, *(start + 4 * index for index in range(_SEARCHED_WORDS))]
    for at in places:
        try:
            value = read_integer(memory, at & _MASK, 4)
        except MemoryReadError:
            break
        if is_return_address(value, MachineType.I386, memory, modules):
            return at & _MASK
    # The outermost function has no caller in known code: its return address is where it should be.
    return places[0] & _MASK


def _leave_trap(registers: Mapping[str, int], memory: MemoryReader) -> UnwindStep:
    """The interrupted code: EBP points to the KTRAP_FRAME."""
    frame = registers["ebp"]
    ebp = read_integer(memory, frame + _TRAP_EBP, 4)
    return _interrupted({**registers, "ebp": ebp}, memory, frame + TRAP_EIP)


def _interrupted(registers: Mapping[str, int], memory: MemoryReader, at: int) -> UnwindStep:
    """The code whose EIP, CS and flags the processor pushed at `at`, and ESP and SS if it came from user mode."""
    caller = dict(registers)
    caller["eip"] = read_integer(memory, at, 4)
    from_user = read_integer(memory, at + 4, 4) & 1
    caller["esp"] = read_integer(memory, at + 12, 4) if from_user else at + 12 & _MASK
    return UnwindStep(caller, frame_pointer=at - TRAP_EIP & _MASK, trap_frame=at)


def _bytes_on_stack(memory: MemoryReader, eip: int) -> int | None:
    """Bytes above the return address where no frame stands at `eip`; None in a body with its frame."""
    code = _read_available(memory, eip, 5)
    if code[:1] == b"\x55" and code[1:3] in _FRAME_SETUP:
        return 0
    if code[:3] in (b"\x8b\xff\x55", b"\xcc\xc3"):  # hot-patch prolog, and DbgBreakPoint with its return
        return 0
    if code[:2] in _FRAME_SETUP and _read_available(memory, eip - 1, 1) == b"\x55":
        return 4
    return None


def _read_available(memory: MemoryReader, address: int, size: int) -> bytes:
    try:
        return memory.read(address & _MASK, size)
    except MemoryReadError as error:
        return error.partial
