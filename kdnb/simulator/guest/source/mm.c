// Memory: a pool that only grows, kernel stacks from the loader, address spaces, page faults.
#include "nt.h"

#define PAGE_SIZE 0x1000

ULONG64 MmHighestUserAddress = 0x00007FFFFFFEFFFF, MmSystemRangeStart = 0xFFFF800000000000, MmUserProbeAddress = 0x00007FFFFFFF0000;
ULONG64 MmNumberOfPhysicalPages, MmLowestPhysicalPage = 1, MmHighestPhysicalPage;
ULONG64 MmNonPagedPoolStart, MmNonPagedPoolEnd;
LIST_ENTRY ExpSystemResourcesList = {&ExpSystemResourcesList, &ExpSystemResourcesList};
volatile ULONG64 ExpPoolLock, MiPageLock;
ULONG64 ExpPoolNext, MiFreePage, MiFreePageCount;
ULONG MiNextStack;

typedef struct _POOL_HEADER {
    USHORT PreviousSize, BlockSize;
    ULONG PoolTag;
    struct _POOL_HEADER *NextFree;
} POOL_HEADER;
_Static_assert(sizeof(POOL_HEADER) == 0x10, "POOL_HEADER");

POOL_HEADER *ExpFreeBlocks;

VOID MmInitSystem(void)
{
    MmNumberOfPhysicalPages = KeLoaderBlock->PhysicalPages;
    MmHighestPhysicalPage = MmNumberOfPhysicalPages - 1;
    MmNonPagedPoolStart = ExpPoolNext = KeLoaderBlock->PoolBase;
    MmNonPagedPoolEnd = KeLoaderBlock->PoolBase + KeLoaderBlock->PoolSize;
    MiFreePage = KeLoaderBlock->FreePage;
    MiFreePageCount = KeLoaderBlock->FreePageCount;
    MiNextStack = KeLoaderBlock->NumberProcessors;
}

// Freed blocks are kept for requests of the same size.
EXPORT PVOID ExAllocatePoolWithTag(ULONG PoolType, SIZE_T Size, ULONG Tag)
{
    POOL_HEADER *Block = NULL;
    USHORT BlockSize = (USHORT)((Size + sizeof(POOL_HEADER) + 15) / 16);
    KIRQL Irql = KeAcquireSpinLockRaiseToDpc(&ExpPoolLock);
    for (POOL_HEADER **Link = &ExpFreeBlocks; *Link; Link = &(*Link)->NextFree)
        if ((*Link)->BlockSize == BlockSize) {
            Block = *Link;
            *Link = Block->NextFree;
            break;
        }
    if (!Block && ExpPoolNext + BlockSize * 16ULL <= MmNonPagedPoolEnd) {
        Block = (POOL_HEADER *)ExpPoolNext;
        ExpPoolNext += BlockSize * 16ULL;
    }
    KeReleaseSpinLock(&ExpPoolLock, Irql);
    if (!Block)
        return NULL;
    Block->BlockSize = BlockSize;
    Block->PoolTag = Tag;
    Block->NextFree = NULL;
    memset(Block + 1, 0, BlockSize * 16ULL - sizeof(POOL_HEADER));
    return Block + 1;
}

EXPORT VOID ExFreePoolWithTag(PVOID Address, ULONG Tag)
{
    POOL_HEADER *Block = (POOL_HEADER *)Address - 1;
    KIRQL Irql = KeAcquireSpinLockRaiseToDpc(&ExpPoolLock);
    Block->NextFree = ExpFreeBlocks;
    ExpFreeBlocks = Block;
    KeReleaseSpinLock(&ExpPoolLock, Irql);
}

// Each slot has an unmapped guard area below its stack. Returns the end, from where the stack grows down.
PVOID MmCreateKernelStack(void)
{
    if (MiNextStack >= KeLoaderBlock->StackCount)
        KeBugCheckEx(0x7A, MiNextStack, 0, 0, 0);
    return (PVOID)(KeLoaderBlock->StackBase + (ULONG64)++MiNextStack * KeLoaderBlock->StackSlot);
}

// A new top-level page table with the kernel's upper half. Physical address.
ULONG64 MmCreateProcessAddressSpace(void)
{
    ULONG64 Current, Page;
    if (!MiFreePageCount)
        KeBugCheckEx(0x7A, 0, 0, 0, 0);
    Page = MiFreePage;
    MiFreePage += PAGE_SIZE;
    MiFreePageCount--;
    __asm__ volatile("movq %%cr3, %0" : "=r"(Current));
    UCHAR *To = (UCHAR *)(KeLoaderBlock->PhysicalMapBase + Page), *From = (UCHAR *)(KeLoaderBlock->PhysicalMapBase + (Current & ~0xFFFULL));
    memset(To, 0, PAGE_SIZE / 2);
    memcpy(To + PAGE_SIZE / 2, From + PAGE_SIZE / 2, PAGE_SIZE / 2);
    return Page;
}

// Nothing is ever paged out here, so a fault is an error: in the system range fatal at once, below it an exception.
NTSTATUS MmAccessFault(ULONG64 FaultCode, ULONG64 Address, ULONG Mode, KTRAP_FRAME *TrapFrame)
{
    if (TrapFrame->PreviousIrql < DISPATCH_LEVEL && Address >= MmSystemRangeStart)
        KeBugCheckEx(0x50, Address, FaultCode & 2, TrapFrame->Rip, 0);
    return STATUS_ACCESS_VIOLATION;
}
