// buggy.sys: a driver for lessons. Its thread sums a linked list of work items under a spin lock. What goes wrong depends
// on the scenario. "bugcheck": an item is freed and overwritten while it is still linked, and the walk runs into the
// leftover. "exception": it reads the name of an owner that an item doesn't have, at an IRQL at which that is an exception.
// "serviceexception": it does so in a read of a file that it has hooked. "doublefault": the list is closed to a ring, and a
// recursive walk of it uses up the stack. "prompt": it asks the debugger now and then what to do. Reads
// of its device wait: one is the device's current request, the others stand in the device's queue until the thread gets to
// them.
#include "nt.h"

typedef struct _WORK_OWNER {
    ULONG_PTR ProcessId;
    CHAR Name[16];
} WORK_OWNER;

typedef struct _WORK_ITEM {
    struct _WORK_ITEM *Next;
    ULONG Size;
    ULONG Number;
    UCHAR Payload[32];
    WORK_OWNER *Owner; // of items that a process asked for
} WORK_ITEM;

typedef struct _BUGGY_EXTENSION {
    volatile KSPIN_LOCK Lock;
    WORK_ITEM *First;
    ULONG Count;
    ULONG Rounds;
    ULONG Reads;
    ULONG64 Total;
} BUGGY_EXTENSION;

// Rounds of four ticks before each mistake: 256 ticks, some seconds, so that a debugger can come first.
#define ROUNDS_BEFORE_MISTAKE 64
#define ROUNDS_BETWEEN_QUESTIONS 16
#define ROUNDS_FOR_A_READ 16

DEVICE_OBJECT *BuggyDevice;

NOINLINE WORK_ITEM *BuggyAllocateItem(BUGGY_EXTENSION *Extension, ULONG Number)
{
    WORK_ITEM *Item = ExAllocatePoolWithTag(NonPagedPool, sizeof(*Item), 'gguB');
    Item->Number = Number;
    Item->Size = 16 * Number;
    Item->Next = Extension->First;
    Extension->First = Item;
    Extension->Count++;
    return Item;
}

// The bug: the item goes back to the pool but stays in the list.
NOINLINE VOID BuggyReleaseItem(BUGGY_EXTENSION *Extension, WORK_ITEM *Item)
{
    ExFreePoolWithTag(Item, 'gguB');
    ULONG_PTR *Reused = ExAllocatePoolWithTag(NonPagedPool, sizeof(*Item), 'oNoN');
    Reused[0] = BY_MACHINE(0xFFFFB00BDEAD0000, 0xDEAD0000);
}

NOINLINE ULONG64 BuggySumList(WORK_ITEM *Item)
{
    ULONG64 Total = 0;
    for (; Item; Item = Item->Next)
        Total += Item->Size;
    return Total;
}

NOINLINE VOID BuggyProcessList(BUGGY_EXTENSION *Extension)
{
    KIRQL Irql = KeAcquireSpinLockRaiseToDpc(&Extension->Lock);
    Extension->Total = BuggySumList(Extension->First);
    Extension->Rounds++;
    KeReleaseSpinLock(&Extension->Lock, Irql);
}

// The bug: none of this driver's own items has an owner.
NOINLINE VOID BuggyReportOwner(WORK_ITEM *Item)
{
    WORK_OWNER *Owner = Item->Owner;
    DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_ERROR_LEVEL, "buggy: item %d belongs to %p %s\n", Item->Number, Owner->ProcessId, Owner->Name);
}

// The bug: it goes deeper with every item, and a ring has no last one.
NOINLINE ULONG BuggyCountItems(WORK_ITEM *Item)
{
    return Item ? 1 + BuggyCountItems(Item->Next) : 0;
}

DRIVER_DISPATCH *BuggyHookedRead;

// Takes part in each read of a file, as drivers do that look after files by themselves.
NTSTATUS BuggyReadHook(DEVICE_OBJECT *Device, IRP *Irp)
{
    BUGGY_EXTENSION *Extension = BuggyDevice->DeviceExtension;
    if (Extension->Rounds >= ROUNDS_BEFORE_MISTAKE)
        BuggyReportOwner(Extension->First);
    return BuggyHookedRead(Device, Irp);
}

NOINLINE VOID BuggyHookReads(void)
{
    DRIVER_OBJECT *Driver = IopFindDevice(L"\\Ntfs")->DriverObject;
    BuggyHookedRead = Driver->MajorFunction[IRP_MJ_READ];
    Driver->MajorFunction[IRP_MJ_READ] = BuggyReadHook;
}

NOINLINE VOID BuggyAsk(void)
{
    CHAR Answer[4] = {0};
    DbgPrompt("buggy: Break, Ignore (bi)? ", Answer, sizeof(Answer));
    DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_ERROR_LEVEL, "buggy: the answer was %c\n", Answer[0]);
    if (Answer[0] == 'b')
        DbgBreakPoint();
}

// ---- reads -----------------------------------------------------------------------------------------------------

NTSTATUS BuggyDispatchCreateClose(DEVICE_OBJECT *Device, IRP *Irp)
{
    IofCompleteRequest(Irp, 0);
    return STATUS_SUCCESS;
}

// There is no way here to cancel a request; a debugger shows the routine.
VOID BuggyCancel(DEVICE_OBJECT *Device, IRP *Irp) {}

NTSTATUS BuggyDispatchRead(DEVICE_OBJECT *Device, IRP *Irp)
{
    IoMarkIrpPending(Irp);
    IoStartPacket(Device, Irp, NULL, BuggyCancel);
    return STATUS_PENDING;
}

VOID BuggyStartIo(DEVICE_OBJECT *Device, IRP *Irp) { ((BUGGY_EXTENSION *)Device->DeviceExtension)->Reads++; }

NOINLINE VOID BuggyFinishRead(DEVICE_OBJECT *Device)
{
    IRP *Irp = Device->CurrentIrp;
    if (!Irp)
        return;
    ULONG Length = IoGetCurrentIrpStackLocation(Irp)->Parameters.Read.Length;
    Irp->IoStatus.Information = Length < sizeof(ULONG64) ? Length : sizeof(ULONG64);
    memcpy(Irp->UserBuffer, &((BUGGY_EXTENSION *)Device->DeviceExtension)->Total, Irp->IoStatus.Information);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->CancelRoutine = NULL;
    IoStartNextPacket(Device, TRUE);
    IofCompleteRequest(Irp, 0);
}

NOINLINE VOID BuggyWorker(PVOID Context)
{
    BUGGY_EXTENSION *Extension = Context;
    WORK_ITEM *Last = BuggyAllocateItem(Extension, 1);
    for (ULONG Number = 2; Number <= 4; Number++)
        BuggyAllocateItem(Extension, Number);
    for (;;) {
        LONG64 Interval = -156250 * 4;
        BuggyProcessList(Extension);
        DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_INFO_LEVEL, "buggy: round %d, %I64d bytes\n", Extension->Rounds, Extension->Total);
        KeDelayExecutionThread(0, FALSE, &Interval);
        if (ExScenario() == ScenarioBugCheck && Extension->Rounds == ROUNDS_BEFORE_MISTAKE) {
            DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_ERROR_LEVEL, "buggy: releasing item %d\n", Extension->First->Next->Number);
            BuggyReleaseItem(Extension, Extension->First->Next);
        }
        if (ExScenario() == ScenarioException && Extension->Rounds == ROUNDS_BEFORE_MISTAKE)
            BuggyReportOwner(Extension->First);
        if (ExScenario() == ScenarioDoubleFault && Extension->Rounds == ROUNDS_BEFORE_MISTAKE) {
            Last->Next = Extension->First;
            DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_ERROR_LEVEL, "buggy: %d items\n", BuggyCountItems(Extension->First));
        }
        if (ExScenario() == ScenarioPrompt && Extension->Rounds % ROUNDS_BETWEEN_QUESTIONS == 0)
            BuggyAsk();
        if (Extension->Rounds % ROUNDS_FOR_A_READ == 0)
            BuggyFinishRead(BuggyDevice);
    }
}

NTSTATUS BuggyAddDevice(DRIVER_OBJECT *DriverObject, DEVICE_OBJECT *PhysicalDeviceObject)
{
    UNICODE_STRING Name;
    HANDLE Thread;
    RtlInitUnicodeString(&Name, L"\\Device\\Buggy");
    NTSTATUS Status = IoCreateDevice(DriverObject, sizeof(BUGGY_EXTENSION), &Name, 0x22, 0, FALSE, &BuggyDevice);
    if (!NT_SUCCESS(Status))
        return Status;
    IoAttachDeviceToDeviceStack(BuggyDevice, PhysicalDeviceObject);
    DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_ERROR_LEVEL, "buggy: AddDevice, device %p\n", BuggyDevice);
    if (ExScenario() == ScenarioServiceException)
        BuggyHookReads();
    return PsCreateSystemThread(&Thread, 0x1FFFFF, NULL, NULL, NULL, BuggyWorker, BuggyDevice->DeviceExtension);
}

NTSTATUS DriverEntry(DRIVER_OBJECT *DriverObject, UNICODE_STRING *RegistryPath)
{
    DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_ERROR_LEVEL, "buggy: DriverEntry\n");
    DriverObject->DriverStartIo = BuggyStartIo;
    DriverObject->DriverExtension->AddDevice = BuggyAddDevice;
    DriverObject->MajorFunction[IRP_MJ_CREATE] = BuggyDispatchCreateClose;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = BuggyDispatchCreateClose;
    DriverObject->MajorFunction[IRP_MJ_READ] = BuggyDispatchRead;
    return STATUS_SUCCESS;
}
