// The pool as before the segment heap: pages of blocks, each with a header that says how long it and the one before it
// are and whose it is. Freed blocks stay whole, for requests of their size.
#include "nt.h"

#define UNIT sizeof(POOL_HEADER)
#define UNITS_OF_PAGE (PAGE_SIZE / UNIT)
#define LEAST_BLOCK (UNIT + sizeof(LIST_ENTRY))
#define POOL_IN_USE 2
#define BIG_PAGE_FREE 1
#define TRACKED_TAGS 256

typedef struct _POOL_HEADER {
    union {
        struct {
            USHORT PreviousSize : BY_MACHINE(8, 9), PoolIndex : BY_MACHINE(8, 7);
            USHORT BlockSize : BY_MACHINE(8, 9), PoolType : BY_MACHINE(8, 7); // 0 free, else POOL_IN_USE + type
        };
        ULONG Ulong1;
    };
#ifdef __x86_64__
    ULONG PoolTag;
    union {
        EPROCESS *ProcessBilled;
        struct {
            USHORT AllocatorBackTraceIndex, PoolTagHash;
        };
    };
#else
    union {
        ULONG PoolTag;
        struct {
            USHORT AllocatorBackTraceIndex, PoolTagHash;
        };
    };
#endif
} POOL_HEADER;
SIZED(POOL_HEADER, 0x10, 8);

typedef struct _POOL_TRACKER_TABLE {
    LONG Key;
#ifdef __x86_64__
    ULONG64 NonPagedBytes, NonPagedAllocs, NonPagedFrees;
    ULONG64 PagedBytes, PagedAllocs, PagedFrees;
#else
    ULONG NonPagedBytes, NonPagedAllocs, NonPagedFrees;
    ULONG PagedBytes, PagedAllocs, PagedFrees;
#endif
} POOL_TRACKER_TABLE;
AT(POOL_TRACKER_TABLE, PagedBytes, 0x20, 0x10);

typedef struct _POOL_TRACKER_BIG_PAGES {
    ULONG_PTR Va;
    ULONG Key;
    ULONG Pattern : 8, PoolType : 12, SlushSize : 12;
    ULONG_PTR NumberOfBytes;
} POOL_TRACKER_BIG_PAGES;
SIZED(POOL_TRACKER_BIG_PAGES, 0x18, 0x10);

typedef struct _POOL_DESCRIPTOR {
    ULONG PoolType;
    ULONG RunningAllocs, RunningDeAllocs, TotalPages;
    SIZE_T TotalBytes;
    ULONG_PTR Next, End;  // pages that nobody had yet
    POOL_HEADER *Current; // the free block that was cut last
    LIST_ENTRY ListHeads[UNITS_OF_PAGE]; // free blocks by size in units
} POOL_DESCRIPTOR;

POOL_DESCRIPTOR NonPagedPoolDescriptor, PagedPoolDescriptor;
ULONG_PTR MmNonPagedPoolStart, MmNonPagedPoolEnd, MmPagedPoolStart, MmPagedPoolEnd;
POOL_TRACKER_TABLE *PoolTrackTable;
SIZE_T PoolTrackTableSize;
POOL_TRACKER_BIG_PAGES *PoolBigPageTable;
SIZE_T PoolBigPageTableSize;

// Interrupts are off meanwhile: a break-in never finds the pool half changed.
NOINLINE ULONG_PTR ExpLockPool(void)
{
    ULONG_PTR Flags = KiDisableInterrupts();
    KeAcquireQueuedSpinLockAtDpcLevel(&KeGetCurrentPrcb()->LockQueue[LockQueueNonPagedPoolLock]);
    return Flags;
}

NOINLINE VOID ExpUnlockPool(ULONG_PTR Flags)
{
    KeReleaseQueuedSpinLockFromDpcLevel(&KeGetCurrentPrcb()->LockQueue[LockQueueNonPagedPoolLock]);
    KiRestoreInterrupts(Flags);
}

// The descriptor that a type of pool comes from; only its lowest bit counts.
static POOL_DESCRIPTOR *ExpDescriptor(ULONG PoolType) { return PoolType & PagedPool ? &PagedPoolDescriptor : &NonPagedPoolDescriptor; }

NOINLINE VOID ExpInitializePoolDescriptor(POOL_DESCRIPTOR *Pool, ULONG PoolType, ULONG_PTR Start, ULONG_PTR End)
{
    Pool->PoolType = PoolType;
    Pool->Next = Start;
    Pool->End = End;
    for (ULONG i = 0; i < UNITS_OF_PAGE; i++)
        InitializeListHead(&Pool->ListHeads[i]);
}

NOINLINE PVOID ExpTakePages(POOL_DESCRIPTOR *Pool, ULONG_PTR Count)
{
    ULONG_PTR Page = Pool->Next;
    if (Count > (Pool->End - Page) / PAGE_SIZE)
        return NULL;
    Pool->Next += Count * PAGE_SIZE;
    Pool->TotalPages += (ULONG)Count;
    return (PVOID)Page;
}

// One quarter of the range is paged pool; nothing is ever paged out of it.
VOID ExInitializePool(ULONG_PTR Start, SIZE_T Size)
{
    MmNonPagedPoolStart = Start;
    MmNonPagedPoolEnd = MmPagedPoolStart = Start + Size / 4 * 3;
    MmPagedPoolEnd = Start + Size;
    ExpInitializePoolDescriptor(&NonPagedPoolDescriptor, NonPagedPool, MmNonPagedPoolStart, MmNonPagedPoolEnd);
    ExpInitializePoolDescriptor(&PagedPoolDescriptor, PagedPool, MmPagedPoolStart, MmPagedPoolEnd);
    PoolTrackTable = ExpTakePages(&NonPagedPoolDescriptor, (TRACKED_TAGS * sizeof(POOL_TRACKER_TABLE) + PAGE_SIZE - 1) / PAGE_SIZE);
    PoolTrackTableSize = TRACKED_TAGS;
    PoolBigPageTable = ExpTakePages(&NonPagedPoolDescriptor, 1);
    PoolBigPageTableSize = PAGE_SIZE / sizeof(POOL_TRACKER_BIG_PAGES);
}

// The row of a tag; the last one takes what finds no room.
NOINLINE POOL_TRACKER_TABLE *ExpFindTracker(ULONG Tag)
{
    SIZE_T Index = (Tag * 0x9E3779B1u >> 16) % TRACKED_TAGS;
    for (ULONG i = 0; i < TRACKED_TAGS; i++, Index = (Index + 1) % TRACKED_TAGS)
        if (!PoolTrackTable[Index].Key || (ULONG)PoolTrackTable[Index].Key == Tag) {
            PoolTrackTable[Index].Key = (LONG)Tag;
            return &PoolTrackTable[Index];
        }
    return &PoolTrackTable[TRACKED_TAGS - 1];
}

NOINLINE VOID ExpTrack(POOL_DESCRIPTOR *Pool, ULONG Tag, SIZE_T Bytes, BOOLEAN Allocated)
{
    POOL_TRACKER_TABLE *Row = ExpFindTracker(Tag & ~PROTECTED_POOL);
    Bytes = Allocated ? Bytes : -Bytes;
    if (Pool->PoolType == PagedPool) {
        Row->PagedBytes += Bytes;
        *(Allocated ? &Row->PagedAllocs : &Row->PagedFrees) += 1;
    } else {
        Row->NonPagedBytes += Bytes;
        *(Allocated ? &Row->NonPagedAllocs : &Row->NonPagedFrees) += 1;
    }
    Pool->TotalBytes += Bytes;
    *(Allocated ? &Pool->RunningAllocs : &Pool->RunningDeAllocs) += 1;
}

static LIST_ENTRY *ExpLinks(POOL_HEADER *Block) { return (LIST_ENTRY *)(Block + 1); }

NOINLINE VOID ExpInsertFree(POOL_DESCRIPTOR *Pool, POOL_HEADER *Block)
{
    LIST_ENTRY *Head = &Pool->ListHeads[Block->BlockSize];
    Block->PoolType = 0;
    // the last one in is the first one out
    InsertTailList(Head->Flink, ExpLinks(Block));
}

// A free block of at least that size, out of its list: first one of just that size, then the one that was cut last, so
// that what is allocated together lies together.
NOINLINE POOL_HEADER *ExpFindFree(POOL_DESCRIPTOR *Pool, ULONG Units)
{
    POOL_HEADER *Block = NULL;
    if (IsListEmpty(&Pool->ListHeads[Units]) && Pool->Current && Pool->Current->BlockSize > Units)
        Block = Pool->Current;
    for (ULONG Size = Units; !Block && Size < UNITS_OF_PAGE; Size++)
        if (!IsListEmpty(&Pool->ListHeads[Size]))
            Block = (POOL_HEADER *)Pool->ListHeads[Size].Flink - 1;
    if (Block)
        RemoveEntryList(ExpLinks(Block));
    if (Block == Pool->Current)
        Pool->Current = NULL;
    return Block;
}

// What is too long is cut. A whole page is no size that a header can tell, so a new one is always cut.
NOINLINE POOL_HEADER *ExpAllocateBlock(POOL_DESCRIPTOR *Pool, ULONG Units)
{
    POOL_HEADER *Block = ExpFindFree(Pool, Units);
    ULONG Available = UNITS_OF_PAGE;
    if (Block)
        Available = Block->BlockSize;
    else {
        Block = ExpTakePages(Pool, 1);
        if (!Block)
            return NULL;
        Block->Ulong1 = 0;
    }
    ULONG Left = Available - Units;
    if (Left >= LEAST_BLOCK / UNIT) {
        POOL_HEADER *Rest = Block + Units, *Behind = Block + Available;
        Block->BlockSize = (USHORT)Units;
        Rest->Ulong1 = 0;
        Rest->PreviousSize = (USHORT)Units;
        Rest->BlockSize = (USHORT)Left;
        Rest->PoolTag = 0;
        if ((ULONG_PTR)Behind & (PAGE_SIZE - 1))
            Behind->PreviousSize = (USHORT)Left;
        ExpInsertFree(Pool, Rest);
        Pool->Current = Rest;
    }
    Block->PoolType = (USHORT)(POOL_IN_USE | Pool->PoolType);
    return Block;
}

// Pages of their own, without a header: a table tells about them.
NOINLINE PVOID ExpAllocateBigPool(POOL_DESCRIPTOR *Pool, SIZE_T Bytes, ULONG Tag)
{
    for (SIZE_T i = 0; i < PoolBigPageTableSize; i++) {
        POOL_TRACKER_BIG_PAGES *Row = &PoolBigPageTable[i];
        BOOLEAN Fits = Row->Va & BIG_PAGE_FREE && Row->NumberOfBytes == Bytes && Row->PoolType == Pool->PoolType;
        if (Row->Va && !Fits)
            continue;
        ULONG_PTR Va = Fits ? Row->Va & ~(ULONG_PTR)BIG_PAGE_FREE : (ULONG_PTR)ExpTakePages(Pool, Bytes / PAGE_SIZE);
        if (!Va)
            return NULL;
        Row->Va = Va;
        Row->Key = Tag;
        Row->PoolType = Pool->PoolType;
        Row->NumberOfBytes = Bytes;
        return (PVOID)Va;
    }
    return NULL;
}

EXPORT PVOID ExAllocatePoolWithTag(ULONG PoolType, SIZE_T Size, ULONG Tag)
{
    POOL_DESCRIPTOR *Pool = ExpDescriptor(PoolType);
    SIZE_T Bytes = (Size + UNIT + UNIT - 1) & ~(SIZE_T)(UNIT - 1);
    PVOID Address = NULL;
    ULONG_PTR Flags = ExpLockPool();
    if (Bytes > PAGE_SIZE - LEAST_BLOCK) {
        Bytes = (Size + PAGE_SIZE - 1) & ~(SIZE_T)(PAGE_SIZE - 1);
        Address = ExpAllocateBigPool(Pool, Bytes, Tag);
    } else {
        POOL_HEADER *Block = ExpAllocateBlock(Pool, (ULONG)((Bytes < LEAST_BLOCK ? LEAST_BLOCK : Bytes) / UNIT));
        if (Block) {
            Block->PoolTag = Tag;
            Bytes = Block->BlockSize * UNIT;
            Address = Block + 1;
        }
    }
    if (Address)
        ExpTrack(Pool, Tag, Bytes, TRUE);
    ExpUnlockPool(Flags);
    // Windows leaves what was there; this kernel's own code counts on zeroes.
    if (Address)
        memset(Address, 0, (ULONG_PTR)Address & (PAGE_SIZE - 1) ? Bytes - UNIT : Bytes);
    return Address;
}

NOINLINE BOOLEAN ExpFreeBigPool(PVOID Address)
{
    for (SIZE_T i = 0; i < PoolBigPageTableSize; i++) {
        POOL_TRACKER_BIG_PAGES *Row = &PoolBigPageTable[i];
        if (Row->Va != (ULONG_PTR)Address)
            continue;
        Row->Va |= BIG_PAGE_FREE;
        ExpTrack(ExpDescriptor(Row->PoolType), Row->Key, Row->NumberOfBytes, FALSE);
        return TRUE;
    }
    return FALSE;
}

EXPORT VOID ExFreePoolWithTag(PVOID Address, ULONG Tag)
{
    POOL_HEADER *Block = (POOL_HEADER *)Address - 1;
    ULONG_PTR Flags = ExpLockPool();
    BOOLEAN IsBig = !((ULONG_PTR)Address & (PAGE_SIZE - 1)) && ExpFreeBigPool(Address);
    if (!IsBig) {
        if (!(Block->PoolType & POOL_IN_USE))
            KeBugCheckEx(0xC2, 7, Block->PoolTag, Block->Ulong1, (ULONG_PTR)Address); // BAD_POOL_CALLER: freed before
        POOL_DESCRIPTOR *Pool = ExpDescriptor(Block->PoolType);
        ExpTrack(Pool, Block->PoolTag, Block->BlockSize * UNIT, FALSE);
        ExpInsertFree(Pool, Block);
    }
    ExpUnlockPool(Flags);
}
