"""The tables of `switch` statements, as the instructions that use them name them.

Compilers keep them behind the code or in the middle of it, where they would be taken for instructions. On x64 MSVC's
entries are RVAs (`mov ecx, [rdx+rax*4+2A3Ch]`, with the image base in rdx), on x86 addresses
(`jmp dword ptr [eax*4+table]`). A table of bytes may stand before it, which maps values to its entries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from capstone import x86_const

from kdnb.debugger.disassembly import decoder
from kdnb.protocol.constants import MachineType

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.results.disassembly import Instruction

__all__ = ["ENTRY_SIZE", "JumpTable", "jump_table", "table_targets"]

ENTRY_SIZE = 4
_MOST_ENTRIES = 1024
_HEADERS = 0x1000
"""Below that there is no section: a small number is the offset of a field."""
_MASK = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class JumpTable:
    address: int
    is_map: bool
    """A table of bytes, which maps values to entries of another one."""
    base: int
    """What is added to an entry to get an address."""


def jump_table(instruction: Instruction, machine: int, image_base: int) -> JumpTable | None:
    """The table that an instruction seems to read from; only its entries tell for sure."""
    if machine not in (MachineType.AMD64, MachineType.I386) or "[" not in instruction.operands:
        return None
    found = next(decoder(machine).disasm(instruction.data, instruction.address, 1), None)
    for operand in found.operands if found is not None else ():
        if operand.type != x86_const.X86_OP_MEM or operand.mem.segment:
            continue
        has_base = bool(operand.mem.base)
        if machine == MachineType.AMD64:
            if not (operand.mem.index and has_base) or operand.mem.disp < _HEADERS:
                continue
            address, base = image_base + operand.mem.disp, image_base
        else:
            if not (operand.mem.index or has_base):
                continue
            address, base = operand.mem.disp & _MASK, 0
        if operand.mem.scale == ENTRY_SIZE and operand.size == ENTRY_SIZE:
            return JumpTable(address, is_map=False, base=base)
        if operand.mem.scale == 1 and operand.size == 1 and instruction.mnemonic in ("movzx", "mov"):
            return JumpTable(address, is_map=True, base=base)
    return None


def table_targets(
    table: JumpTable,
    read: Callable[[int, int], bytes],
    is_inside: Callable[[int], bool],
    is_code: Callable[[int], bool],
) -> list[int]:
    """Where the entries lead to, up to the first that leaves the function or where code begins; none for what is
    no such table. `read` may give fewer bytes than asked for.
    """
    targets: list[int] = []
    piece = 16 * ENTRY_SIZE
    while len(targets) < _MOST_ENTRIES:
        at = table.address + ENTRY_SIZE * len(targets)
        data = read(at, piece)
        for offset in range(0, len(data) - ENTRY_SIZE + 1, ENTRY_SIZE):
            target = table.base + int.from_bytes(data[offset : offset + ENTRY_SIZE], "little")
            if is_code(at + offset) or not is_inside(target):
                return targets
            targets.append(target)
        if len(data) < piece:
            break
    return targets
