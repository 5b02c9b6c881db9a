"""Driver, device and file objects: devices of a driver, its functions, and stacks of attached devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.debugger.device_nodes import node_of_device
from kdnb.debugger.lists import walk_list
from kdnb.debugger.objects import Objects
from kdnb.errors import KdnbError, MemoryReadError, UnknownNameError
from kdnb.protocol.device_nodes import flag_names
from kdnb.protocol.file_flags import FILE_FLAGS
from kdnb.protocol.irps import MAJOR_FUNCTIONS
from kdnb.results.objects import DeviceInfo, DeviceStack, DriverInfo, EntryPoint, FileInfo

if TYPE_CHECKING:
    from kdnb.debugger.kernel_records import Record
    from kdnb.debugger.session import Session

__all__ = [
    "describe_device",
    "describe_driver",
    "describe_file",
    "device_stack",
    "driver_of_device",
    "find_device",
    "find_driver",
]

DEVICE_TYPE, DRIVER_TYPE, FILE_TYPE = 3, 4, 5
"""IO_TYPE of public headers: the first word of these structs."""
DEVICE_LIMIT = 4096
STACK_LIMIT = 64
QUEUE_LIMIT = 1024
QUEUE_ENTRY = "Tail.Overlay.DeviceQueueEntry"
_ACCESS = ("ReadAccess", "WriteAccess", "DeleteAccess", "SharedRead", "SharedWrite", "SharedDelete")
_QUEUE = ("DeviceQueue.Busy", "DeviceQueue.DeviceListHead")


def find_driver(session: Session, text: str) -> int:
    r"""A driver by name (`disk`, `\FileSystem\Ntfs`) or by an expression for its address."""
    return _find(session, text, ("\\Driver\\", "\\FileSystem\\"), "driver")


def find_device(session: Session, text: str) -> int:
    r"""A device by name (`\Device\Beep`, `Beep`) or by an expression for its address."""
    return _find(session, text, ("\\Device\\", "\\"), "device")


def _find(session: Session, text: str, folders: tuple[str, ...], kind: str) -> int:
    objects = Objects(session)
    paths = [text] if text.startswith("\\") else [folder + text for folder in folders]
    for path in paths:
        try:
            return objects.lookup(path, follow=True)
        except UnknownNameError:
            continue
    if not text.startswith("\\"):
        try:
            return session.evaluate(text) & session.address_mask
        except UnknownNameError:
            pass
    raise UnknownNameError(f"there is no {kind} {text[:60]}", "!object \\Driver and !object \\Device list them")


def describe_driver(session: Session, address: int, flags: int = 1) -> DriverInfo:
    """A driver object; `UnknownNameError` where there is none."""
    records = session.processes.records
    record = records.read("_DRIVER_OBJECT", address)
    if record.number("Type") != DRIVER_TYPE:
        raise UnknownNameError(f"{address:x} is no driver object: its type is not 4", "!object \\Driver lists them")
    devices, note = _devices(session, record.number("DeviceObject"))
    extension = record.number("DriverExtension")
    add_device = 0
    if extension:
        try:
            add_device = records.read("_DRIVER_EXTENSION", extension).number("AddDevice")
        except MemoryReadError:
            note = note or "DriverExtension can't be read"
    places = {
        "DriverEntry": record.number("DriverInit"),
        "DriverStartIo": record.number("DriverStartIo"),
        "DriverUnload": record.number("DriverUnload"),
        "AddDevice": add_device,
    }
    table, size = record.bytes("MajorFunction"), session.pointer_size
    functions = [int.from_bytes(table[at : at + size], "little") for at in range(0, len(table), size)]
    return DriverInfo(
        address=address,
        name=records.string(record, "DriverName"),
        devices=devices,
        entry_points=tuple(_entry(session, name, place) for name, place in places.items()),
        dispatch=tuple(
            _entry(session, f"IRP_MJ_{name}", place) for name, place in zip(MAJOR_FUNCTIONS, functions, strict=False)
        ),
        flags=flags,
        address_size=size,
        start=record.number("DriverStart"),
        size=record.number("DriverSize"),
        note=note,
    )


def _entry(session: Session, name: str, address: int) -> EntryPoint:
    return EntryPoint(name, address, session.symbols.format(address) if address else "")


def _devices(session: Session, first: int) -> tuple[tuple[int, ...], str]:
    """The devices of a driver by NextDevice, and why the list ended early."""
    found: list[int] = []
    at = first
    while at and at not in found and len(found) < DEVICE_LIMIT:
        session.require_stopped()  # sees a cancel
        found.append(at)
        try:
            at = session.processes.records.read("_DEVICE_OBJECT", at).number("NextDevice")
        except MemoryReadError as error:
            return tuple(found), f"the device list ends early: {error.message}"
    return tuple(found), "the device list has a loop" if at else ""


def describe_device(session: Session, address: int) -> DeviceInfo:
    """A device object; `UnknownNameError` where there is none."""
    record = _device(session, address)
    objects = Objects(session)
    extension_address = record.number("DeviceObjectExtension")
    extension = _extension(session, record)
    upper = record.number("AttachedDevice")
    lower = extension.number("AttachedTo") if extension is not None else 0
    driver = record.number("DriverObject")
    busy = record.get("DeviceQueue.Busy")
    queued, note = _queued(session, record) if busy else ((), "")
    return DeviceInfo(
        address=address,
        name=objects.full_name(address),
        driver=driver,
        driver_name=_driver_name(session, driver),
        current_irp=record.number("CurrentIrp"),
        reference_count=record.number("ReferenceCount"),
        type=record.number("DeviceType"),
        flags=record.number("Flags"),
        characteristics=record.number("Characteristics"),
        extension=record.number("DeviceExtension"),
        object_extension=extension_address,
        extension_flags=extension.number("ExtensionFlags") if extension is not None else 0,
        upper=upper,
        upper_name=driver_of_device(session, upper),
        lower=lower,
        lower_name=driver_of_device(session, lower),
        address_size=session.pointer_size,
        device_node=extension.number("DeviceNode") if extension is not None else 0,
        queue_busy=None if busy is None else bool(busy),
        queued_irps=queued,
        note=note,
    )


def _queued(session: Session, device: Record) -> tuple[tuple[int, ...], str]:
    """The IRPs that wait in a device's queue, and why it ended early."""
    entry = session.processes.records.layout("_IRP", [QUEUE_ENTRY]).fields.get(QUEUE_ENTRY)
    if entry is None:
        return (), "where an IRP has its queue entry is not known in this build"
    found = walk_list(session.memory, device.address_of("DeviceQueue.DeviceListHead"), limit=QUEUE_LIMIT)
    return tuple(link - entry[0] for link in found), found.note


def describe_file(session: Session, address: int) -> FileInfo:
    """A file object; `UnknownNameError` where there is none."""
    records = session.processes.records
    record = records.read("_FILE_OBJECT", address, ["Event.Header.SignalState"])
    if record.number("Type") != FILE_TYPE:
        raise UnknownNameError(f"{address:x} is no file object: its type is not 5", "!irp names the files of a request")
    device, flags = record.number("DeviceObject"), record.number("Flags")
    return FileInfo(
        address=record.address,
        name=records.string(record, "FileName"),
        device=device,
        driver_name=driver_of_device(session, device),
        vpb=record.number("Vpb"),
        related=record.number("RelatedFileObject"),
        is_signalled=bool(record.number("Event.Header.SignalState")),
        access=tuple(name.removesuffix("Access") for name in _ACCESS if record.number(name)),
        flags=flags,
        flag_names=flag_names(flags, FILE_FLAGS),
        fs_context=record.number("FsContext"),
        fs_context2=record.number("FsContext2"),
        current_byte_offset=record.number("CurrentByteOffset"),
        section_object_pointer=record.number("SectionObjectPointer"),
        private_cache_map=record.number("PrivateCacheMap"),
        address_size=session.pointer_size,
    )


def device_stack(session: Session, address: int) -> DeviceStack:
    """The stack in which a device stands, the upper devices first."""
    note = ""
    above: list[DeviceInfo] = []
    chain = [describe_device(session, address)]
    seen = {address}
    for direction, into in (("upper", above), ("lower", chain)):
        at = getattr(chain[0], direction)
        while at and len(seen) < STACK_LIMIT:
            if at in seen:
                note = "the device stack has a loop"
                break
            seen.add(at)
            try:
                device = describe_device(session, at)
            except KdnbError as error:
                note = error.message
                break
            into.append(device)
            at = getattr(device, direction)
    node = node_of_device(session, chain[-1].address)
    return DeviceStack((*reversed(above), *chain), address, session.pointer_size, note, node)


def _device(session: Session, address: int) -> Record:
    record = session.processes.records.read("_DEVICE_OBJECT", address, _QUEUE)
    if record.number("Type") != DEVICE_TYPE:
        raise UnknownNameError(f"{address:x} is no device object: its type is not 3", "!object \\Device lists them")
    return record


def _extension(session: Session, device: Record) -> Record | None:
    address = device.number("DeviceObjectExtension")
    try:
        return session.processes.records.read("_DEVOBJ_EXTENSION", address) if address else None
    except MemoryReadError:
        return None


def _driver_name(session: Session, address: int) -> str:
    records = session.processes.records
    try:
        return records.string(records.read("_DRIVER_OBJECT", address), "DriverName") if address else ""
    except MemoryReadError:
        return ""


def driver_of_device(session: Session, address: int) -> str:
    """Name of the driver of a device object; empty where it can't be told."""
    try:
        return _driver_name(session, _device(session, address).number("DriverObject")) if address else ""
    except KdnbError:
        return ""
