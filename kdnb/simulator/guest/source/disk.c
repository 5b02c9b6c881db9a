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
    ULONG Length = Stack->Parameters.Read.Length; // a write has it at the same place
    KIRQL Irql;
    DiskWaitForCompletion();
    Irql = KeAcquireSpinLockRaiseToDpc(&Extension->Lock);
    if (Stack->MajorFunction == IRP_MJ_READ) {
        Extension->Reads++;
        DiskFillBuffer(Irp->UserBuffer, Length, Stack->Parameters.Read.ByteOffset);
    } else {
        Extension->Writes++;
        memcpy(Extension->Sector, Irp->UserBuffer, Length < 512 ? Length : 512);
    }
    Extension->Bytes += Length;
    KeReleaseSpinLock(&Extension->Lock, Irql);
    DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_TRACE_LEVEL, "disk: %s %d bytes at 0x%I64x\n",
               Stack->MajorFunction == IRP_MJ_READ ? "read" : "wrote", Length, Stack->Parameters.Read.ByteOffset);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = Length;
    return STATUS_SUCCESS;
}

NTSTATUS DiskDispatchReadWrite(DEVICE_OBJECT *Device, IRP *Irp)
{
    NTSTATUS Status = Irp->IoStatus.Status = Irp->UserBuffer ? DiskReadWrite(Device, Irp) : STATUS_INVALID_DEVICE_REQUEST;
    IofCompleteRequest(Irp, 1);
    return Status;
}

NTSTATUS DiskAddDevice(DRIVER_OBJECT *DriverObject, DEVICE_OBJECT *PhysicalDeviceObject)
{
    UNICODE_STRING Name;
    RtlInitUnicodeString(&Name, L"\\Device\\Harddisk0\\DR0");
    NTSTATUS Status = IoCreateDevice(DriverObject, sizeof(DISK_EXTENSION), &Name, 7, 0, FALSE, &DiskDevice);
    if (NT_SUCCESS(Status))
        IoAttachDeviceToDeviceStack(DiskDevice, PhysicalDeviceObject);
    return Status;
}

NTSTATUS DriverEntry(DRIVER_OBJECT *DriverObject, UNICODE_STRING *RegistryPath)
{
    DriverObject->MajorFunction[IRP_MJ_READ] = DiskDispatchReadWrite;
    DriverObject->MajorFunction[IRP_MJ_WRITE] = DiskDispatchReadWrite;
    DriverObject->DriverExtension->AddDevice = DiskAddDevice;
    DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_ERROR_LEVEL, "disk: found one fixed disk\n");
    return STATUS_SUCCESS;
}
