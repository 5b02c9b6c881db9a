"""Unions of the APIs that let the target run, and of those without parameters (protocol reference 3.2, 3.6).

Continue2 has four forms, one for each machine: the control set is packed to four bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from kdnb.protocol.wire import Structure, padding, raw, u32, u64

__all__ = [
    "Continue2Amd64",
    "Continue2Arm",
    "Continue2Arm64",
    "Continue2X86",
    "ContinueBody",
    "EmptyBody",
    "PageInBody",
    "PartitionBody",
    "RawBody",
]


@dataclass(frozen=True, slots=True)
class ContinueBody(Structure):
    """Continue."""

    status: Annotated[int, u32("ContinueStatus", "success = the exception is handled")] = 0
    unused: Annotated[bytes, padding(36)] = bytes(36)


@dataclass(frozen=True, slots=True)
class Continue2X86(Structure):
    """Continue2 of x86."""

    status: Annotated[int, u32("ContinueStatus", "success = the exception is handled")] = 0
    trace: Annotated[int, u32("TraceFlag", "1 = single step")] = 0
    dr7: Annotated[int, u32("Dr7", "for every processor; 400 = no hardware breakpoints")] = 0
    symbol_start: Annotated[int, u32("CurrentSymbolStart", "range of local tracing; 1 = unchanged")] = 0
    symbol_end: Annotated[int, u32("CurrentSymbolEnd", "end of the range")] = 0
    unused: Annotated[bytes, padding(20)] = bytes(20)


@dataclass(frozen=True, slots=True)
class Continue2Amd64(Structure):
    """Continue2 of AMD64."""

    status: Annotated[int, u32("ContinueStatus", "success = the exception is handled")] = 0
    trace: Annotated[int, u32("TraceFlag", "1 = single step")] = 0
    dr7: Annotated[int, u64("Dr7", "for every processor; 400 = no hardware breakpoints")] = 0
    symbol_start: Annotated[int, u64("CurrentSymbolStart", "range of local tracing; 1 = unchanged")] = 0
    symbol_end: Annotated[int, u64("CurrentSymbolEnd", "end of the range")] = 0
    unused: Annotated[bytes, padding(8)] = bytes(8)


@dataclass(frozen=True, slots=True)
class Continue2Arm64(Structure):
    """Continue2 of ARM64. Sources differ on the trace flag: write it to both fields (3.6)."""

    status: Annotated[int, u32("ContinueStatus", "success = the exception is handled")] = 0
    continue_flag: Annotated[int, u32("Continue", "one source has the trace flag here")] = 0
    trace: Annotated[int, u32("TraceFlag", "1 = single step")] = 0
    symbol_start: Annotated[int, u64("CurrentSymbolStart", "range of local tracing; 1 = unchanged")] = 0
    symbol_end: Annotated[int, u64("CurrentSymbolEnd", "end of the range")] = 0
    unused: Annotated[bytes, padding(12)] = bytes(12)


@dataclass(frozen=True, slots=True)
class Continue2Arm(Structure):
    """Continue2 of ARM."""

    status: Annotated[int, u32("ContinueStatus", "success = the exception is handled")] = 0
    continue_flag: Annotated[int, u32("Continue", "")] = 0
    symbol_start: Annotated[int, u32("CurrentSymbolStart", "range of local tracing; 1 = unchanged")] = 0
    symbol_end: Annotated[int, u32("CurrentSymbolEnd", "end of the range")] = 0
    unused: Annotated[bytes, padding(24)] = bytes(24)


@dataclass(frozen=True, slots=True)
class PartitionBody(Structure):
    """SwitchPartition."""

    partition: Annotated[int, u32("Partition", "0 default, 1 alternate")] = 0
    unused: Annotated[bytes, padding(36)] = bytes(36)


@dataclass(frozen=True, slots=True)
class PageInBody(Structure):
    """PageIn, obsolete."""

    address: Annotated[int, u64("Address", "page to bring in")] = 0
    continue_status: Annotated[int, u32("ContinueStatus", "")] = 0
    unused: Annotated[bytes, padding(28)] = bytes(28)


@dataclass(frozen=True, slots=True)
class EmptyBody(Structure):
    """An API without parameters; SwitchProcessor's is in the header."""

    unused: Annotated[bytes, padding(40)] = bytes(40)


@dataclass(frozen=True, slots=True)
class RawBody(Structure):
    """The union of an unknown API."""

    union: Annotated[bytes, raw(40, "u", "union of an unknown API")] = bytes(40)
