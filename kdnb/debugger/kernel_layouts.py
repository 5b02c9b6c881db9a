"""Where fields of the kernel's structs lie on x64, for kernels whose types are not at hand.

Compared with public dumps of Microsoft's PDBs: all of it with builds 19041 and 26100, which differ in EPROCESS and
ETHREAD only; these two and the device nodes with 20348 and 22621 as well. (KWAIT_BLOCK, and in 26100 some of KTHREAD
and TOKEN, by lists that others derived from PDBs.) What public headers declare was compiled and compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Fields = Mapping[str, tuple[int, int]]

__all__ = ["STRUCTS", "field_names", "known_fields", "known_size"]

_BUILDS = range(19041, 26201)
"""Windows 10 2004 to Windows 11 25H2. The simulated machine calls itself 19041."""

_KTHREAD = {
    "Tcb.Header.Type": (0, 1), "Tcb.InitialStack": (0x28, 8), "Tcb.StackLimit": (0x30, 8), "Tcb.StackBase": (0x38, 8),
    "Tcb.KernelStack": (0x58, 8), "Tcb.TrapFrame": (0x90, 8), "Tcb.ApcState.Process": (0xB8, 8),
    "Tcb.WaitBlockList": (0xD0, 8), "Tcb.Teb": (0xF0, 8), "Tcb.State": (0x184, 1), "Tcb.WaitMode": (0x187, 1),
    "Tcb.Process": (0x220, 8), "Tcb.WaitBlockCount": (0x24B, 1), "Tcb.WaitReason": (0x283, 1),
}  # fmt: skip


def _thread(size: int) -> Fields:
    """ETHREAD: the same fields behind a KTHREAD of this size."""
    return {
        **_KTHREAD,
        "StartAddress": (size + 0x20, 8), "Cid.UniqueProcess": (size + 0x48, 8), "Cid.UniqueThread": (size + 0x50, 8),
        "IrpList": (size + 0x80, 16), "Win32StartAddress": (size + 0xA0, 8), "ThreadListEntry": (size + 0xB8, 16),
    }  # fmt: skip


# Struct -> first build -> field -> (offset, size): what changed since.
_CHANGED: Mapping[str, Mapping[int, Fields]] = {
    "_EPROCESS": {
        19041: {
            "Pcb.Header.Type": (0, 1), "Pcb.DirectoryTableBase": (0x28, 8), "UniqueProcessId": (0x440, 8),
            "ActiveProcessLinks": (0x448, 16), "Token": (0x4B8, 8), "InheritedFromUniqueProcessId": (0x540, 8),
            "Peb": (0x550, 8), "ObjectTable": (0x570, 8), "ImageFileName": (0x5A8, 15), "ThreadListHead": (0x5E0, 16),
            "ActiveThreads": (0x5F0, 4),
        },
        26100: {
            "Pcb.Header.Type": (0, 1), "Pcb.DirectoryTableBase": (0x28, 8), "UniqueProcessId": (0x1D0, 8),
            "ActiveProcessLinks": (0x1D8, 16), "Token": (0x248, 8), "InheritedFromUniqueProcessId": (0x2D0, 8),
            "Peb": (0x2E0, 8), "ObjectTable": (0x300, 8), "ImageFileName": (0x338, 15), "ThreadListHead": (0x370, 16),
            "ActiveThreads": (0x380, 4),
        },
    },
    "_ETHREAD": {19041: _thread(0x430), 20348: _thread(0x480), 26100: _thread(0x4C0)},
}  # fmt: skip

_SAME: Mapping[str, Fields] = {
    "_TOKEN": {
        "TokenSource.SourceName": (0, 8), "TokenId": (0x10, 8), "AuthenticationId": (0x18, 8),
        "ParentTokenId": (0x20, 8), "ModifiedId": (0x38, 8), "Privileges.Present": (0x40, 8),
        "Privileges.Enabled": (0x48, 8), "Privileges.EnabledByDefault": (0x50, 8), "SessionId": (0x78, 4),
        "UserAndGroupCount": (0x7C, 4), "RestrictedSidCount": (0x80, 4), "UserAndGroups": (0x98, 8),
        "RestrictedSids": (0xA0, 8), "PrimaryGroup": (0xA8, 8), "DefaultDacl": (0xB8, 8), "TokenType": (0xC0, 4),
        "ImpersonationLevel": (0xC4, 4), "TokenFlags": (0xC8, 4), "OriginatingLogonSession": (0xE0, 8),
    },
    "_OBJECT_HEADER": {
        "PointerCount": (0, 8), "HandleCount": (8, 8), "TypeIndex": (0x18, 1), "InfoMask": (0x1A, 1),
        "Body": (0x30, 8),
    },
    "_OBJECT_HEADER_NAME_INFO": {"Directory": (0, 8), "Name": (8, 16), "ReferenceCount": (0x18, 4)},
    "_OBJECT_HEADER_CREATOR_INFO": {"TypeList": (0, 16), "CreatorUniqueProcess": (0x10, 8)},
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
    "_IRP": {
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

_SIZES = {
    "_OBJECT_HEADER_NAME_INFO": 0x20, "_OBJECT_HEADER_CREATOR_INFO": 0x20, "_HANDLE_TABLE_FREE_LIST": 0x40,
    "_HANDLE_TABLE_ENTRY": 0x10, "_KWAIT_BLOCK": 0x30, "_OWNER_ENTRY": 0x10, "_IRP": 0xD0, "_IO_STACK_LOCATION": 0x48,
}  # fmt: skip
"""Of structs that stand in rows, or before something."""

STRUCTS = (*_CHANGED, *_SAME)


def known_fields(name: str, build: int) -> Fields:
    """Offset and size of the fields of `_NAME` in an x64 build; empty where the build is not known."""
    if build not in _BUILDS:
        return {}
    eras = _CHANGED.get(name)
    return eras[max(first for first in eras if first <= build)] if eras is not None else _SAME.get(name, {})


def known_size(name: str, build: int) -> int:
    """Size of `_NAME`, where something depends on it; 0 for others."""
    return _SIZES.get(name, 0) if build in _BUILDS else 0


def field_names(name: str) -> Iterable[str]:
    """The fields of `_NAME` that are known of any build."""
    return known_fields(name, _BUILDS.start)
