// Memory: kernel stacks from the loader, address spaces, page faults.
#include "nt.h"
#include "partition.h"

ULONG_PTR MmHighestUserAddress = HIGHEST_USER_ADDRESS, MmSystemRangeStart = SYSTEM_RANGE_START, MmUserProbeAddress = USER_PROBE_ADDRESS;
ULONG_PTR MmNumberOfPhysicalPages, MmLowestPhysicalPage = 1, MmHighestPhysicalPage;
volatile KSPIN_LOCK MiPageLock;
ULONG_PTR MiFreePage, MiFreePageCount;
ULONG MiNextStack;

VOID MmInitSystem(void)
{
    MmNumberOfPhysicalPages = KeLoaderBlock->PhysicalPages;
    MmHighestPhysicalPage = MmNumberOfPhysicalPages - 1;
    ExInitializePool((ULONG_PTR)KeLoaderBlock->PoolBase, (SIZE_T)KeLoaderBlock->PoolSize);
    MiFreePage = KeLoaderBlock->FreePage;
    MiFreePageCount = KeLoaderBlock->FreePageCount;
    MiInitializeSystemPartition(MiFreePageCount);
    MiNextStack = KeLoaderBlock->NumberProcessors;
}

// Each slot has an unmapped guard area below its stack. Returns the end, from where the stack grows down.
PVOID MmCreateKernelStack(void)
{
    if (MiNextStack >= KeLoaderBlock->StackCount)
        KeBugCheckEx(0x7A, MiNextStack, 0, 0, 0);
    return (PVOID)(KeLoaderBlock->StackBase + (ULONG_PTR)++MiNextStack * KeLoaderBlock->StackSlot);
}

NOINLINE ULONG_PTR MiTakePage(void)
{
    ULONG_PTR Page = MiFreePage;
    if (!MiFreePageCount)
        KeBugCheckEx(0x7A, 0, 0, 0, 0);
    MiFreePage += PAGE_SIZE;
    MiFreePageCount--;
    MiChargePage();
    return Page;
}

// A new top-level page table with the kernel's upper half, on both machines half of a page. Physical address.
ULONG_PTR MmCreateProcessAddressSpace(void)
{
    ULONG_PTR Current, Page = MiTakePage();
    __asm__ volatile("mov %%cr3, %0" : "=r"(Current));
    UCHAR *To = (UCHAR *)(ULONG_PTR)KeLoaderBlock->PhysicalMapBase + Page, *From = (UCHAR *)(ULONG_PTR)KeLoaderBlock->PhysicalMapBase + (Current & ~(ULONG_PTR)0xFFF);
    memset(To, 0, PAGE_SIZE / 2);
    memcpy(To + PAGE_SIZE / 2, From + PAGE_SIZE / 2, PAGE_SIZE / 2);
    return Page;
}

// Makes sure that an entry of a page table names a page, a zeroed one if it is new. Returns where the kernel sees it.
NOINLINE UCHAR *MiFillEntry(ULONG_PTR *Entry, ULONG_PTR Flags)
{
    UCHAR *Map = (UCHAR *)(ULONG_PTR)KeLoaderBlock->PhysicalMapBase;
    if (!(*Entry & 1)) {
        *Entry = MiTakePage() | Flags;
        memset(Map + (*Entry & PTE_FRAME), 0, PAGE_SIZE);
    }
    return Map + (*Entry & PTE_FRAME);
}

// Where a page table names the page at a user address of one address space; the tables on the way are made.
ULONG_PTR *MiUserPageTableEntry(ULONG_PTR DirectoryTableBase, ULONG_PTR Address)
{
    UCHAR *Table = (UCHAR *)(ULONG_PTR)KeLoaderBlock->PhysicalMapBase + DirectoryTableBase;
    for (LONG Shift = BY_MACHINE(39, 22);; Shift -= BY_MACHINE(9, 10)) {
        ULONG_PTR *Entry = (ULONG_PTR *)Table + (Address >> Shift & BY_MACHINE(0x1FF, 0x3FF));
        if (Shift == 12)
            return Entry;
        Table = MiFillEntry(Entry, PTE_USER_WRITE);
    }
}

// A page of data at a user address of one address space. Returns where the kernel sees it.
PVOID MmMapUserPage(ULONG_PTR DirectoryTableBase, ULONG_PTR Address)
{
    return MiFillEntry(MiUserPageTableEntry(DirectoryTableBase, Address), PTE_USER_WRITE | PTE_NO_EXECUTE);
}

// Nothing is ever paged out here, so a fault is an error: in the system range fatal at once, below it an exception.
NTSTATUS MmAccessFault(ULONG_PTR FaultCode, ULONG_PTR Address, ULONG Mode, KTRAP_FRAME *TrapFrame)
{
    if (!Mode && KiPcr()->Irql < DISPATCH_LEVEL && Address >= MmSystemRangeStart)
        KeBugCheckEx(0x50, Address, FaultCode & 0x12, TRAP_PC(TrapFrame), 0);
    return STATUS_ACCESS_VIOLATION;
}
