// What the system's memory is used for, in pages.
#include "nt.h"
#include "partition.h"

#define PAGES_OF_PAGING_FILE 1024

MI_PARTITION MiSystemPartition;
MMPAGING_FILE MiPagingFile;

// At the start everything but the free pages is in use for good. Nothing is ever paged out.
VOID MiInitializeSystemPartition(ULONG_PTR FreePages)
{
    MI_VISIBLE_PARTITION *Vp = &MiSystemPartition.Vp;
    Vp->LowestPhysicalPage = 1;
    Vp->NumberOfPhysicalPages = KeLoaderBlock->PhysicalPages;
    Vp->HighestPhysicalPage = Vp->NumberOfPhysicalPages - 1;
    Vp->AvailablePages = Vp->ResidentAvailablePages = FreePages;
    Vp->TotalCommittedPages = Vp->NumberOfPhysicalPages - FreePages;
    Vp->TotalCommitLimit = Vp->NumberOfPhysicalPages + PAGES_OF_PAGING_FILE;
    Vp->NumberOfPagingFiles = 1;
    Vp->PagingFile[0] = &MiPagingFile;
    MiPagingFile.Size = MiPagingFile.MinimumSize = MiPagingFile.FreeSpace = PAGES_OF_PAGING_FILE;
    MiPagingFile.MaximumSize = 2 * PAGES_OF_PAGING_FILE;
    RtlInitUnicodeString(&MiPagingFile.PageFileName, L"\\??\\C:\\pagefile.sys");
}

// A free page is given out.
VOID MiChargePage(void)
{
    MiSystemPartition.Vp.AvailablePages--;
    MiSystemPartition.Vp.ResidentAvailablePages--;
    MiSystemPartition.Vp.TotalCommittedPages++;
}
