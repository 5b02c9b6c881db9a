// Resources: locks with many readers or one writer, which say who holds them and who waits. Layouts as in public PDBs
// of Windows 10; the waiters stand at a semaphore (readers) and an event (writers), as they did until Windows 7.
#include "nt.h"

#define FIRST_OWNER_TABLE 4

LIST_ENTRY ExpSystemResourcesList = {&ExpSystemResourcesList, &ExpSystemResourcesList};
volatile KSPIN_LOCK ExpResourceSpinLock;

EXPORT NTSTATUS ExInitializeResourceLite(ERESOURCE *Resource)
{
    memset(Resource, 0, sizeof(*Resource));
    KIRQL Irql = KeAcquireSpinLockRaiseToDpc(&ExpResourceSpinLock);
    InsertTailList(&ExpSystemResourcesList, &Resource->SystemResourcesList);
    KeReleaseSpinLock(&ExpResourceSpinLock, Irql);
    return STATUS_SUCCESS;
}

EXPORT NTSTATUS ExDeleteResourceLite(ERESOURCE *Resource)
{
    KIRQL Irql = KeAcquireSpinLockRaiseToDpc(&ExpResourceSpinLock);
    RemoveEntryList(&Resource->SystemResourcesList);
    KeReleaseSpinLock(&ExpResourceSpinLock, Irql);
    return STATUS_SUCCESS;
}

// The entry of a thread that holds the resource, or one that is free for it: OwnerEntry first, then a table whose entry
// 0 holds its size. The resource's lock is held.
NOINLINE OWNER_ENTRY *ExpFindCurrentThread(ERESOURCE *Resource, ULONG_PTR Thread)
{
    OWNER_ENTRY *Free = Resource->OwnerEntry.OwnerThread ? NULL : &Resource->OwnerEntry, *Table = Resource->OwnerTable;
    ULONG Size = Table ? Table->TableSize : 1;
    if (Resource->OwnerEntry.OwnerThread == Thread)
        return &Resource->OwnerEntry;
    for (ULONG i = 1; i < Size; i++) {
        if (Table[i].OwnerThread == Thread)
            return &Table[i];
        if (!Free && !Table[i].OwnerThread)
            Free = &Table[i];
    }
    if (Free)
        return Free;
    ULONG New = Table ? 2 * Size : FIRST_OWNER_TABLE;
    OWNER_ENTRY *Larger = ExAllocatePoolWithTag(0, New * sizeof(*Larger), 'aTeR');
    if (Table) {
        memcpy(Larger, Table, Size * sizeof(*Table));
        ExFreePoolWithTag(Table, 'aTeR');
    }
    Larger->TableSize = New;
    Resource->OwnerTable = Larger;
    return &Larger[Size];
}

NOINLINE VOID ExpWaitForResource(ERESOURCE *Resource, PVOID Object)
{
    KeWaitForSingleObject(Object, WrResource, 0, FALSE, NULL);
}

// Takes the resource if it can be had at once. Its lock is held.
NOINLINE BOOLEAN ExpTryAcquireResource(ERESOURCE *Resource, ULONG_PTR Thread, BOOLEAN Exclusive)
{
    BOOLEAN OwnedExclusive = Resource->Flag & ResourceOwnedExclusive, Mine = OwnedExclusive && Resource->OwnerEntry.OwnerThread == Thread;
    if (Resource->ActiveEntries && !Mine) {
        if (Exclusive || OwnedExclusive)
            return FALSE;
        // behind writers that wait, unless it is held already
        if (Resource->NumberOfExclusiveWaiters && ExpFindCurrentThread(Resource, Thread)->OwnerThread != Thread)
            return FALSE;
    }
    if (!Resource->ActiveEntries && Exclusive)
        Resource->Flag |= ResourceOwnedExclusive;
    OWNER_ENTRY *Entry = ExpFindCurrentThread(Resource, Thread);
    if (Entry->OwnerThread != Thread) {
        Entry->OwnerThread = Thread;
        Resource->ActiveEntries++;
    }
    Entry->OwnerCount++;
    Resource->ActiveCount = 1;
    return TRUE;
}

// Who comes first makes what the others will wait at.
NOINLINE PVOID ExpWaitObject(ERESOURCE *Resource, BOOLEAN Exclusive)
{
    if (Exclusive && !Resource->ExclusiveWaiters) {
        Resource->ExclusiveWaiters = ExAllocatePoolWithTag(0, sizeof(KEVENT), 'vEeR');
        KeInitializeEvent(Resource->ExclusiveWaiters, EventSynchronizationObject, FALSE);
    }
    if (!Exclusive && !Resource->SharedWaiters) {
        Resource->SharedWaiters = ExAllocatePoolWithTag(0, sizeof(KSEMAPHORE), 'eSeR');
        KeInitializeSemaphore(Resource->SharedWaiters, 0, 0x7FFFFFFF);
    }
    return Exclusive ? (PVOID)Resource->ExclusiveWaiters : (PVOID)Resource->SharedWaiters;
}

// A woken thread tries again, so that another may come before it.
NOINLINE BOOLEAN ExpAcquireResource(ERESOURCE *Resource, BOOLEAN Exclusive, BOOLEAN Wait)
{
    ULONG_PTR Thread = (ULONG_PTR)KeGetCurrentThread();
    ULONG *Waiters = Exclusive ? &Resource->NumberOfExclusiveWaiters : &Resource->NumberOfSharedWaiters;
    KIRQL Irql = KeAcquireSpinLockRaiseToDpc(&Resource->SpinLock);
    BOOLEAN Taken = ExpTryAcquireResource(Resource, Thread, Exclusive);
    if (!Taken && Wait) {
        Resource->ContentionCount++;
        (*Waiters)++;
        while (!Taken) {
            PVOID Object = ExpWaitObject(Resource, Exclusive);
            KeReleaseSpinLock(&Resource->SpinLock, Irql);
            ExpWaitForResource(Resource, Object);
            Irql = KeAcquireSpinLockRaiseToDpc(&Resource->SpinLock);
            Taken = ExpTryAcquireResource(Resource, Thread, Exclusive);
        }
        (*Waiters)--;
    }
    KeReleaseSpinLock(&Resource->SpinLock, Irql);
    return Taken;
}

EXPORT NOINLINE BOOLEAN ExAcquireResourceExclusiveLite(ERESOURCE *Resource, BOOLEAN Wait)
{
    return ExpAcquireResource(Resource, TRUE, Wait);
}

EXPORT NOINLINE BOOLEAN ExAcquireResourceSharedLite(ERESOURCE *Resource, BOOLEAN Wait)
{
    return ExpAcquireResource(Resource, FALSE, Wait);
}

EXPORT NOINLINE VOID ExReleaseResourceLite(ERESOURCE *Resource)
{
    ULONG_PTR Thread = (ULONG_PTR)KeGetCurrentThread();
    KIRQL Irql = KeAcquireSpinLockRaiseToDpc(&Resource->SpinLock);
    OWNER_ENTRY *Entry = ExpFindCurrentThread(Resource, Thread);
    if (Entry->OwnerThread != Thread)
        KeBugCheckEx(0xE3, (ULONG_PTR)Resource, Thread, (ULONG_PTR)Resource->OwnerTable, 2); // RESOURCE_NOT_OWNED
    if (!--Entry->OwnerCount) {
        Entry->OwnerThread = 0;
        if (!--Resource->ActiveEntries) {
            Resource->ActiveCount = 0;
            Resource->Flag &= ~ResourceOwnedExclusive;
        }
    }
    if (!Resource->ActiveEntries && Resource->NumberOfExclusiveWaiters)
        KeSetEvent(Resource->ExclusiveWaiters, 0, FALSE);
    else if (!Resource->ActiveEntries && Resource->NumberOfSharedWaiters)
        KeReleaseSemaphore(Resource->SharedWaiters, 0, Resource->NumberOfSharedWaiters, FALSE);
    KeReleaseSpinLock(&Resource->SpinLock, Irql);
}
