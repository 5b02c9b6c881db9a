// ntfs.sys: the file system above the disk; every file holds the same made-up text. The volume and each file have a
// resource, the volume's to be taken first. In the scenario "deadlock" reads take them the other way round.
#include "nt.h"

typedef struct _VCB {
    SHORT NodeTypeCode;
    SHORT NodeByteSize;
    ERESOURCE Resource;
    struct _FCB *FirstFcb;
} VCB;

typedef struct _FCB {
    FSRTL_COMMON_FCB_HEADER Header;
    VCB *Vcb;
    struct _FCB *NextFcb;
    UNICODE_STRING FileName;
    ERESOURCE Resource;
} FCB;

#define TICKS_OF_STALL 16

DEVICE_OBJECT *NtfsDevice, *NtfsVolume;
ULONG NtfsOpenCount;
VCB NtfsVcb;

// The file's FCB, made when it is opened for the first time. The volume is held exclusively.
NOINLINE FCB *NtfsFindFcb(const UNICODE_STRING *FileName)
{
    FCB *Fcb = NtfsVcb.FirstFcb;
    for (; Fcb; Fcb = Fcb->NextFcb)
        if (RtlEqualUnicodeString(&Fcb->FileName, FileName, TRUE))
            return Fcb;
    Fcb = ExAllocatePoolWithTag(NonPagedPool, sizeof(*Fcb) + FileName->Length, 'FftN');
    Fcb->Header.NodeTypeCode = 0x705;
    Fcb->Header.NodeByteSize = sizeof(*Fcb);
    Fcb->Header.Resource = &Fcb->Resource;
    Fcb->Header.AllocationSize = Fcb->Header.FileSize = Fcb->Header.ValidDataLength = 1024;
    Fcb->Vcb = &NtfsVcb;
    Fcb->FileName.Length = Fcb->FileName.MaximumLength = FileName->Length;
    Fcb->FileName.Buffer = (WCHAR *)(Fcb + 1);
    memcpy(Fcb + 1, FileName->Buffer, FileName->Length);
    ExInitializeResourceLite(&Fcb->Resource);
    Fcb->NextFcb = NtfsVcb.FirstFcb;
    NtfsVcb.FirstFcb = Fcb;
    return Fcb;
}

NOINLINE VOID NtfsStall(void)
{
    LONG64 Interval = -156250 * TICKS_OF_STALL;
    if (ExScenario() == ScenarioDeadlock)
        KeDelayExecutionThread(0, FALSE, &Interval);
}

NOINLINE VOID NtfsAcquireForRead(FCB *Fcb)
{
    BOOLEAN FileFirst = ExScenario() == ScenarioDeadlock; // the bug
    ExAcquireResourceSharedLite(FileFirst ? &Fcb->Resource : &NtfsVcb.Resource, TRUE);
    NtfsStall();
    ExAcquireResourceSharedLite(FileFirst ? &NtfsVcb.Resource : &Fcb->Resource, TRUE);
}

NOINLINE VOID NtfsAcquireForWrite(FCB *Fcb)
{
    ExAcquireResourceExclusiveLite(&NtfsVcb.Resource, TRUE);
    NtfsStall();
    ExAcquireResourceExclusiveLite(&Fcb->Resource, TRUE);
}

NOINLINE VOID NtfsRelease(FCB *Fcb)
{
    ExReleaseResourceLite(&Fcb->Resource);
    ExReleaseResourceLite(&NtfsVcb.Resource);
}

// The disk is done; the IRP is the file system's again.
NTSTATUS NtfsSingleSyncCompletionRoutine(DEVICE_OBJECT *Device, IRP *Irp, PVOID Context)
{
    KeSetEvent(Context, 0, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

NOINLINE NTSTATUS NtfsCallDisk(IRP *Irp, UCHAR MajorFunction, LONG64 Offset, ULONG Length)
{
    KEVENT Event;
    IO_STACK_LOCATION *Next = IoGetNextIrpStackLocation(Irp);
    KeInitializeEvent(&Event, EventNotificationObject, FALSE);
    IoCopyCurrentIrpStackLocationToNext(Irp);
    Next->MajorFunction = MajorFunction;
    Next->Parameters.Read.ByteOffset = Offset;
    Next->Parameters.Read.Length = Length;
    IoSetCompletionRoutine(Irp, NtfsSingleSyncCompletionRoutine, &Event);
    if (IofCallDriver(NtfsVolume, Irp) == STATUS_PENDING)
        KeWaitForSingleObject(&Event, Executive, 0, FALSE, NULL);
    return Irp->IoStatus.Status;
}

NOINLINE NTSTATUS NtfsCommonCreate(IRP *Irp)
{
    static UCHAR FileRecord[512];
    FILE_OBJECT *File = IoGetCurrentIrpStackLocation(Irp)->FileObject;
    PVOID Buffer = Irp->UserBuffer;
    Irp->UserBuffer = FileRecord;
    NTSTATUS Status = NtfsCallDisk(Irp, IRP_MJ_READ, 0x100000, sizeof(FileRecord));
    Irp->UserBuffer = Buffer;
    Irp->IoStatus.Information = 1; // FILE_OPENED
    ExAcquireResourceExclusiveLite(&NtfsVcb.Resource, TRUE);
    File->FsContext = NtfsFindFcb(&File->FileName);
    NtfsOpenCount++;
    ExReleaseResourceLite(&NtfsVcb.Resource);
    DbgPrint("ntfs: opened %wZ\n", &File->FileName);
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
    FCB *Fcb = Stack->FileObject->FsContext;
    NtfsAcquireForRead(Fcb);
    NTSTATUS Status = NtfsCallDisk(Irp, IRP_MJ_READ, 0x200000 + Stack->Parameters.Read.ByteOffset, Stack->Parameters.Read.Length);
    NtfsRelease(Fcb);
    return Status;
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
    FCB *Fcb = Stack->FileObject->FsContext;
    NtfsAcquireForWrite(Fcb);
    NTSTATUS Status = NtfsCallDisk(Irp, IRP_MJ_WRITE, 0x200000 + Stack->Parameters.Read.ByteOffset, Stack->Parameters.Read.Length);
    NtfsRelease(Fcb);
    return Status;
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
    NtfsVcb.NodeTypeCode = 0x702;
    NtfsVcb.NodeByteSize = sizeof(NtfsVcb);
    ExInitializeResourceLite(&NtfsVcb.Resource);
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
    DbgPrintEx(DPFLTR_NTFS_ID, DPFLTR_ERROR_LEVEL, "ntfs: mounted volume C:\n");
    return STATUS_SUCCESS;
}
