"""Unions of the breakpoint APIs, and the arrays that follow them (protocol reference 3.5, 3.9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from kdnb.protocol.wire import Structure, padding, u8, u32, u64

__all__ = [
    "BreakpointBody",
    "BreakpointEntry",
    "BreakpointExBody",
    "BreakpointHandle",
    "CustomBreakpointBody",
    "InternalBreakpointBody",
    "RestoreBreakpointBody",
    "SetInternalBreakpointBody",
    "SpecialCallBody",
    "SpecialCallsBody",
]


@dataclass(frozen=True, slots=True)
class BreakpointBody(Structure):
    """WriteBreakPoint: handles count from 1, 0 with a failure status."""

    address: Annotated[int, u64("BreakPointAddress", "where to break")] = 0
    handle: Annotated[int, u32("BreakPointHandle", "1..32 in the reply")] = 0
    unused: Annotated[bytes, padding(28)] = bytes(28)


@dataclass(frozen=True, slots=True)
class RestoreBreakpointBody(Structure):
    """RestoreBreakPoint: removes one."""

    handle: Annotated[int, u32("BreakPointHandle", "handle from WriteBreakPoint")] = 0
    unused: Annotated[bytes, padding(36)] = bytes(36)


@dataclass(frozen=True, slots=True)
class BreakpointExBody(Structure):
    """WriteBreakPointEx and RestoreBreakPointEx; an array of `BreakpointEntry` or `BreakpointHandle` follows."""

    count: Annotated[int, u32("BreakPointCount", "entries that follow, at most 32")] = 0
    continue_status: Annotated[int, u32("ContinueStatus", "a failure code leaves the target's loop")] = 0
    unused: Annotated[bytes, padding(32)] = bytes(32)


@dataclass(frozen=True, slots=True)
class BreakpointEntry(Structure):
    """One entry of WriteBreakPointEx: a handle is removed first, then an address is set."""

    address: Annotated[int, u64("BreakPointAddress", "0 = only remove")] = 0
    handle: Annotated[int, u32("BreakPointHandle", "to remove; in the reply the new one")] = 0
    unused: Annotated[bytes, padding(4)] = bytes(4)


@dataclass(frozen=True, slots=True)
class BreakpointHandle(Structure):
    """One entry of RestoreBreakPointEx."""

    handle: Annotated[int, u32("BreakPointHandle", "to remove")] = 0


@dataclass(frozen=True, slots=True)
class CustomBreakpointBody(Structure):
    """WriteCustomBreakpoint: writes a given opcode."""

    address: Annotated[int, u64("BreakPointAddress", "where to break")] = 0
    instruction: Annotated[int, u64("BreakPointInstruction", "opcode to write")] = 0
    handle: Annotated[int, u32("BreakPointHandle", "1..32 in the reply")] = 0
    instruction_size: Annotated[int, u8("BreakPointInstructionSize", "bytes of the opcode")] = 0
    alignment: Annotated[int, u8("BreakPointInstructionAlignment", "alignment of the address")] = 0
    unused: Annotated[bytes, padding(18)] = bytes(18)


@dataclass(frozen=True, slots=True)
class SpecialCallsBody(Structure):
    """QuerySpecialCalls: the addresses are the message's data."""

    count: Annotated[int, u32("NumberOfSpecialCalls", "addresses that follow")] = 0
    unused: Annotated[bytes, padding(36)] = bytes(36)


@dataclass(frozen=True, slots=True)
class SpecialCallBody(Structure):
    """SetSpecialCall."""

    address: Annotated[int, u64("SpecialCall", "address of the call")] = 0
    unused: Annotated[bytes, padding(32)] = bytes(32)


@dataclass(frozen=True, slots=True)
class SetInternalBreakpointBody(Structure):
    """SetInternalBreakPoint: a breakpoint that the target counts by itself (x86 of old)."""

    address: Annotated[int, u64("BreakpointAddress", "where to count")] = 0
    flags: Annotated[int, u32("Flags", "1 count only, 2 invalid (delete), 4 suspended, 8 dying")] = 0
    unused: Annotated[bytes, padding(28)] = bytes(28)


@dataclass(frozen=True, slots=True)
class InternalBreakpointBody(Structure):
    """GetInternalBreakPoint."""

    address: Annotated[int, u64("BreakpointAddress", "where it counts")] = 0
    flags: Annotated[int, u32("Flags", "1 count only, 2 invalid, 4 suspended, 8 dying")] = 0
    calls: Annotated[int, u32("Calls", "times reached")] = 0
    max_calls_per_period: Annotated[int, u32("MaxCallsPerPeriod", "")] = 0
    min_instructions: Annotated[int, u32("MinInstructions", "fewest of one call")] = 0
    max_instructions: Annotated[int, u32("MaxInstructions", "most of one call")] = 0
    total_instructions: Annotated[int, u32("TotalInstructions", "of all calls")] = 0
    unused: Annotated[bytes, padding(8)] = bytes(8)
