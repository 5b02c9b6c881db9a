// Handles: one table for each process, and one of all process and thread ids. Layouts and encoding as in public PDBs of
// Windows 10: an entry holds the address of the object's header without the bits that are always the same.
#include "ob.h"

#define LOW_LEVEL_ENTRIES (PAGE_SIZE / sizeof(HANDLE_TABLE_ENTRY))
#define HANDLE_VALUE_INC 4
#define POINTER_SHIFT BY_MACHINE(4, 3)
#define TABLE_LEVEL 3 // of TableCode; tables of more than two levels are not built here
#define LEVELS(table) ((table)->TableCode & TABLE_LEVEL)
#define MAXIMUM_LEAVES (PAGE_SIZE / sizeof(PVOID))
#define KERNEL_HANDLE ((ULONG_PTR)(LONG_PTR)(LONG)0x80000000)

LIST_ENTRY HandleTableListHead = {&HandleTableListHead, &HandleTableListHead};
HANDLE_TABLE *PspCidTable, *ObpKernelHandleTable;

NOINLINE HANDLE_TABLE *ExCreateHandleTable(EPROCESS *Process)
{
    HANDLE_TABLE *Table = ExAllocatePoolWithTag(0, sizeof(*Table), 'btbO');
    Table->QuotaProcess = Process;
    Table->UniqueProcessId = Process ? (ULONG)(ULONG_PTR)Process->UniqueProcessId : 0;
    InsertTailList(&HandleTableListHead, &Table->HandleTableList);
    return Table;
}

// The entry of a handle value; NULL beyond those that there are.
NOINLINE HANDLE_TABLE_ENTRY *ExpLookupHandleTableEntry(HANDLE_TABLE *Table, ULONG_PTR Handle)
{
    ULONG_PTR Index = Handle / HANDLE_VALUE_INC, Code = Table->TableCode & ~(ULONG_PTR)TABLE_LEVEL;
    if (Handle >= Table->NextHandleNeedingPool)
        return NULL;
    HANDLE_TABLE_ENTRY *Leaf = LEVELS(Table) ? ((HANDLE_TABLE_ENTRY **)Code)[Index / LOW_LEVEL_ENTRIES] : (HANDLE_TABLE_ENTRY *)Code;
    return &Leaf[Index % LOW_LEVEL_ENTRIES];
}

// One more page of entries; a second one makes a page of pointers above them. The first entry of a page is no handle.
NOINLINE BOOLEAN ExpAllocateHandleTableEntries(HANDLE_TABLE *Table, BOOLEAN LinkFree)
{
    ULONG First = Table->NextHandleNeedingPool / HANDLE_VALUE_INC;
    ULONG_PTR Code = Table->TableCode & ~(ULONG_PTR)TABLE_LEVEL;
    if (First / LOW_LEVEL_ENTRIES == MAXIMUM_LEAVES)
        return FALSE;
    HANDLE_TABLE_ENTRY *Leaf = ExAllocatePoolWithTag(0, PAGE_SIZE, 'btbO');
    if (!Leaf)
        return FALSE;
    if (!Code)
        Table->TableCode = (ULONG_PTR)Leaf;
    else {
        HANDLE_TABLE_ENTRY **Directory = (HANDLE_TABLE_ENTRY **)Code;
        if (!LEVELS(Table)) {
            Directory = ExAllocatePoolWithTag(0, PAGE_SIZE, 'btbO');
            Directory[0] = (HANDLE_TABLE_ENTRY *)Code;
            Table->TableCode = (ULONG_PTR)Directory | 1;
        }
        Directory[First / LOW_LEVEL_ENTRIES] = Leaf;
    }
    Table->NextHandleNeedingPool += LOW_LEVEL_ENTRIES * HANDLE_VALUE_INC;
    for (ULONG i = LOW_LEVEL_ENTRIES - 1; LinkFree && i > 0; i--) {
        Leaf[i].NextFreeHandleEntry = Table->FreeLists[0].FirstFreeHandleEntry;
        Table->FreeLists[0].FirstFreeHandleEntry = &Leaf[i];
    }
    return TRUE;
}

NOINLINE VOID ExpFillEntry(HANDLE_TABLE *Table, HANDLE_TABLE_ENTRY *Entry, PVOID Pointer, ULONG Access, ULONG Attributes)
{
    Entry->HighValue = 0;
    Entry->GrantedAccessBits = Access;
    Entry->ObjectPointerBits = (ULONG_PTR)Pointer >> POINTER_SHIFT;
    Entry->Attributes = BY_MACHINE(Attributes & 7, Attributes >> 1 & 3);
    Entry->Unlocked = 1;
    if (++Table->FreeLists[0].HandleCount > (LONG)Table->FreeLists[0].HighWaterMark)
        Table->FreeLists[0].HighWaterMark = Table->FreeLists[0].HandleCount;
}

NOINLINE ULONG_PTR ExpHandleOf(HANDLE_TABLE *Table, HANDLE_TABLE_ENTRY *Entry)
{
    for (ULONG_PTR First = 0; First < Table->NextHandleNeedingPool; First += LOW_LEVEL_ENTRIES * HANDLE_VALUE_INC) {
        HANDLE_TABLE_ENTRY *Leaf = ExpLookupHandleTableEntry(Table, First);
        if (Entry >= Leaf && Entry < Leaf + LOW_LEVEL_ENTRIES)
            return First + (Entry - Leaf) * HANDLE_VALUE_INC;
    }
    return 0;
}

// A handle for a pointer; 0 when there is no memory for more.
NOINLINE ULONG_PTR ExCreateHandle(HANDLE_TABLE *Table, PVOID Pointer, ULONG Access, ULONG Attributes)
{
    ULONG_PTR Handle = 0;
    HANDLE_TABLE_FREE_LIST *Free = &Table->FreeLists[0];
    KIRQL Irql = KeAcquireSpinLockRaiseToDpc(&Free->FreeListLock);
    if (Free->FirstFreeHandleEntry || ExpAllocateHandleTableEntries(Table, TRUE)) {
        HANDLE_TABLE_ENTRY *Entry = Free->FirstFreeHandleEntry;
        Free->FirstFreeHandleEntry = Entry->NextFreeHandleEntry;
        ExpFillEntry(Table, Entry, Pointer, Access, Attributes);
        Handle = ExpHandleOf(Table, Entry);
    }
    KeReleaseSpinLock(&Free->FreeListLock, Irql);
    return Handle;
}

NOINLINE PVOID ExpPointerOf(const HANDLE_TABLE_ENTRY *Entry)
{
    return (PVOID)BY_MACHINE((ULONG_PTR)((LONG64)((ULONG64)Entry->ObjectPointerBits << 20) >> 16), (ULONG_PTR)Entry->ObjectPointerBits << POINTER_SHIFT);
}

// What a handle stands for; NULL for none.
NOINLINE PVOID ExMapHandleToPointer(HANDLE_TABLE *Table, ULONG_PTR Handle)
{
    HANDLE_TABLE_ENTRY *Entry = Table ? ExpLookupHandleTableEntry(Table, Handle) : NULL;
    return Entry && Entry->LowValue ? ExpPointerOf(Entry) : NULL;
}

NOINLINE VOID ExDestroyHandle(HANDLE_TABLE *Table, ULONG_PTR Handle)
{
    HANDLE_TABLE_FREE_LIST *Free = &Table->FreeLists[0];
    KIRQL Irql = KeAcquireSpinLockRaiseToDpc(&Free->FreeListLock);
    HANDLE_TABLE_ENTRY *Entry = ExpLookupHandleTableEntry(Table, Handle);
    Entry->LowValue = 0;
    Entry->HighValue = 0;
    Entry->NextFreeHandleEntry = Free->FirstFreeHandleEntry;
    Free->FirstFreeHandleEntry = Entry;
    Free->HandleCount--;
    KeReleaseSpinLock(&Free->FreeListLock, Irql);
}

// ---- process and thread ids -------------------------------------------------------------------------------

// Ids are given here, not taken from the table as on Windows. The entries point to bodies, not to headers.
VOID PspInsertCid(PVOID Object, ULONG_PTR Id)
{
    if (!PspCidTable)
        PspCidTable = ExCreateHandleTable(NULL);
    while (PspCidTable->NextHandleNeedingPool <= Id && ExpAllocateHandleTableEntries(PspCidTable, FALSE))
        ;
    HANDLE_TABLE_ENTRY *Entry = ExpLookupHandleTableEntry(PspCidTable, Id);
    if (Entry)
        ExpFillEntry(PspCidTable, Entry, Object, 0, 0);
}

PVOID PspLookupCid(ULONG_PTR Id, UCHAR Type)
{
    PVOID Object = ExMapHandleToPointer(PspCidTable, Id);
    return Object && ObpTypeNumber(HEADER(Object)) == Type ? Object : NULL;
}

// ---- objects ----------------------------------------------------------------------------------------------

// The table in which a handle counts, and its value there: those with the highest bit are the system process's.
static inline __attribute__((always_inline)) HANDLE_TABLE *ObpHandleTableOf(ULONG_PTR *Handle)
{
    if ((*Handle & KERNEL_HANDLE) != KERNEL_HANDLE)
        return PsGetCurrentProcess()->ObjectTable;
    *Handle &= ~KERNEL_HANDLE;
    return ObpKernelHandleTable;
}

PVOID ObpReferenceObject(HANDLE Handle, UCHAR Type)
{
    ULONG_PTR Value = (ULONG_PTR)Handle;
    HANDLE_TABLE *Table = ObpHandleTableOf(&Value);
    OBJECT_HEADER *Header = ExMapHandleToPointer(Table, Value);
    return Header && (!Type || ObpTypeNumber(Header) == Type) ? &Header->Body : NULL;
}

// A handle for a new object, which takes over the reference of its creation.
NTSTATUS ObpInsertHandle(PVOID Object, ULONG Access, ULONG Attributes, HANDLE *Handle)
{
    NTSTATUS Status = ObpCreateHandle(Object, Access, Attributes, Handle);
    if (NT_SUCCESS(Status))
        HEADER(Object)->PointerCount--;
    return Status;
}

NTSTATUS ObpCreateHandle(PVOID Object, ULONG Access, ULONG Attributes, HANDLE *Handle)
{
    OBJECT_HEADER *Header = HEADER(Object);
    BOOLEAN IsKernel = (Attributes & OBJ_KERNEL_HANDLE) != 0;
    HANDLE_TABLE *Table = IsKernel ? ObpKernelHandleTable : PsGetCurrentProcess()->ObjectTable;
    ULONG_PTR Value = ExCreateHandle(Table, Header, Access, Attributes);
    if (!Value)
        return STATUS_INSUFFICIENT_RESOURCES;
    Header->HandleCount++;
    Header->PointerCount++;
    ObTypeIndexTable[ObpTypeNumber(Header)]->TotalNumberOfHandles++;
    *Handle = (HANDLE)(IsKernel ? Value | KERNEL_HANDLE : Value);
    return STATUS_SUCCESS;
}

EXPORT NTSTATUS NtClose(HANDLE Handle)
{
    ULONG_PTR Value = (ULONG_PTR)Handle;
    HANDLE_TABLE *Table = ObpHandleTableOf(&Value);
    OBJECT_HEADER *Header = ExMapHandleToPointer(Table, Value);
    if (!Header)
        return STATUS_INVALID_HANDLE;
    UCHAR Type = ObpTypeNumber(Header);
    ExDestroyHandle(Table, Value);
    ObTypeIndexTable[Type]->TotalNumberOfHandles--;
    Header->PointerCount--;
    if (!--Header->HandleCount && Type == ObFileType)
        return IopCloseFile((FILE_OBJECT *)&Header->Body);
    return STATUS_SUCCESS;
}

NTSTATUS NtOpenProcess(HANDLE *Process, ULONG Access, OBJECT_ATTRIBUTES *Attributes, CLIENT_ID *ClientId)
{
    PVOID Object = PspLookupCid((ULONG_PTR)ClientId->UniqueProcess, ObProcessType);
    return Object ? ObpCreateHandle(Object, Access, Attributes->Attributes, Process) : STATUS_INVALID_CID;
}

NTSTATUS NtOpenThread(HANDLE *Thread, ULONG Access, OBJECT_ATTRIBUTES *Attributes, CLIENT_ID *ClientId)
{
    PVOID Object = PspLookupCid((ULONG_PTR)ClientId->UniqueThread, ObThreadType);
    return Object ? ObpCreateHandle(Object, Access, Attributes->Attributes, Thread) : STATUS_INVALID_CID;
}

NTSTATUS NtOpenDirectoryObject(HANDLE *Directory, ULONG Access, OBJECT_ATTRIBUTES *Attributes)
{
    PVOID Object = ObpLookupPath(Attributes->ObjectName);
    return Object ? ObpCreateHandle(Object, Access, Attributes->Attributes, Directory) : STATUS_OBJECT_NAME_NOT_FOUND;
}

NTSTATUS NtCreateEvent(HANDLE *Event, ULONG Access, OBJECT_ATTRIBUTES *Attributes, ULONG Type, BOOLEAN State)
{
    KEVENT *New = ObpAllocateObject(ObEventType, sizeof(*New), 'nevE');
    if (!New)
        return STATUS_INSUFFICIENT_RESOURCES;
    KeInitializeEvent(New, Type, State);
    if (Attributes->ObjectName)
        ObInsertObject(New, Attributes->ObjectName);
    return ObpInsertHandle(New, Access, Attributes->Attributes, Event);
}
