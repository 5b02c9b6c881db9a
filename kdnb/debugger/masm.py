"""Capstone's MASM text in WinDbg's spelling: `qword ptr [rsp+48h]`, `call    nt!X (fffff803`59e0b2d0)`, `int     3`.

Knows text and one instruction, no memory. The layout is that of the command reference 7.5.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import capstone
from capstone import x86_const

from kdnb.results.addresses import format_address

__all__ = ["Symbolize", "branch_target", "is_relative", "spell"]

Symbolize = Callable[[int], str | None]
"""`module!name+0x1c` for an address, None outside all modules."""

_NUMBER = re.compile(r"\b([0-9][0-9a-f]*)h\b")
_NEGATIVE = re.compile(r"^-(0?[0-9a-f]+)h?$", re.IGNORECASE)
_SEGMENT = re.compile(r"\b[c-gs]s:")
# String instructions: (operands kept, in WinDbg's order) by the mnemonic without its size letter.
_STRING_OPERANDS = {
    "stos": (0,),
    "lods": (1,),
    "scas": (1,),
    "movs": (0, 1),
    "cmps": (0, 1),
    "ins": (0, 1),
    "outs": (0, 1),
}
_STRING = re.compile(r"(?:(\w+) )?(stos|lods|scas|movs|cmps|ins|outs)[bwdq]")


def is_relative(instruction: Any) -> bool:
    """Whether it is a direct jump or call."""
    return bool(instruction.operands) and (
        instruction.operands[0].type == x86_const.X86_OP_IMM
        and (instruction.group(capstone.CS_GRP_JUMP) or instruction.group(capstone.CS_GRP_CALL))
    )


def branch_target(instruction: Any, pointer_size: int) -> int | None:
    """Where a direct jump or call goes."""
    if not is_relative(instruction):
        return None
    target: int = instruction.operands[0].imm
    return target & (1 << 8 * pointer_size) - 1


def spell(instruction: Any, pointer_size: int, symbolize: Symbolize) -> tuple[str, str]:
    """Mnemonic and operands of a capstone instruction (with detail, in MASM syntax)."""
    mnemonic, text = instruction.mnemonic, instruction.op_str
    if mnemonic == "int3":
        return "int", "3"
    if bytes(instruction.bytes) == b"\x66\x90":
        return "xchg", "ax,ax"
    target = branch_target(instruction, pointer_size)
    if target is not None:
        return mnemonic, _with_symbol(target, pointer_size, symbolize)
    operands = [_spell_operand(part, instruction, index) for index, part in enumerate(_split(text))]
    string = _STRING.fullmatch(mnemonic)
    if string and "xmm" not in text:
        return _spell_string(string, operands)
    if mnemonic == "movabs":
        mnemonic = "mov"
    address = absolute_operand(instruction, pointer_size)
    if address is not None:
        operands = [_name_memory(part, address, pointer_size, symbolize) for part in operands]
    return mnemonic, ",".join(operands)


def absolute_operand(instruction: Any, pointer_size: int) -> int | None:
    """The address of a memory operand that depends on no register but `rip`; None without one."""
    for operand in instruction.operands:
        if operand.type != x86_const.X86_OP_MEM or operand.mem.segment or operand.mem.index:
            continue
        mask = (1 << 8 * pointer_size) - 1
        if operand.mem.base == x86_const.X86_REG_RIP:
            return int(instruction.address + instruction.size + operand.mem.disp) & mask
        if operand.mem.base == 0:
            return int(operand.mem.disp) & mask
    return None


def _split(text: str) -> list[str]:
    return text.split(", ") if text else []


def _spell_operand(text: str, instruction: Any, index: int) -> str:
    text = text.replace(" + ", "+").replace(" - ", "-")
    if negative := _NEGATIVE.match(text):
        # Capstone writes small negative numbers with a sign; WinDbg writes the bits of the operand.
        size = instruction.operands[index].size if index < len(instruction.operands) else 8
        digits = negative[1]
        number = -int(digits, 16) & (1 << 8 * size) - 1
        text = f"0{number:x}h"
    return _NUMBER.sub(lambda match: f"{match[1].upper()}h", text)


def _spell_string(string: re.Match[str], operands: list[str]) -> tuple[str, str]:
    prefix, name = string[1], string[2]
    kept = [operands[index] for index in _STRING_OPERANDS.get(name, (0, 1)) if index < len(operands)]
    return f"{prefix} {name}" if prefix else name, ",".join(kept)


def _name_memory(text: str, address: int, pointer_size: int, symbolize: Symbolize) -> str:
    start, end = text.find("["), text.find("]")
    if start < 0 or end < 0 or _SEGMENT.search(text):
        return text
    if pointer_size == 4 and symbolize(address) is None:
        return f"{text[:start]}ds:{text[start:]}"
    return f"{text[:start]}[{_with_symbol(address, pointer_size, symbolize)}]{text[end + 1 :]}"


def _with_symbol(address: int, pointer_size: int, symbolize: Symbolize) -> str:
    name = symbolize(address)
    plain = format_address(address, pointer_size)
    return f"{name} ({plain})" if name else plain
