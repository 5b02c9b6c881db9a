"""What a debugger finds in the guest's memory: module list, KDBG block, processes, threads, stacks."""

from __future__ import annotations

import functools
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from kdnb.debugger.unwind import unwind
from kdnb.errors import MemoryReadError
from kdnb.protocol.constants import MachineType
from kdnb.simulator.events import Trap
from kdnb.symbols.pe import PeImage
from tests.simulator.guest_access import booted, broken_in, context, guest_names, read_pointer, run_to, walk_list

if TYPE_CHECKING:
    from kdnb.simulator.machine import Machine


@pytest.fixture(scope="module")
def machine() -> Machine:
    return booted()


def unicode_string(machine: Machine, address: int) -> str:
    length, buffer = struct.unpack("<H6xQ", machine.read_virtual(0, address, 16))
    return machine.read_virtual(0, buffer, length).decode("utf-16-le")


def test_the_module_list_names_the_kernel_first_and_then_the_drivers(machine: Machine) -> None:
    modules = walk_list(machine, machine.loaded_module_list)

    assert [unicode_string(machine, entry + 0x58) for entry in modules] == [
        "ntoskrnl.exe",
        "disk.sys",
        "ntfs.sys",
        "buggy.sys",
    ]
    assert unicode_string(machine, modules[0] + 0x48) == "\\SystemRoot\\system32\\ntoskrnl.exe"
    assert read_pointer(machine, modules[0] + 0x30) == machine.kernel_base
    for entry, (_name, data, _pdb_name, _pdb) in zip(modules, machine.images()[: len(modules)], strict=True):
        image = PeImage.from_file(data)
        base, start = read_pointer(machine, entry + 0x30), read_pointer(machine, entry + 0x38)
        size, checksum, timestamp = (
            struct.unpack("<I", machine.read_virtual(0, entry + offset, 4))[0] for offset in (0x40, 0x78, 0x9C)
        )
        assert machine.read_virtual(0, base, 2) == b"MZ"
        assert base < start < base + size
        assert (size, checksum, timestamp) == (image.size_of_image, image.checksum, image.timestamp)


def test_the_debugger_data_block_is_found_by_its_list_and_points_into_the_kernel(machine: Machine) -> None:
    names = guest_names()
    block = read_pointer(machine, machine.debugger_data_list)
    data = machine.read_virtual(0, block, 0x380)

    assert block == names["nt!KdDebuggerDataBlock"]
    assert struct.unpack_from("<4sI", data, 0x10) == (b"KDBG", 0x380)
    pointers = {
        0x18: machine.kernel_base,
        0x20: names["nt!DbgBreakPointWithStatus"],
        0x48: names["nt!PsLoadedModuleList"],
        0x50: names["nt!PsActiveProcessHead"],
        0x88: names["nt!KiBugCheckData"],
        0x208: names["nt!NtBuildLab"],
        0x218: names["nt!KiProcessorBlock"],
        0x220: names["nt!MmUnloadedDrivers"],
        0x228: names["nt!MmLastUnloadedDriver"],
    }
    assert {offset: struct.unpack_from("<Q", data, offset)[0] for offset in pointers} == pointers
    current_thread, prcb_size = struct.unpack_from("<H", data, 0x2B4)[0], struct.unpack_from("<H", data, 0x2B0)[0]
    for number in range(2):
        prcb = read_pointer(machine, names["nt!KiProcessorBlock"] + 8 * number)
        assert prcb == machine.prcb(number)
        assert read_pointer(machine, prcb + current_thread) == machine.thread(number)
    assert prcb_size > 0x6C0


def test_the_process_list_holds_a_small_system_with_its_threads(machine: Machine) -> None:
    processes = [entry - 0x448 for entry in walk_list(machine, guest_names()["nt!PsActiveProcessHead"])]
    names = [machine.read_virtual(0, process + 0x5A8, 15).rstrip(b"\0") for process in processes]

    assert names == [b"System", b"smss.exe", b"csrss.exe", b"services.exe", b"explorer.exe", b"notepad.exe"]
    assert read_pointer(machine, guest_names()["nt!PsInitialSystemProcess"]) == processes[0]
    assert read_pointer(machine, processes[0] + 0x440) == 4
    roots = {read_pointer(machine, process + 0x28) for process in processes}
    assert len(roots) == len(processes), "each has an address space of its own"
    for process in processes:
        threads = [entry - 0x4E8 for entry in walk_list(machine, process + 0x5E0)]
        assert threads
        assert all(read_pointer(machine, thread + 0xB8) == process for thread in threads)


def test_parents_of_processes_exist(machine: Machine) -> None:
    processes = [entry - 0x448 for entry in walk_list(machine, guest_names()["nt!PsActiveProcessHead"])]
    identifiers = [read_pointer(machine, process + 0x440) for process in processes]

    assert all(read_pointer(machine, process + 0x540) in identifiers for process in processes[1:])


def test_shared_user_data_tells_the_version_and_the_time(machine: Machine) -> None:
    shared = 0xFFFFF78000000000

    assert struct.unpack("<II", machine.read_virtual(0, shared + 0x26C, 8)) == (10, 0)
    assert machine.read_virtual(0, shared + 0x30, 20).decode("utf-16-le") == "C:\\Windows"
    assert struct.unpack("<I", machine.read_virtual(0, shared + 0x260, 4))[0] == 19041


# --- stacks ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Memory:
    machine: Machine
    processor: int

    def read(self, address: int, size: int) -> bytes:
        data = self.machine.read_virtual(self.processor, address, size)
        if len(data) < size:
            raise MemoryReadError(address, size, data)
        return data


@dataclass(frozen=True)
class LoadedModule:
    name: str
    base: int
    size: int
    image: PeImage


class Modules:
    def __init__(self, machine: Machine) -> None:
        self._modules = []
        for name, data, _pdb_name, _pdb in machine.images():
            file = PeImage.from_file(data)
            base = file.image_base
            # others than those of the boot are loaded later, and those of user mode are only seen in their process
            is_there = machine.read_virtual(0, base, 2)
            image = PeImage.parse(Memory(machine, 0).read, base) if is_there else file
            self._modules.append(LoadedModule(name, base, image.size_of_image, image))

    def find(self, address: int) -> LoadedModule | None:
        return next((m for m in self._modules if m.base <= address < m.base + m.size), None)


@functools.cache
def sorted_names() -> list[tuple[int, str]]:
    return sorted((address, name) for name, address in guest_names().items())


def stack(machine: Machine, processor: int = 0) -> list[str]:
    """Names of the functions on the stack, innermost first; the walk must come to a regular end."""
    registers = context(machine, processor)
    names = ("rip", "rsp", "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", *(f"r{i}" for i in range(8, 16)))
    frames, note = unwind(
        {name: getattr(registers, name) for name in names},
        MachineType.AMD64,
        Memory(machine, processor),
        Modules(machine),
    )
    assert note is None
    assert not [frame.warning for frame in frames if frame.warning]
    return [max(each for each in sorted_names() if each[0] <= frame.lookup_address)[1] for frame in frames]


def test_a_break_in_while_idle_walks_through_the_clock_interrupt_to_the_idle_loop() -> None:
    machine = booted()
    machine.request_break_in()
    run_to(machine, Trap)

    assert stack(machine) == [
        "nt!DbgBreakPointWithStatus",
        "nt!KdCheckForDebugBreak",
        "nt!KeClockInterruptNotify",
        "nt!KiClockInterrupt",
        "nt!HalProcessorIdle",
        "nt!PoIdle",
        "nt!KiIdleLoop",
        "nt!KiInitializeKernel",
        "nt!KiSystemStartup",
    ]
    assert stack(machine, 1)[:3] == ["nt!HalProcessorIdle", "nt!PoIdle", "nt!KiIdleLoop"]


def test_a_file_request_walks_from_the_disk_driver_through_the_system_call_to_the_threads_start() -> None:
    machine = broken_in()
    machine.write_virtual(0, guest_names()["disk!DiskReadWrite"], b"\xcc")
    machine.resume(0x10002, trace=False, dr7=None)
    trap = run_to(machine, Trap)
    names = stack(machine, trap.processor)

    assert names[0] == "disk!DiskReadWrite"
    path = [
        "nt!IofCallDriver",
        "ntfs!NtfsCallDisk",
        "nt!KiSystemServiceCopyEnd",
        "notepad!LoadFile",
        "notepad!WinMainCRTStartup",
        "ntdll!RtlUserThreadStart",
    ]
    assert [name for name in names if name in path] == ["nt!IofCallDriver", path[1], path[0], *path[2:]]
    assert names[names.index("nt!KiSystemServiceCopyEnd") + 1] in ("ntdll!NtCreateFile", "ntdll!NtReadFile")


def test_the_bug_check_walks_back_to_the_driver_at_fault() -> None:
    machine = booted("bugcheck")
    for _ in range(20000):
        event = machine.run(1)
        if isinstance(event, Trap):
            break
    names = stack(machine)

    assert names[:4] == [
        "nt!DbgBreakPointWithStatus",
        "nt!KiBugCheckDebugBreak",
        "nt!KeBugCheck2",
        "nt!KeBugCheckEx",
    ]
    assert names[names.index("nt!KiPageFault") :][1:4] == [
        "buggy!BuggySumList",
        "buggy!BuggyProcessList",
        "buggy!BuggyWorker",
    ]


def test_a_sleeping_threads_stack_can_be_walked_from_its_saved_stack_pointer() -> None:
    machine = broken_in()
    thread = next(
        entry - 0x4E8
        for process in walk_list(machine, guest_names()["nt!PsActiveProcessHead"])
        for entry in walk_list(machine, process - 0x448 + 0x5E0)
        if machine.read_virtual(0, entry - 0x4E8 + 0x184, 1) == b"\5"
    )
    saved = read_pointer(machine, thread + 0x58)
    frames, _note = unwind(
        {"rip": read_pointer(machine, saved + 0x28), "rsp": saved + 0x30},
        MachineType.AMD64,
        Memory(machine, 0),
        Modules(machine),
    )
    names = [max(each for each in sorted_names() if each[0] <= frame.lookup_address)[1] for frame in frames]

    assert names[:2] == ["nt!KiSwapContext", "nt!KiSwapThread"]
    assert names[-2:] == ["nt!PspSystemThreadStartup", "nt!KiStartSystemThread"]


def test_every_step_into_an_interrupt_and_a_switch_can_be_walked() -> None:
    machine = broken_in("syscalls")
    for _ in range(300):
        machine.resume(0x10002, trace=True, dr7=None)
        event = machine.run(1)
        assert isinstance(event, Trap)
        assert stack(machine)[-1] in ("nt!KiStartSystemThread", "nt!KiSystemStartup", "ntdll!RtlUserThreadStart")
