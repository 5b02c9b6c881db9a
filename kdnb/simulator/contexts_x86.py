"""CONTEXT and KSPECIAL_REGISTERS of an x86 processor, or of the code that its trap frame describes.

As `contexts`, for KTRAP_FRAME of `guest/source/x86.h`, which holds every register.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kdnb.protocol.context.x86 import CONTEXT_FULL, X86Context, X86SpecialRegisters
from kdnb.simulator.architecture import X86

if TYPE_CHECKING:
    from kdnb.simulator.cpu import Processor
    from kdnb.simulator.register_forms import SavedFrames

__all__ = ["KNOWN_MSRS", "read_context", "read_special", "set_trap_flag", "write_context", "write_special"]

KNOWN_MSRS = frozenset({0x10, 0x1B, 0x174, 0x175, 0x176, 0x1D9, 0x277})
"""Numbers that a debugger may read: time stamp, APIC base, sysenter, debug control, page attributes."""

_SEGMENTS = ("cs", "ss", "ds", "es", "fs", "gs")
_CONTROL_REGISTERS = ("cr0", "cr2", "cr3", "cr4")
_TRAP_FRAME = {
    "edx": 0x3C, "ecx": 0x40, "eax": 0x44, "edi": 0x54, "esi": 0x58, "ebx": 0x5C, "ebp": 0x60, "eip": 0x68,
}  # fmt: skip
_TRAP_FRAME_FLAGS, _INTERRUPTED_STACK = 0x70, 0x74


def read_context(processor: Processor, frames: SavedFrames | None) -> bytes:
    """The whole CONTEXT, 0x2CC bytes."""
    values: dict[str, Any] = {name: processor.get(name) for name in (*X86.general_registers, "eip", *_SEGMENTS)}
    flags = processor.get("eflags")
    if frames is not None:
        values |= {name: processor.read_pointer(frames.trap_frame + at) for name, at in _TRAP_FRAME.items()}
        values["esp"] = frames.trap_frame + _INTERRUPTED_STACK
        flags = processor.read_pointer(frames.trap_frame + _TRAP_FRAME_FLAGS)
    debug = processor.debug
    values |= {f"dr{i}": address for i, address in enumerate(debug.addresses)}
    context = X86Context(
        context_flags=CONTEXT_FULL,
        efl=flags,
        dr6=debug.dr6,
        dr7=debug.dr7,
        fpcw=0xFFFF0000 | processor.get("fpcw"),
        fpsw=0xFFFF0000 | processor.get("fpsw"),
        fptw=0xFFFFFFFF,
        **values,
        fp_extended=(processor.get("fpcw") & 0xFFFF).to_bytes(24, "little"),
        mxcsr=processor.get("mxcsr"),
        xmm=tuple(processor.get(f"xmm{i}") for i in range(X86.xmm_registers)),
    )
    return context.encode()


def write_context(processor: Processor, data: bytes, frames: SavedFrames | None) -> None:
    """General registers, flags, EIP, XMM. ESP of a trap frame follows from its place and stays."""
    context = X86Context.decode(data)
    if frames is not None:
        for name, at in _TRAP_FRAME.items():
            processor.write(frames.trap_frame + at, getattr(context, name).to_bytes(4, "little"))
        processor.write(frames.trap_frame + _TRAP_FRAME_FLAGS, context.efl.to_bytes(4, "little"))
    else:
        if context.eip != processor.pc:
            processor.halted = False
        for name in (*X86.general_registers, "eip"):
            processor.set(name, getattr(context, name))
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
    processor.write(address, (processor.read_pointer(address) & ~0x100 | 0x100 * on).to_bytes(4, "little"))


def read_special(processor: Processor) -> bytes:
    """KSPECIAL_REGISTERS, 0x54 bytes."""
    return _special(processor).encode()


def write_special(processor: Processor, data: bytes) -> None:
    """Apply what differs from the present values; TR and LDTR can't be set."""
    old, new = _special(processor), X86SpecialRegisters.decode(data)
    for name in _CONTROL_REGISTERS:
        if getattr(new, name) != getattr(old, name):
            processor.set(name, getattr(new, name))
    if (new.gdtr, new.gdtl) != (old.gdtr, old.gdtl):
        processor.set_table_register("gdtr", new.gdtr, new.gdtl)
    if (new.idtr, new.idtl) != (old.idtr, old.idtl):
        processor.set_table_register("idtr", new.idtr, new.idtl)
    debug = processor.debug
    debug.addresses = [new.kernel_dr0, new.kernel_dr1, new.kernel_dr2, new.kernel_dr3]
    debug.dr6, debug.dr7 = new.kernel_dr6, new.kernel_dr7
    processor.arm()


def _special(processor: Processor) -> X86SpecialRegisters:
    _, gdt, gdt_limit = processor.table_register("gdtr")
    _, idt, idt_limit = processor.table_register("idtr")
    debug = processor.debug
    values: dict[str, Any] = {name: processor.get(name) for name in _CONTROL_REGISTERS}
    values |= {f"kernel_dr{i}": address for i, address in enumerate(debug.addresses)}
    return X86SpecialRegisters(
        **values,
        kernel_dr6=debug.dr6,
        kernel_dr7=debug.dr7,
        gdtl=gdt_limit,
        gdtr=gdt,
        idtl=idt_limit,
        idtr=idt,
        tr=processor.table_register("tr")[0],
        ldtr=processor.table_register("ldtr")[0],
    )
