"""AMD64: CONTEXT and KSPECIAL_REGISTERS (protocol reference 5.2, 5.5). Field names are WinDbg's register names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Self

from kdnb.errors import DecodeError
from kdnb.protocol.wire import Structure, array, padding, u8, u16, u32, u64, u128

__all__ = ["CONTEXT_FULL", "AMD64Context", "AMD64SpecialRegisters"]

CONTEXT_FULL = 0x10001F  # control, integer, segments, floating point, debug


@dataclass(frozen=True, slots=True)
class AMD64Context(Structure):
    """CONTEXT, 0x4D0 bytes."""

    p1_home: Annotated[int, u64("P1Home", "home space of a parameter")] = 0
    p2_home: Annotated[int, u64("P2Home", "home space of a parameter")] = 0
    p3_home: Annotated[int, u64("P3Home", "home space of a parameter")] = 0
    p4_home: Annotated[int, u64("P4Home", "home space of a parameter")] = 0
    p5_home: Annotated[int, u64("P5Home", "home space of a parameter")] = 0
    p6_home: Annotated[int, u64("P6Home", "home space of a parameter")] = 0
    context_flags: Annotated[int, u32("ContextFlags", "which parts are valid")] = 0
    mxcsr: Annotated[int, u32("MxCsr", "")] = 0
    cs: Annotated[int, u16("SegCs", "")] = 0
    ds: Annotated[int, u16("SegDs", "")] = 0
    es: Annotated[int, u16("SegEs", "")] = 0
    fs: Annotated[int, u16("SegFs", "")] = 0
    gs: Annotated[int, u16("SegGs", "")] = 0
    ss: Annotated[int, u16("SegSs", "")] = 0
    efl: Annotated[int, u32("EFlags", "")] = 0
    dr0: Annotated[int, u64("Dr0", "")] = 0
    dr1: Annotated[int, u64("Dr1", "")] = 0
    dr2: Annotated[int, u64("Dr2", "")] = 0
    dr3: Annotated[int, u64("Dr3", "")] = 0
    dr6: Annotated[int, u64("Dr6", "")] = 0
    dr7: Annotated[int, u64("Dr7", "")] = 0
    rax: Annotated[int, u64("Rax", "")] = 0
    rcx: Annotated[int, u64("Rcx", "")] = 0
    rdx: Annotated[int, u64("Rdx", "")] = 0
    rbx: Annotated[int, u64("Rbx", "")] = 0
    rsp: Annotated[int, u64("Rsp", "")] = 0
    rbp: Annotated[int, u64("Rbp", "")] = 0
    rsi: Annotated[int, u64("Rsi", "")] = 0
    rdi: Annotated[int, u64("Rdi", "")] = 0
    r8: Annotated[int, u64("R8", "")] = 0
    r9: Annotated[int, u64("R9", "")] = 0
    r10: Annotated[int, u64("R10", "")] = 0
    r11: Annotated[int, u64("R11", "")] = 0
    r12: Annotated[int, u64("R12", "")] = 0
    r13: Annotated[int, u64("R13", "")] = 0
    r14: Annotated[int, u64("R14", "")] = 0
    r15: Annotated[int, u64("R15", "")] = 0
    rip: Annotated[int, u64("Rip", "")] = 0
    fpcw: Annotated[int, u16("FltSave.ControlWord", "")] = 0
    fpsw: Annotated[int, u16("FltSave.StatusWord", "")] = 0
    fptw: Annotated[int, u8("FltSave.TagWord", "abridged: one bit for each register")] = 0
    fp_reserved1: Annotated[bytes, padding(1)] = bytes(1)
    fp_error_opcode: Annotated[int, u16("FltSave.ErrorOpcode", "")] = 0
    fp_error_offset: Annotated[int, u32("FltSave.ErrorOffset", "")] = 0
    fp_error_selector: Annotated[int, u16("FltSave.ErrorSelector", "")] = 0
    fp_reserved2: Annotated[bytes, padding(2)] = bytes(2)
    fp_data_offset: Annotated[int, u32("FltSave.DataOffset", "")] = 0
    fp_data_selector: Annotated[int, u16("FltSave.DataSelector", "")] = 0
    fp_reserved3: Annotated[bytes, padding(2)] = bytes(2)
    fp_mxcsr: Annotated[int, u32("FltSave.MxCsr", "")] = 0
    fp_mxcsr_mask: Annotated[int, u32("FltSave.MxCsr_Mask", "")] = 0
    st: Annotated[tuple[int, ...], array(8, u128, "FltSave.FloatRegisters", "80 bits of each are used")] = (0,) * 8
    xmm: Annotated[tuple[int, ...], array(16, u128, "FltSave.XmmRegisters", "")] = (0,) * 16
    fp_reserved4: Annotated[bytes, padding(96)] = bytes(96)
    vector_register: Annotated[tuple[int, ...], array(26, u128, "VectorRegister", "")] = (0,) * 26
    vector_control: Annotated[int, u64("VectorControl", "")] = 0
    debug_control: Annotated[int, u64("DebugControl", "")] = 0
    last_branch_to_rip: Annotated[int, u64("LastBranchToRip", "")] = 0
    last_branch_from_rip: Annotated[int, u64("LastBranchFromRip", "")] = 0
    last_exception_to_rip: Annotated[int, u64("LastExceptionToRip", "")] = 0
    last_exception_from_rip: Annotated[int, u64("LastExceptionFromRip", "")] = 0


@dataclass(frozen=True, slots=True)
class AMD64SpecialRegisters(Structure):
    """KSPECIAL_REGISTERS: 0xD8 bytes on old kernels, then 0xE0, 0xF0, 0x110.

    `decode` takes what comes: fields beyond a short record are 0 and `size` says where it ended; what follows the
    known fields is kept in `tail`. `encode` gives back exactly as many bytes.
    """

    cr0: Annotated[int, u64("Cr0", "")] = 0
    cr2: Annotated[int, u64("Cr2", "")] = 0
    cr3: Annotated[int, u64("Cr3", "")] = 0
    cr4: Annotated[int, u64("Cr4", "")] = 0
    kernel_dr0: Annotated[int, u64("KernelDr0", "")] = 0
    kernel_dr1: Annotated[int, u64("KernelDr1", "")] = 0
    kernel_dr2: Annotated[int, u64("KernelDr2", "")] = 0
    kernel_dr3: Annotated[int, u64("KernelDr3", "")] = 0
    kernel_dr6: Annotated[int, u64("KernelDr6", "")] = 0
    kernel_dr7: Annotated[int, u64("KernelDr7", "")] = 0
    gdtr_padding: Annotated[bytes, padding(6)] = bytes(6)
    gdtl: Annotated[int, u16("Gdtr.Limit", "")] = 0
    gdtr: Annotated[int, u64("Gdtr.Base", "")] = 0
    idtr_padding: Annotated[bytes, padding(6)] = bytes(6)
    idtl: Annotated[int, u16("Idtr.Limit", "")] = 0
    idtr: Annotated[int, u64("Idtr.Base", "")] = 0
    tr: Annotated[int, u16("Tr", "")] = 0
    ldtr: Annotated[int, u16("Ldtr", "")] = 0
    mxcsr: Annotated[int, u32("MxCsr", "")] = 0
    debug_control: Annotated[int, u64("DebugControl", "")] = 0
    last_branch_to_rip: Annotated[int, u64("LastBranchToRip", "")] = 0
    last_branch_from_rip: Annotated[int, u64("LastBranchFromRip", "")] = 0
    last_exception_to_rip: Annotated[int, u64("LastExceptionToRip", "")] = 0
    last_exception_from_rip: Annotated[int, u64("LastExceptionFromRip", "")] = 0
    cr8: Annotated[int, u64("Cr8", "")] = 0
    msr_gs_base: Annotated[int, u64("MsrGsBase", "")] = 0
    msr_gs_swap: Annotated[int, u64("MsrGsSwap", "")] = 0
    msr_star: Annotated[int, u64("MsrStar", "")] = 0
    msr_lstar: Annotated[int, u64("MsrLStar", "")] = 0
    msr_cstar: Annotated[int, u64("MsrCStar", "")] = 0
    msr_syscall_mask: Annotated[int, u64("MsrSyscallMask", "")] = 0
    xcr0: Annotated[int, u64("Xcr0", "Windows 7 and later")] = 0
    msr_fs_base: Annotated[int, u64("MsrFsBase", "Windows 10 RS4 and later")] = 0
    special_padding: Annotated[bytes, padding(8)] = bytes(8)
    size: int = 0xF0  # not on the wire: how many bytes of the declared fields the record has
    tail: bytes = b""  # beyond them; meaning unknown

    @classmethod
    def decode(cls, data: bytes, offset: int = 0) -> Self:
        """The record that fills `data` from `offset` to its end. Raises `DecodeError` below the oldest size, 0xD8."""
        given = data[offset:]
        if len(given) < OLDEST_SIZE:
            raise DecodeError(f"{cls.__name__} needs at least {OLDEST_SIZE} bytes, {len(given)} are left")
        layout = cls.layout()
        values = layout.load(layout.compiled.parse(given.ljust(cls.SIZE, b"\0")))
        values += [min(len(given), cls.SIZE), given[cls.SIZE :]]
        return cls(*values)

    def encode(self) -> bytes:
        """As many bytes as the record had when it was decoded."""
        # super() without arguments doesn't survive the copy of the class that slots=True makes.
        return Structure.encode(self)[: self.size] + self.tail


OLDEST_SIZE = 0xD8
