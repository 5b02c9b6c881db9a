"""Capstone's ARM64 text in WinDbg's spelling: `stp  fp,lr,[sp,#-0x10]!`, `beq  nt!X+0x10 (fffff803`59e0b2d0)`.

Knows text and one instruction, no memory. A guess where no public listing shows the form.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import capstone
from capstone import arm64_const

from kdnb.results.addresses import format_address

if TYPE_CHECKING:
    from kdnb.debugger.masm import Symbolize

__all__ = ["branch_target", "is_call", "is_jump", "spell"]

_REGISTER = re.compile(r"\bx(29|30)\b")
_NUMBER = re.compile(r"#(-?)(0x[0-9a-f]+|\d+)")
_NAMED_OPERAND = ("adr", "adrp", "ldr", "ldrsw", "prfm")
"""Instructions whose immediate operand is an address."""


def is_call(instruction: Any) -> bool:
    return instruction.mnemonic in ("bl", "blr", "blraa", "blrab", "blraaz", "blrabz")


def is_jump(instruction: Any) -> bool:
    return bool(instruction.group(capstone.CS_GRP_JUMP)) and not is_call(instruction)


def branch_target(instruction: Any) -> int | None:
    """Where a direct branch or call goes."""
    if not (is_call(instruction) or is_jump(instruction)):
        return None
    return _immediate(instruction)


def _immediate(instruction: Any) -> int | None:
    last = instruction.operands[-1] if instruction.operands else None
    return int(last.imm) & 0xFFFFFFFFFFFFFFFF if last is not None and last.type == arm64_const.ARM64_OP_IMM else None


def spell(instruction: Any, symbolize: Symbolize) -> tuple[str, str]:
    """Mnemonic and operands of a capstone instruction (with detail)."""
    mnemonic = instruction.mnemonic
    if mnemonic.startswith("b."):
        mnemonic = f"b{mnemonic[2:]}"
    operands = [_operand(part) for part in instruction.op_str.split(", ")] if instruction.op_str else []
    target = branch_target(instruction)
    if target is None and instruction.mnemonic in _NAMED_OPERAND:
        target = _immediate(instruction)
    if target is not None:
        name, plain = symbolize(target), format_address(target, 8)
        operands[-1] = f"{name} ({plain})" if name else plain
    return mnemonic, ",".join(operands)


def _operand(text: str) -> str:
    text = _REGISTER.sub(lambda found: {"29": "fp", "30": "lr"}[found[1]], text)
    return _NUMBER.sub(lambda found: f"#{found[1]}{_number(int(found[2], 0))}", text)


def _number(value: int) -> str:
    return f"0x{value:X}" if value > 9 else str(value)
