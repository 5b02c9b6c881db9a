"""ARM: CONTEXT (protocol reference 5.4). Field names are WinDbg's register names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from kdnb.protocol.wire import Structure, array, padding, u32, u64

__all__ = ["CONTEXT_FULL", "ARMContext"]

CONTEXT_FULL = 0x20000F  # control, integer, floating point, debug


@dataclass(frozen=True, slots=True)
class ARMContext(Structure):
    """CONTEXT, 0x1A0 bytes."""

    context_flags: Annotated[int, u32("ContextFlags", "which parts are valid")] = 0
    r0: Annotated[int, u32("R0", "")] = 0
    r1: Annotated[int, u32("R1", "")] = 0
    r2: Annotated[int, u32("R2", "")] = 0
    r3: Annotated[int, u32("R3", "")] = 0
    r4: Annotated[int, u32("R4", "")] = 0
    r5: Annotated[int, u32("R5", "")] = 0
    r6: Annotated[int, u32("R6", "")] = 0
    r7: Annotated[int, u32("R7", "")] = 0
    r8: Annotated[int, u32("R8", "")] = 0
    r9: Annotated[int, u32("R9", "")] = 0
    r10: Annotated[int, u32("R10", "")] = 0
    r11: Annotated[int, u32("R11", "")] = 0
    r12: Annotated[int, u32("R12", "")] = 0
    sp: Annotated[int, u32("Sp", "")] = 0
    lr: Annotated[int, u32("Lr", "")] = 0
    pc: Annotated[int, u32("Pc", "")] = 0
    cpsr: Annotated[int, u32("Cpsr", "")] = 0
    fpscr: Annotated[int, u32("Fpscr", "")] = 0
    padding: Annotated[bytes, padding(4)] = bytes(4)
    d: Annotated[tuple[int, ...], array(32, u64, "D", "floating point registers")] = (0,) * 32
    bvr: Annotated[tuple[int, ...], array(8, u32, "Bvr", "breakpoint value")] = (0,) * 8
    bcr: Annotated[tuple[int, ...], array(8, u32, "Bcr", "breakpoint control")] = (0,) * 8
    wvr: Annotated[tuple[int, ...], array(1, u32, "Wvr", "watchpoint value")] = (0,) * 1
    wcr: Annotated[tuple[int, ...], array(1, u32, "Wcr", "watchpoint control")] = (0,) * 1
    tail: Annotated[bytes, padding(8)] = bytes(8)
