"""Unions of GetVersion: what the target is (protocol reference 3.10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from kdnb.protocol.wire import Structure, padding, u8, u16, u32, u64

__all__ = ["Version32Body", "VersionBody"]


@dataclass(frozen=True, slots=True)
class VersionBody(Structure):
    """DBGKD_GET_VERSION64. The three `max_` fields are hints only; 64-bit or not is decided by `machine`."""

    major: Annotated[int, u16("MajorVersion", "low byte F free, C checked; high byte kind of target")] = 0
    minor: Annotated[int, u16("MinorVersion", "build number")] = 0
    protocol: Annotated[int, u8("ProtocolVersion", "6 = 64-bit protocol 2")] = 0
    secondary: Annotated[int, u8("KdSecondaryVersion", "version of the context record")] = 0
    flags: Annotated[int, u16("Flags", "1 MP, 2 DATA, 4 PTR64, 8 NOMM, 10 HSS, 20 PARTITIONS")] = 0
    machine: Annotated[int, u16("MachineType", "as in a PE header")] = 0
    max_packet_type: Annotated[int, u8("MaxPacketType", "hint")] = 0
    max_state_change: Annotated[int, u8("MaxStateChange", "hint")] = 0
    max_manipulate: Annotated[int, u8("MaxManipulate", "hint")] = 0
    simulation: Annotated[int, u8("Simulation", "0 none, 1 EXDI")] = 0
    unused: Annotated[bytes, padding(2)] = bytes(2)
    kernel_base: Annotated[int, u64("KernBase", "base of the kernel image")] = 0
    loaded_module_list: Annotated[int, u64("PsLoadedModuleList", "address of the list head")] = 0
    debugger_data_list: Annotated[int, u64("DebuggerDataList", "address of a pointer to the data block")] = 0

    @property
    def is_checked_build(self) -> bool:
        """Low byte of the major version is C."""
        return self.major & 0xFF == 0xC

    @property
    def target_kind(self) -> int:
        """0 NT, 4 boot debugger, 8 hypervisor, ..."""
        return self.major >> 8


@dataclass(frozen=True, slots=True)
class Version32Body(Structure):
    """DBGKD_GET_VERSION32 of targets before the 64-bit protocol (ProtocolVersion below 5)."""

    major: Annotated[int, u16("MajorVersion", "F free, C checked")] = 0
    minor: Annotated[int, u16("MinorVersion", "build number")] = 0
    protocol: Annotated[int, u16("ProtocolVersion", "below 5")] = 0
    flags: Annotated[int, u16("Flags", "1 MP, 2 DATA")] = 0
    kernel_base: Annotated[int, u32("KernBase", "base of the kernel image")] = 0
    loaded_module_list: Annotated[int, u32("PsLoadedModuleList", "address of the list head")] = 0
    machine: Annotated[int, u16("MachineType", "as in a PE header")] = 0
    th_callback_stack: Annotated[int, u16("ThCallbackStack", "offset in KTHREAD")] = 0
    next_callback: Annotated[int, u16("NextCallback", "offset in the callback frame")] = 0
    frame_pointer: Annotated[int, u16("FramePointer", "offset in the callback frame")] = 0
    ki_call_user_mode: Annotated[int, u32("KiCallUserMode", "address")] = 0
    ke_user_callback_dispatcher: Annotated[int, u32("KeUserCallbackDispatcher", "address")] = 0
    breakpoint_with_status: Annotated[int, u32("BreakpointWithStatus", "address")] = 0
    debugger_data_list: Annotated[int, u32("DebuggerDataList", "address of a pointer to the data block")] = 0
