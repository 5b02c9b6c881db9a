"""Text of `!idt !pcr !prcb !cpuinfo !pci` (the command reference, 7.13; the layout of `!pci` is plain)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.render.lines import lines
from kdnb.results.addresses import format_address
from kdnb.results.hardware import (
    ControlBlock,
    CpuInfos,
    InterruptTable,
    InterruptVector,
    PciDevice,
    PciDevices,
    PciTree,
    ProcessorBlock,
)
from kdnb.results.processors import ProcessorStates

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []

_CLASSES = {
    0x01: "mass storage",
    0x02: "network",
    0x03: "display",
    0x04: "multimedia",
    0x05: "memory",
    0x06: "bridge",
    0x07: "communication",
    0x08: "system",
    0x09: "input",
    0x0C: "serial bus",
}


@lines.register(InterruptTable)
def _interrupts(value: InterruptTable) -> Iterator[str]:
    yield f"Dumping IDT: {value.address:0{2 * value.address_size}x}"
    yield ""
    for one in value.vectors:
        yield _vector(one, 2 * value.address_size)


@lines.register(InterruptVector)
def _one_vector(value: InterruptVector) -> Iterator[str]:
    yield _vector(value, 16 if value.handler >> 32 else 8)


def _vector(one: InterruptVector, digits: int) -> str:
    stack = f"\tStack: IST {one.stack_index}" if one.stack_index else ""
    return f"{one.vector:02x}:\t{one.handler:0{digits}x} {one.symbol}{stack}".rstrip(" ")


@lines.register(ProcessorStates)
def _processors(value: ProcessorStates) -> Iterator[str]:
    for processor in value:
        mark = "." if processor.is_current else " "
        address = format_address(processor.instruction_pointer, value.address_size)
        yield f"{mark}{processor.number:>3}  {address} {processor.symbol}"


@lines.register(ProcessorBlock)
def _processor(value: ProcessorBlock) -> Iterator[str]:
    digits = 2 * value.address_size

    def row(name: str, number: int) -> str:
        return f"{name:>18}: {number:0{digits}x}"

    yield f"KPCR for Processor {value.number} at {value.pcr:0{digits}x}:"
    yield row("Prcb", value.prcb)
    yield row("IDT", value.idt)
    yield row("GDT", value.gdt)
    yield row("TSS selector", value.task)
    yield row("CurrentThread", value.current_thread)
    yield row("IdleThread", value.idle_thread)


@lines.register(ControlBlock)
def _block(value: ControlBlock) -> Iterator[str]:
    digits = 2 * value.address_size

    def shown(number: int | None, width: int = 8) -> str:
        return "?" * width if number is None else f"{number:0{width}x}"

    yield f"PRCB for Processor {value.number} at {value.address:0{digits}x}:"
    yield f"Current IRQL -- {'??' if value.level is None else value.level}"
    threads = (value.current_thread, value.next_thread, value.idle_thread)
    yield "Threads--  Current {} Next {} Idle {}".format(*(shown(one, digits) for one in threads))
    place = ", ".join(shown(one, 1) for one in (value.group, value.group_index))
    yield f"Processor Index {value.number} Number ({place}) GroupSetMember {shown(value.group_set_member, 1)}"
    yield f"Interrupt Count -- {shown(value.interrupt_count)}"
    yield f"Times -- Dpc    {shown(value.dpc_time)} Interrupt {shown(value.interrupt_time)}"
    yield f"         Kernel {shown(value.kernel_time)} User      {shown(value.user_time)}"
    if value.missing:
        yield f"Not known of this build: {', '.join(value.missing)}"


@lines.register(CpuInfos)
def _cpus(value: CpuInfos) -> Iterator[str]:
    if value.is_short:
        yield "CP  F/M/S  Manufacturer        MHz"
        for one in value:
            version = f"{one.family},{one.model},{one.stepping}"
            yield f"{one.number:2}  {version:<6} {one.manufacturer:<17} {one.mhz:5}"
        return
    yield "CP  F/M/S Manufacturer  MHz Update Signature Features"
    for one in value:
        version = f"{one.family},{one.model},{one.stepping}"
        signature = "" if one.update_signature is None else f"{one.update_signature:016x}"
        features = "" if one.features is None else f"{one.features:08x}"
        yield f"{one.number:2} {version} {one.manufacturer:<12} {one.mhz:4} {signature:<16} {features}".rstrip()


@lines.register(PciDevices)
def _devices(value: PciDevices) -> Iterator[str]:
    if not value.devices:
        yield "No devices on this bus."
    for one in value.devices:
        yield from _device(one)


@lines.register(PciTree)
def _tree(value: PciTree) -> Iterator[str]:
    if not value.nodes:
        yield "No devices on bus 0."
    for node in value.nodes:
        behind = f"  bridge to bus {node.secondary_bus:x}" if node.secondary_bus is not None else ""
        yield from ("  " * node.depth + line + behind for line in _device(node.device))


@lines.register(PciDevice)
def _device(value: PciDevice) -> Iterator[str]:
    place = f"{value.bus:02x}:{value.device:02x}.{value.function:x}"
    kind = _CLASSES.get(value.class_code >> 16, "other")
    yield (
        f"{place}  {value.vendor_id:04x}:{value.device_id:04x}.{value.revision:02x}"
        f"  class {value.class_code:06x} ({kind})  header {value.header_type:02x}"
    )
