"""From one x86 frame to its caller by the chain of saved EBPs (the protocol reference 8.4).

A simple walker: functions that use EBP for something else break it. The first instruction of a function and
a return are recognised by their bytes, where EBP still is, or again is, the caller's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.debugger.unwind_step import UnwindStep, read_integer
from kdnb.errors import MemoryReadError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kdnb.results.memory import MemoryReader

__all__ = ["unwind_x86"]

_MASK = 0xFFFFFFFF
_FRAME_SETUP = (b"\x8b\xec", b"\x89\xe5")  # mov ebp, esp in both encodings


def unwind_x86(registers: Mapping[str, int], memory: MemoryReader, exact: bool) -> UnwindStep:
    """The caller of the frame; `exact` as for x64. Raises `MemoryReadError` for the stack."""
    esp, ebp, eip = (registers[name] & _MASK for name in ("esp", "ebp", "eip"))
    pushed = _bytes_on_stack(memory, eip) if exact else None
    if pushed is not None:
        return_slot = esp + pushed
        caller_ebp = read_integer(memory, esp, 4) if pushed else ebp
        return _step(registers, memory, return_slot, caller_ebp, esp - 4 if not pushed else esp)
    caller_ebp = read_integer(memory, ebp, 4)
    return _step(registers, memory, ebp + 4, caller_ebp, ebp)


def _step(
    registers: Mapping[str, int], memory: MemoryReader, return_slot: int, caller_ebp: int, frame_pointer: int
) -> UnwindStep:
    caller = dict(registers)
    caller.update(eip=read_integer(memory, return_slot & _MASK, 4), ebp=caller_ebp, esp=(return_slot + 4) & _MASK)
    return UnwindStep(caller, frame_pointer=frame_pointer & _MASK)


def _bytes_on_stack(memory: MemoryReader, eip: int) -> int | None:
    """Bytes above the return address where no frame stands at `eip`; None in a body with its frame."""
    code = _read_available(memory, eip, 5)
    if code[:1] in (b"\xc3", b"\xc2") or (code[:1] == b"\x55" and code[1:3] in _FRAME_SETUP):
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
