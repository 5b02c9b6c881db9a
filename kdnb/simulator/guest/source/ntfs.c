// ntfs.sys: the file system above the disk; every file holds the same made-up text.
#include "nt.h"

DEVICE_OBJECT *NtfsDevice, *NtfsVolume;
ULONG NtfsOpenCount;

NOINLINE NTSTATUS NtfsCallDisk(IRP *Irp, UCHAR MajorFunction, LONG64 Offset, ULONG Length)
{
    IO_STACK_LOCATION *Current = IoGetCurrentIrpStackLocation(Irp), *Next = IoGetNextIrpStackLocation(Irp);
    *Next = *Current;
    Next->MajorFunction = MajorFunction;
    Next->ByteOffset = Offset;
    Next->Length = Length;
    return IofCallDriver(NtfsVolume, Irp);
}

NOINLINE NTSTATUS NtfsCommonCreate(IRP *Irp)
{
    static UCHAR FileRecord[512];
    FILE_OBJECT *File = IoGetCurrentIrpStackLocation(Irp)->FileObject;
    PVOID Buffer = Irp->UserBuffer;
    Irp->UserBuffer = FileRecord;
    NTSTATUS Status = NtfsCallDisk(Irp, IRP_MJ_READ, 0x100000, sizeof(FileRecord));
    Irp->UserBuffer = Buffer;
    File->FsContext = FileRecord;
    NtfsOpenCount++;
    return Status;
}

NTSTATUS NtfsFsdCreate(DEVICE_OBJECT *Device, IRP *Irp)
{
    NTSTATUS Status = NtfsCommonCreate(Irp);
    IofCompleteRequest(Irp, 0);
    return Status;
}

NOINLINE NTSTATUS NtfsCommonRead(IRP *Irp)
{
    IO_STACK_LOCATION *Stack = IoGetCurrentIrpStackLocation(Irp);
    return NtfsCallDisk(Irp, IRP_MJ_READ, 0x200000 + Stack->ByteOffset, Stack->Length);
}

NTSTATUS NtfsFsdRead(DEVICE_OBJECT *Device, IRP *Irp)
{
    NTSTATUS Status = NtfsCommonRead(Irp);
    IofCompleteRequest(Irp, 0);
    return Status;
}

NOINLINE NTSTATUS NtfsCommonWrite(IRP *Irp)
{
    IO_STACK_LOCATION *Stack = IoGetCurrentIrpStackLocation(Irp);
    return NtfsCallDisk(Irp, IRP_MJ_WRITE, 0x200000 + Stack->ByteOffset, Stack->Length);
}

NTSTATUS NtfsFsdWrite(DEVICE_OBJECT *Device, IRP *Irp)
{
    NTSTATUS Status = NtfsCommonWrite(Irp);
    IofCompleteRequest(Irp, 0);
    return Status;
}

NTSTATUS NtfsFsdClose(DEVICE_OBJECT *Device, IRP *Irp)
{
    NtfsOpenCount--;
    IofCompleteRequest(Irp, 0);
    return STATUS_SUCCESS;
}

NTSTATUS DriverEntry(DRIVER_OBJECT *DriverObject, UNICODE_STRING *RegistryPath)
{
    UNICODE_STRING Name;
    RtlInitUnicodeString(&Name, L"\\Ntfs");
    DriverObject->MajorFunction[IRP_MJ_CREATE] = NtfsFsdCreate;
    DriverObject->MajorFunction[IRP_MJ_READ] = NtfsFsdRead;
    DriverObject->MajorFunction[IRP_MJ_WRITE] = NtfsFsdWrite;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = NtfsFsdClose;
    NTSTATUS Status = IoCreateDevice(DriverObject, 0, &Name, 8, 0, FALSE, &NtfsDevice);
    if (!NT_SUCCESS(Status))
        return Status;
    NtfsVolume = IopFindDevice(L"\\Device\\Harddisk0\\DR0");
    if (!NtfsVolume)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    IoAttachDeviceToDeviceStack(NtfsDevice, NtfsVolume);
    DbgPrint("ntfs: mounted volume C:\n");
    return STATUS_SUCCESS;
}
