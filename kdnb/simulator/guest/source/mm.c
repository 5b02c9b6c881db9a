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

// A page at a user address of one address space. Returns where the kernel sees it.
PVOID MmMapUserPage(ULONG_PTR DirectoryTableBase, ULONG_PTR Address)
{
    ULONG_PTR Page = DirectoryTableBase, Map = (ULONG_PTR)KeLoaderBlock->PhysicalMapBase;
    for (LONG Shift = BY_MACHINE(39, 22); Shift >= 12; Shift -= BY_MACHINE(9, 10)) {
        ULONG_PTR *Entry = (ULONG_PTR *)(Map + Page) + (Address >> Shift & BY_MACHINE(0x1FF, 0x3FF));
        if (!(*Entry & 1)) {
            Page = MiTakePage();
            memset((PVOID)(Map + Page), 0, PAGE_SIZE);
            *Entry = Page | 7;
        }
        Page = *Entry & ~(ULONG_PTR)0xFFF;
    }
    return (PVOID)(Map + Page);
}

// Nothing is ever paged out here, so a fault is an error: in the system range fatal at once, below it an exception.
NTSTATUS MmAccessFault(ULONG_PTR FaultCode, ULONG_PTR Address, ULONG Mode, KTRAP_FRAME *TrapFrame)
{
    if (KiPcr()->Irql < DISPATCH_LEVEL && Address >= MmSystemRangeStart)
        KeBugCheckEx(0x50, Address, FaultCode & 2, TRAP_PC(TrapFrame), 0);
    return STATUS_ACCESS_VIOLATION;
}
