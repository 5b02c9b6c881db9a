"""Task switches of x86: an interrupt through a task gate saves the registers in one TSS and loads another's.

The layout of a TSS and what a switch does are the processor manuals'. Only what an interrupt or exception does is here:
it nests, so that the new task's back link leads to the interrupted one.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kdnb.simulator.cpu import Processor

__all__ = ["NESTED_TASK", "enter_task"]

NESTED_TASK = 0x4000
"""NT in EFLAGS: an iret would go back to the task of the back link."""

_TASK_SWITCHED = 8  # TS in CR0
_AVAILABLE, _BUSY_BIT, _PRESENT = 9, 2, 0x80
_CR3, _SAVED = 0x1C, 0x20
_REGISTERS = (
    "eip", "eflags", "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "es", "cs", "ss", "ds", "fs", "gs",
)  # fmt: skip
_DATA_SEGMENTS = ("es", "ss", "ds", "fs", "gs")
_FORM = struct.Struct(f"<{len(_REGISTERS)}I")


def enter_task(processor: Processor, selector: int) -> bool:
    """Leave the present task for the one of a TSS descriptor; False where there is none that is free."""
    old_selector, old, _limit = processor.table_register("tr")
    entry = processor.table_register("gdtr")[1] + (selector & ~7)
    descriptor = processor.read(entry, 8)
    if len(descriptor) < 8 or descriptor[5] & 0x9F != _PRESENT | _AVAILABLE:
        return False
    limit, low, middle, _access, _flags, high = struct.unpack("<HHBBBB", descriptor)
    new = low | middle << 16 | high << 24
    state = processor.read(new + _SAVED, _FORM.size)
    if len(state) < _FORM.size:
        return False
    processor.write(old + _SAVED, _FORM.pack(*(processor.get(name) for name in _REGISTERS)))
    processor.write(new, struct.pack("<H", old_selector))
    processor.write(entry + 5, bytes([descriptor[5] | _BUSY_BIT]))
    processor.set("cr3", processor.read_number(new + _CR3, 4))
    processor.set("cr0", processor.get("cr0") | _TASK_SWITCHED)
    processor.set_task_register(selector, new, limit)
    for name, value in zip(_REGISTERS, _FORM.unpack(state), strict=True):
        if name in _DATA_SEGMENTS and value == processor.get(name):
            continue  # the base that it has may not be the descriptor's
        processor.set(name, value)
    processor.set("eflags", processor.get("eflags") | NESTED_TASK)
    return True
