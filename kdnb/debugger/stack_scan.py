"""The last resort of a stack walk: a word on the stack that points behind a call inside known code.

What it finds is a guess: words of older calls lie around on every stack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.errors import MemoryReadError, SymbolFileError
from kdnb.protocol.constants import MachineType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kdnb.debugger.unwind_step import ModuleLookup
    from kdnb.results.memory import MemoryReader

__all__ = ["follows_call", "scan_for_caller"]

SCANNED = 0x400
"""Bytes of stack that are looked through: further away a hit means little."""

_NAMES = {MachineType.AMD64: ("rip", "rsp", 8), MachineType.I386: ("eip", "esp", 4), MachineType.ARM64: ("pc", "sp", 8)}
_LONGEST_CALL = 7


def scan_for_caller(
    registers: Mapping[str, int], machine: MachineType, memory: MemoryReader, modules: ModuleLookup
) -> dict[str, int] | None:
    """The registers behind the first return address on the stack; None where there is none."""
    pc_name, sp_name, size = _NAMES[machine]
    sp = registers[sp_name] & -size
    try:
        data = memory.read(sp, SCANNED)
    except MemoryReadError as error:
        data = error.partial
    for at in range(0, len(data) - size + 1, size):
        value = int.from_bytes(data[at : at + size], "little")
        if value and is_return_address(value, machine, memory, modules):
            return {**registers, pc_name: value, sp_name: sp + at + size}
    return None


def is_return_address(value: int, machine: MachineType, memory: MemoryReader, modules: ModuleLookup) -> bool:
    """Whether it lies in a module's code, behind a call."""
    module = modules.find(value - 1)
    image = module.image if module is not None else None
    if module is None or image is None:
        return False
    try:
        section = image.section_of(value - 1 - module.base)
        if section is None or not section.is_code:
            return False
        before = memory.read(value - _LONGEST_CALL, _LONGEST_CALL)
    except (MemoryReadError, SymbolFileError):
        return False
    return follows_call(before, machine)


def follows_call(before: bytes, machine: MachineType) -> bool:
    """Whether the seven bytes `before` an address end with a call."""
    if machine == MachineType.ARM64:
        word = int.from_bytes(before[3:7], "little")
        return word >> 26 == 0x25 or word & 0xFFFFFC1F == 0xD63F0000  # bl, blr
    if before[2] == 0xE8:
        return True
    # call r/m (FF /2) in each of its lengths: a register, or memory with a displacement of 0, 1 or 4 bytes.
    for length in range(2, 8):
        opcode, form = before[7 - length], before[8 - length]
        if opcode == 0xFF and form >> 3 & 7 == 2 and _length(form) == length:
            return True
    return False


def _length(form: int) -> int:
    """Bytes of FF with the ModRM byte `form`."""
    mode, place = form >> 6, form & 7
    if mode == 3:
        return 2
    scaled = int(place == 4)
    if mode == 0:
        return 2 + scaled + (4 if place == 5 else 0)
    return 2 + scaled + (1 if mode == 1 else 4)
