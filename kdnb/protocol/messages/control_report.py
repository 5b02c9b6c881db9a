"""Control reports: the few registers that come with every state change (protocol reference 2.5). 48 bytes each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from kdnb.protocol.constants import MachineType
from kdnb.protocol.wire import Structure, padding, raw, u16, u32, u64

__all__ = ["ControlReportAmd64", "ControlReportArm", "ControlReportX86", "RawReport", "report_type"]


@dataclass(frozen=True, slots=True)
class ControlReportAmd64(Structure):
    """AMD64."""

    dr6: Annotated[int, u64("Dr6", "")] = 0
    dr7: Annotated[int, u64("Dr7", "")] = 0
    eflags: Annotated[int, u32("EFlags", "")] = 0
    instruction_count: Annotated[int, u16("InstructionCount", "valid bytes of the stream")] = 0
    report_flags: Annotated[int, u16("ReportFlags", "1 segments included, 2 flat code segment")] = 0
    instruction_stream: Annotated[bytes, raw(16, "InstructionStream", "code from ProgramCounter")] = bytes(16)
    cs: Annotated[int, u16("SegCs", "")] = 0
    ds: Annotated[int, u16("SegDs", "")] = 0
    es: Annotated[int, u16("SegEs", "")] = 0
    fs: Annotated[int, u16("SegFs", "")] = 0


@dataclass(frozen=True, slots=True)
class ControlReportX86(Structure):
    """x86."""

    dr6: Annotated[int, u32("Dr6", "")] = 0
    dr7: Annotated[int, u32("Dr7", "")] = 0
    instruction_count: Annotated[int, u16("InstructionCount", "valid bytes of the stream")] = 0
    report_flags: Annotated[int, u16("ReportFlags", "1 segments included, 2 flat code segment")] = 0
    instruction_stream: Annotated[bytes, raw(16, "InstructionStream", "code from ProgramCounter")] = bytes(16)
    cs: Annotated[int, u16("SegCs", "")] = 0
    ds: Annotated[int, u16("SegDs", "")] = 0
    es: Annotated[int, u16("SegEs", "")] = 0
    fs: Annotated[int, u16("SegFs", "")] = 0
    eflags: Annotated[int, u32("EFlags", "")] = 0
    unused: Annotated[bytes, padding(8)] = bytes(8)


@dataclass(frozen=True, slots=True)
class ControlReportArm(Structure):
    """ARM and ARM64. Sources conflict for ARM64: read registers by GetContext instead."""

    cpsr: Annotated[int, u32("Cpsr", "")] = 0
    instruction_count: Annotated[int, u32("InstructionCount", "valid bytes of the stream")] = 0
    instruction_stream: Annotated[bytes, raw(16, "InstructionStream", "code from ProgramCounter")] = bytes(16)
    unused: Annotated[bytes, padding(24)] = bytes(24)


@dataclass(frozen=True, slots=True)
class RawReport(Structure):
    """The report of an unknown machine."""

    report: Annotated[bytes, raw(48, "ControlReport", "")] = bytes(48)


REPORT_TYPES: dict[int, type[Structure]] = {
    MachineType.AMD64.value: ControlReportAmd64,
    MachineType.I386.value: ControlReportX86,
    MachineType.ARM64.value: ControlReportArm,
    MachineType.ARM.value: ControlReportArm,
    MachineType.ARMNT.value: ControlReportArm,
}


def report_type(machine: int) -> type[Structure]:
    """The report of a machine; `RawReport` where it is unknown."""
    return REPORT_TYPES.get(machine, RawReport)
