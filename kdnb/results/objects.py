"""Objects of the kernel's namespace, drivers and devices, as `!object !drvobj !devobj !devstack` show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kdnb.results.base import Result, TableResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.results.device_nodes import DeviceNode

__all__ = ["DeviceInfo", "DeviceStack", "DirectoryEntry", "DriverInfo", "EntryPoint", "FileInfo", "ObjectInfo",
           "ObjectList"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """One name in an object directory."""

    bucket: int
    address: int
    type: str
    name: str


@dataclass(frozen=True, slots=True, repr=False)
class ObjectInfo(TableResult):
    """An object with its header; a directory with what it holds, a symbolic link with where it leads."""

    address: int
    type_address: int
    type: str
    header: int
    handle_count: int
    pointer_count: int
    address_size: int
    name: str = ""
    directory: int = 0
    target: str = ""
    """Of a symbolic link."""
    entries: tuple[DirectoryEntry, ...] = ()
    note: str = ""

    def __iter__(self) -> Iterator[DirectoryEntry]:
        return iter(self.entries)

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"bucket": entry.bucket, "address": entry.address, "type": entry.type, "name": entry.name}
            for entry in self.entries
        ]


@dataclass(frozen=True, slots=True, repr=False)
class ObjectList(TableResult):
    """Objects of one type in the namespace (`!object 0 Driver`)."""

    type: str
    objects: tuple[ObjectInfo, ...]
    address_size: int

    def __len__(self) -> int:
        return len(self.objects)

    def __iter__(self) -> Iterator[ObjectInfo]:
        return iter(self.objects)

    def rows(self) -> list[dict[str, Any]]:
        return [{"address": each.address, "type": each.type, "name": each.name} for each in self.objects]


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """A function of a driver; address 0 where there is none."""

    name: str
    address: int
    symbol: str


@dataclass(frozen=True, slots=True, repr=False)
class DriverInfo(TableResult):
    """A driver object: its devices and functions."""

    address: int
    name: str
    devices: tuple[int, ...]
    entry_points: tuple[EntryPoint, ...]
    """DriverEntry, DriverStartIo, DriverUnload, AddDevice."""
    dispatch: tuple[EntryPoint, ...]
    """By IRP_MJ number."""
    flags: int
    """What is shown: 1 devices, 2 functions."""
    address_size: int
    start: int = 0
    size: int = 0
    note: str = ""

    def rows(self) -> list[dict[str, Any]]:
        return [{"name": each.name, "address": each.address, "symbol": each.symbol} for each in self.dispatch]


@dataclass(frozen=True, slots=True, repr=False)
class DeviceInfo(Result):
    """A device object and its neighbours in the device stack."""

    address: int
    name: str
    driver: int
    driver_name: str
    current_irp: int
    reference_count: int
    type: int
    flags: int
    characteristics: int
    extension: int
    object_extension: int
    extension_flags: int
    upper: int
    """The device attached to this one; 0 for none."""
    upper_name: str
    lower: int
    lower_name: str
    address_size: int
    device_node: int = 0
    queue_busy: bool | None = None
    """Of a device that queues its IRPs; None where the build's layout isn't known that far."""
    queued_irps: tuple[int, ...] = ()
    """Those that wait behind `current_irp`."""
    note: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class DeviceStack(TableResult):
    """The devices of one stack, the upper first."""

    devices: tuple[DeviceInfo, ...]
    chosen: int
    address_size: int
    note: str = ""
    node: DeviceNode | None = None
    """That of the lowest device."""

    def __iter__(self) -> Iterator[DeviceInfo]:
        return iter(self.devices)

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"device": each.address, "driver": each.driver_name, "extension": each.extension, "name": each.name}
            for each in self.devices
        ]


@dataclass(frozen=True, slots=True, repr=False)
class FileInfo(Result):
    """A file object."""

    address: int
    name: str
    device: int
    driver_name: str
    vpb: int
    related: int
    """The file object that the name is relative to."""
    is_signalled: bool
    access: tuple[str, ...]
    """`Read`, `SharedRead` and so on: those that are granted."""
    flags: int
    flag_names: tuple[str, ...]
    fs_context: int
    fs_context2: int
    current_byte_offset: int
    section_object_pointer: int
    private_cache_map: int
    address_size: int
