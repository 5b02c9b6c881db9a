"""The small dump of a real Windows 10 kernel (build 19041) as a target: TRIAGE_DUMP64 of public headers.

It holds the processor's block, the current process and thread, a stack, the loader's entries, KDBG, and some thousand
pieces of memory that the kernel thought worth keeping.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kdnb.debugger.debugger_data import KdDebuggerData64
from kdnb.debugger.loader_entry import LoaderEntry64
from kdnb.protocol.constants import MachineType
from kdnb.protocol.context.amd64 import AMD64Context, AMD64SpecialRegisters
from kdnb.protocol.messages.version import VersionBody
from tests.debugger.memory_target import MemoryMachine

if TYPE_CHECKING:
    from pathlib import Path

TRIAGE = 0x2000
"""Of the triage header; offsets in it count from the start of the file."""
PRCB, PROCESS, THREAD, STACK, STACK_SIZE = (TRIAGE + 4 * number for number in (7, 8, 9, 10, 11))
DRIVERS, DRIVER_COUNT = TRIAGE + 4 * 12, TRIAGE + 4 * 13
TOP_OF_STACK, KDBG, BLOCKS, BLOCK_COUNT = TRIAGE + 72, TRIAGE + 112, TRIAGE + 120, TRIAGE + 124
DRIVER_ENTRY = 8 + LoaderEntry64.SIZE
"""DUMP_DRIVER_ENTRY64: offset of the name, then KLDR_DATA_TABLE_ENTRY."""
SPECIAL_SIZE = 0xF0
"""KSPECIAL_REGISTERS of that build: what lies before its CONTEXT."""
POINTER_TO_KDBG, DRIVER_LIST, DRIVER_ROOM = 0xFFFFF80000000000, 0xFFFFF80000001000, 0x400
"""Places that the dump doesn't use."""


def triage_machine(path: Path) -> MemoryMachine:
    data = path.read_bytes()

    def u32(offset: int) -> int:
        return int.from_bytes(data[offset : offset + 4], "little")

    def u64(offset: int) -> int:
        return int.from_bytes(data[offset : offset + 8], "little")

    kdbg, kdbg_at = KdDebuggerData64.decode(data[u32(KDBG) :]), u64(0x80)
    machine = MemoryMachine(
        version=VersionBody(
            major=u32(8), minor=u32(12), protocol=6, machine=MachineType.AMD64, kernel_base=kdbg.kern_base,
            loaded_module_list=u64(0x20), debugger_data_list=POINTER_TO_KDBG,
        ),
        context=AMD64Context.decode(data[0x348:]),
    )  # fmt: skip
    for at in range(u32(BLOCKS), u32(BLOCKS) + 16 * u32(BLOCK_COUNT), 16):
        address, offset, size = struct.unpack_from("<QII", data, at)
        machine.put(address, data[offset : offset + size])
    machine.put(u64(TOP_OF_STACK), data[u32(STACK) : u32(STACK) + u32(STACK_SIZE)])
    machine.put(kdbg_at, data[u32(KDBG) : u32(KDBG) + kdbg.size])
    machine.put_pointer(POINTER_TO_KDBG, kdbg_at)
    prcb, thread = data[u32(PRCB) : u32(PRCB) + kdbg.size_prcb], data[u32(THREAD) :][: kdbg.size_ethread]
    machine.thread = int.from_bytes(prcb[kdbg.offset_prcb_current_thread :][:8], "little")
    machine.special = AMD64SpecialRegisters.decode(prcb[kdbg.offset_prcb_proc_state_special_reg :][:SPECIAL_SIZE])
    machine.processor = int.from_bytes(prcb[kdbg.offset_prcb_number :][:4], "little")
    machine.prcbs = tuple(machine.pointer(kdbg.ki_processor_block + 8 * number) for number in range(u32(0x34)))
    process = int.from_bytes(thread[kdbg.offset_kthread_apc_process :][:8], "little")
    machine.put(machine.prcbs[machine.processor], prcb)
    machine.put(machine.thread, thread)
    machine.put(process, data[u32(PROCESS) :][: kdbg.size_eprocess])
    _put_drivers(machine, data, u32(DRIVERS), u32(DRIVER_COUNT))
    return machine


def _put_drivers(machine: MemoryMachine, data: bytes, start: int, count: int) -> None:
    """The loader's list: entries as the dump has them, but for links and names, which it leaves out and keeps apart."""
    head, places = machine.version.loaded_module_list, [DRIVER_LIST + DRIVER_ROOM * index for index in range(count)]
    for index, place in enumerate(places):
        at = start + index * DRIVER_ENTRY
        name_at = int.from_bytes(data[at : at + 4], "little")
        length = 2 * int.from_bytes(data[name_at : name_at + 4], "little")
        entry = LoaderEntry64.decode(data[at + 8 : at + DRIVER_ENTRY]).replace(
            next=places[index + 1] if index + 1 < count else head,
            previous=places[index - 1] if index else head,
            path_length=length,
            path_buffer=place + LoaderEntry64.SIZE,
        )
        machine.put(place, entry.encode() + data[name_at + 4 : name_at + 4 + length])
    machine.put(head, struct.pack("<QQ", places[0], places[-1]))
