// Drivers that come and go while the system runs. Their images lie in RAM from the start, as files on a disk would, and
// beside each are the pages that it is loaded to.
#include "nt.h"
#include "image.h"

NOINLINE ULONG_PTR *MiGetPteAddress(ULONG_PTR Address)
{
    ULONG_PTR Table, *Entry;
    LONG Shift = BY_MACHINE(39, 22);
    __asm__ volatile("mov %%cr3, %0" : "=r"(Table));
    for (;; Shift -= BY_MACHINE(9, 10)) {
        Entry = (ULONG_PTR *)((ULONG_PTR)KeLoaderBlock->PhysicalMapBase + (Table & PTE_FRAME)) + (Address >> Shift & BY_MACHINE(0x1FF, 0x3FF));
        if (Shift == 12)
            return Entry;
        Table = *Entry;
    }
}

NOINLINE VOID MiFlushTranslations(void)
{
    ULONG_PTR Tables;
    __asm__ volatile("mov %%cr3, %0; mov %0, %%cr3" : "=r"(Tables)::"memory");
}

UNLOADED_DRIVERS *MmUnloadedDrivers;
ULONG MmLastUnloadedDriver; // where the next one goes, or the number of entries where the ring is about to begin anew

// For debuggers and bug checks: the newest takes the place of the oldest.
NOINLINE VOID MiRememberUnloadedDriver(const UNICODE_STRING *Name, PVOID Address, ULONG Size)
{
    if (!MmUnloadedDrivers) {
        MmUnloadedDrivers = ExAllocatePoolWithTag(NonPagedPool, MI_UNLOADED_DRIVERS * sizeof(*MmUnloadedDrivers), 'TDmM');
        memset(MmUnloadedDrivers, 0, MI_UNLOADED_DRIVERS * sizeof(*MmUnloadedDrivers));
    }
    if (MmLastUnloadedDriver >= MI_UNLOADED_DRIVERS)
        MmLastUnloadedDriver = 0;
    UNLOADED_DRIVERS *Driver = &MmUnloadedDrivers[MmLastUnloadedDriver];
    if (Driver->Name.Buffer)
        ExFreePoolWithTag(Driver->Name.Buffer, 'TDmM');
    Driver->Name.Buffer = ExAllocatePoolWithTag(NonPagedPool, Name->Length, 'TDmM');
    Driver->Name.Length = Driver->Name.MaximumLength = Name->Length;
    memcpy(Driver->Name.Buffer, Name->Buffer, Name->Length);
    Driver->StartAddress = Address;
    Driver->EndAddress = (UCHAR *)Address + Size;
    Driver->CurrentTime = *(volatile LONG64 *)(USER_SHARED + 0x14);
    MmLastUnloadedDriver++;
}

// The name of the driver that was the last to lie at an address, NULL if none did.
UNICODE_STRING *MmLocateUnloadedDriver(ULONG_PTR Address)
{
    if (!MmUnloadedDrivers)
        return NULL;
    for (ULONG Index = MmLastUnloadedDriver, i = 0; i < MI_UNLOADED_DRIVERS; i++) {
        UNLOADED_DRIVERS *Driver = &MmUnloadedDrivers[Index = (Index ? Index : MI_UNLOADED_DRIVERS) - 1];
        if (Driver->Name.Buffer && Address >= (ULONG_PTR)Driver->StartAddress && Address < (ULONG_PTR)Driver->EndAddress)
            return &Driver->Name;
    }
    return NULL;
}

NOINLINE VOID MmUnloadSystemImage(LOADER_IMAGE *Image, KLDR_DATA_TABLE_ENTRY *Entry)
{
    DbgNotifyImage(Entry, Image->Path, TRUE);
    MiRememberUnloadedDriver(&Entry->BaseDllName, Entry->DllBase, Entry->SizeOfImage);
    RemoveEntryList(&Entry->InLoadOrderLinks);
    ExFreePoolWithTag(Entry, 'dLmM');
    for (ULONG Offset = 0; Offset < Image->SizeOfImage; Offset += PAGE_SIZE)
        *MiGetPteAddress((ULONG_PTR)Image->Base + Offset) = 0;
    MiFlushTranslations();
}

// The image of a service, `...\Services\echo`: the one of that name that is not there from the start.
NOINLINE LOADER_IMAGE *IopFindServiceImage(const UNICODE_STRING *ServiceName, UNICODE_STRING *BaseName)
{
    ULONG End = ServiceName->Length / 2, Start = End;
    while (Start && ServiceName->Buffer[Start - 1] != '\\')
        Start--;
    BaseName->Buffer = ServiceName->Buffer + Start;
    BaseName->Length = BaseName->MaximumLength = (USHORT)((End - Start) * 2);
    for (ULONG i = 0; i < KeLoaderBlock->ImageCount; i++) {
        LOADER_IMAGE *Image = &KeLoaderBlock->Images[i];
        UNICODE_STRING Name;
        RtlInitUnicodeString(&Name, IopBaseName(Image->Path));
        Name.Length -= 8; // .sys
        if (Image->PhysicalBase && RtlEqualUnicodeString(&Name, BaseName, TRUE))
            return Image;
    }
    return NULL;
}

NOINLINE DRIVER_OBJECT *IopFindDriver(const UNICODE_STRING *BaseName)
{
    static const WCHAR Prefix[] = L"\\Driver\\";
    WCHAR Buffer[64];
    UNICODE_STRING Name = {sizeof(Prefix) - 2 + BaseName->Length, sizeof(Buffer), Buffer};
    if (Name.Length > sizeof(Buffer))
        return NULL;
    memcpy(Buffer, Prefix, sizeof(Prefix) - 2);
    memcpy((UCHAR *)Buffer + sizeof(Prefix) - 2, BaseName->Buffer, BaseName->Length);
    return ObpLookupPath(&Name);
}

NOINLINE VOID IopDeleteDriver(DRIVER_OBJECT *Driver, LOADER_IMAGE *Image)
{
    KLDR_DATA_TABLE_ENTRY *Entry = Driver->DriverSection;
    ObMakeTemporaryObject(Driver);
    ExFreePoolWithTag(Driver->DriverName.Buffer, 'mNoI');
    ObpFreeObject(Driver, 'virD');
    MmUnloadSystemImage(Image, Entry);
}

NTSTATUS NtLoadDriver(UNICODE_STRING *DriverServiceName)
{
    UNICODE_STRING Name;
    LOADER_IMAGE *Image = IopFindServiceImage(DriverServiceName, &Name);
    if (!Image)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    if (IopFindDriver(&Name))
        return STATUS_IMAGE_ALREADY_LOADED;
    NTSTATUS Status = IopLoadDriver(Image);
    if (!NT_SUCCESS(Status))
        IopDeleteDriver(IopFindDriver(&Name), Image);
    return Status;
}

NTSTATUS NtUnloadDriver(UNICODE_STRING *DriverServiceName)
{
    UNICODE_STRING Name;
    LOADER_IMAGE *Image = IopFindServiceImage(DriverServiceName, &Name);
    DRIVER_OBJECT *Driver = Image ? IopFindDriver(&Name) : NULL;
    if (!Driver)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    if (!Driver->DriverUnload)
        return STATUS_INVALID_DEVICE_REQUEST;
    Driver->DriverUnload(Driver);
    IopDeleteDriver(Driver, Image);
    return STATUS_SUCCESS;
}

EXPORT VOID IoDeleteDevice(DEVICE_OBJECT *Device)
{
    DEVICE_OBJECT **Link = &Device->DriverObject->DeviceObject;
    while (*Link && *Link != Device)
        Link = &(*Link)->NextDevice;
    if (*Link)
        *Link = Device->NextDevice;
    ObMakeTemporaryObject(Device);
    ObpFreeObject(Device, 'iveD');
}

// What the scenarios "driverload" and "driverunload" do: a service starts a driver and stops it again, a second each.
VOID IopDriverThread(PVOID Context)
{
    UNICODE_STRING Service;
    RtlInitUnicodeString(&Service, L"\\Registry\\Machine\\System\\CurrentControlSet\\Services\\echo");
    for (;;) {
        LONG64 Interval = -156250LL * 64;
        KeDelayExecutionThread(0, FALSE, &Interval);
        NtLoadDriver(&Service);
        KeDelayExecutionThread(0, FALSE, &Interval);
        NtUnloadDriver(&Service);
    }
}
