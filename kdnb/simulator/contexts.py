"""CONTEXT and KSPECIAL_REGISTERS of an amd64 processor, or of the code that its trap frames describe.

While the guest's own dispatcher reports an exception, the registers that a debugger shall see and change are not the
processor's but those saved in KTRAP_FRAME and KEXCEPTION_FRAME (`guest/source/nt.h`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kdnb.protocol.context.amd64 import CONTEXT_FULL, AMD64Context, AMD64SpecialRegisters
from kdnb.simulator.architecture import AMD64

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.simulator.cpu import Processor
    from kdnb.simulator.register_forms import SavedFrames

__all__ = [
    "KNOWN_MSRS",
    "read_context",
    "read_special",
    "set_trap_flag",
    "write_context",
    "write_special",
]

DATA_SEGMENTS = {"ds": 0x2B, "es": 0x2B, "fs": 0x53, "gs": 0x2B}
"""What a Windows kernel keeps in them; the bases come from MSRs."""

EFER, STAR, LSTAR, CSTAR, FMASK, FS_BASE, GS_BASE, GS_SWAP = (
    0xC0000080, 0xC0000081, 0xC0000082, 0xC0000083, 0xC0000084, 0xC0000100, 0xC0000101, 0xC0000102,
)  # fmt: skip

_SPECIAL_MSRS = {
    "msr_gs_base": GS_BASE,
    "msr_gs_swap": GS_SWAP,
    "msr_star": STAR,
    "msr_lstar": LSTAR,
    "msr_cstar": CSTAR,
    "msr_syscall_mask": FMASK,
    "msr_fs_base": FS_BASE,
}
KNOWN_MSRS = frozenset({0x10, 0x1B, 0x1D9, 0x277, EFER, *_SPECIAL_MSRS.values()})
"""Numbers that a debugger may read: time stamp, APIC base, debug control, page attributes, and the system call's."""

_CONTROL_REGISTERS = ("cr0", "cr2", "cr3", "cr4")
_IRQL = 0x50  # KPCR.Irql, which this guest has in place of CR8

_TRAP_FRAME = {
    "rax": 0x30, "rcx": 0x38, "rdx": 0x40, "r8": 0x48, "r9": 0x50, "r10": 0x58, "r11": 0x60,
    "rbx": 0x140, "rdi": 0x148, "rsi": 0x150, "rbp": 0x158, "rip": 0x168, "rsp": 0x180,
}  # fmt: skip
_TRAP_FRAME_FLAGS = 0x178
_TRAP_FRAME_SEGMENTS = {"cs": 0x170, "ss": 0x188}
_EXCEPTION_FRAME = {"r12": 0x118, "r13": 0x120, "r14": 0x128, "r15": 0x130}


def _places(frames: SavedFrames) -> Iterator[tuple[str, int]]:
    """Register names and the addresses of their saved values."""
    for name, offset in _TRAP_FRAME.items():
        yield name, frames.trap_frame + offset
    for name, offset in _EXCEPTION_FRAME.items():
        yield name, frames.exception_frame + offset


def read_context(processor: Processor, frames: SavedFrames | None) -> bytes:
    """The whole CONTEXT, 0x4D0 bytes."""
    values: dict[str, Any] = {name: processor.get(name) for name in (*AMD64.general_registers, "rip")}
    flags = processor.get("eflags")
    segments = {name: processor.get(name) for name in _TRAP_FRAME_SEGMENTS}
    if frames is not None:
        values |= {name: processor.read_pointer(address) for name, address in _places(frames)}
        places = _TRAP_FRAME_SEGMENTS.items()
        segments = {name: processor.read_number(frames.trap_frame + offset, 2) for name, offset in places}
        flags = processor.read_pointer(frames.trap_frame + _TRAP_FRAME_FLAGS) & 0xFFFFFFFF
    debug = processor.debug
    values |= DATA_SEGMENTS | segments
    values |= {f"dr{i}": address for i, address in enumerate(debug.addresses)}
    context = AMD64Context(
        context_flags=CONTEXT_FULL,
        mxcsr=processor.get("mxcsr"),
        efl=flags,
        dr6=debug.dr6,
        dr7=debug.dr7,
        **values,
        fpcw=processor.get("fpcw"),
        fpsw=processor.get("fpsw"),
        fp_mxcsr=processor.get("mxcsr"),
        fp_mxcsr_mask=0xFFFF,
        xmm=tuple(processor.get(f"xmm{i}") for i in range(AMD64.xmm_registers)),
    )
    return context.encode()


def write_context(processor: Processor, data: bytes, frames: SavedFrames | None) -> None:
    """General registers, flags, RIP, XMM. Segments and debug registers stay: KD changes those by other ways."""
    context = AMD64Context.decode(data)
    values = {name: getattr(context, name) for name in (*AMD64.general_registers, "rip")}
    if frames is not None:
        for name, address in _places(frames):
            processor.write(address, values[name].to_bytes(8, "little"))
        processor.write(frames.trap_frame + _TRAP_FRAME_FLAGS, context.efl.to_bytes(4, "little"))
    else:
        if values["rip"] != processor.get("rip"):
            processor.halted = False
        for name, value in values.items():
            processor.set(name, value)
        processor.set("eflags", context.efl)
    processor.set("mxcsr", context.mxcsr)
    for i, value in enumerate(context.xmm):
        processor.set(f"xmm{i}", value)


def set_trap_flag(processor: Processor, frames: SavedFrames | None, on: bool) -> None:
    """TF in the flags with which the code will go on."""
    if frames is None:
        processor.set("eflags", processor.get("eflags") & ~0x100 | 0x100 * on)
        return
    address = frames.trap_frame + _TRAP_FRAME_FLAGS
    flags = processor.read_pointer(address) & 0xFFFFFFFF
    processor.write(address, (flags & ~0x100 | 0x100 * on).to_bytes(4, "little"))


def read_special(processor: Processor) -> bytes:
    """KSPECIAL_REGISTERS, 0xF0 bytes."""
    return _special(processor).encode()


def _special_msrs(processor: Processor) -> dict[str, int]:
    """Fields and their MSRs. A debugger sees the kernel's GS base where code of user mode was stopped too."""
    if processor.has_kernel_gs:
        return _SPECIAL_MSRS
    return _SPECIAL_MSRS | {"msr_gs_base": GS_SWAP, "msr_gs_swap": GS_BASE}


def _special(processor: Processor) -> AMD64SpecialRegisters:
    _, gdt, gdt_limit = processor.table_register("gdtr")
    _, idt, idt_limit = processor.table_register("idtr")
    debug = processor.debug
    values: dict[str, Any] = {name: processor.get(name) for name in _CONTROL_REGISTERS}
    values |= {name: processor.msr_read(number) for name, number in _special_msrs(processor).items()}
    values |= {f"kernel_dr{i}": address for i, address in enumerate(debug.addresses)}
    return AMD64SpecialRegisters(
        **values,
        kernel_dr6=debug.dr6,
        kernel_dr7=debug.dr7,
        gdtl=gdt_limit,
        gdtr=gdt,
        idtl=idt_limit,
        idtr=idt,
        tr=processor.table_register("tr")[0],
        ldtr=processor.table_register("ldtr")[0],
        mxcsr=processor.get("mxcsr"),
        cr8=processor.read_number(processor.system_pointer + _IRQL, 1),
        xcr0=7,
    )


def write_special(processor: Processor, data: bytes) -> None:
    """Apply what differs from the present values; TR and LDTR can't be set."""
    old, new = _special(processor), AMD64SpecialRegisters.decode(data)
    for name in _CONTROL_REGISTERS:
        if getattr(new, name) != getattr(old, name):
            processor.set(name, getattr(new, name))
    for name, number in _special_msrs(processor).items():
        if getattr(new, name) != getattr(old, name):
            processor.msr_write(number, getattr(new, name))
    if (new.gdtr, new.gdtl) != (old.gdtr, old.gdtl):
        processor.set_table_register("gdtr", new.gdtr, new.gdtl)
    if (new.idtr, new.idtl) != (old.idtr, old.idtl):
        processor.set_table_register("idtr", new.idtr, new.idtl)
    if new.cr8 != old.cr8:
        processor.write(processor.system_pointer + _IRQL, bytes([new.cr8 & 0xF]))
    if new.mxcsr != old.mxcsr:
        processor.set("mxcsr", new.mxcsr)
    debug = processor.debug
    debug.addresses = [new.kernel_dr0, new.kernel_dr1, new.kernel_dr2, new.kernel_dr3]
    debug.dr6, debug.dr7 = new.kernel_dr6, new.kernel_dr7
    processor.arm()
