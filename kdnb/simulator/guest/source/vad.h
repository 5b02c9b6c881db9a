// What a process has below the kernel's half, as public PDBs of Windows 10 describe it: a tree of ranges of pages.
#pragma once

typedef struct _RTL_BALANCED_NODE {
    struct _RTL_BALANCED_NODE *Left, *Right;
    ULONG_PTR ParentValue;
} RTL_BALANCED_NODE;

typedef struct _RTL_AVL_TREE {
    RTL_BALANCED_NODE *Root;
} RTL_AVL_TREE;

typedef struct _MMVAD_FLAGS {
    ULONG Lock : 1, LockContended : 1, DeleteInProgress : 1, NoChange : 1, VadType : 3, Protection : 5, PreferredNode : 6, PageSize : 2, PrivateMemory : 1;
} MMVAD_FLAGS;

typedef struct _MMVAD_FLAGS1 {
    ULONG CommitCharge : 31, MemCommit : 1;
} MMVAD_FLAGS1;

typedef struct _MMVAD_SHORT {
    RTL_BALANCED_NODE VadNode;
    ULONG StartingVpn, EndingVpn;
#ifdef __x86_64__
    UCHAR StartingVpnHigh, EndingVpnHigh, CommitChargeHigh, SpareNT64VadUChar;
#endif
    LONG ReferenceCount;
    ULONG_PTR PushLock;
    union {
        ULONG LongFlags;
        MMVAD_FLAGS VadFlags;
    } u;
    union {
        ULONG LongFlags1;
        MMVAD_FLAGS1 VadFlags1;
    } u1;
    PVOID EventList;
} MMVAD_SHORT;
AT(MMVAD_SHORT, StartingVpn, 0x18, 0xC);
SIZED(MMVAD_SHORT, 0x40, 0x28);

typedef struct _CONTROL_AREA {
    PVOID Segment;
    LIST_ENTRY ListHead;
    ULONG_PTR NumberOfSectionReferences, NumberOfPfnReferences, NumberOfMappedViews, NumberOfUserReferences;
    ULONG LongFlags, LongFlags1;
    ULONG_PTR FilePointer; // EX_FAST_REF
} CONTROL_AREA;

typedef struct _SUBSECTION {
    CONTROL_AREA *ControlArea;
} SUBSECTION;

typedef struct _MMVAD {
    MMVAD_SHORT Core;
    ULONG LongFlags2;
    SUBSECTION *Subsection;
} MMVAD;

enum { VadNone, VadDevicePhysicalMemory, VadImageMap };
#define MM_READONLY 1
#define MM_READWRITE 4
#define MM_EXECUTE_WRITECOPY 7

struct _EPROCESS;
VOID MiInsertPrivateVad(struct _EPROCESS *Process, ULONG_PTR Start, SIZE_T Size, ULONG Protection);
VOID MiInsertImageVad(struct _EPROCESS *Process, ULONG_PTR Start, SIZE_T Size, SIZE_T Committed, const WCHAR *Path);
