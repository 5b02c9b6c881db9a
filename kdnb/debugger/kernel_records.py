"""The kernel's structures by field: where each field lies, and whole structs read in one go.

Offsets come from the kernel's PDB; where it has no types, from the KDBG block (the protocol reference 6.2); and what
neither gives, from the builds whose layouts public PDBs agree on. A field that none knows is None: builds differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.debugger.loader_list import clean
from kdnb.errors import UnsupportedError
from kdnb.protocol.constants import MachineType
from kdnb.symbols.types import BitField, StructType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kdnb.debugger.session import Session
    from kdnb.symbols.types import FieldType, TypeTable

__all__ = ["Layout", "Record", "Records"]

MAX_RECORD = 0x4000
"""No kernel struct that is read here is longer; a PDB may claim anything."""
MAX_TEXT = 2048
"""Bytes of a name."""

_KNOWN_BUILDS = range(19041, 22632)
"""x64 builds to which `_X64` applies: Windows 10 2004 to Windows 11 23H2, by their public PDBs. The simulated machine
calls itself 19041."""

# Struct -> field -> (offset, size).
_X64: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "_EPROCESS": {
        "Pcb.Header.Type": (0, 1), "Pcb.DirectoryTableBase": (0x28, 8), "UniqueProcessId": (0x440, 8),
        "ActiveProcessLinks": (0x448, 16), "InheritedFromUniqueProcessId": (0x540, 8), "Peb": (0x550, 8),
        "ObjectTable": (0x570, 8), "ImageFileName": (0x5A8, 15), "ThreadListHead": (0x5E0, 16),
        "ActiveThreads": (0x5F0, 4), "Token": (0x4B8, 8),
    },
    "_TOKEN": {
        "TokenSource.SourceName": (0, 8), "TokenId": (0x10, 8), "AuthenticationId": (0x18, 8),
        "ParentTokenId": (0x20, 8), "ModifiedId": (0x38, 8), "Privileges.Present": (0x40, 8),
        "Privileges.Enabled": (0x48, 8), "Privileges.EnabledByDefault": (0x50, 8), "SessionId": (0x78, 4),
        "UserAndGroupCount": (0x7C, 4), "RestrictedSidCount": (0x80, 4), "UserAndGroups": (0x98, 8),
        "RestrictedSids": (0xA0, 8), "PrimaryGroup": (0xA8, 8), "DefaultDacl": (0xB8, 8), "TokenType": (0xC0, 4),
        "ImpersonationLevel": (0xC4, 4), "TokenFlags": (0xC8, 4), "OriginatingLogonSession": (0xE0, 8),
    },
    "_ETHREAD": {
        "Tcb.Header.Type": (0, 1), "Tcb.InitialStack": (0x28, 8), "Tcb.StackLimit": (0x30, 8),
        "Tcb.StackBase": (0x38, 8), "Tcb.KernelStack": (0x58, 8), "Tcb.TrapFrame": (0x90, 8),
        "Tcb.ApcState.Process": (0xB8, 8), "Tcb.WaitBlockList": (0xD0, 8), "Tcb.Teb": (0xF0, 8),
        "Tcb.State": (0x184, 1), "Tcb.WaitMode": (0x187, 1), "Tcb.Process": (0x220, 8), "Tcb.WaitReason": (0x283, 1),
        "StartAddress": (0x450, 8), "Cid.UniqueProcess": (0x478, 8), "Cid.UniqueThread": (0x480, 8),
        "IrpList": (0x4B0, 16),
        "Win32StartAddress": (0x4D0, 8), "ThreadListEntry": (0x4E8, 16),
    },
    "_OBJECT_HEADER": {
        "PointerCount": (0, 8), "HandleCount": (8, 8), "TypeIndex": (0x18, 1), "InfoMask": (0x1A, 1),
        "Body": (0x30, 8),
    },
    "_OBJECT_HEADER_NAME_INFO": {"Directory": (0, 8), "Name": (8, 16), "ReferenceCount": (0x18, 4)},
    "_OBJECT_HEADER_CREATOR_INFO": {"TypeList": (0, 16), "CreatorUniqueProcess": (0x10, 8), "Reserved": (0x18, 8)},
    "_OBJECT_TYPE": {"TypeList": (0, 16), "Name": (0x10, 16), "Index": (0x28, 1), "TotalNumberOfObjects": (0x2C, 4)},
    "_OBJECT_DIRECTORY": {"HashBuckets": (0, 37 * 8)},
    "_OBJECT_DIRECTORY_ENTRY": {"ChainLink": (0, 8), "Object": (8, 8)},
    "_OBJECT_SYMBOLIC_LINK": {"LinkTarget": (8, 16)},
    "_DRIVER_OBJECT": {
        "Type": (0, 2), "Size": (2, 2), "DeviceObject": (8, 8), "Flags": (0x10, 4), "DriverStart": (0x18, 8),
        "DriverSize": (0x20, 4), "DriverExtension": (0x30, 8), "DriverName": (0x38, 16), "DriverInit": (0x58, 8),
        "DriverStartIo": (0x60, 8), "DriverUnload": (0x68, 8), "MajorFunction": (0x70, 28 * 8),
    },
    "_DRIVER_EXTENSION": {"AddDevice": (8, 8)},
    "_DEVICE_OBJECT": {
        "Type": (0, 2), "Size": (2, 2), "ReferenceCount": (4, 4), "DriverObject": (8, 8), "NextDevice": (0x10, 8),
        "AttachedDevice": (0x18, 8), "CurrentIrp": (0x20, 8), "Flags": (0x30, 4), "Characteristics": (0x34, 4),
        "Vpb": (0x38, 8), "DeviceExtension": (0x40, 8), "DeviceType": (0x48, 4), "StackSize": (0x4C, 1),
        "DeviceQueue.DeviceListHead": (0xA8, 16), "DeviceQueue.Busy": (0xC0, 1), "DeviceObjectExtension": (0x138, 8),
    },
    "_DEVICE_NODE": {
        "Sibling": (0, 8), "Child": (8, 8), "Parent": (0x10, 8), "PhysicalDeviceObject": (0x20, 8),
        "InstancePath": (0x28, 16), "ServiceName": (0x38, 16), "State": (0x12C, 4), "PreviousState": (0x130, 4),
        "StateHistory": (0x134, 80), "StateHistoryEntry": (0x184, 4), "Flags": (0x18C, 4), "UserFlags": (0x190, 4),
        "Problem": (0x194, 4),
    },
    "_DEVOBJ_EXTENSION": {"ExtensionFlags": (0x20, 4), "DeviceNode": (0x28, 8), "AttachedTo": (0x30, 8)},
    "_FILE_OBJECT": {
        "Type": (0, 2), "Size": (2, 2), "DeviceObject": (8, 8), "Vpb": (0x10, 8), "FsContext": (0x18, 8),
        "FsContext2": (0x20, 8), "SectionObjectPointer": (0x28, 8), "PrivateCacheMap": (0x30, 8),
        "FinalStatus": (0x38, 4), "RelatedFileObject": (0x40, 8), "LockOperation": (0x48, 1),
        "DeletePending": (0x49, 1), "ReadAccess": (0x4A, 1), "WriteAccess": (0x4B, 1), "DeleteAccess": (0x4C, 1),
        "SharedRead": (0x4D, 1), "SharedWrite": (0x4E, 1), "SharedDelete": (0x4F, 1), "Flags": (0x50, 4),
        "FileName": (0x58, 16), "CurrentByteOffset": (0x68, 8), "Event.Header.SignalState": (0x9C, 4),
    },
    "_HANDLE_TABLE": {
        "NextHandleNeedingPool": (0, 4), "TableCode": (8, 8), "QuotaProcess": (0x10, 8), "UniqueProcessId": (0x28, 4),
        "FreeLists": (0x40, 0x40),
    },
    "_HANDLE_TABLE_FREE_LIST": {"HandleCount": (0x18, 4), "HighWaterMark": (0x1C, 4)},
    "_HANDLE_TABLE_ENTRY": {
        "LowValue": (0, 8), "HighValue": (8, 8), "Attributes": (0, 8), "ObjectPointerBits": (0, 8),
        "GrantedAccessBits": (8, 4),
    },
    "_KWAIT_BLOCK": {"WaitListEntry": (0, 16), "Thread": (0x18, 8), "Object": (0x20, 8)},
    "_DISPATCHER_HEADER": {"Type": (0, 1), "SignalState": (4, 4), "WaitListHead": (8, 16)},
    "_KSEMAPHORE": {"Limit": (0x18, 4)},
    "_ERESOURCE": {
        "SystemResourcesList": (0, 16), "OwnerTable": (0x10, 8), "ActiveCount": (0x18, 2), "Flag": (0x1A, 2),
        "SharedWaiters": (0x20, 8), "ExclusiveWaiters": (0x28, 8), "OwnerEntry": (0x30, 16),
        "ActiveEntries": (0x40, 4), "ContentionCount": (0x44, 4), "NumberOfSharedWaiters": (0x48, 4),
        "NumberOfExclusiveWaiters": (0x4C, 4),
    },
    "_OWNER_ENTRY": {"OwnerThread": (0, 8), "OwnerCount": (8, 4), "TableSize": (8, 4)},
    "_IRP": {  # up to the last field: the stack locations begin behind it
        "Type": (0, 2), "Size": (2, 2), "MdlAddress": (8, 8), "Flags": (0x10, 4),
        "AssociatedIrp.SystemBuffer": (0x18, 8), "ThreadListEntry": (0x20, 16), "IoStatus.Status": (0x30, 4),
        "IoStatus.Information": (0x38, 8), "RequestorMode": (0x40, 1), "PendingReturned": (0x41, 1),
        "StackCount": (0x42, 1), "CurrentLocation": (0x43, 1), "Cancel": (0x44, 1), "CancelIrql": (0x45, 1),
        "ApcEnvironment": (0x46, 1), "UserIosb": (0x48, 8), "UserEvent": (0x50, 8), "CancelRoutine": (0x68, 8),
        "UserBuffer": (0x70, 8), "Tail.Overlay.DeviceQueueEntry": (0x78, 24), "Tail.Overlay.Thread": (0x98, 8),
        "Tail.Overlay.AuxiliaryBuffer": (0xA0, 8),
        "Tail.Overlay.ListEntry": (0xA8, 16), "Tail.Overlay.CurrentStackLocation": (0xB8, 8),
        "Tail.Overlay.OriginalFileObject": (0xC0, 8), "Tail.Overlay.IrpExtension": (0xC8, 8),
    },
    "_IO_STACK_LOCATION": {
        "MajorFunction": (0, 1), "MinorFunction": (1, 1), "Flags": (2, 1), "Control": (3, 1),
        "Parameters.Others.Argument1": (8, 8), "Parameters.Others.Argument2": (0x10, 8),
        "Parameters.Others.Argument3": (0x18, 8), "Parameters.Others.Argument4": (0x20, 8),
        "DeviceObject": (0x28, 8), "FileObject": (0x30, 8), "CompletionRoutine": (0x38, 8), "Context": (0x40, 8),
    },
}  # fmt: skip

# What KDBG tells: field -> (name in the block, size in pointers).
_KDBG: Mapping[str, Mapping[str, str]] = {
    "_EPROCESS": {
        "Peb": "offset_eprocess_peb",
        "InheritedFromUniqueProcessId": "offset_eprocess_parent_cid",
        "Pcb.DirectoryTableBase": "offset_eprocess_directory_table_base",
    },
    "_ETHREAD": {
        "Tcb.Teb": "offset_kthread_teb",
        "Tcb.KernelStack": "offset_kthread_kernel_stack",
        "Tcb.InitialStack": "offset_kthread_initial_stack",
        "Tcb.ApcState.Process": "offset_kthread_apc_process",
    },
}


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields of one struct. `size` is the struct's, as far as it is known: what one read fetches."""

    name: str
    fields: Mapping[str, tuple[int, int]]
    """Path with dots -> (offset, size)."""
    size: int
    types: StructType | None = None

    def offset(self, path: str) -> int:
        """Offset of a field that has to be there; `UnsupportedError` where the build is not known well enough."""
        place = self.fields.get(path)
        if place is None:
            raise UnsupportedError(
                f"where {self.name.lstrip('_')}.{path} lies in this build is not known", "give its PDBs with .sympath"
            )
        return place[0]


class Record:
    """One struct in memory, read as a whole. Fields are numbers; what the layout doesn't have is None."""

    __slots__ = ("address", "data", "layout")

    def __init__(self, layout: Layout, address: int, data: bytes) -> None:
        self.layout = layout
        self.address = address
        self.data = data

    def get(self, *paths: str) -> int | None:
        """The first of these fields that exists (they were renamed over the builds)."""
        for path in paths:
            data = self.bytes(path)
            if data:
                return int.from_bytes(data, "little")
        return None

    def number(self, *paths: str) -> int:
        """Like `get`, 0 for what isn't there."""
        return self.get(*paths) or 0

    def bytes(self, path: str) -> bytes:
        """A field's bytes; empty where it isn't there."""
        place = self.layout.fields.get(path)
        if place is None or place[0] + place[1] > len(self.data):
            return b""
        return self.data[place[0] : place[0] + place[1]]

    def bits(self, path: str, position: int, length: int) -> int:
        """A bit field; `position` and `length` hold where no types tell them."""
        of = _type_at(self.layout.types, path) if self.layout.types is not None else None
        if isinstance(of, BitField):
            position, length = of.position, of.length
        return self.number(path) >> position & ((1 << length) - 1)

    def address_of(self, path: str) -> int:
        return self.address + self.layout.offset(path)


class Records:
    """Layouts of one session's kernel, and reads by them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._layouts: dict[str, Layout] = {}
        self._source: object = self

    def layout(self, name: str, paths: Iterable[str] = ()) -> Layout:
        """The layout of `_NAME` with at least the fields in `paths`, where they are known."""
        types = self._types()
        source = types if types is not None else self._session.version
        if source is not self._source:
            self._layouts.clear()
            self._source = source
        layout = self._layouts.get(name)
        if layout is None or any(path not in layout.fields for path in paths):
            layout = self._layouts[name] = self._make(name, types, paths, layout)
        return layout

    def read(self, name: str, address: int, paths: Iterable[str] = ()) -> Record:
        """The struct at `address`, in one read. Raises `MemoryReadError` where its first byte can't be read."""
        layout = self.layout(name, paths)
        memory = self._session.memory
        data = memory.read_available(address, layout.size)
        return Record(layout, address & self._session.address_mask, data or memory.read(address, 1))

    def string(self, record: Record, path: str) -> str:
        """The text of a UNICODE_STRING in a struct, without control characters; empty where it can't be read."""
        data, size = record.bytes(path), self._session.pointer_size
        length, buffer = int.from_bytes(data[:2], "little"), int.from_bytes(data[size : 2 * size], "little")
        text = self._session.memory.read_available(buffer, min(length, MAX_TEXT)) if buffer and length else b""
        return clean(text[: len(text) & ~1].decode("utf-16-le", "replace"))

    def _types(self) -> TypeTable | None:
        kernel = self._session.modules.kernel
        return kernel.types if kernel is not None else None

    def _make(self, name: str, types: TypeTable | None, paths: Iterable[str], before: Layout | None) -> Layout:
        known = dict(self._known(name))
        wanted = dict.fromkeys([*known, *_X64.get(name, ()), *paths, *(before.fields if before is not None else ())])
        found = types.lookup(name) if types is not None else None
        if not isinstance(found, StructType):
            return Layout(name, known, min(max([at + size for at, size in known.values()], default=1), MAX_RECORD))
        fields = {path: place for path in wanted if (place := _place(found, path)) is not None}
        return Layout(name, fields or known, min(max(found.size, 1), MAX_RECORD), found)

    def _known(self, name: str) -> Mapping[str, tuple[int, int]]:
        """Offsets without types."""
        session = self._session
        build = session.version.minor if session.version is not None else 0
        fits = session.machine == MachineType.AMD64 and build in _KNOWN_BUILDS
        fields = dict(_X64.get(name, {})) if fits else {}
        block = session.debugger_data
        for path, key in _KDBG.get(name, {}).items():
            offset = block.get(key) if block is not None else None
            if offset is not None:
                fields[path] = offset, session.pointer_size
        return fields


def _type_at(struct: StructType, path: str) -> FieldType | None:
    """The type of `A.B.C`."""
    of: FieldType = struct
    for part in path.split("."):
        field = of.field(part) if isinstance(of, StructType) else None
        if field is None:
            return None
        of = field.type
    return of


def _place(struct: StructType, path: str) -> tuple[int, int] | None:
    """Offset and size of `A.B.C`."""
    offset = 0
    of: FieldType = struct
    for part in path.split("."):
        field = of.field(part) if isinstance(of, StructType) else None
        if field is None:
            return None
        offset += field.offset
        of = field.type
    return (offset, of.size) if 0 < of.size <= MAX_RECORD and offset <= MAX_RECORD else None
