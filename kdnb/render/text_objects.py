"""Text of objects and devices: `!object !drvobj !devobj !devstack !fileobj` (the command reference, 7.12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.protocol.device_nodes import CHARACTERISTICS, EXTENSION_FLAGS, flag_names
from kdnb.render.lines import lines
from kdnb.results.handles import HandleList, HandleLists
from kdnb.results.objects import DeviceInfo, DeviceStack, DriverInfo, FileInfo, ObjectInfo, ObjectList

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []

DEVICES, FUNCTIONS = 1, 2


def _wide(number: int, size: int) -> str:
    return f"{number:0{2 * size}x}" if number else "00000000"


@lines.register(ObjectInfo)
def _object(value: ObjectInfo) -> Iterator[str]:
    size = value.address_size
    yield f"Object: {_wide(value.address, size)}  Type: ({_wide(value.type_address, size)}) {value.type}"
    yield f"    ObjectHeader: {_wide(value.header, size)} (new version)"
    yield f"    HandleCount: {value.handle_count}  PointerCount: {value.pointer_count}"
    if value.name or value.directory:
        yield f"    Directory Object: {_wide(value.directory, size)}  Name: {value.name}"
    if value.target:
        yield f"    Target String is '{value.target}'"
    if value.entries:
        yield ""
        yield f"    Hash {'Address':<{2 * size + 1}} {'Type':<25} Name"
        yield f"    ---- {'-------':<{2 * size + 1}} {'----':<25} ----"
        previous = -1
        for entry in value.entries:
            number = f"{entry.bucket:02d}" if entry.bucket != previous else "  "
            yield f"     {number}  {_wide(entry.address, size)}  {entry.type:<25} {entry.name}"
            previous = entry.bucket
    if value.note:
        yield f"WARNING: {value.note}"


@lines.register(HandleLists)
def _handle_lists(value: HandleLists) -> Iterator[str]:
    for each in value:
        yield from _handles(each)
    if value.note:
        yield f"WARNING: {value.note}"


@lines.register(HandleList)
def _handles(value: HandleList) -> Iterator[str]:
    size = value.address_size
    yield ""
    if value.process is not None:
        yield from lines(value.process)
    if value.table:
        yield f"Handle table at {_wide(value.table, size)} with {value.count} entries in use"
    for each in value:
        yield ""
        if each.is_free:
            yield f"{each.handle:04x}: free handle, Entry: {_wide(each.entry, size)}"
            continue
        words = "".join(f"({word}) " for bit, word in _HANDLE_ATTRIBUTES if each.attributes & bit)
        yield (
            f"{each.handle:04x}: Object: {_wide(each.object, size)}  GrantedAccess: {each.access:08x} {words}"
            f"Entry: {_wide(each.entry, size)}"
        )
        if each.details is not None:
            yield from _object(each.details)
        if each.note:
            yield f"WARNING: {each.note}"
    if value.note:
        yield f"WARNING: {value.note}"


_HANDLE_ATTRIBUTES = ((1, "Protected"), (2, "Inherit"), (4, "Audit"))


@lines.register(ObjectList)
def _objects(value: ObjectList) -> Iterator[str]:
    for each in value:
        yield f"{_wide(each.address, value.address_size)}  {each.type:<16} {each.name}"
    if not value.objects:
        yield f"no named object of type {value.type}"


@lines.register(DriverInfo)
def _driver(value: DriverInfo) -> Iterator[str]:
    size = value.address_size
    yield f"Driver object ({_wide(value.address, size)}) is for:"
    yield f" {value.name}"
    if value.flags & DEVICES:
        yield ""
        yield "Driver Extension List: (id , addr)"
        yield ""
        yield "Device Object list:"
        for at in range(0, len(value.devices), 4):
            yield "  ".join(_wide(device, size) for device in value.devices[at : at + 4])
    if value.flags & FUNCTIONS:
        yield ""
        for entry in value.entry_points:
            yield f"{entry.name + ':':<15}{_wide(entry.address, size)}\t{entry.symbol}"
        yield ""
        yield "Dispatch routines:"
        for number, entry in enumerate(value.dispatch):
            yield f"[{number:02x}] {entry.name:<35}{_wide(entry.address, size)}\t{entry.symbol}"
    if value.note:
        yield f"WARNING: {value.note}"


@lines.register(DeviceInfo)
def _device(value: DeviceInfo) -> Iterator[str]:
    size = value.address_size
    yield f"Device object ({_wide(value.address, size)}) is for:"
    driver = _wide(value.driver, size)
    yield f" {value.name.rpartition(chr(92))[2]} {value.driver_name} DriverObject {driver}"
    yield (
        f"Current Irp {_wide(value.current_irp, size)} RefCount {value.reference_count} "
        f"Type {value.type:08x} Flags {value.flags:08x}"
    )
    node = f"DevNode {_wide(value.device_node, size)} " if value.device_node else ""
    yield f"DevExt {_wide(value.extension, size)} DevObjExt {_wide(value.object_extension, size)} {node}"
    yield f"ExtensionFlags (0x{value.extension_flags:08x})  {_names(value.extension_flags, EXTENSION_FLAGS)}"
    yield f"Characteristics (0x{value.characteristics:08x})  {_names(value.characteristics, CHARACTERISTICS)}"
    if value.upper:
        yield f"AttachedDevice (Upper) {_wide(value.upper, size)} {value.upper_name}"
    if value.lower:
        yield f"AttachedTo (Lower) {_wide(value.lower, size)} {value.lower_name}"
    if value.queued_irps:
        yield "DeviceQueue: " + " ".join(_wide(irp, size) for irp in value.queued_irps)
    elif value.queue_busy:
        yield "Device queue is busy -- Queue empty."
    elif value.queue_busy is not None:
        yield "Device queue is not busy."
    if value.note:
        yield f"WARNING: {value.note}"


def _names(flags: int, names: tuple[str, ...]) -> str:
    return ", ".join(flag_names(flags, names))


@lines.register(DeviceStack)
def _stack(value: DeviceStack) -> Iterator[str]:
    size = value.address_size
    yield f"  {'!DevObj':<{2 * size}} {'!DrvObj':<18} {'!DevExt':<{2 * size}} ObjectName"
    for each in value:
        mark = ">" if each.address == value.chosen else " "
        name = each.name.rpartition("\\")[2]
        yield f"{mark} {_wide(each.address, size)} {each.driver_name:<18} {each.extension:0{2 * size}x} {name}".rstrip()
    if value.node is not None:
        yield f"!DevNode {_wide(value.node.address, size)} :"
        yield f'  DeviceInst is "{value.node.instance_path}"'
        yield f'  ServiceName is "{value.node.service}"'
    if value.note:
        yield f"WARNING: {value.note}"


@lines.register(FileInfo)
def _file(value: FileInfo) -> Iterator[str]:
    size = value.address_size
    yield value.name
    yield ""
    if value.related:
        yield f"Related File Object: {_hex(value.related, size)}"
    yield f"Device Object: {_hex(value.device, size)}   {value.driver_name}"
    if value.vpb:
        yield f"Vpb: {_hex(value.vpb, size)}"
    yield "Event signalled" if value.is_signalled else "Event not signalled"
    yield f"Access: {' '.join(value.access)} "
    yield ""
    yield f"Flags:  0x{value.flags:x}"
    yield from (f"\t{name}" for name in value.flag_names)
    yield ""
    yield f"FsContext: {_hex(value.fs_context, size)}\tFsContext2: {_hex(value.fs_context2, size)}"
    yield f"CurrentByteOffset: {value.current_byte_offset:x}"
    if value.section_object_pointer:
        yield "Cache Data:"
        yield f"  Section Object Pointers: {_wide(value.section_object_pointer, size)}"
        yield f"  Private Cache Map: {_wide(value.private_cache_map, size)}"


def _hex(number: int, size: int) -> str:
    return f"0x{_wide(number, size)}"
