// echo.sys: a driver that is loaded while the system runs; what is written to its device can be read again. In the
// scenario "driverunload" it leaves a thread behind when it is unloaded, whose next step leads into code that is gone.
#include "nt.h"

typedef struct _ECHO_EXTENSION {
    ULONG Length;
    UCHAR Data[64];
} ECHO_EXTENSION;

DEVICE_OBJECT *EchoDevice;

NTSTATUS EchoEvtIoWrite(DEVICE_OBJECT *Device, IRP *Irp)
{
    ECHO_EXTENSION *Extension = Device->DeviceExtension;
    ULONG Length = IoGetCurrentIrpStackLocation(Irp)->Parameters.Read.Length;
    Extension->Length = Length < sizeof(Extension->Data) ? Length : sizeof(Extension->Data);
    memcpy(Extension->Data, Irp->UserBuffer, Extension->Length);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = Extension->Length;
    IofCompleteRequest(Irp, 0);
    return STATUS_SUCCESS;
}

NTSTATUS EchoEvtIoRead(DEVICE_OBJECT *Device, IRP *Irp)
{
    ECHO_EXTENSION *Extension = Device->DeviceExtension;
    ULONG Length = IoGetCurrentIrpStackLocation(Irp)->Parameters.Read.Length;
    if (Length > Extension->Length)
        Length = Extension->Length;
    memcpy(Irp->UserBuffer, Extension->Data, Length);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = Length;
    IofCompleteRequest(Irp, 0);
    return STATUS_SUCCESS;
}

NTSTATUS EchoCreateClose(DEVICE_OBJECT *Device, IRP *Irp)
{
    Irp->IoStatus.Status = STATUS_SUCCESS;
    IofCompleteRequest(Irp, 0);
    return STATUS_SUCCESS;
}

#define TICKS_BETWEEN_FLUSHES 96 // longer than the driver stays, so that the thread wakes when it is gone

NOINLINE VOID EchoWaitForFlush(ECHO_EXTENSION *Extension)
{
    LONG64 Interval = -156250LL * TICKS_BETWEEN_FLUSHES;
    KeDelayExecutionThread(0, FALSE, &Interval);
    Extension->Length = 0;
}

// The bug: nobody ends it.
VOID EchoFlushThread(PVOID Context)
{
    for (;;)
        EchoWaitForFlush(Context);
}

VOID EchoUnload(DRIVER_OBJECT *DriverObject)
{
    DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_INFO_LEVEL, "echo: unloading\n");
    IoDeleteDevice(EchoDevice);
}

NTSTATUS DriverEntry(DRIVER_OBJECT *DriverObject, UNICODE_STRING *RegistryPath)
{
    UNICODE_STRING Name;
    HANDLE Thread;
    RtlInitUnicodeString(&Name, L"\\Device\\Echo");
    DriverObject->MajorFunction[IRP_MJ_CREATE] = EchoCreateClose;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = EchoCreateClose;
    DriverObject->MajorFunction[IRP_MJ_READ] = EchoEvtIoRead;
    DriverObject->MajorFunction[IRP_MJ_WRITE] = EchoEvtIoWrite;
    DriverObject->DriverUnload = EchoUnload;
    DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_INFO_LEVEL, "echo: DriverEntry %p\n", DriverObject);
    NTSTATUS Status = IoCreateDevice(DriverObject, sizeof(ECHO_EXTENSION), &Name, 0x22, 0, FALSE, &EchoDevice);
    if (NT_SUCCESS(Status) && ExScenario() == ScenarioDriverUnload)
        Status = PsCreateSystemThread(&Thread, 0x1FFFFF, NULL, NULL, NULL, EchoFlushThread, EchoDevice->DeviceExtension);
    return Status;
}
