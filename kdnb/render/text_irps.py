"""Text of I/O request packets: `!irp !irpfind` (the command reference, 7.12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.protocol.irps import INVOKE_ON_CANCEL, INVOKE_ON_ERROR, INVOKE_ON_SUCCESS, PENDING_RETURNED
from kdnb.render.lines import lines
from kdnb.results.irps import FoundIrps, IrpInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.results.irps import FoundIrp, IrpLocation

__all__: list[str] = []


@lines.register(IrpInfo)
def _irp(value: IrpInfo) -> Iterator[str]:
    width = 2 * value.address_size
    yield (
        f"Irp is active with {value.stack_count} stacks {value.current_location} is current "
        f"(= 0x{value.current_stack_location:0{width}x})"
    )
    mdl = f"Mdl={value.mdl:0{width}x}" if value.mdl else "No Mdl"
    buffer = f"System buffer={value.system_buffer:0{width}x}" if value.system_buffer else "No System Buffer"
    state = "Irp is completed." if value.is_completed else "Irp stack trace."
    pending = "Pending has been returned" if value.pending_returned else ""
    yield f" {mdl}: {buffer}: Thread {value.thread:08x}:  {state}  {pending}"
    for name, number in value.details:
        yield f"{name} = {number:08x}"
    yield "     cmd  flg cl Device   File     Completion-Context"
    for location in value:
        yield from _location(location)
    if value.note:
        yield f"WARNING: {value.note}"


def _location(value: IrpLocation) -> Iterator[str]:
    mark = ">" if value.is_current else " "
    major, minor = value.major_name or "N/A", value.minor_name or "N/A"
    yield f"{mark}[{major}({value.major:x}), {minor}({value.minor:x})]"
    words = (
        ("Success", INVOKE_ON_SUCCESS),
        ("Error", INVOKE_ON_ERROR),
        ("Cancel", INVOKE_ON_CANCEL),
        ("pending", PENDING_RETURNED),
    )
    shown = " ".join(word if value.control & bit else "" for word, bit in words)
    yield (
        f"{value.flags:13x} {value.control:2x} {value.device:08x} {value.file:08x} "
        f"{value.completion_routine:08x}-{value.context:08x} {shown}"
    )
    yield f"\t       {value.driver_name}\t{value.completion_symbol}" if value.device else ""
    yield "\t\t\tArgs: " + " ".join(f"{argument:08x}" for argument in value.arguments)


@lines.register(FoundIrps)
def _found(value: FoundIrps) -> Iterator[str]:
    width = 2 * value.address_size
    start, end = f"{value.start:0{width}x}", f"{value.end:0{width}x}"
    yield f"Searching {value.region} ({start} : {end}) for tag 0x20707249 (Irp )"
    yield ""
    head = f"  {'Irp':<{width - 1}}[ {'Thread':<{width - 1}}]irpStack: (Mj,Mn)"
    yield f"{head}   {'DevObj':<{width}} [Driver]         MDL"
    yield from (_row(irp, width) for irp in value)
    for whole in value.details:
        yield ""
        yield from _irp(whole)
    if value.note:
        yield f"WARNING: {value.note}"


def _row(irp: FoundIrp, width: int) -> str:
    row = f"{irp.address:0{width}x} [{irp.thread:0{width}x}] "
    if irp.is_completed:
        row += f"Irp is complete (CurrentLocation {irp.current_location} > StackCount {irp.stack_count})"
    else:
        row += f"irpStack: ({irp.major:2x},{irp.minor:2x})  {irp.device:0{width}x} [ {irp.driver_name}]"
    return f"{row} 0x{irp.mdl:0{width}x}" if irp.mdl else row
