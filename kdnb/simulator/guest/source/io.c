// Drivers, devices, IRPs and the file services.
#include "nt.h"

LIST_ENTRY PsLoadedModuleList = {&PsLoadedModuleList, &PsLoadedModuleList};

// ---- loading ------------------------------------------------------------------------------------------------

NOINLINE const WCHAR *IopBaseName(const WCHAR *Path)
{
    const WCHAR *Name = Path;
    for (; *Path; Path++)
        if (*Path == '\\')
            Name = Path + 1;
    return Name;
}

NOINLINE KLDR_DATA_TABLE_ENTRY *MiInsertLoadedImage(LOADER_IMAGE *Image)
{
    KLDR_DATA_TABLE_ENTRY *Entry = ExAllocatePoolWithTag(0, sizeof(*Entry), 'dLmM');
    Entry->DllBase = Image->Base;
    Entry->EntryPoint = Image->EntryPoint;
    Entry->SizeOfImage = Entry->SizeOfImageNotRounded = Image->SizeOfImage;
    Entry->CheckSum = Image->CheckSum;
    Entry->TimeDateStamp = Image->TimeDateStamp;
    Entry->ExceptionTable = Image->ExceptionTable;
    Entry->ExceptionTableSize = Image->ExceptionTableSize;
    Entry->Flags = 0x09004000;
    Entry->LoadCount = 1;
    RtlInitUnicodeString(&Entry->FullDllName, Image->Path);
    RtlInitUnicodeString(&Entry->BaseDllName, IopBaseName(Image->Path));
    InsertTailList(&PsLoadedModuleList, &Entry->InLoadOrderLinks);
    return Entry;
}

NOINLINE VOID DbgNotifyImage(KLDR_DATA_TABLE_ENTRY *Entry, const WCHAR *Name, BOOLEAN Unload)
{
    CHAR Buffer[128];
    STRING Path = {0, sizeof(Buffer), Buffer};
    Path.Length = (USHORT)RtlStringPrint(Buffer, sizeof(Buffer), "%ws", Name);
    if (Unload)
        DbgUnLoadImageSymbols(&Path, Entry->DllBase, (ULONG_PTR)-1);
    else
        DbgLoadImageSymbols(&Path, Entry->DllBase, (ULONG_PTR)-1);
}

NTSTATUS IopInvalidDeviceRequest(DEVICE_OBJECT *DeviceObject, IRP *Irp)
{
    Irp->IoStatus.Status = STATUS_INVALID_DEVICE_REQUEST;
    return STATUS_INVALID_DEVICE_REQUEST;
}

// \Driver\disk for disk.sys.
NOINLINE VOID IopNameDriver(UNICODE_STRING *Name, const UNICODE_STRING *FileName)
{
    static const WCHAR Prefix[] = L"\\Driver\\";
    ULONG Start = sizeof(Prefix) - 2, Length = FileName->Length - 8;
    Name->Buffer = ExAllocatePoolWithTag(0, Start + Length + 2, 'nvrD');
    memcpy(Name->Buffer, Prefix, Start);
    memcpy((UCHAR *)Name->Buffer + Start, FileName->Buffer, Length);
    Name->Length = (USHORT)(Start + Length);
    Name->MaximumLength = (USHORT)(Start + Length + 2);
}

NOINLINE NTSTATUS IopLoadDriver(LOADER_IMAGE *Image)
{
    KLDR_DATA_TABLE_ENTRY *Entry = MiInsertLoadedImage(Image);
    DRIVER_OBJECT *Driver = ObpAllocateObject(ObDriverType, sizeof(*Driver), 'virD');
    DbgNotifyImage(Entry, Image->Path, FALSE);
    Driver->Type = 4;
    Driver->Size = sizeof(*Driver);
    Driver->DriverStart = Image->Base;
    Driver->DriverSize = Image->SizeOfImage;
    Driver->DriverSection = Entry;
    Driver->DriverInit = (DRIVER_INITIALIZE *)Image->EntryPoint;
    IopNameDriver(&Driver->DriverName, &Entry->BaseDllName);
    ObInsertObject(Driver, &Driver->DriverName);
    for (ULONG i = 0; i <= IRP_MJ_MAXIMUM_FUNCTION; i++)
        Driver->MajorFunction[i] = IopInvalidDeviceRequest;
    NTSTATUS Status = Driver->DriverInit(Driver, NULL);
    if (!NT_SUCCESS(Status))
        DbgPrintEx(DPFLTR_SYSTEM_ID, DPFLTR_ERROR_LEVEL, "IOINIT: %wZ failed to start, status 0x%08x\n", &Driver->DriverName, Status);
    return Status;
}

VOID IoInitSystem(void)
{
    KLDR_DATA_TABLE_ENTRY *Kernel = MiInsertLoadedImage(&KeLoaderBlock->Images[0]);
    DbgPrintEx(DPFLTR_SYSTEM_ID, DPFLTR_ERROR_LEVEL, "kdnb pretend kernel, version 10.0.%d, %d processors, %d KB\n", NtBuildNumber & 0xFFFF,
             KeLoaderBlock->NumberProcessors, KeLoaderBlock->PhysicalPages * 4);
    DbgNotifyImage(Kernel, L"\\SystemRoot\\system32\\ntoskrnl.exe", FALSE);
    for (ULONG i = 1; i < KeLoaderBlock->ImageCount && !KeLoaderBlock->Images[i].PhysicalBase; i++) {
        DbgPrintEx(DPFLTR_SYSTEM_ID, DPFLTR_ERROR_LEVEL, "IOINIT: loading %ws\n", KeLoaderBlock->Images[i].Path);
        IopLoadDriver(&KeLoaderBlock->Images[i]);
    }
}

// ---- devices and IRPs -----------------------------------------------------------------------------------------

EXPORT NTSTATUS IoCreateDevice(DRIVER_OBJECT *Driver, ULONG ExtensionSize, UNICODE_STRING *Name, ULONG Type, ULONG Characteristics, BOOLEAN Exclusive, DEVICE_OBJECT **Device)
{
    DEVICE_OBJECT *New = ObpAllocateObject(ObDeviceType, sizeof(*New) + ExtensionSize + sizeof(DEVOBJ_EXTENSION), 'iveD');
    if (!New)
        return STATUS_INSUFFICIENT_RESOURCES;
    New->Type = 3;
    New->Size = (USHORT)(sizeof(*New) + ExtensionSize);
    New->ReferenceCount = 1;
    New->DriverObject = Driver;
    New->NextDevice = Driver->DeviceObject;
    New->DeviceExtension = New + 1;
    New->DeviceObjectExtension = (DEVOBJ_EXTENSION *)((UCHAR *)(New + 1) + ExtensionSize);
    New->DeviceObjectExtension->Type = 13;
    New->DeviceObjectExtension->Size = sizeof(DEVOBJ_EXTENSION);
    New->DeviceObjectExtension->DeviceObject = New;
    New->DeviceType = Type;
    New->StackSize = 1;
    Driver->DeviceObject = *Device = New;
    return Name ? ObInsertObject(New, Name) : STATUS_SUCCESS;
}

EXPORT DEVICE_OBJECT *IoAttachDeviceToDeviceStack(DEVICE_OBJECT *Source, DEVICE_OBJECT *Target)
{
    Target->AttachedDevice = Source;
    Source->DeviceObjectExtension->AttachedTo = Target;
    Source->StackSize = Target->StackSize + 1;
    return Target;
}

EXPORT DEVICE_OBJECT *IopFindDevice(const WCHAR *Name)
{
    UNICODE_STRING Wanted;
    RtlInitUnicodeString(&Wanted, Name);
    return ObpLookupPath(&Wanted);
}

NOINLINE IRP *IopAllocateIrp(DEVICE_OBJECT *Device, FILE_OBJECT *File, UCHAR MajorFunction, IO_STATUS_BLOCK *Iosb)
{
    IRP *Irp = ExAllocatePoolWithTag(0, sizeof(*Irp), ' prI');
    IO_STACK_LOCATION *Stack;
    Irp->Type = 6;
    Irp->Size = sizeof(*Irp);
    Irp->StackCount = 4;
    Irp->CurrentLocation = 4;
    Irp->UserIosb = Iosb;
    Irp->Thread = (ETHREAD *)KeGetCurrentThread();
    Stack = IoGetNextIrpStackLocation(Irp);
    Stack->MajorFunction = MajorFunction;
    Stack->FileObject = File;
    InsertTailList(&Irp->Thread->IrpList, &Irp->ThreadListEntry);
    return Irp;
}

EXPORT NOINLINE NTSTATUS IofCallDriver(DEVICE_OBJECT *DeviceObject, IRP *Irp)
{
    Irp->CurrentLocation--;
    IO_STACK_LOCATION *Stack = IoGetCurrentIrpStackLocation(Irp);
    Stack->DeviceObject = DeviceObject;
    DRIVER_DISPATCH *Dispatch = DeviceObject->DriverObject->MajorFunction[Stack->MajorFunction];
    if (!Dispatch) {
        Irp->IoStatus.Status = STATUS_INVALID_DEVICE_REQUEST;
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    return Dispatch(DeviceObject, Irp);
}

EXPORT NTSTATUS IoCallDriver(DEVICE_OBJECT *DeviceObject, IRP *Irp) { return IofCallDriver(DeviceObject, Irp); }

EXPORT NOINLINE VOID IofCompleteRequest(IRP *Irp, CHAR PriorityBoost)
{
    if (Irp->UserIosb)
        *Irp->UserIosb = Irp->IoStatus;
    Irp->PendingReturned = FALSE;
}

NOINLINE NTSTATUS IopSynchronousServiceTail(DEVICE_OBJECT *Device, IRP *Irp)
{
    NTSTATUS Status = IofCallDriver(Device, Irp);
    RemoveEntryList(&Irp->ThreadListEntry);
    ExFreePoolWithTag(Irp, ' prI');
    return Status;
}

// ---- file services --------------------------------------------------------------------------------------------

NOINLINE NTSTATUS IopParseDevice(DEVICE_OBJECT *Device, OBJECT_ATTRIBUTES *Attributes, IO_STATUS_BLOCK *Iosb, FILE_OBJECT **FileObject)
{
    FILE_OBJECT *File = ObpAllocateObject(ObFileType, sizeof(*File), 'eliF');
    File->Type = 5;
    File->Size = sizeof(*File);
    File->DeviceObject = Device;
    File->FileName = *Attributes->ObjectName;
    File->ReferenceCount = 1;
    *FileObject = File;
    return IopSynchronousServiceTail(Device, IopAllocateIrp(Device, File, IRP_MJ_CREATE, Iosb));
}

NOINLINE NTSTATUS ObpLookupObjectName(OBJECT_ATTRIBUTES *Attributes, IO_STATUS_BLOCK *Iosb, FILE_OBJECT **File)
{
    DEVICE_OBJECT *Device = IopFindDevice(L"\\Ntfs");
    return Device ? IopParseDevice(Device, Attributes, Iosb, File) : STATUS_OBJECT_NAME_NOT_FOUND;
}

// Generic rights as those of files, by the type's GenericMapping.
NOINLINE ULONG IopMapAccess(ULONG Access)
{
    ULONG Mapped = Access & 0x1FFFFF;
    Mapped |= Access & GENERIC_READ ? 0x120089 : 0;
    Mapped |= Access & GENERIC_WRITE ? 0x120116 : 0;
    return Mapped;
}

NOINLINE NTSTATUS ObOpenObjectByName(ULONG Access, OBJECT_ATTRIBUTES *Attributes, IO_STATUS_BLOCK *Iosb, HANDLE *Handle)
{
    FILE_OBJECT *File = NULL;
    NTSTATUS Status = ObpLookupObjectName(Attributes, Iosb, &File);
    if (NT_SUCCESS(Status))
        Status = ObpInsertHandle(File, IopMapAccess(Access), Attributes->Attributes, Handle);
    if (!NT_SUCCESS(Status) && File)
        ObpFreeObject(File, 'eliF');
    return Status;
}

NOINLINE NTSTATUS IopCreateFile(HANDLE *Handle, ULONG Access, OBJECT_ATTRIBUTES *Attributes, IO_STATUS_BLOCK *Iosb)
{
    return ObOpenObjectByName(Access, Attributes, Iosb, Handle);
}

EXPORT NTSTATUS NtCreateFile(HANDLE *File, ULONG Access, OBJECT_ATTRIBUTES *Attributes, IO_STATUS_BLOCK *Iosb, LONG64 *Size, ULONG FileAttributes, ULONG Share, ULONG Disposition, ULONG Options, PVOID Ea, ULONG EaLength)
{
    return IopCreateFile(File, Access, Attributes, Iosb);
}

EXPORT NTSTATUS NtOpenFile(HANDLE *File, ULONG Access, OBJECT_ATTRIBUTES *Attributes, IO_STATUS_BLOCK *Iosb, ULONG Share, ULONG Options)
{
    return IopCreateFile(File, Access, Attributes, Iosb);
}

NOINLINE NTSTATUS IopTransfer(HANDLE Handle, UCHAR MajorFunction, IO_STATUS_BLOCK *Iosb, PVOID Buffer, ULONG Length, LONG64 *Offset)
{
    FILE_OBJECT *File = ObpReferenceObject(Handle, ObFileType);
    if (!File)
        return STATUS_INVALID_HANDLE;
    IRP *Irp = IopAllocateIrp(File->DeviceObject, File, MajorFunction, Iosb);
    IO_STACK_LOCATION *Stack = IoGetNextIrpStackLocation(Irp);
    Irp->UserBuffer = Buffer;
    Stack->Length = Length;
    Stack->ByteOffset = Offset ? *Offset : File->CurrentByteOffset;
    NTSTATUS Status = IopSynchronousServiceTail(File->DeviceObject, Irp);
    if (NT_SUCCESS(Status))
        File->CurrentByteOffset += Length;
    return Status;
}

EXPORT NTSTATUS NtReadFile(HANDLE File, HANDLE Event, PVOID Apc, PVOID ApcContext, IO_STATUS_BLOCK *Iosb, PVOID Buffer, ULONG Length, LONG64 *Offset, ULONG *Key)
{
    return IopTransfer(File, IRP_MJ_READ, Iosb, Buffer, Length, Offset);
}

EXPORT NTSTATUS NtWriteFile(HANDLE File, HANDLE Event, PVOID Apc, PVOID ApcContext, IO_STATUS_BLOCK *Iosb, PVOID Buffer, ULONG Length, LONG64 *Offset, ULONG *Key)
{
    return IopTransfer(File, IRP_MJ_WRITE, Iosb, Buffer, Length, Offset);
}

// The last handle is closed.
NTSTATUS IopCloseFile(FILE_OBJECT *File)
{
    NTSTATUS Status = IopSynchronousServiceTail(File->DeviceObject, IopAllocateIrp(File->DeviceObject, File, IRP_MJ_CLOSE, NULL));
    ObpFreeObject(File, 'eliF');
    return Status;
}
