"""The rest of an x86 function, where it runs straight to its return: what it does to the stack is carried out.

Unlike on x64 nothing obliges a compiler to certain forms of an epilog, and MSVC mixes other instructions into it. But
where no branch and no call comes before the return, following the instructions tells for sure where the return
address lies. The way out of a trap is such code too; it ends with `iretd`.
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

__all__ = ["follows_cookie_check", "run_epilog"]

_MASK = 0xFFFFFFFF
_REGISTERS = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")
_KEPT = ("ebx", "ebp", "esi", "edi")
_COOKIE_CHECK = b"\x3b\x0d"
"""`cmp ecx, [__security_cookie]`: how __security_check_cookie begins, which keeps all registers and the stack."""


def run_epilog(
    code: bytes,
    address: int,
    registers: Mapping[str, int],
    memory: MemoryReader,
    bounds: tuple[int, int] | None = None,
) -> tuple[dict[str, int], bool] | None:
    """The registers at the return that `code` runs straight to, and whether that is an `iretd`.

    None in the rest of a function's body. A jump out of `bounds` (the function's addresses) is a tail call; without
    bounds no jump is taken for one. Raises `MemoryReadError`.
    """
    run = _Run(registers, memory)
    for one in decoder(MachineType.I386).disasm(code, address):
        if one.group(capstone.CS_GRP_RET) or one.mnemonic == "iretd" or _leaves(one, bounds):
            return run.registers(one.mnemonic == "iretd")
        if one.group(capstone.CS_GRP_JUMP) or not run.execute(one):
            return None
    return None


def follows_cookie_check(address: int, memory: MemoryReader) -> bool:
    """Whether an address lies behind a call of __security_check_cookie: in an epilog, most of which has run."""
    try:
        call = memory.read((address - 5) & _MASK, 5)
        if call[0] != 0xE8:
            return False
        return memory.read(address + int.from_bytes(call[1:], "little", signed=True) & _MASK, 2) == _COOKIE_CHECK
    except MemoryReadError:
        return False


def _leaves(one: Any, bounds: tuple[int, int] | None) -> bool:
    """Whether it is a jump to another function."""
    if one.mnemonic != "jmp" or bounds is None:
        return False
    (operand,) = one.operands
    if operand.type == x86_const.X86_OP_IMM:
        return not bounds[0] < operand.imm & _MASK < bounds[1]
    return bool(one.bytes[:2] == b"\xff\x25")  # through the import table


class _Run:
    """Registers and what was pushed; a value that isn't followed is None."""

    def __init__(self, registers: Mapping[str, int], memory: MemoryReader) -> None:
        self._start = registers
        self._values: dict[str, int | None] = {name: registers.get(name) for name in _REGISTERS}
        self._pushed: dict[int, int | None] = {}
        self._memory = memory

    def registers(self, is_interrupt: bool) -> tuple[dict[str, int], bool] | None:
        """The registers as they are now; None where one that matters got lost."""
        known = {name: value for name, value in self._values.items() if value is not None}
        if any(name not in known for name in ("esp", *_KEPT) if self._start.get(name) is not None):
            return None
        return {**self._start, **known}, is_interrupt

    def execute(self, one: Any) -> bool:
        """Carry out what it does to the stack; False for what can't be followed."""
        esp = self._values["esp"]
        if esp is None:
            return False
        match one.mnemonic:
            case "push":
                self._push(esp, self._value(one, 0))
            case "pop":
                return self._pop(one, esp)
            case "leave":
                frame = self._values["ebp"]
                if frame is None:
                    return False
                self._values["esp"], self._values["ebp"] = (frame + 4) & _MASK, self._read(frame)
            case "call":
                return self._is_cookie_check(one)
            case "add" | "sub" if _target(one) == "esp":
                if one.operands[1].type != x86_const.X86_OP_IMM:
                    return False
                by = one.operands[1].imm if one.mnemonic == "add" else -one.operands[1].imm
                self._values["esp"] = (esp + by) & _MASK
            case "mov" | "lea" if _target(one) in ("esp", "ebp"):
                self._values[_target(one)] = self._value(one, 1)
            case _:
                return self._other(one)
        return True

    def _push(self, esp: int, value: int | None) -> None:
        at = (esp - 4) & _MASK
        self._values["esp"], self._pushed[at] = at, value

    def _pop(self, one: Any, esp: int) -> bool:
        register = _target(one)
        if register not in _REGISTERS or register == "esp":
            return False
        self._values[register], self._values["esp"] = self._read(esp), (esp + 4) & _MASK
        return True

    def _read(self, address: int) -> int | None:
        return self._pushed[address] if address in self._pushed else read_integer(self._memory, address, 4)

    def _value(self, one: Any, index: int) -> int | None:
        """What an operand holds: a register, a number, or for `lea` a register with a distance."""
        operand = one.operands[index]
        if operand.type == x86_const.X86_OP_IMM:
            return int(operand.imm) & _MASK
        if operand.type == x86_const.X86_OP_REG:
            return self._values.get(one.reg_name(operand.reg))
        base = self._values.get(one.reg_name(operand.mem.base)) if operand.mem.base else None
        if one.mnemonic != "lea" or operand.mem.index or base is None:
            return None
        return int(base + operand.mem.disp) & _MASK

    def _is_cookie_check(self, one: Any) -> bool:
        (operand,) = one.operands
        if operand.type != x86_const.X86_OP_IMM:
            return False
        try:
            return self._memory.read(operand.imm & _MASK, 2) == _COOKIE_CHECK
        except MemoryReadError:
            return False

    def _other(self, one: Any) -> bool:
        """Any other instruction: what it writes is lost, unless that is the stack pointer."""
        if one.group(capstone.CS_GRP_INT) or one.group(capstone.CS_GRP_PRIVILEGE):
            return False
        for register in one.regs_access()[1]:
            name = one.reg_name(register)
            if name in ("esp", "sp"):
                return False
            if name in _REGISTERS:
                self._values[name] = None
        return True


def _target(one: Any) -> str:
    """The register that an instruction's first operand is; empty for memory."""
    operand = one.operands[0]
    return str(one.reg_name(operand.reg)) if operand.type == x86_const.X86_OP_REG else ""
