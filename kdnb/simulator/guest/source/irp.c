// IRPs: made, handed down a device stack, queued at a device, completed up again.
#include "nt.h"

#define IRP_SYNCHRONOUS_API 0x00000004
#define IRP_CREATE_OPERATION 0x00000080
#define IRP_READ_OPERATION 0x00000100
#define IRP_WRITE_OPERATION 0x00000200
#define IRP_CLOSE_OPERATION 0x00000400
#define IRP_DEFER_IO_COMPLETION 0x00000800

volatile KSPIN_LOCK IopIrpListLock;

EXPORT IRP *IoAllocateIrp(CHAR StackSize, BOOLEAN ChargeQuota)
{
    USHORT Size = (USHORT)(sizeof(IRP) + StackSize * sizeof(IO_STACK_LOCATION));
    IRP *Irp = ExAllocatePoolWithTag(NonPagedPool, Size, ' prI');
    if (!Irp)
        return NULL;
    Irp->Type = IO_TYPE_IRP;
    Irp->Size = Size;
    Irp->StackCount = StackSize;
    Irp->CurrentLocation = StackSize + 1;
    Irp->ApcEnvironment = 0;
    InitializeListHead(&Irp->ThreadListEntry);
    Irp->Tail.Overlay.CurrentStackLocation = (IO_STACK_LOCATION *)(Irp + 1) + StackSize;
    return Irp;
}

EXPORT VOID IoFreeIrp(IRP *Irp)
{
    Irp->Type = 0;
    ExFreePoolWithTag(Irp, ' prI');
}

// The request of a thread for a file, in the thread's list until it is completed.
IRP *IopAllocateIrp(FILE_OBJECT *File, UCHAR MajorFunction, IO_STATUS_BLOCK *Iosb)
{
    IRP *Irp = IoAllocateIrp(File->DeviceObject->StackSize, FALSE);
    static const ULONG Flags[IRP_MJ_MAXIMUM_FUNCTION + 1] = {
        [IRP_MJ_CREATE] = IRP_CREATE_OPERATION | IRP_SYNCHRONOUS_API | IRP_DEFER_IO_COMPLETION,
        [IRP_MJ_CLOSE] = IRP_CLOSE_OPERATION | IRP_SYNCHRONOUS_API,
        [IRP_MJ_READ] = IRP_READ_OPERATION | IRP_DEFER_IO_COMPLETION,
        [IRP_MJ_WRITE] = IRP_WRITE_OPERATION | IRP_DEFER_IO_COMPLETION,
    };
    ETHREAD *Thread = (ETHREAD *)KeGetCurrentThread();
    if (!Irp)
        return NULL;
    Irp->Flags = Flags[MajorFunction];
    Irp->UserIosb = Iosb;
    Irp->UserEvent = &File->Event;
    Irp->Tail.Overlay.Thread = Thread;
    Irp->Tail.Overlay.OriginalFileObject = File;
    IoGetNextIrpStackLocation(Irp)->MajorFunction = MajorFunction;
    IoGetNextIrpStackLocation(Irp)->FileObject = File;
    KIRQL Irql = KeAcquireSpinLockRaiseToDpc(&IopIrpListLock);
    InsertTailList(&Thread->IrpList, &Irp->ThreadListEntry);
    KeReleaseSpinLock(&IopIrpListLock, Irql);
    return Irp;
}

EXPORT NOINLINE NTSTATUS IofCallDriver(DEVICE_OBJECT *DeviceObject, IRP *Irp)
{
    if (--Irp->CurrentLocation <= 0)
        KeBugCheckEx(0x35, (ULONG_PTR)Irp, 0, 0, 0); // NO_MORE_IRP_STACK_LOCATIONS
    IO_STACK_LOCATION *Stack = --Irp->Tail.Overlay.CurrentStackLocation;
    Stack->DeviceObject = DeviceObject;
    return DeviceObject->DriverObject->MajorFunction[Stack->MajorFunction](DeviceObject, Irp);
}

EXPORT NTSTATUS IoCallDriver(DEVICE_OBJECT *DeviceObject, IRP *Irp) { return IofCallDriver(DeviceObject, Irp); }

// What on Windows an APC does in the thread that asked: results, event, and the end of the IRP.
NOINLINE VOID IopCompleteRequest(IRP *Irp)
{
    FILE_OBJECT *File = Irp->Tail.Overlay.OriginalFileObject;
    KEVENT *Event = Irp->UserEvent;
    if (Irp->UserIosb)
        *Irp->UserIosb = Irp->IoStatus;
    if (File)
        File->FinalStatus = Irp->IoStatus.Status;
    KIRQL Irql = KeAcquireSpinLockRaiseToDpc(&IopIrpListLock);
    RemoveEntryList(&Irp->ThreadListEntry);
    KeReleaseSpinLock(&IopIrpListLock, Irql);
    IoFreeIrp(Irp);
    if (Event)
        KeSetEvent(Event, 0, FALSE);
}

// Up the stack: each driver that asked for it is called, and may keep the IRP.
EXPORT NOINLINE VOID IofCompleteRequest(IRP *Irp, CHAR PriorityBoost)
{
    if (Irp->CurrentLocation > Irp->StackCount)
        KeBugCheckEx(0x44, (ULONG_PTR)Irp, 0, 0, 0); // MULTIPLE_IRP_COMPLETE_REQUESTS
    while (Irp->CurrentLocation <= Irp->StackCount) {
        IO_STACK_LOCATION *Done = Irp->Tail.Overlay.CurrentStackLocation++;
        BOOLEAN IsLast = ++Irp->CurrentLocation > Irp->StackCount;
        UCHAR Wanted = NT_SUCCESS(Irp->IoStatus.Status) ? SL_INVOKE_ON_SUCCESS : SL_INVOKE_ON_ERROR;
        Irp->PendingReturned = Done->Control & SL_PENDING_RETURNED;
        if (Irp->Cancel)
            Wanted |= SL_INVOKE_ON_CANCEL;
        if (Done->Control & Wanted) {
            DEVICE_OBJECT *Device = IsLast ? NULL : IoGetCurrentIrpStackLocation(Irp)->DeviceObject;
            if (Done->CompletionRoutine(Device, Irp, Done->Context) == STATUS_MORE_PROCESSING_REQUIRED)
                return;
        } else if (Irp->PendingReturned && !IsLast)
            IoMarkIrpPending(Irp);
    }
    IopCompleteRequest(Irp);
}

// ---- the queue of a device that serves one request at a time -------------------------------------------------------

NOINLINE BOOLEAN KeInsertDeviceQueue(KDEVICE_QUEUE *Queue, KDEVICE_QUEUE_ENTRY *Entry)
{
    KIRQL Irql = KeAcquireSpinLockRaiseToDpc(&Queue->Lock);
    Entry->Inserted = Queue->Busy;
    if (Queue->Busy)
        InsertTailList(&Queue->DeviceListHead, &Entry->DeviceListEntry);
    Queue->Busy = TRUE;
    KeReleaseSpinLock(&Queue->Lock, Irql);
    return Entry->Inserted;
}

NOINLINE KDEVICE_QUEUE_ENTRY *KeRemoveDeviceQueue(KDEVICE_QUEUE *Queue)
{
    KDEVICE_QUEUE_ENTRY *Entry = NULL;
    KIRQL Irql = KeAcquireSpinLockRaiseToDpc(&Queue->Lock);
    if (IsListEmpty(&Queue->DeviceListHead))
        Queue->Busy = FALSE;
    else {
        Entry = CONTAINING_RECORD(Queue->DeviceListHead.Flink, KDEVICE_QUEUE_ENTRY, DeviceListEntry);
        RemoveEntryList(&Entry->DeviceListEntry);
        Entry->Inserted = FALSE;
    }
    KeReleaseSpinLock(&Queue->Lock, Irql);
    return Entry;
}

EXPORT VOID IoStartPacket(DEVICE_OBJECT *Device, IRP *Irp, ULONG *Key, DRIVER_CANCEL *Cancel)
{
    Irp->CancelRoutine = Cancel;
    if (KeInsertDeviceQueue(&Device->DeviceQueue, &Irp->Tail.Overlay.DeviceQueueEntry))
        return;
    Device->CurrentIrp = Irp;
    Device->DriverObject->DriverStartIo(Device, Irp);
}

EXPORT VOID IoStartNextPacket(DEVICE_OBJECT *Device, BOOLEAN Cancelable)
{
    Device->CurrentIrp = NULL; // before the queue may turn idle and another processor begin
    KDEVICE_QUEUE_ENTRY *Entry = KeRemoveDeviceQueue(&Device->DeviceQueue);
    if (!Entry)
        return;
    Device->CurrentIrp = CONTAINING_RECORD(Entry, IRP, Tail.Overlay.DeviceQueueEntry);
    Device->DriverObject->DriverStartIo(Device, Device->CurrentIrp);
}
