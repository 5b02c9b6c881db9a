"""A processor's own structures: `!idt !pcr !prcb !cpuinfo` (the command reference, 7.13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.debugger.cpus import control_block, cpu_info
from kdnb.errors import ExpressionError, UnsupportedError
from kdnb.results.hardware import CpuInfos, InterruptTable, InterruptVector, ProcessorBlock

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

VECTORS = 256
PRESENT = 0x80
_UNEXPECTED = ("KiUnexpectedInterrupt", "KiIsrThunk")
"""Stubs of vectors that nobody has taken: shown with -a only."""


@command(
    "!idt",
    summary="Show the interrupt descriptor table.",
    syntax="!idt [Vector] [-a]",
    details="Without -a only vectors that a handler has taken.",
    examples=("!idt", "!idt 3", "!idt -a"),
)
def show_interrupts(session: Session, arguments: Arguments) -> Result:
    """Vectors with their handlers."""
    every = arguments.match(r"-a\b\s*") is not None
    only = arguments.expression() if not arguments.at_end and not arguments.rest.startswith("-") else None
    every = arguments.match(r"-a\b\s*") is not None or every
    arguments.finish()
    if only is not None and only >= VECTORS:
        raise ExpressionError(f"Range error in '!idt {arguments.text[:60]}'", "vectors are 0 to ff")
    if not session.registers.has("idtr"):
        raise UnsupportedError("this machine has no interrupt descriptor table", "!idt is for x64 and x86")
    table, limit = session.registers.get("idtr"), session.registers.get("idtl")
    size = 16 if session.pointer_size == 8 else 8
    data = session.memory.read(table, min(limit + 1, VECTORS * size))
    found = []
    for vector in range(len(data) // size):
        gate = _gate(session, vector, data[vector * size : (vector + 1) * size])
        if only is not None and vector != only:
            continue
        quiet = gate is None or any(name in gate.symbol for name in _UNEXPECTED)
        if gate is not None and (only is not None or every or not quiet):
            found.append(gate)
    return InterruptTable(table, tuple(found), session.pointer_size)


def _gate(session: Session, vector: int, data: bytes) -> InterruptVector | None:
    """One gate; None where it isn't present."""
    if not data[5] & PRESENT:
        return None
    handler = int.from_bytes(data[:2], "little") | int.from_bytes(data[6:8], "little") << 16
    if session.pointer_size == 8:
        handler |= int.from_bytes(data[8:12], "little") << 32
    stack = data[4] & 7 if session.pointer_size == 8 else 0
    return InterruptVector(
        vector, handler, session.symbols.name_at(handler) or "", int.from_bytes(data[2:4], "little"), stack
    )


@command(
    "!pcr",
    summary="Show where a processor's control region (KPCR) and its tables lie, and what runs on it.",
    syntax="!pcr [Processor]",
    examples=("!pcr", "!pcr 1"),
)
def show_processor(session: Session, arguments: Arguments) -> Result:
    """Addresses, current, next and idle thread as far as the debugger data block tells their places."""
    number = processor_number(session, arguments)
    prcb = session.processes.prcb(number)
    block = session.debugger_data

    def pointer(name: str) -> int:
        offset = block.get(name) if block is not None else None
        data = session.memory.read_available(prcb + offset, session.pointer_size) if offset else b""
        return int.from_bytes(data, "little") if len(data) == session.pointer_size else 0

    special = session.registers.values(number, special=True)
    return ProcessorBlock(
        number=number,
        pcr=session.processes.pcr(number),
        prcb=prcb,
        current_thread=pointer("offset_prcb_current_thread"),
        idle_thread=pointer("offset_prcb_idle_thread"),
        gdt=special.get("gdtr", 0),
        idt=special.get("idtr", 0),
        task=special.get("tr", 0),
        address_size=session.pointer_size,
    )


@command(
    "!prcb",
    summary="Show what a processor's block (KPRCB) says: level, threads, interrupts and times.",
    syntax="!prcb [Processor]",
    details="Interrupts and clock ticks are in hex. Fields that the kernel's types don't have, or all but the threads "
    "where there are no types, are named in the last line.",
    examples=("!prcb", "!prcb 1"),
)
def show_block(session: Session, arguments: Arguments) -> Result:
    """What the kernel keeps for one processor."""
    return control_block(session, processor_number(session, arguments))


def processor_number(session: Session, arguments: Arguments) -> int:
    """The processor that is named, the current one without a number."""
    number = arguments.expression(session.current_processor)
    arguments.finish()
    if number >= session.processor_count:
        raise ExpressionError(
            f"Cannot get PRCB address of processor {number}", f"the target has 0 to {session.processor_count - 1}"
        )
    return number


@command(
    "!cpuinfo",
    "!cpuid",
    summary="Show what processors there are: family, model and stepping, manufacturer, speed; !cpuinfo: microcode too.",
    syntax="!cpuinfo|!cpuid [Processor]",
    details="What the kernel noted in KPRCB when a processor started. The microcode's signature and the kernel's own "
    "feature bits need the kernel's types.",
    examples=("!cpuinfo", "!cpuinfo 1"),
    tier="C",
)
def show_cpus(session: Session, arguments: Arguments) -> Result:
    """All processors, or one."""
    numbers = range(session.processor_count) if arguments.at_end else (processor_number(session, arguments),)
    infos = tuple(cpu_info(session, number) for number in numbers)
    return CpuInfos(infos, is_short=arguments.name == "!cpuid")
