"""Instructions as values: forward, backward, and what the current one is about to do.

Decoding is capstone's; the spelling is in `masm`. Memory comes through a `MemoryReader`; where it ends, one
instruction without data says so and the listing stops.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import capstone
from capstone import x86_const

from kdnb.debugger import arm64_text
from kdnb.debugger.masm import absolute_operand, branch_target, spell
from kdnb.errors import MemoryReadError, UnsupportedError
from kdnb.protocol.constants import MachineType
from kdnb.results.addresses import format_address
from kdnb.results.disassembly import Instruction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kdnb.debugger.masm import Symbolize
    from kdnb.results.memory import MemoryReader

__all__ = ["annotation", "decoder", "disassemble", "disassemble_before", "effective_addresses", "instruction_size"]

MAX_SIZE = 15
"""Bytes of the longest x86 instruction."""

_MAX_READ = 0x10000
_MAX_FUNCTION = 0x10000  # farther back than this a function is not decoded from its start
_DISPLACED = re.compile(r"\+0x[0-9a-f]+$")
_MODES = {
    MachineType.AMD64: (capstone.CS_ARCH_X86, capstone.CS_MODE_64),
    MachineType.I386: (capstone.CS_ARCH_X86, capstone.CS_MODE_32),
    MachineType.ARM64: (capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM),
}


@lru_cache(maxsize=4)
def decoder(machine: int) -> Any:
    """capstone for a machine, with details. Raises `UnsupportedError`."""
    mode = _MODES.get(MachineType(machine)) if machine in list(MachineType) else None
    if mode is None:
        raise UnsupportedError(f"code of machine {machine:#x} can't be disassembled yet", "x64, x86 and ARM64 can")
    made = capstone.Cs(*mode)
    if mode[0] == capstone.CS_ARCH_X86:
        made.syntax = capstone.CS_OPT_SYNTAX_MASM
    made.detail = True
    return made


def disassemble(
    memory: MemoryReader, address: int, count: int, machine: int, symbolize: Symbolize
) -> tuple[Instruction, ...]:
    """`count` instructions from `address` on; fewer where memory ends, the last of them without data."""
    result: list[Instruction] = []
    while len(result) < count:
        size = min((count - len(result)) * MAX_SIZE, _MAX_READ)
        code = _read_available(memory, address, size)
        result += _decode(code, address, count - len(result), machine, symbolize, len(code) < size)
        if len(code) < size:
            break
        address = result[-1].address + result[-1].size
    return tuple(_label(result, symbolize))


def instruction_size(memory: MemoryReader, address: int, machine: int) -> int:
    """Bytes of the instruction at `address`, 1 for what is none. Raises `MemoryReadError` for unreadable code."""
    code = _read_available(memory, address, MAX_SIZE)
    if not code:
        raise MemoryReadError(address, MAX_SIZE)
    found = next(decoder(machine).disasm_lite(code, address, 1), None)
    return int(found[1]) if found else 1


def disassemble_before(
    memory: MemoryReader,
    address: int,
    count: int,
    machine: int,
    symbolize: Symbolize,
    function_start: int | None = None,
) -> tuple[Instruction, ...]:
    """`count` instructions that end where `address` begins (`ub`).

    They are decoded from `function_start` where that is known; otherwise the way of decoding that most starting
    points agree on is taken, which is a guess. Raises `MemoryReadError` when nothing before can be read.
    """
    if machine == MachineType.ARM64:  # all instructions have one size
        function_start = address - 4 * count
    starts = _starts_from(function_start, memory, address, machine) if function_start is not None else []
    if len(starts) < count:
        end = starts[0] if starts else address
        starts = _guess_starts(memory, end, count - len(starts), machine) + starts
    starts = starts[-count:]
    if not starts:
        raise MemoryReadError((address - 1) & 0xFFFFFFFFFFFFFFFF, 1)
    code = memory.read(starts[0], address - starts[0])
    found: list[Instruction] = []
    for start, end in pairwise([*starts, address]):
        # Each on its own bytes: one that would reach into the next is data, and shown as `???`.
        found += _decode(code[start - starts[0] : end - starts[0]], start, 1, machine, symbolize, at_hole=False)
    return tuple(_label(found, symbolize))


# --- forward --------------------------------------------------------------------------------------


def _decode(
    code: bytes, address: int, count: int, machine: int, symbolize: Symbolize, at_hole: bool
) -> list[Instruction]:
    """Instructions in `code`; bytes that are none become `???`. With `at_hole` memory ends behind `code`."""
    code_decoder = decoder(machine)
    step = 4 if machine == MachineType.ARM64 else 1
    result: list[Instruction] = []
    at = 0
    while len(result) < count and at < len(code):
        for found in code_decoder.disasm(code[at:], address + at, count - len(result)):
            result.append(_instruction(found, machine, symbolize))
            at += found.size
        if len(result) >= count or at >= len(code):
            break
        if len(code) - at < MAX_SIZE and not at_hole and result:
            break  # perhaps cut short by the end of this piece: the caller reads on from here
        result.append(Instruction(address + at, code[at : at + step], "???", ""))
        at += step
    if at_hole and len(result) < count:
        result.append(Instruction(address + at, b"", "???", ""))
    return result


def _instruction(found: Any, machine: int, symbolize: Symbolize) -> Instruction:
    if machine == MachineType.ARM64:
        return _arm64_instruction(found, symbolize)
    pointer_size = 8 if machine == MachineType.AMD64 else 4
    mnemonic, operands = spell(found, pointer_size, symbolize)
    return Instruction(
        address=found.address,
        data=bytes(found.bytes),
        mnemonic=mnemonic,
        operands=operands,
        target=branch_target(found, pointer_size),
        is_call=bool(found.group(capstone.CS_GRP_CALL)),
        is_return=bool(found.group(capstone.CS_GRP_RET) or found.group(capstone.CS_GRP_IRET)),
        is_jump=bool(found.group(capstone.CS_GRP_JUMP)),
    )


def _arm64_instruction(found: Any, symbolize: Symbolize) -> Instruction:
    mnemonic, operands = arm64_text.spell(found, symbolize)
    return Instruction(
        address=found.address,
        data=bytes(found.bytes),
        mnemonic=mnemonic,
        operands=operands,
        target=arm64_text.branch_target(found),
        is_call=arm64_text.is_call(found),
        is_return=bool(found.group(capstone.CS_GRP_RET)),
        is_jump=arm64_text.is_jump(found),
        encoding=f"{int.from_bytes(found.bytes, 'little'):08x}",
    )


def _label(instructions: list[Instruction], symbolize: Symbolize) -> list[Instruction]:
    """The same with labels: at the head of the listing, and where a symbol begins."""
    result = []
    for index, instruction in enumerate(instructions):
        name = symbolize(instruction.address) or ""
        starts_listing = index == 0 or not _DISPLACED.search(name)
        result.append(replace(instruction, label=name) if name and starts_listing else instruction)
    return result


def _read_available(memory: MemoryReader, address: int, size: int) -> bytes:
    try:
        return memory.read(address, size)
    except MemoryReadError as error:
        return error.partial


# --- backward -------------------------------------------------------------------------------------


def _starts_from(start: int, memory: MemoryReader, address: int, machine: int) -> list[int]:
    """Where the instructions from `start` to `address` begin; empty if they don't meet `address`."""
    if not 0 < address - start <= _MAX_FUNCTION:
        return []
    code = _read_available(memory, start, address - start)
    starts, at = [], start
    for found_address, size, _, _ in decoder(machine).disasm_lite(code, start):
        starts.append(found_address)
        at = found_address + size
    return starts if at == address else []


def _guess_starts(memory: MemoryReader, address: int, count: int, machine: int) -> list[int]:
    """Likely starts of the `count` instructions before `address`, ascending; fewer where memory begins."""
    window = (count + 4) * MAX_SIZE
    code = _read_before(memory, address, min(window, address))
    start = address - len(code)
    votes = dict.fromkeys(range(start, address + 1), 1)
    previous: dict[int, list[int]] = {}
    for at in range(start, address):
        # Chains of instructions that begin anywhere soon run together: each place counts the chains through it.
        size = _size_at(code, at - start, machine)
        if size and at + size <= address:
            votes[at + size] += votes[at]
            previous.setdefault(at + size, []).append(at)
    starts: list[int] = []
    at = address
    while len(starts) < count and at > start:
        # Where no instruction ends (a jump table, text), one byte is passed as data.
        at = max(previous[at], key=lambda place: votes[place]) if at in previous else at - 1
        starts.insert(0, at)
    return starts


def _size_at(code: bytes, at: int, machine: int) -> int:
    found = next(decoder(machine).disasm_lite(code[at : at + MAX_SIZE], 0, 1), None)
    return int(found[1]) if found else 0


def _read_before(memory: MemoryReader, address: int, size: int) -> bytes:
    """Up to `size` bytes that end at `address`: all of them, or those of its own page, or half as many and so on."""
    in_page = min(size, (address - 1) % 0x1000 + 1)
    for tried in (size, in_page, *(in_page >> shift for shift in range(1, 8))):
        try:
            return memory.read(address - tried, tried)
        except MemoryReadError:
            continue
    return b""


# --- the current instruction ----------------------------------------------------------------------


def annotation(
    instruction: Instruction, registers: Mapping[str, int], memory: MemoryReader, machine: int, symbolize: Symbolize
) -> str:
    """What `r` and `p` add to the current instruction: `ss:0018:fffff803`5f67a9d0=0000000000000000`, `[br=1]`.

    Question marks stand for memory that can't be read. Empty where there is nothing to say.
    """
    found = next(decoder(machine).disasm(instruction.data, instruction.address, 1), None)
    if found is None or machine == MachineType.ARM64:
        return ""
    if taken := _branch_taken(found, registers):
        return taken
    if found.mnemonic in ("lea", "nop"):
        return ""
    operand = next((item for item in found.operands if item.type == x86_const.X86_OP_MEM), None)
    if operand is None:
        return ""
    return _memory_annotation(found, operand, registers, memory, machine, symbolize)


def effective_addresses(instruction: Instruction, registers: Mapping[str, int], machine: int) -> list[int]:
    """Where the operands in memory of an instruction lie, in its order; none for ARM64."""
    found = next(decoder(machine).disasm(instruction.data, instruction.address, 1), None)
    if found is None or machine == MachineType.ARM64:
        return []
    operands = (item for item in found.operands if item.type == x86_const.X86_OP_MEM)
    return [_effective_address(found, item, registers, machine)[1] for item in operands]


def _effective_address(found: Any, operand: Any, registers: Mapping[str, int], machine: int) -> tuple[int, int]:
    """The offset that an operand names, and where that lies: behind the base of fs or gs."""
    pointer_size = 8 if machine == MachineType.AMD64 else 4
    mask = (1 << 8 * pointer_size) - 1
    offset = absolute_operand(found, pointer_size)
    if offset is None:
        base = found.reg_name(operand.mem.base) if operand.mem.base else ""
        index = found.reg_name(operand.mem.index) if operand.mem.index else ""
        offset = registers.get(base, 0) + registers.get(index, 0) * operand.mem.scale + operand.mem.disp
    segment = found.reg_name(operand.mem.segment) if operand.mem.segment else ""
    place = offset + (registers.get(f"{segment}_base", 0) if segment in ("fs", "gs") else 0)
    return offset & mask, place & mask


def _memory_annotation(
    found: Any, operand: Any, registers: Mapping[str, int], memory: MemoryReader, machine: int, symbolize: Symbolize
) -> str:
    pointer_size = 8 if machine == MachineType.AMD64 else 4
    address, place = _effective_address(found, operand, registers, machine)
    base = found.reg_name(operand.mem.base) if operand.mem.base else ""
    segment = found.reg_name(operand.mem.segment) if operand.mem.segment else ""
    segment = segment or ("ss" if base in ("rsp", "rbp", "esp", "ebp") else "ds")
    data = None
    if segment not in ("fs", "gs") or f"{segment}_base" in registers:
        data = _read_available(memory, place, operand.size)
    value = _value(data, operand.size)
    is_branch = found.group(capstone.CS_GRP_JUMP) or found.group(capstone.CS_GRP_CALL)
    if is_branch and data and (name := symbolize(int.from_bytes(data, "little"))):
        value = f"{{{name} ({format_address(int.from_bytes(data, 'little'), pointer_size)})}}"
    selector = f"{registers[segment]:04x}:" if segment in registers else ""
    return f"{segment}:{selector}{format_address(address, pointer_size)}={value}"


def _value(data: bytes | None, size: int) -> str:
    if not data or len(data) < size:
        return "??" * size
    return data[::-1].hex()


def _branch_taken(found: Any, registers: Mapping[str, int]) -> str:
    """`[br=1]` or `[br=0]` for conditional jumps; empty for everything else."""
    name = found.mnemonic
    if name in ("jrcxz", "jecxz"):
        counter = registers.get("rcx", registers.get("ecx", 0))
        return f"[br={int(counter & (0xFFFFFFFF if name == 'jecxz' else -1) == 0)}]"
    flags = registers.get("efl", registers.get("eflags"))
    if flags is None or not name.startswith("j"):
        return ""
    carry, parity, zero, sign, overflow = (bool(flags >> bit & 1) for bit in (0, 2, 6, 7, 11))
    conditions = {
        "o": overflow, "b": carry, "e": zero, "be": carry or zero,
        "s": sign, "p": parity, "l": sign != overflow, "le": zero or sign != overflow,
        "no": not overflow, "ae": not carry, "ne": not zero, "a": not (carry or zero),
        "ns": not sign, "np": not parity, "ge": sign == overflow, "g": not zero and sign == overflow,
    }  # fmt: skip
    condition = conditions.get(name[1:])
    return "" if condition is None else f"[br={int(condition)}]"
