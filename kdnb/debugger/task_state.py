"""The registers that a task switch leaves in a TSS of x86 (the layout is the processor manuals')."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kdnb.debugger.segments import read_descriptor
from kdnb.errors import ExpressionError, UnsupportedError
from kdnb.protocol.constants import MachineType

if TYPE_CHECKING:
    from kdnb.debugger.session import Session

__all__ = ["MAIN_TASK", "read_task"]

MAIN_TASK = 0x28
"""Selector of the TSS in which every Windows for x86 runs, but for double faults and NMIs (KGDT_TSS)."""

_LARGEST_SELECTOR = 0xFFFF
_TASK_KINDS = (9, 0xB)  # a 32-bit TSS, available or busy
_REGISTERS = (
    "eip", "efl", "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "es", "cs", "ss", "ds", "fs", "gs",
)  # fmt: skip
_SEGMENTS = frozenset(("es", "cs", "ss", "ds", "fs", "gs"))
_FORM = struct.Struct(f"<{len(_REGISTERS)}I")
_FIRST = 0x20  # of EIP in the TSS


def read_task(session: Session, selector: int) -> dict[str, int]:
    """The registers of the task whose TSS `selector` names, of the processor that is looked at.

    Raises `UnsupportedError` where there are no such tasks, `ExpressionError` for what is no TSS, `MemoryReadError`.
    """
    if session.machine != MachineType.I386:
        raise UnsupportedError("only x86 keeps registers in a TSS", "kv shows trap frames, .trap their registers")
    limit = session.registers.get("gdtl")
    if not 0 < selector <= _LARGEST_SELECTOR or selector & 4 or (selector & ~7) + 7 > limit:
        raise ExpressionError(f"{selector:#x} is no selector of the GDT", f"dg 0 {limit & ~7:x} shows all")
    descriptor = read_descriptor(session, selector & ~7)
    if not descriptor.is_system or not descriptor.is_present or descriptor.access & 0xF not in _TASK_KINDS:
        raise ExpressionError(f"{selector:#x} is no 32-bit TSS", f"dg {selector:x} shows what it is")
    found = _FORM.unpack(session.memory.read(descriptor.base + _FIRST, _FORM.size))
    values = dict(zip(_REGISTERS, found, strict=True))
    return {name: value & 0xFFFF if name in _SEGMENTS else value for name, value in values.items()}
