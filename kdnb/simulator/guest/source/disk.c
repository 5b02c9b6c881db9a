// disk.sys: a disk whose sectors are computed, and which takes a tick for each request.
#include "nt.h"

typedef struct _DISK_EXTENSION {
    ULONG64 Reads, Writes, Bytes;
    volatile KSPIN_LOCK Lock;
    UCHAR Sector[512];
} DISK_EXTENSION;

DEVICE_OBJECT *DiskDevice;

NOINLINE VOID DiskFillBuffer(UCHAR *Buffer, ULONG Length, LONG64 Offset)
{
    static const CHAR Text[] = "The quick brown fox jumps over the lazy dog.\r\n";
    for (ULONG i = 0; i < Length; i++)
        Buffer[i] = (UCHAR)Text[((ULONG)Offset + i) % (sizeof(Text) - 1)];
}

NOINLINE VOID DiskWaitForCompletion(void)
{
    LONG64 Interval = -156250;
    KeDelayExecutionThread(0, FALSE, &Interval);
}

NOINLINE NTSTATUS DiskReadWrite(DEVICE_OBJECT *Device, IRP *Irp)
{
    DISK_EXTENSION *Extension = Device->DeviceExtension;
    IO_STACK_LOCATION *Stack = IoGetCurrentIrpStackLocation(Irp);
    KIRQL Irql;
    DiskWaitForCompletion();
    Irql = KeAcquireSpinLockRaiseToDpc(&Extension->Lock);
    if (Stack->MajorFunction == IRP_MJ_READ) {
        Extension->Reads++;
        DiskFillBuffer(Irp->UserBuffer, Stack->Length, Stack->ByteOffset);
    } else {
        Extension->Writes++;
        memcpy(Extension->Sector, Irp->UserBuffer, Stack->Length < 512 ? Stack->Length : 512);
    }
    Extension->Bytes += Stack->Length;
    KeReleaseSpinLock(&Extension->Lock, Irql);
    DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_TRACE_LEVEL, "disk: %s %d bytes at 0x%I64x\n",
               Stack->MajorFunction == IRP_MJ_READ ? "read" : "wrote", Stack->Length, Stack->ByteOffset);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = Stack->Length;
    return STATUS_SUCCESS;
}

NTSTATUS DiskDispatchReadWrite(DEVICE_OBJECT *Device, IRP *Irp)
{
    if (!Irp->UserBuffer)
        return STATUS_INVALID_DEVICE_REQUEST;
    return DiskReadWrite(Device, Irp);
}

NTSTATUS DriverEntry(DRIVER_OBJECT *DriverObject, UNICODE_STRING *RegistryPath)
{
    UNICODE_STRING Name;
    RtlInitUnicodeString(&Name, L"\\Device\\Harddisk0\\DR0");
    DriverObject->MajorFunction[IRP_MJ_READ] = DiskDispatchReadWrite;
    DriverObject->MajorFunction[IRP_MJ_WRITE] = DiskDispatchReadWrite;
    DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_ERROR_LEVEL, "disk: found one fixed disk\n");
    return IoCreateDevice(DriverObject, sizeof(DISK_EXTENSION), &Name, 7, 0, FALSE, &DiskDevice);
}
