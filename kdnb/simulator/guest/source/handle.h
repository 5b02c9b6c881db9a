// Handle tables as public PDBs of Windows 10 have them.
#pragma once

typedef struct _HANDLE_TABLE_ENTRY {
#ifdef __x86_64__
    union {
        LONG64 VolatileLowValue;
        LONG64 LowValue;
        struct {
            ULONG64 Unlocked : 1, RefCnt : 16, Attributes : 3, ObjectPointerBits : 44;
        };
    };
#else
    union {
        LONG VolatileLowValue;
        LONG LowValue;
        struct {
            ULONG Unlocked : 1, Attributes : 2, ObjectPointerBits : 29;
        };
    };
#endif
    union {
        LONG_PTR HighValue;
        struct _HANDLE_TABLE_ENTRY *NextFreeHandleEntry;
        struct {
            ULONG GrantedAccessBits : 25, NoRightsUpgrade : 1, Spare1 : 6;
        };
    };
} HANDLE_TABLE_ENTRY;
SIZED(HANDLE_TABLE_ENTRY, 0x10, 8);

typedef struct _HANDLE_TABLE_FREE_LIST {
    ULONG_PTR FreeListLock;
    HANDLE_TABLE_ENTRY *FirstFreeHandleEntry;
    HANDLE_TABLE_ENTRY *LastFreeHandleEntry;
    LONG HandleCount;
    ULONG HighWaterMark;
} HANDLE_TABLE_FREE_LIST;

typedef struct _HANDLE_TABLE {
    ULONG NextHandleNeedingPool;
    LONG ExtraInfoPages;
    ULONG_PTR TableCode;
    struct _EPROCESS *QuotaProcess;
    LIST_ENTRY HandleTableList;
    ULONG UniqueProcessId;
    ULONG Flags;
    ULONG_PTR HandleContentionEvent;
    ULONG_PTR HandleTableLock;
    HANDLE_TABLE_FREE_LIST FreeLists[1];
    PVOID DebugInfo;
    PAD(Reserved, 0x18, 0);
} HANDLE_TABLE;
AT(HANDLE_TABLE, TableCode, 8, 8);
AT(HANDLE_TABLE, FreeLists, 0x40, 0x28);
SIZED(HANDLE_TABLE, 0x80, 0x40);

#define GENERIC_READ 0x80000000
#define GENERIC_WRITE 0x40000000
#define OBJ_INHERIT 2
#define OBJ_CASE_INSENSITIVE 0x40
#define OBJ_KERNEL_HANDLE 0x200
