// The counts of pages that a kernel keeps, with the names of public PDBs of Windows 10; offsets are not Windows'.
#pragma once

typedef struct _MMPFNLIST {
    ULONG_PTR Total;
    ULONG ListName;
    ULONG_PTR Flink, Blink;
} MMPFNLIST;

typedef struct _MMPAGING_FILE {
    ULONG_PTR Size, MaximumSize, MinimumSize, FreeSpace, PeakUsage;
    UNICODE_STRING PageFileName;
} MMPAGING_FILE;

typedef struct _MI_VISIBLE_PARTITION {
    ULONG_PTR LowestPhysicalPage, HighestPhysicalPage, NumberOfPhysicalPages;
    ULONG NumberOfPagingFiles;
    MMPAGING_FILE *PagingFile[16];
    ULONG_PTR AvailablePages, ResidentAvailablePages;
    ULONG_PTR TotalCommittedPages, TotalCommitLimit, SharedCommit;
    MMPFNLIST ModifiedPageListHead, ModifiedNoWritePageListHead;
} MI_VISIBLE_PARTITION;

typedef struct _MI_PARTITION {
    PVOID Core;
    MI_VISIBLE_PARTITION Vp;
} MI_PARTITION;

extern MI_PARTITION MiSystemPartition;

VOID MiInitializeSystemPartition(ULONG_PTR FreePages);
VOID MiChargePage(void);
