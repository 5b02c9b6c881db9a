// Drivers, devices and the file services.
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
    KLDR_DATA_TABLE_ENTRY *Entry = ExAllocatePoolWithTag(NonPagedPool, sizeof(*Entry), 'dLmM');
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
    IofCompleteRequest(Irp, 0);
    return STATUS_INVALID_DEVICE_REQUEST;
}

// A driver object by its full name, which is copied.
NOINLINE DRIVER_OBJECT *IopCreateDriverObject(const UNICODE_STRING *Name, ULONG PrefixLength, DRIVER_INITIALIZE *Initialize)
{
    DRIVER_OBJECT *Driver = ObpAllocateObject(ObDriverType, sizeof(*Driver) + sizeof(DRIVER_EXTENSION), 'virD');
    DRIVER_EXTENSION *Extension = (DRIVER_EXTENSION *)(Driver + 1);
    Driver->Type = IO_TYPE_DRIVER;
    Driver->Size = sizeof(*Driver);
    Driver->DriverInit = Initialize;
    Driver->DriverName = *Name;
    Driver->DriverName.Buffer = ExAllocatePoolWithTag(PagedPool, Name->MaximumLength, 'mNoI');
    memcpy(Driver->DriverName.Buffer, Name->Buffer, Name->Length);
    Driver->DriverExtension = Extension;
    Extension->DriverObject = Driver;
    Extension->ServiceKeyName.Buffer = Driver->DriverName.Buffer + PrefixLength / 2;
    Extension->ServiceKeyName.Length = Name->Length - PrefixLength;
    Extension->ServiceKeyName.MaximumLength = Name->MaximumLength - PrefixLength;
    for (ULONG i = 0; i <= IRP_MJ_MAXIMUM_FUNCTION; i++)
        Driver->MajorFunction[i] = IopInvalidDeviceRequest;
    ObInsertObject(Driver, &Driver->DriverName);
    return Driver;
}

static const WCHAR IopDriverPrefix[] = L"\\Driver\\";
#define DRIVER_PREFIX_LENGTH (sizeof(IopDriverPrefix) - sizeof(WCHAR))

// A driver without an image of its own.
EXPORT NTSTATUS IoCreateDriver(const WCHAR *Path, DRIVER_INITIALIZE *Initialize)
{
    UNICODE_STRING Name;
    RtlInitUnicodeString(&Name, Path);
    return Initialize(IopCreateDriverObject(&Name, DRIVER_PREFIX_LENGTH, Initialize), NULL);
}

// \Driver\disk for disk.sys.
NOINLINE VOID IopNameDriver(UNICODE_STRING *Name, const UNICODE_STRING *FileName)
{
    ULONG Length = FileName->Length - 4 * sizeof(WCHAR);
    memcpy(Name->Buffer, IopDriverPrefix, DRIVER_PREFIX_LENGTH);
    memcpy((UCHAR *)Name->Buffer + DRIVER_PREFIX_LENGTH, FileName->Buffer, Length);
    Name->Length = (USHORT)(DRIVER_PREFIX_LENGTH + Length);
    Name->MaximumLength = Name->Length + sizeof(WCHAR);
}

NOINLINE NTSTATUS IopLoadDriver(LOADER_IMAGE *Image)
{
    WCHAR Buffer[64];
    UNICODE_STRING Name = {0, 0, Buffer};
    MmLoadSystemImage(Image);
    KLDR_DATA_TABLE_ENTRY *Entry = MiInsertLoadedImage(Image);
    DbgNotifyImage(Entry, Image->Path, FALSE);
    IopNameDriver(&Name, &Entry->BaseDllName);
    DRIVER_OBJECT *Driver = IopCreateDriverObject(&Name, DRIVER_PREFIX_LENGTH, (DRIVER_INITIALIZE *)Image->EntryPoint);
    Driver->DriverStart = Image->Base;
    Driver->DriverSize = Image->SizeOfImage;
    Driver->DriverSection = Entry;
    NTSTATUS Status = Driver->DriverInit(Driver, NULL);
    if (NT_SUCCESS(Status))
        PnpStartDevices(Driver);
    else
        DbgPrintEx(DPFLTR_SYSTEM_ID, DPFLTR_ERROR_LEVEL, "IOINIT: %wZ failed to start, status 0x%08x\n", &Driver->DriverName, Status);
    return Status;
}

VOID IoInitSystem(void)
{
    KLDR_DATA_TABLE_ENTRY *Kernel = MiInsertLoadedImage(&KeLoaderBlock->Images[0]);
    DbgPrintEx(DPFLTR_SYSTEM_ID, DPFLTR_ERROR_LEVEL, "kdnb pretend kernel, version 10.0.%d, %d processors, %d KB\n", NtBuildNumber & 0xFFFF,
             KeLoaderBlock->NumberProcessors, KeLoaderBlock->PhysicalPages * 4);
    DbgNotifyImage(Kernel, L"\\SystemRoot\\system32\\ntoskrnl.exe", FALSE);
    PnpInitializeRoot();
    for (ULONG i = 1; i < KeLoaderBlock->ImageCount && !KeLoaderBlock->Images[i].PhysicalBase; i++) {
        DbgPrintEx(DPFLTR_SYSTEM_ID, DPFLTR_ERROR_LEVEL, "IOINIT: loading %ws\n", KeLoaderBlock->Images[i].Path);
        IopLoadDriver(&KeLoaderBlock->Images[i]);
    }
}

// ---- devices --------------------------------------------------------------------------------------------------

// \Device\00000001 and so on.
NOINLINE VOID IopGenerateDeviceName(UNICODE_STRING *Name)
{
    static ULONG Number;
    CHAR Text[24];
    USHORT Length = (USHORT)RtlStringPrint(Text, sizeof(Text), "\\Device\\%08x", ++Number);
    Name->Buffer = ExAllocatePoolWithTag(PagedPool, Length * 2 + 2, 'mNoI');
    Name->Length = Length * 2;
    Name->MaximumLength = Length * 2 + 2;
    for (USHORT i = 0; i < Length; i++)
        Name->Buffer[i] = (WCHAR)(UCHAR)Text[i];
}

EXPORT NTSTATUS IoCreateDevice(DRIVER_OBJECT *Driver, ULONG ExtensionSize, UNICODE_STRING *Name, ULONG Type, ULONG Characteristics, BOOLEAN Exclusive, DEVICE_OBJECT **Device)
{
    UNICODE_STRING Generated;
    ExtensionSize = (ExtensionSize + 7) & ~7u;
    DEVICE_OBJECT *New = ObpAllocateObject(ObDeviceType, sizeof(*New) + ExtensionSize + sizeof(DEVOBJ_EXTENSION), 'iveD');
    if (!New)
        return STATUS_INSUFFICIENT_RESOURCES;
    New->Type = IO_TYPE_DEVICE;
    New->Size = (USHORT)(sizeof(*New) + ExtensionSize);
    New->DriverObject = Driver;
    New->NextDevice = Driver->DeviceObject;
    New->Characteristics = Characteristics;
    New->DeviceExtension = ExtensionSize ? New + 1 : NULL;
    New->DeviceObjectExtension = (DEVOBJ_EXTENSION *)((UCHAR *)(New + 1) + ExtensionSize);
    New->DeviceObjectExtension->Type = IO_TYPE_DEVICE_OBJECT_EXTENSION;
    New->DeviceObjectExtension->Size = 0;
    New->DeviceObjectExtension->DeviceObject = New;
    New->DeviceType = Type;
    New->StackSize = 1;
    New->DeviceQueue.Type = IO_TYPE_DEVICE_QUEUE;
    New->DeviceQueue.Size = sizeof(New->DeviceQueue);
    InitializeListHead(&New->DeviceQueue.DeviceListHead);
    KeInitializeEvent(&New->DeviceLock, EventSynchronizationObject, TRUE);
    Driver->DeviceObject = *Device = New;
    if (Characteristics & FILE_AUTOGENERATED_DEVICE_NAME)
        IopGenerateDeviceName(Name = &Generated);
    if (!Name)
        return STATUS_SUCCESS;
    New->Flags |= DO_DEVICE_HAS_NAME;
    return ObInsertObject(New, Name);
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

NOINLINE NTSTATUS IopSynchronousServiceTail(FILE_OBJECT *File, IRP *Irp)
{
    File->Event.Header.SignalState = 0;
    NTSTATUS Status = IofCallDriver(File->DeviceObject, Irp);
    if (Status == STATUS_PENDING) {
        KeWaitForSingleObject(&File->Event, Executive, 0, FALSE, NULL);
        Status = File->FinalStatus;
    }
    return Status;
}

// ---- file services --------------------------------------------------------------------------------------------

NOINLINE NTSTATUS IopParseDevice(DEVICE_OBJECT *Device, OBJECT_ATTRIBUTES *Attributes, IO_STATUS_BLOCK *Iosb, FILE_OBJECT **FileObject)
{
    FILE_OBJECT *File = ObpAllocateObject(ObFileType, sizeof(*File), 'eliF');
    File->Type = IO_TYPE_FILE;
    File->Size = sizeof(*File);
    File->DeviceObject = Device;
    File->Flags = FO_SYNCHRONOUS_IO;
    File->FileName = *Attributes->ObjectName;
    File->ReadAccess = File->SharedRead = TRUE;
    KeInitializeEvent(&File->Lock, EventSynchronizationObject, TRUE);
    KeInitializeEvent(&File->Event, EventNotificationObject, FALSE);
    InitializeListHead(&File->IrpList);
    Device->ReferenceCount++;
    *FileObject = File;
    return IopSynchronousServiceTail(File, IopAllocateIrp(File, IRP_MJ_CREATE, Iosb));
}

// A name below \Device is that device's own; every other one leads to the file system.
NOINLINE NTSTATUS ObpLookupObjectName(OBJECT_ATTRIBUTES *Attributes, IO_STATUS_BLOCK *Iosb, FILE_OBJECT **File)
{
    static const WCHAR Prefix[] = L"\\Device\\";
    const UNICODE_STRING *Name = Attributes->ObjectName;
    BOOLEAN IsDevice = Name->Length > sizeof(Prefix) - 2 && !memcmp(Name->Buffer, Prefix, sizeof(Prefix) - 2);
    DEVICE_OBJECT *Device = IsDevice ? ObpLookupPath(Name) : IopFindDevice(L"\\Ntfs");
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
    if (NT_SUCCESS(Status))
        File->Flags |= FO_HANDLE_CREATED;
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
    IRP *Irp = IopAllocateIrp(File, MajorFunction, Iosb);
    IO_STACK_LOCATION *Stack = IoGetNextIrpStackLocation(Irp);
    Irp->UserBuffer = Buffer;
    Stack->Parameters.Read.Length = Length;
    Stack->Parameters.Read.ByteOffset = Offset ? *Offset : File->CurrentByteOffset;
    NTSTATUS Status = IopSynchronousServiceTail(File, Irp);
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
    NTSTATUS Status = IopSynchronousServiceTail(File, IopAllocateIrp(File, IRP_MJ_CLOSE, NULL));
    File->DeviceObject->ReferenceCount--;
    ObpFreeObject(File, 'eliF');
    return Status;
}
