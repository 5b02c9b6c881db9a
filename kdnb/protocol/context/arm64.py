"""ARM64: CONTEXT and special registers (protocol reference 5.3, 5.5). Field names are WinDbg's register names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from kdnb.protocol.wire import Structure, array, padding, u32, u64, u128

__all__ = ["CONTEXT_FULL", "ARM64Context", "ARM64SpecialRegisters"]

CONTEXT_FULL = 0x40001F  # control, integer, floating point, debug, X18


@dataclass(frozen=True, slots=True)
class ARM64Context(Structure):
    """CONTEXT, 0x390 bytes."""

    context_flags: Annotated[int, u32("ContextFlags", "which parts are valid")] = 0
    cpsr: Annotated[int, u32("Cpsr", "")] = 0
    x0: Annotated[int, u64("X0", "")] = 0
    x1: Annotated[int, u64("X1", "")] = 0
    x2: Annotated[int, u64("X2", "")] = 0
    x3: Annotated[int, u64("X3", "")] = 0
    x4: Annotated[int, u64("X4", "")] = 0
    x5: Annotated[int, u64("X5", "")] = 0
    x6: Annotated[int, u64("X6", "")] = 0
    x7: Annotated[int, u64("X7", "")] = 0
    x8: Annotated[int, u64("X8", "")] = 0
    x9: Annotated[int, u64("X9", "")] = 0
    x10: Annotated[int, u64("X10", "")] = 0
    x11: Annotated[int, u64("X11", "")] = 0
    x12: Annotated[int, u64("X12", "")] = 0
    x13: Annotated[int, u64("X13", "")] = 0
    x14: Annotated[int, u64("X14", "")] = 0
    x15: Annotated[int, u64("X15", "")] = 0
    x16: Annotated[int, u64("X16", "")] = 0
    x17: Annotated[int, u64("X17", "")] = 0
    x18: Annotated[int, u64("X18", "")] = 0
    x19: Annotated[int, u64("X19", "")] = 0
    x20: Annotated[int, u64("X20", "")] = 0
    x21: Annotated[int, u64("X21", "")] = 0
    x22: Annotated[int, u64("X22", "")] = 0
    x23: Annotated[int, u64("X23", "")] = 0
    x24: Annotated[int, u64("X24", "")] = 0
    x25: Annotated[int, u64("X25", "")] = 0
    x26: Annotated[int, u64("X26", "")] = 0
    x27: Annotated[int, u64("X27", "")] = 0
    x28: Annotated[int, u64("X28", "")] = 0
    fp: Annotated[int, u64("Fp", "")] = 0
    lr: Annotated[int, u64("Lr", "")] = 0
    sp: Annotated[int, u64("Sp", "")] = 0
    pc: Annotated[int, u64("Pc", "")] = 0
    v: Annotated[tuple[int, ...], array(32, u128, "V", "vector registers")] = (0,) * 32
    fpcr: Annotated[int, u32("Fpcr", "")] = 0
    fpsr: Annotated[int, u32("Fpsr", "")] = 0
    bcr: Annotated[tuple[int, ...], array(8, u32, "Bcr", "breakpoint control")] = (0,) * 8
    bvr: Annotated[tuple[int, ...], array(8, u64, "Bvr", "breakpoint value")] = (0,) * 8
    wcr: Annotated[tuple[int, ...], array(2, u32, "Wcr", "watchpoint control")] = (0,) * 2
    wvr: Annotated[tuple[int, ...], array(2, u64, "Wvr", "watchpoint value")] = (0,) * 2


@dataclass(frozen=True, slots=True)
class ARM64SpecialRegisters(Structure):
    """KSPECIAL_REGISTERS, 0xA0 bytes."""

    elr_el1: Annotated[int, u64("Elr_El1", "")] = 0
    spsr_el1: Annotated[int, u32("Spsr_El1", "")] = 0
    spsr_padding: Annotated[bytes, padding(4)] = bytes(4)
    tpidr_el0: Annotated[int, u64("Tpidr_El0", "")] = 0
    tpidrro_el0: Annotated[int, u64("Tpidrro_El0", "")] = 0
    tpidr_el1: Annotated[int, u64("Tpidr_El1", "")] = 0
    kernel_bvr: Annotated[tuple[int, ...], array(8, u64, "KernelBvr", "")] = (0,) * 8
    kernel_bcr: Annotated[tuple[int, ...], array(8, u32, "KernelBcr", "")] = (0,) * 8
    kernel_wvr: Annotated[tuple[int, ...], array(2, u64, "KernelWvr", "")] = (0,) * 2
    kernel_wcr: Annotated[tuple[int, ...], array(2, u32, "KernelWcr", "")] = (0,) * 2
