"""x86: CONTEXT and KSPECIAL_REGISTERS (protocol reference 5.1, 5.5). Field names are WinDbg's register names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from kdnb.protocol.wire import Structure, array, padding, raw, u16, u32, u80, u128

__all__ = ["CONTEXT_FULL", "X86Context", "X86SpecialRegisters"]

CONTEXT_FULL = 0x1003F  # control, integer, segments, floating point, debug, extended


@dataclass(frozen=True, slots=True)
class X86Context(Structure):
    """CONTEXT, 0x2CC bytes; the control-space offsets of x86 count from here (3.7)."""

    context_flags: Annotated[int, u32("ContextFlags", "which parts are valid")] = 0
    dr0: Annotated[int, u32("Dr0", "")] = 0
    dr1: Annotated[int, u32("Dr1", "")] = 0
    dr2: Annotated[int, u32("Dr2", "")] = 0
    dr3: Annotated[int, u32("Dr3", "")] = 0
    dr6: Annotated[int, u32("Dr6", "")] = 0
    dr7: Annotated[int, u32("Dr7", "")] = 0
    fpcw: Annotated[int, u32("FloatSave.ControlWord", "")] = 0
    fpsw: Annotated[int, u32("FloatSave.StatusWord", "")] = 0
    fptw: Annotated[int, u32("FloatSave.TagWord", "")] = 0
    fp_error_offset: Annotated[int, u32("FloatSave.ErrorOffset", "")] = 0
    fp_error_selector: Annotated[int, u32("FloatSave.ErrorSelector", "")] = 0
    fp_data_offset: Annotated[int, u32("FloatSave.DataOffset", "")] = 0
    fp_data_selector: Annotated[int, u32("FloatSave.DataSelector", "")] = 0
    st: Annotated[tuple[int, ...], array(8, u80, "FloatSave.RegisterArea", "")] = (0,) * 8
    cr0_npx_state: Annotated[int, u32("FloatSave.Cr0NpxState", "")] = 0
    gs: Annotated[int, u32("SegGs", "")] = 0
    fs: Annotated[int, u32("SegFs", "")] = 0
    es: Annotated[int, u32("SegEs", "")] = 0
    ds: Annotated[int, u32("SegDs", "")] = 0
    edi: Annotated[int, u32("Edi", "")] = 0
    esi: Annotated[int, u32("Esi", "")] = 0
    ebx: Annotated[int, u32("Ebx", "")] = 0
    edx: Annotated[int, u32("Edx", "")] = 0
    ecx: Annotated[int, u32("Ecx", "")] = 0
    eax: Annotated[int, u32("Eax", "")] = 0
    ebp: Annotated[int, u32("Ebp", "")] = 0
    eip: Annotated[int, u32("Eip", "")] = 0
    cs: Annotated[int, u32("SegCs", "")] = 0
    efl: Annotated[int, u32("EFlags", "")] = 0
    esp: Annotated[int, u32("Esp", "")] = 0
    ss: Annotated[int, u32("SegSs", "")] = 0
    fp_extended: Annotated[bytes, raw(24, "ExtendedRegisters", "an FXSAVE area of 512 bytes")] = bytes(24)
    mxcsr: Annotated[int, u32("ExtendedRegisters.MxCsr", "")] = 0
    fp_extended_st: Annotated[bytes, raw(132, "ExtendedRegisters", "the x87 registers again")] = bytes(132)
    xmm: Annotated[tuple[int, ...], array(8, u128, "ExtendedRegisters.XmmRegisters", "")] = (0,) * 8
    fp_extended_rest: Annotated[bytes, raw(224, "ExtendedRegisters", "")] = bytes(224)


@dataclass(frozen=True, slots=True)
class X86SpecialRegisters(Structure):
    """KSPECIAL_REGISTERS, 0x54 bytes; in KPROCESSOR_STATE it follows the CONTEXT."""

    cr0: Annotated[int, u32("Cr0", "")] = 0
    cr2: Annotated[int, u32("Cr2", "")] = 0
    cr3: Annotated[int, u32("Cr3", "")] = 0
    cr4: Annotated[int, u32("Cr4", "")] = 0
    kernel_dr0: Annotated[int, u32("KernelDr0", "")] = 0
    kernel_dr1: Annotated[int, u32("KernelDr1", "")] = 0
    kernel_dr2: Annotated[int, u32("KernelDr2", "")] = 0
    kernel_dr3: Annotated[int, u32("KernelDr3", "")] = 0
    kernel_dr6: Annotated[int, u32("KernelDr6", "")] = 0
    kernel_dr7: Annotated[int, u32("KernelDr7", "")] = 0
    gdtr_padding: Annotated[bytes, padding(2)] = bytes(2)
    gdtl: Annotated[int, u16("Gdtr.Limit", "")] = 0
    gdtr: Annotated[int, u32("Gdtr.Base", "")] = 0
    idtr_padding: Annotated[bytes, padding(2)] = bytes(2)
    idtl: Annotated[int, u16("Idtr.Limit", "")] = 0
    idtr: Annotated[int, u32("Idtr.Base", "")] = 0
    tr: Annotated[int, u16("Tr", "")] = 0
    ldtr: Annotated[int, u16("Ldtr", "")] = 0
    reserved: Annotated[bytes, padding(24, "Reserved")] = bytes(24)
