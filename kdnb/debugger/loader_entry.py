"""Records of the lists of modules: the fixed part of a KLDR_DATA_TABLE_ENTRY (6.4), and UNLOADED_DRIVERS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from kdnb.protocol.wire import Structure, padding, u16, u32, u64

__all__ = ["LoaderEntry32", "LoaderEntry64", "UnloadedDriver32", "UnloadedDriver64"]


@dataclass(frozen=True, slots=True)
class LoaderEntry64(Structure):
    """KLDR_DATA_TABLE_ENTRY on 64-bit targets, as much as WinDbg reads of it (0x88 bytes, 9.2)."""

    next: Annotated[int, u64("InLoadOrderLinks.Flink")] = 0
    previous: Annotated[int, u64("InLoadOrderLinks.Blink")] = 0
    other_links: Annotated[bytes, padding(32)] = bytes(32)
    base: Annotated[int, u64("DllBase")] = 0
    entry_point: Annotated[int, u64("EntryPoint")] = 0
    size: Annotated[int, u32("SizeOfImage", "bytes")] = 0
    padding1: Annotated[bytes, padding(4)] = bytes(4)
    path_length: Annotated[int, u16("FullDllName.Length", "bytes")] = 0
    path_maximum: Annotated[int, u16("FullDllName.MaximumLength", "bytes")] = 0
    padding2: Annotated[bytes, padding(4)] = bytes(4)
    path_buffer: Annotated[int, u64("FullDllName.Buffer")] = 0
    name_length: Annotated[int, u16("BaseDllName.Length", "bytes")] = 0
    name_maximum: Annotated[int, u16("BaseDllName.MaximumLength", "bytes")] = 0
    padding3: Annotated[bytes, padding(4)] = bytes(4)
    name_buffer: Annotated[int, u64("BaseDllName.Buffer")] = 0
    flags: Annotated[int, u32("Flags")] = 0
    load_count: Annotated[int, u16("LoadCount")] = 0
    tls_index: Annotated[int, u16("TlsIndex", "of a process's images")] = 0
    padding4: Annotated[bytes, padding(8)] = bytes(8)
    checksum: Annotated[int, u32("CheckSum")] = 0
    padding5: Annotated[bytes, padding(12)] = bytes(12)


@dataclass(frozen=True, slots=True)
class LoaderEntry32(Structure):
    """KLDR_DATA_TABLE_ENTRY on 32-bit targets."""

    next: Annotated[int, u32("InLoadOrderLinks.Flink")] = 0
    previous: Annotated[int, u32("InLoadOrderLinks.Blink")] = 0
    other_links: Annotated[bytes, padding(16)] = bytes(16)
    base: Annotated[int, u32("DllBase")] = 0
    entry_point: Annotated[int, u32("EntryPoint")] = 0
    size: Annotated[int, u32("SizeOfImage", "bytes")] = 0
    path_length: Annotated[int, u16("FullDllName.Length", "bytes")] = 0
    path_maximum: Annotated[int, u16("FullDllName.MaximumLength", "bytes")] = 0
    path_buffer: Annotated[int, u32("FullDllName.Buffer")] = 0
    name_length: Annotated[int, u16("BaseDllName.Length", "bytes")] = 0
    name_maximum: Annotated[int, u16("BaseDllName.MaximumLength", "bytes")] = 0
    name_buffer: Annotated[int, u32("BaseDllName.Buffer")] = 0
    flags: Annotated[int, u32("Flags")] = 0
    load_count: Annotated[int, u16("LoadCount")] = 0
    tls_index: Annotated[int, u16("TlsIndex", "of a process's images")] = 0
    padding1: Annotated[bytes, padding(4)] = bytes(4)
    checksum: Annotated[int, u32("CheckSum")] = 0


@dataclass(frozen=True, slots=True)
class UnloadedDriver64(Structure):
    """An entry of MmUnloadedDrivers on 64-bit targets; the same in all versions since Windows 2000."""

    name_length: Annotated[int, u16("Name.Length", "bytes")] = 0
    name_maximum: Annotated[int, u16("Name.MaximumLength", "bytes")] = 0
    padding1: Annotated[bytes, padding(4)] = bytes(4)
    name_buffer: Annotated[int, u64("Name.Buffer")] = 0
    start: Annotated[int, u64("StartAddress")] = 0
    end: Annotated[int, u64("EndAddress")] = 0
    time: Annotated[int, u64("CurrentTime", "FILETIME")] = 0


@dataclass(frozen=True, slots=True)
class UnloadedDriver32(Structure):
    """An entry of MmUnloadedDrivers on 32-bit targets."""

    name_length: Annotated[int, u16("Name.Length", "bytes")] = 0
    name_maximum: Annotated[int, u16("Name.MaximumLength", "bytes")] = 0
    name_buffer: Annotated[int, u32("Name.Buffer")] = 0
    start: Annotated[int, u32("StartAddress")] = 0
    end: Annotated[int, u32("EndAddress")] = 0
    time: Annotated[int, u64("CurrentTime", "FILETIME")] = 0
