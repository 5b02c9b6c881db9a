"""I/O request packets: the IRP, its stack locations behind it, and the list of a thread's requests.

Layouts are those of public headers; an IRP of N stack locations is followed by them, the lowest driver's first.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from kdnb.debugger.drivers import driver_of_device
from kdnb.debugger.kernel_records import Record
from kdnb.debugger.lists import walk_list
from kdnb.debugger.pool import region_of_type, scan_blocks
from kdnb.errors import MemoryReadError, UnknownNameError
from kdnb.protocol.irps import MAJOR_FUNCTIONS, minor_function
from kdnb.results.irps import FoundIrp, FoundIrps, IrpInfo, IrpLocation, ThreadIrp

if TYPE_CHECKING:
    from kdnb.debugger.session import Session

__all__ = ["CRITERIA", "describe_irp", "find_irps", "summarize_irp", "thread_irps"]

IRP_TYPE = 6
"""IO_TYPE_IRP of public headers: the first word of an IRP."""
MAX_STACK = 127
"""StackCount is a signed byte."""
THREAD_IRP_LIMIT = 1024
FOUND_LIMIT = 4096
TAG = "Irp "
CRITERIA = ("arg", "device", "fileobject", "thread", "userevent")
"""What an IRP can be looked for by."""
_PATHS = (
    "Type", "Size", "MdlAddress", "Flags", "AssociatedIrp.SystemBuffer", "ThreadListEntry", "IoStatus.Status",
    "IoStatus.Information", "RequestorMode", "PendingReturned", "StackCount", "CurrentLocation", "Cancel",
    "CancelIrql", "ApcEnvironment", "UserIosb", "UserEvent", "Overlay.AsynchronousParameters.UserApcRoutine",
    "Overlay.AsynchronousParameters.UserApcContext", "Overlay.AllocationSize", "CancelRoutine", "UserBuffer",
    "Tail.Overlay.Thread", "Tail.Overlay.AuxiliaryBuffer", "Tail.Overlay.ListEntry",
    "Tail.Overlay.CurrentStackLocation", "Tail.Overlay.OriginalFileObject", "Tail.CompletionKey",
)  # fmt: skip
_ARGUMENTS = tuple(f"Parameters.Others.Argument{number}" for number in range(1, 5))
_LOCATION_PATHS = (
    "MajorFunction", "MinorFunction", "Flags", "Control", "DeviceObject", "FileObject", "CompletionRoutine", "Context",
    *_ARGUMENTS,
)  # fmt: skip


def _read(session: Session, address: int) -> Record:
    record = session.processes.records.read("_IRP", address, _PATHS)
    record.layout.offset("Tail.Overlay.CurrentStackLocation")  # says so where the build's layout is not known
    if record.number("Type") != IRP_TYPE:
        raise UnknownNameError(
            f"{address:x}: IRP signature does not match, probably not an IRP", "!thread and !irpfind list IRPs"
        )
    return record


def describe_irp(session: Session, address: int, *, details: bool = False) -> IrpInfo:
    """The IRP at `address`; `UnknownNameError` where there is none."""
    record = _read(session, address)
    count, current = record.number("StackCount"), record.number("CurrentLocation")
    note = ""
    if count > MAX_STACK:
        count, note = 0, f"StackCount is {count:#x}: the IRP is damaged"
    elif not 0 < current <= count + 1:
        note = f"CurrentLocation is {current:#x} with {count} stack locations: the IRP is damaged"
    locations, hole = _locations(session, record, count, current)
    routine = record.number("CancelRoutine")
    return IrpInfo(
        address=record.address,
        stack_count=count,
        current_location=current,
        current_stack_location=record.number("Tail.Overlay.CurrentStackLocation"),
        mdl=record.number("MdlAddress"),
        system_buffer=record.number("AssociatedIrp.SystemBuffer"),
        thread=record.number("Tail.Overlay.Thread"),
        pending_returned=bool(record.number("PendingReturned")),
        locations=locations,
        address_size=session.pointer_size,
        flags=record.number("Flags"),
        status=record.number("IoStatus.Status"),
        information=record.number("IoStatus.Information"),
        cancel=bool(record.number("Cancel")),
        cancel_routine=routine,
        cancel_symbol=session.symbols.format(routine) if routine else "",
        user_buffer=record.number("UserBuffer"),
        user_event=record.number("UserEvent"),
        details=_details(session, record) if details else (),
        note=note or hole,
    )


def _locations(session: Session, irp: Record, count: int, current: int) -> tuple[tuple[IrpLocation, ...], str]:
    """The stack locations behind the IRP, and what can't be read of them."""
    layout = session.processes.records.layout("_IO_STACK_LOCATION", _LOCATION_PATHS)
    start = irp.address + irp.layout.size
    data = session.memory.read_available(start, count * layout.size)
    found = []
    for index in range(len(data) // layout.size):
        session.require_stopped()  # sees a cancel
        piece = data[index * layout.size : (index + 1) * layout.size]
        found.append(_location(session, Record(layout, start + index * layout.size, piece), index + 1, current))
    missing = count - len(found)
    return tuple(found), f"{missing} of {count} stack locations can't be read" if missing else ""


def _location(session: Session, record: Record, number: int, current: int) -> IrpLocation:
    major, minor = record.number("MajorFunction"), record.number("MinorFunction")
    device, file = record.number("DeviceObject"), record.number("FileObject")
    routine = record.number("CompletionRoutine")
    is_used = any(record.data)
    name = f"IRP_MJ_{MAJOR_FUNCTIONS[major]}" if is_used and major < len(MAJOR_FUNCTIONS) else ""
    return IrpLocation(
        number=number,
        major=major,
        major_name=name,
        minor=minor,
        minor_name=minor_function(major, minor) if is_used else "",
        flags=record.number("Flags"),
        control=record.number("Control"),
        device=device,
        driver_name=driver_of_device(session, device),
        file=file,
        completion_routine=routine,
        completion_symbol=session.symbols.format(routine) if routine else "",
        context=record.number("Context"),
        arguments=tuple(record.number(path) for path in _ARGUMENTS),
        is_current=number == current,
    )


def _details(session: Session, record: Record) -> tuple[tuple[str, int], ...]:
    """Every field under its name; a list entry as its two links."""
    found: list[tuple[str, int]] = []
    size = session.pointer_size
    for path in _PATHS:
        data = record.bytes(path)
        if path.endswith("ListEntry"):
            found.append((f"{path}.Flink", int.from_bytes(data[:size], "little")))
            found.append((f"{path}.Blink", int.from_bytes(data[size:], "little")))
        elif data:
            found.append((path, int.from_bytes(data, "little")))
    return tuple(found)


def summarize_irp(session: Session, address: int) -> FoundIrp:
    """What a search shows of an IRP; `UnknownNameError` where there is none."""
    record = _read(session, address)
    current = record.number("CurrentLocation")
    location = None
    if 0 < current <= record.number("StackCount") <= MAX_STACK:
        layout = session.processes.records.layout("_IO_STACK_LOCATION", _LOCATION_PATHS)
        place = record.address + record.layout.size + (current - 1) * layout.size
        with contextlib.suppress(MemoryReadError):
            location = session.processes.records.read("_IO_STACK_LOCATION", place, _LOCATION_PATHS)
    device = location.number("DeviceObject") if location is not None else 0
    return FoundIrp(
        address=record.address,
        thread=record.number("Tail.Overlay.Thread"),
        stack_count=record.number("StackCount"),
        current_location=current,
        major=location.number("MajorFunction") if location is not None else 0,
        minor=location.number("MinorFunction") if location is not None else 0,
        device=device,
        driver_name=driver_of_device(session, device),
        mdl=record.number("MdlAddress"),
    )


def find_irps(session: Session, kind: int, start: int, criterion: tuple[str, int] | None, *, whole: bool) -> FoundIrps:
    """The IRPs of a pool region from `start` on, those that meet the criterion; `whole` describes each."""
    region = region_of_type(session, kind)
    header = 2 * session.pointer_size
    found: list[FoundIrp] = []
    details: list[IrpInfo] = []
    note = ""
    for block in scan_blocks(session, region, start):
        if block.tag != TAG or block.is_free:
            continue
        address = block.address + header
        try:
            if criterion is not None and not _meets(describe_irp(session, address), *criterion):
                continue
            found.append(summarize_irp(session, address))
            if whole:
                details.append(describe_irp(session, address))
        except (UnknownNameError, MemoryReadError):
            continue
        if len(found) >= FOUND_LIMIT:
            note = f"cut after {FOUND_LIMIT} IRPs; go on at {block.address + block.size:x}"
            break
    first = max(region.start, start)
    return FoundIrps(tuple(found), region.name.lower(), first, region.end, session.pointer_size, tuple(details), note)


def _meets(irp: IrpInfo, name: str, value: int) -> bool:
    match name:
        case "arg":
            return any(value in location.arguments for location in irp)
        case "device":
            return any(value == location.device for location in irp)
        case "fileobject":
            return any(value == location.file for location in irp)
        case "thread":
            return irp.thread == value
    return irp.user_event == value


def thread_irps(session: Session, thread: Record) -> tuple[tuple[ThreadIrp, ...], str]:
    """The IRPs that a thread has asked for, and why their list ended early. `thread` is an ETHREAD."""
    layout = session.processes.records.layout("_IRP", _PATHS)
    links = layout.fields.get("ThreadListEntry")
    if links is None or not thread.number("IrpList"):
        return (), ""
    head = thread.address_of("IrpList")
    found = walk_list(session.memory, head, limit=THREAD_IRP_LIMIT, around=(links[0], layout.size))
    irps = []
    for link in found:
        record = session.processes.records.read("_IRP", link - links[0], _PATHS)
        numbers = (record.number(name) for name in ("Type", "Size", "Flags", "MdlAddress"))
        irps.append(ThreadIrp(record.address, *numbers))
    return tuple(irps), found.note
