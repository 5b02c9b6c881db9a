"""The caller of an x86 function that is stopped in its prolog, by the instructions that have run of it.

MSVC's frame data say how the frame looks when it is there, and how long the prolog is, but not what holds inside it.
A prolog is straight code: pushes, the frame pointer, room for locals. Where it is more than that nothing is said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import capstone
from capstone import x86_const

from kdnb.debugger.disassembly import decoder
from kdnb.debugger.unwind_step import read_integer
from kdnb.errors import MemoryReadError
from kdnb.protocol.constants import MachineType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kdnb.results.memory import MemoryReader

__all__ = ["undo_prolog"]

_MASK = 0xFFFFFFFF
_MOST = 0x200
"""Bytes of a prolog: those with exception frames take about forty."""
_KEPT = ("ebx", "ebp", "esi", "edi")
_PROBE = b"\x51\x8d\x4c\x24"
"""`push ecx; lea ecx, [esp + n]`: how _chkstk begins, which takes as many bytes of stack as eax says."""


def undo_prolog(begin: int, at: int, registers: Mapping[str, int], memory: MemoryReader) -> dict[str, int] | None:
    """The registers at the call of the function at `begin`, when the instruction at `at` is next; `esp` points to the
    return address. None where that can't be told. Raises `MemoryReadError` for the stack.
    """
    ran = _instructions(begin, at, memory)
    if ran is None:
        return None
    stack = _Stack(memory)
    constant: int | None = None
    for one in ran:
        if not stack.take(one, constant):
            return None
        is_constant = one.mnemonic == "mov" and _is_register(one, 0, "eax") and _is_number(one, 1)
        constant = one.operands[1].imm & _MASK if is_constant else None
    return stack.undo(registers)


class _Stack:
    """How deep the stack is below the return address, and what was pushed where."""

    def __init__(self, memory: MemoryReader) -> None:
        self._memory = memory
        self._depth = 0
        self._saved: dict[str, tuple[bool, int]] = {}
        self._frame: tuple[str, int] | None = None
        """The register that points to the frame, and at which depth."""
        self._is_aligned = False
        """Whether `and esp, -8` has made the depth unknown: it counts from there then."""

    def take(self, one: Any, constant: int | None) -> bool:
        """Follow an instruction; `constant` is what the one before put into eax. False for what can't be followed."""
        match one.mnemonic:
            case "push":
                self._depth += 4
                if one.operands[0].type == x86_const.X86_OP_REG:
                    self._saved.setdefault(one.reg_name(one.operands[0].reg), (self._is_aligned, self._depth))
            case "call":
                if constant is None or not self._is_probe(one):
                    return False
                self._depth += constant + 3 & ~3
            case "sub" | "add" if _is_register(one, 0, "esp") and _is_number(one, 1):
                self._depth += one.operands[1].imm if one.mnemonic == "sub" else -one.operands[1].imm
            case "mov" if self._frame is None and _is_register(one, 1, "esp"):
                self._frame = one.reg_name(one.operands[0].reg), self._depth
            case "and" if _is_register(one, 0, "esp") and self._frame is not None:
                self._is_aligned, self._depth = True, 0
            case _:
                return not _changes_stack(one)
        return True

    def _is_probe(self, call: Any) -> bool:
        try:
            return _is_number(call, 0) and self._memory.read(call.operands[0].imm & _MASK, 4) == _PROBE
        except MemoryReadError:
            return False

    def undo(self, registers: Mapping[str, int]) -> dict[str, int]:
        top = registers["esp"] + self._depth
        entry = top
        if self._is_aligned and self._frame is not None:
            entry = registers[self._frame[0]] + self._frame[1]
        slots = {
            name: (top if is_aligned else entry) - depth
            for name, (is_aligned, depth) in self._saved.items()
            if name in _KEPT
        }
        values = {name: read_integer(self._memory, slot & _MASK, 4) for name, slot in slots.items()}
        return {**registers, **values, "esp": entry & _MASK}


def _instructions(begin: int, at: int, memory: MemoryReader) -> list[Any] | None:
    """Those from `begin` on that end exactly at `at`."""
    if not 0 <= at - begin <= _MOST:
        return None
    try:
        code = memory.read(begin, at - begin) if at > begin else b""
    except MemoryReadError:
        return None
    found = list(decoder(MachineType.I386).disasm(code, begin))
    return found if sum(one.size for one in found) == len(code) else None


def _is_register(one: Any, index: int, name: str) -> bool:
    operand = one.operands[index] if index < len(one.operands) else None
    return bool(operand is not None and operand.type == x86_const.X86_OP_REG and one.reg_name(operand.reg) == name)


def _is_number(one: Any, index: int) -> bool:
    return bool(one.operands[index].type == x86_const.X86_OP_IMM)


def _changes_stack(one: Any) -> bool:
    """Whether it moves the stack pointer in a way that isn't followed here, or leaves straight code."""
    if one.group(capstone.CS_GRP_JUMP) or one.group(capstone.CS_GRP_RET) or one.group(capstone.CS_GRP_INT):
        return True
    _, written = one.regs_access()
    return x86_const.X86_REG_ESP in written
