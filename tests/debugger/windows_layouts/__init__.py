"""A Windows kernel's data in the layouts of public PDBs, compiled with its types, as the memory of a target."""

from __future__ import annotations

import shutil
import struct
from dataclasses import dataclass
from pathlib import Path

from kdnb.debugger.debugger_data import TAG, KdDebuggerData64
from kdnb.debugger.loader_entry import LoaderEntry64
from kdnb.protocol.constants import MachineType
from kdnb.protocol.context.amd64 import AMD64Context
from kdnb.protocol.messages.version import VersionBody
from kdnb.symbols.pdb import PdbFile
from kdnb.symbols.pe import PeImage
from tests.debugger.memory_target import MemoryMachine
from tests.symbols.build import build

SOURCE = Path(__file__).with_name("windows.c")
BASE = 0xFFFFF80140000000
HEADER = 0x30
NAME, CREATOR = 0x20, 0x20
"""Sizes of what stands before an object's header."""
PROCESS, THREAD, DEVICE, DIRECTORY, FILE, EVENT, DRIVER = range(2, 9)
COOKIE = 0x5A

# Room of an object -> (bytes before its header, type index, InfoMask).
OBJECTS = {
    "RootDirectory": (NAME, DIRECTORY, 2), "DeviceDirectory": (NAME, DIRECTORY, 2),
    "DriverDirectory": (NAME, DIRECTORY, 2), "Driver": (NAME, DRIVER, 2), "Lower": (NAME + CREATOR, DEVICE, 3),
    "Upper": (NAME + CREATOR, DEVICE, 0), "File": (0, FILE, 0), "Event": (0, EVENT, 0), "System": (0, PROCESS, 0),
    "Demo": (0, PROCESS, 0), "SystemThread": (0, THREAD, 0), "DemoThread": (0, THREAD, 0),
}  # fmt: skip


@dataclass
class WindowsKernel:
    """The machine, and where its data lies."""

    machine: MemoryMachine
    symbols: dict[str, int]
    store: Path
    """A symbol path with its PDB."""

    def body(self, name: str) -> int:
        """Address of an object's body."""
        return self.symbols[name] + OBJECTS[name][0] + HEADER


def windows_kernel(folder: Path, number: int) -> WindowsKernel:
    """The data of build `number`, compiled in `folder`."""
    options = ("-fshort-wchar", "-Wno-microsoft-anon-tag", "-Wno-multichar", f"-DBUILD={number}")
    link = ("/dynamicbase:no", "/fixed", f"/base:{BASE:#x}", "/pdbaltpath:ntkrnlmp.pdb")
    built = build(folder, [SOURCE], *options, entry="DllMain", link_options=link)
    data = built.image.read_bytes()
    image = PeImage.from_file(data)
    assert image.codeview is not None
    place = folder / "store" / "ntkrnlmp.pdb" / image.codeview.key / "ntkrnlmp.pdb"
    place.parent.mkdir(parents=True)
    shutil.copy(built.pdb, place)
    symbols = {symbol.name: BASE + symbol.rva for symbol in PdbFile.open(place).symbols()}
    machine = MemoryMachine(
        version=VersionBody(
            major=0xF, minor=number, protocol=6, machine=MachineType.AMD64, kernel_base=BASE,
            loaded_module_list=symbols["PsLoadedModuleList"], debugger_data_list=symbols["KdDebuggerDataList"],
        ),
        context=AMD64Context(rip=symbols["DllMain"], cs=0x10),
        prcbs=(symbols["Prcb"],),
    )  # fmt: skip
    machine.put(BASE, data[:0x400])
    for section in image.sections:
        raw = data[section.file_offset : section.file_offset + min(section.file_size, section.virtual_size)]
        machine.put(BASE + section.rva, raw.ljust(section.virtual_size, b"\0"))
    kernel = WindowsKernel(machine, symbols, folder / "store")
    machine.thread = kernel.body("SystemThread")
    _fill(kernel, number, image.size_of_image)
    return kernel


def _fill(kernel: WindowsKernel, number: int, size: int) -> None:
    """What depends on addresses: type indexes, handles, the loader's list, KDBG."""
    machine, symbols = kernel.machine, kernel.symbols
    for name, (before, index, mask) in OBJECTS.items():
        header = symbols[name] + before
        machine.put(header, struct.pack("<qq", 32767, 1))
        machine.put(header + 0x18, bytes((index ^ COOKIE ^ header >> 8 & 0xFF, 0, mask)))
    for index, (name, access, attributes) in {
        1: ("Event", 0x1F0003, 0), 2: ("File", 0x120089, 1), 3: ("Lower", 0x1F01FF, 0),
        257: ("DemoThread", 0x1FFFFF, 0), 258: ("System", 0x1000, 4),
    }.items():  # fmt: skip
        _put_handle(machine, symbols["Leaves"] + 16 * index, kernel.body(name) - HEADER, access, attributes)
    _put_handle(machine, symbols["SystemLeaf"] + 16, kernel.body("Demo") - HEADER, 0x1FFFFF, 0)
    for number_, name in {4: "System", 8: "SystemThread", 0x1A4: "Demo", 0x1A8: "DemoThread"}.items():
        _put_handle(machine, symbols["CidLeaf"] + 4 * number_, kernel.body(name), 0, 0)
    entry, text = BASE - 0x1000, "ntoskrnl.exe".encode("utf-16-le")
    head = symbols["PsLoadedModuleList"]
    loaded = LoaderEntry64(
        next=head, previous=head, base=BASE, size=size, path_length=len(text), path_buffer=entry + 0x100
    )
    machine.put(entry, loaded.encode())
    machine.put(entry + 0x100, text)
    machine.put(head, struct.pack("<QQ", entry, entry))
    peb, parent = (0x2E0, 0x2D0) if number >= 26100 else (0x550, 0x540)
    irps = 0x540 if number >= 26100 else 0x500 if number >= 20348 else 0x4B0
    block = KdDebuggerData64(
        owner_tag=TAG, size=KdDebuggerData64.SIZE, kern_base=BASE, ps_loaded_module_list=head,
        ps_active_process_head=symbols["PsActiveProcessHead"], psp_cid_table=symbols["PspCidTable"],
        exp_system_resources_list=symbols["ExpSystemResourcesList"],
        obp_root_directory_object=symbols["ObpRootDirectoryObject"], ki_processor_block=symbols["KiProcessorBlock"],
        offset_kthread_teb=0xF0, offset_kthread_kernel_stack=0x58, offset_kthread_initial_stack=0x28,
        offset_kthread_apc_process=0xB8, offset_eprocess_peb=peb, offset_eprocess_parent_cid=parent,
        offset_ethread_irp_list=irps, offset_kthread_state=0x184, offset_kthread_wait_reason=0x283,
        offset_eprocess_directory_table_base=0x28, offset_prcb_current_thread=8, offset_prcb_mhz=0x44,
        offset_prcb_cpu_type=0x40, offset_prcb_idle_thread=0x18,
    )  # fmt: skip
    machine.put(symbols["KdDebuggerDataBlock"], block.encode())


def _put_handle(machine: MemoryMachine, entry: int, address: int, access: int, attributes: int) -> None:
    """HANDLE_TABLE_ENTRY: unlocked, some references, attributes, bits 4 to 47 of the address; then the access."""
    low = 1 | 0x7FF0 << 1 | attributes << 17 | (address >> 4 & (1 << 44) - 1) << 20
    machine.put(entry, struct.pack("<QQ", low, access))
