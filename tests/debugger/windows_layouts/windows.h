// The structs of a Windows kernel (x64) that the kernel-object commands read, as public PDBs of builds 19041, 22621 and
// 26100 declare them: names, offsets and sizes. What lies between is left out as GAPs. BUILD chooses the build.
#pragma once
#include <stddef.h>

typedef char CHAR;
typedef unsigned char UCHAR;
typedef short SHORT;
typedef unsigned short USHORT, WCHAR;
typedef long LONG;
typedef unsigned long ULONG;
typedef long long LONG64;
typedef unsigned long long ULONG64;
typedef void *PVOID;

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define GAP(bytes) UCHAR JOIN(Gap, __COUNTER__)[bytes]
#define AT(type, field, offset) _Static_assert(offsetof(type, field) == (offset), #type "." #field)
#define SIZE(type, size) _Static_assert(sizeof(type) == (size), #type)

#if BUILD >= 26100
#define BY_BUILD(first, second, third) (third)
#elif BUILD >= 20348
#define BY_BUILD(first, second, third) (second)
#else
#define BY_BUILD(first, second, third) (first)
#endif

typedef struct _LIST_ENTRY { struct _LIST_ENTRY *Flink, *Blink; } LIST_ENTRY;
typedef struct _UNICODE_STRING { USHORT Length, MaximumLength; const WCHAR *Buffer; } UNICODE_STRING;
typedef struct _LUID { ULONG LowPart; LONG HighPart; } LUID;
typedef struct _CLIENT_ID { PVOID UniqueProcess, UniqueThread; } CLIENT_ID;
typedef struct _EX_FAST_REF { union { PVOID Object; ULONG64 RefCnt : 4; ULONG64 Value; }; } EX_FAST_REF;
typedef struct _QUAD { LONG64 UseThisFieldToCopy; } QUAD;

// --- dispatcher objects -----------------------------------------------------------------------------

typedef struct _DISPATCHER_HEADER {
    union {
        LONG Lock;
        struct { UCHAR Type, Signalling, Size, Reserved1; };
    };
    LONG SignalState;
    LIST_ENTRY WaitListHead;
} DISPATCHER_HEADER;
typedef struct _KEVENT { DISPATCHER_HEADER Header; } KEVENT;
typedef struct _KSEMAPHORE { DISPATCHER_HEADER Header; LONG Limit; } KSEMAPHORE;
typedef struct _KWAIT_BLOCK {
    LIST_ENTRY WaitListEntry;
    UCHAR WaitType, BlockState;
    USHORT WaitKey;
    LONG SpareLong;
    struct _KTHREAD *Thread;
    PVOID Object, SparePtr;
} KWAIT_BLOCK;
SIZE(KWAIT_BLOCK, 0x30);

// --- processes and threads --------------------------------------------------------------------------

typedef struct _KAPC_STATE {
    LIST_ENTRY ApcListHead[2];
    struct _KPROCESS *Process;
    GAP(8);
} KAPC_STATE;

typedef struct _KTHREAD {
    DISPATCHER_HEADER Header;
    GAP(0x10);
    PVOID InitialStack, StackLimit, StackBase;
    GAP(0x18);
    PVOID KernelStack;
    GAP(0x14);
    union {
        struct { ULONG AutoBoostActive : 1, ReadyTransition : 1, WaitNext : 1, SystemAffinityActive : 1, Alertable : 1; };
        LONG MiscFlags;
    };
    GAP(0x18);
    struct _KTRAP_FRAME *TrapFrame;
    union {
        KAPC_STATE ApcState;
        struct { UCHAR ApcStateFill[43]; CHAR Priority; ULONG UserIdealProcessor; };
    };
    LONG64 WaitStatus;
    KWAIT_BLOCK *WaitBlockList;
    LIST_ENTRY WaitListEntry;
    DISPATCHER_HEADER *Queue;
    PVOID Teb;
    GAP(0x48);
    union {
        KWAIT_BLOCK WaitBlock[4];
        struct { UCHAR WaitBlockFill4[20]; ULONG ContextSwitches; };
        struct { UCHAR WaitBlockFill5[68], State; CHAR Spare13; UCHAR WaitIrql; CHAR WaitMode; };
        struct { UCHAR WaitBlockFill6[116]; ULONG WaitTime; };
        struct { UCHAR WaitBlockFill10[136]; PVOID Win32Thread; };
    };
    GAP(0x20);
    struct _KPROCESS *Process;
    struct { UCHAR UserAffinityFill[10]; CHAR PreviousMode, BasePriority; GAP(4); };
    GAP(8);
    struct { UCHAR AffinityFill[10], ApcStateIndex, WaitBlockCount; ULONG IdealProcessor; };
    ULONG64 NpxState;
    union {
        KAPC_STATE SavedApcState;
        struct { UCHAR SavedApcStateFill[43], WaitReason; CHAR SuspendCount, Saturation; USHORT SListFaultCount; };
    };
    struct { UCHAR SchedulerApcFill2[4]; ULONG KernelTime; };
    GAP(0x4C);
    ULONG UserTime;
    GAP(BY_BUILD(0x430, 0x480, 0x4C0) - 0x2E0);
} KTHREAD;
AT(KTHREAD, InitialStack, 0x28);
AT(KTHREAD, KernelStack, 0x58);
AT(KTHREAD, MiscFlags, 0x74);
AT(KTHREAD, ApcState, 0x98);
AT(KTHREAD, WaitBlockList, 0xD0);
AT(KTHREAD, Teb, 0xF0);
AT(KTHREAD, ContextSwitches, 0x154);
AT(KTHREAD, State, 0x184);
AT(KTHREAD, WaitMode, 0x187);
AT(KTHREAD, WaitTime, 0x1B4);
AT(KTHREAD, Win32Thread, 0x1C8);
AT(KTHREAD, Process, 0x220);
AT(KTHREAD, BasePriority, 0x233);
AT(KTHREAD, WaitBlockCount, 0x24B);
AT(KTHREAD, WaitReason, 0x283);
AT(KTHREAD, KernelTime, 0x28C);
AT(KTHREAD, UserTime, 0x2DC);
SIZE(KTHREAD, BY_BUILD(0x430, 0x480, 0x4C0));

typedef struct _ETHREAD {
    KTHREAD Tcb;
    LONG64 CreateTime;
    LONG64 ExitTime;
    GAP(0x10);
    PVOID StartAddress;
    GAP(0x20);
    CLIENT_ID Cid;
    GAP(0x28);
    LIST_ENTRY IrpList;
    GAP(0x10);
    PVOID Win32StartAddress;
    GAP(0x10);
    LIST_ENTRY ThreadListEntry;
    GAP(BUILD >= 26100 ? 0x200 : 0x3A0);
} ETHREAD;
AT(ETHREAD, StartAddress, BY_BUILD(0x450, 0x4A0, 0x4E0));
AT(ETHREAD, Cid, BY_BUILD(0x478, 0x4C8, 0x508));
AT(ETHREAD, IrpList, BY_BUILD(0x4B0, 0x500, 0x540));
AT(ETHREAD, Win32StartAddress, BY_BUILD(0x4D0, 0x520, 0x560));
AT(ETHREAD, ThreadListEntry, BY_BUILD(0x4E8, 0x538, 0x578));

typedef struct _KPROCESS {
    DISPATCHER_HEADER Header;
    LIST_ENTRY ProfileListHead;
    ULONG64 DirectoryTableBase;
    LIST_ENTRY ThreadListHead;
#if BUILD >= 26100
    GAP(0xF8);
    ULONG64 KernelTime, UserTime;
    GAP(0x80);
#else
    GAP(0x33C);
    ULONG KernelTime, UserTime;
    GAP(0xB4);
#endif
} KPROCESS;
AT(KPROCESS, DirectoryTableBase, 0x28);
AT(KPROCESS, KernelTime, BY_BUILD(0x37C, 0x37C, 0x138));
AT(KPROCESS, UserTime, BY_BUILD(0x380, 0x380, 0x140));
SIZE(KPROCESS, BY_BUILD(0x438, 0x438, 0x1C8));

typedef struct _MM_SESSION_SPACE { LONG ReferenceCount; union { ULONG LongFlags; } u; ULONG SessionId; } MM_SESSION_SPACE;
#if BUILD >= 26100
typedef struct _PSP_SESSION_SPACE SESSION_SPACE;  // what it holds is in no dump that was at hand
#else
typedef MM_SESSION_SPACE SESSION_SPACE;
#endif
typedef struct _RTL_BALANCED_NODE {
    union {
        struct _RTL_BALANCED_NODE *Children[2];
        struct { struct _RTL_BALANCED_NODE *Left, *Right; };
    };
    union { UCHAR Red : 1; UCHAR Balance : 2; ULONG64 ParentValue; };
} RTL_BALANCED_NODE;
typedef struct _RTL_AVL_TREE { RTL_BALANCED_NODE *Root; } RTL_AVL_TREE;

typedef struct _EPROCESS {
    KPROCESS Pcb;
    ULONG64 ProcessLock;
    PVOID UniqueProcessId;
    LIST_ENTRY ActiveProcessLinks;
    GAP(0x60);
    EX_FAST_REF Token;
    GAP(BUILD >= 26100 ? 0x80 : 0x80);
    PVOID InheritedFromUniqueProcessId;
    ULONG64 OwnerProcessId;
    struct _PEB *Peb;
    SESSION_SPACE *Session;
    PVOID Spare1;
    PVOID QuotaBlock;
    struct _HANDLE_TABLE *ObjectTable;
    PVOID DebugPort, WoW64Process;
#if BUILD >= 26100
    EX_FAST_REF DeviceMap;
#else
    PVOID DeviceMap;
#endif
    PVOID EtwDataSource;
    ULONG64 PageDirectoryPte;
    struct _FILE_OBJECT *ImageFilePointer;
    UCHAR ImageFileName[15];
    UCHAR PriorityClass;
    PVOID SecurityPort, SeAuditProcessCreationInfo;
    LIST_ENTRY JobLinks;
    PVOID HighestUserAddress;
    LIST_ENTRY ThreadListHead;
    ULONG ActiveThreads;
    GAP(0x4C);
    ULONG64 CommitChargeLimit, CommitCharge, CommitChargePeak;
    GAP(BUILD >= 26100 ? 0x170 : 0x180);
    RTL_AVL_TREE VadRoot;
    GAP(BUILD >= 26100 ? 0x148 : 0x148);
    ULONG64 SharedCommitCharge;
    GAP(0x110);
} EPROCESS;
AT(EPROCESS, UniqueProcessId, BY_BUILD(0x440, 0x440, 0x1D0));
AT(EPROCESS, ActiveProcessLinks, BY_BUILD(0x448, 0x448, 0x1D8));
AT(EPROCESS, Token, BY_BUILD(0x4B8, 0x4B8, 0x248));
AT(EPROCESS, InheritedFromUniqueProcessId, BY_BUILD(0x540, 0x540, 0x2D0));
AT(EPROCESS, Peb, BY_BUILD(0x550, 0x550, 0x2E0));
AT(EPROCESS, ObjectTable, BY_BUILD(0x570, 0x570, 0x300));
AT(EPROCESS, ImageFileName, BY_BUILD(0x5A8, 0x5A8, 0x338));
AT(EPROCESS, ThreadListHead, BY_BUILD(0x5E0, 0x5E0, 0x370));
AT(EPROCESS, VadRoot, BY_BUILD(0x7D8, 0x7D8, 0x558));
AT(EPROCESS, SharedCommitCharge, BY_BUILD(0x928, 0x928, 0x6A8));

typedef struct _KPRCB {
    ULONG MxCsr;
    UCHAR LegacyNumber, ReservedMustBeZero, InterruptRequest, IdleHalt;
    KTHREAD *CurrentThread, *NextThread, *IdleThread;
    UCHAR NestingLevel, ClockOwner, PendingTickFlags, IdleState;
    ULONG Number;
    ULONG64 RspBase, PrcbLock;
    CHAR *PriorityState;
    CHAR CpuType, CpuID;
    USHORT CpuStep;
    ULONG MHz;
    GAP(0x48);
    UCHAR Group, GroupIndex;  // the offsets from here on are not Windows'
    ULONG64 GroupSetMember;
    ULONG InterruptCount, KernelTime, UserTime, DpcTime, InterruptTime, AdjustDpcThreshold;
    UCHAR DebuggerSavedIRQL;
    UCHAR VendorString[13];
    ULONG64 FeatureBits;
    LONG64 UpdateSignature;
} KPRCB;
AT(KPRCB, CurrentThread, 8);
AT(KPRCB, Number, 0x24);
AT(KPRCB, CpuType, 0x40);
AT(KPRCB, MHz, 0x44);

// --- objects, handles, tokens -----------------------------------------------------------------------

typedef struct _OBJECT_HEADER {
    LONG64 PointerCount;
    union { LONG64 HandleCount; PVOID NextToFree; };
    ULONG64 Lock;
    UCHAR TypeIndex, TraceFlags, InfoMask, Flags;
    ULONG Reserved;
    union { PVOID ObjectCreateInfo, QuotaBlockCharged; };
    PVOID SecurityDescriptor;
    QUAD Body;
} OBJECT_HEADER;
AT(OBJECT_HEADER, TypeIndex, 0x18);
AT(OBJECT_HEADER, Body, 0x30);
typedef struct _OBJECT_HEADER_CREATOR_INFO {
    LIST_ENTRY TypeList;
    PVOID CreatorUniqueProcess;
    USHORT CreatorBackTraceIndex, Reserved1;
    ULONG Reserved2;
} OBJECT_HEADER_CREATOR_INFO;
typedef struct _OBJECT_HEADER_NAME_INFO {
    struct _OBJECT_DIRECTORY *Directory;
    UNICODE_STRING Name;
    LONG ReferenceCount;
    ULONG Reserved;
} OBJECT_HEADER_NAME_INFO;
typedef struct _OBJECT_TYPE {
    LIST_ENTRY TypeList;
    UNICODE_STRING Name;
    PVOID DefaultObject;
    UCHAR Index;
    ULONG TotalNumberOfObjects, TotalNumberOfHandles, HighWaterNumberOfObjects, HighWaterNumberOfHandles;
} OBJECT_TYPE;
AT(OBJECT_TYPE, TotalNumberOfObjects, 0x2C);
typedef struct _OBJECT_DIRECTORY_ENTRY {
    struct _OBJECT_DIRECTORY_ENTRY *ChainLink;
    PVOID Object;
    ULONG HashValue;
} OBJECT_DIRECTORY_ENTRY;
typedef struct _OBJECT_DIRECTORY { OBJECT_DIRECTORY_ENTRY *HashBuckets[37]; GAP(0x30); } OBJECT_DIRECTORY;
SIZE(OBJECT_DIRECTORY, 0x158);
typedef struct _OBJECT_SYMBOLIC_LINK {
    LONG64 CreationTime;
    union { UNICODE_STRING LinkTarget; struct { PVOID Callback, CallbackContext; }; };
    GAP(0x10);
} OBJECT_SYMBOLIC_LINK;

typedef union _HANDLE_TABLE_ENTRY {
    LONG64 LowValue;
    struct { PVOID InfoTable; union { LONG64 HighValue; union _HANDLE_TABLE_ENTRY *NextFreeHandleEntry; }; };
    LONG64 RefCountField;
    struct {
        ULONG64 Unlocked : 1, RefCnt : 16, Attributes : 3, ObjectPointerBits : 44;
        ULONG GrantedAccessBits : 25, NoRightsUpgrade : 1, Spare1 : 6;
        ULONG Spare2;
    };
} HANDLE_TABLE_ENTRY;
SIZE(HANDLE_TABLE_ENTRY, 0x10);
typedef struct _HANDLE_TABLE_FREE_LIST {
    ULONG64 FreeListLock;
    HANDLE_TABLE_ENTRY *FirstFreeHandleEntry, *LastFreeHandleEntry;
    LONG HandleCount;
    ULONG HighWaterMark;
    GAP(0x20);
} HANDLE_TABLE_FREE_LIST;
SIZE(HANDLE_TABLE_FREE_LIST, 0x40);
typedef struct _HANDLE_TABLE {
    ULONG NextHandleNeedingPool;
    LONG ExtraInfoPages;
    ULONG64 TableCode;
    EPROCESS *QuotaProcess;
    LIST_ENTRY HandleTableList;
    ULONG UniqueProcessId, Flags;
    ULONG64 HandleContentionEvent, HandleTableLock;
    HANDLE_TABLE_FREE_LIST FreeLists[1];
} HANDLE_TABLE;
AT(HANDLE_TABLE, FreeLists, 0x40);

typedef struct _SID_AND_ATTRIBUTES { PVOID Sid; ULONG Attributes; } SID_AND_ATTRIBUTES;
typedef struct _SEP_TOKEN_PRIVILEGES { ULONG64 Present, Enabled, EnabledByDefault; } SEP_TOKEN_PRIVILEGES;
typedef struct _TOKEN_SOURCE { CHAR SourceName[8]; LUID SourceIdentifier; } TOKEN_SOURCE;
typedef struct _TOKEN {
    TOKEN_SOURCE TokenSource;
    LUID TokenId, AuthenticationId, ParentTokenId;
    LONG64 ExpirationTime;
    PVOID TokenLock;
    LUID ModifiedId;
    SEP_TOKEN_PRIVILEGES Privileges;
    GAP(0x20);
    ULONG SessionId, UserAndGroupCount, RestrictedSidCount, VariableLength, DynamicCharged, DynamicAvailable;
    ULONG DefaultOwnerIndex;
    SID_AND_ATTRIBUTES *UserAndGroups, *RestrictedSids;
    PVOID PrimaryGroup;
    ULONG *DynamicPart;
    struct _ACL *DefaultDacl;
    enum { TokenPrimary = 1, TokenImpersonation = 2 } TokenType;
    enum { SecurityAnonymous = 0, SecurityDelegation = 3 } ImpersonationLevel;
    ULONG TokenFlags;
    UCHAR TokenInUse;
    ULONG IntegrityLevelIndex, MandatoryPolicy;
    PVOID LogonSession;
    LUID OriginatingLogonSession;
    GAP(0x3B0);
} TOKEN;
AT(TOKEN, ModifiedId, 0x38);
AT(TOKEN, SessionId, 0x78);
AT(TOKEN, UserAndGroups, 0x98);
AT(TOKEN, TokenType, 0xC0);
AT(TOKEN, OriginatingLogonSession, 0xE0);

// --- ranges of an address space ---------------------------------------------------------------------

typedef struct _MMVAD_FLAGS {
    ULONG Lock : 1, LockContended : 1, DeleteInProgress : 1, NoChange : 1, VadType : 3, Protection : 5;
    ULONG PreferredNode : BY_BUILD(6, 7, 7), PageSize : 2, PrivateMemory : 1;
} MMVAD_FLAGS;
typedef struct _MMVAD_FLAGS1 { ULONG CommitCharge : 31, MemCommit : 1; } MMVAD_FLAGS1;
typedef struct _MMVAD_SHORT {
    union {
        struct { struct _MMVAD_SHORT *NextVad; PVOID ExtraCreateInfo; };
        RTL_BALANCED_NODE VadNode;
    };
    ULONG StartingVpn, EndingVpn;
    UCHAR StartingVpnHigh, EndingVpnHigh, CommitChargeHigh, SpareNT64VadUChar;
    LONG ReferenceCount;
    ULONG64 PushLock;
    union { ULONG LongFlags; MMVAD_FLAGS VadFlags; } u;
    union { ULONG LongFlags1; MMVAD_FLAGS1 VadFlags1; } u1;
    PVOID EventList;
} MMVAD_SHORT;
AT(MMVAD_SHORT, StartingVpn, 0x18);
AT(MMVAD_SHORT, u, 0x30);
SIZE(MMVAD_SHORT, 0x40);
typedef struct _CONTROL_AREA { PVOID Segment; GAP(0x38); EX_FAST_REF FilePointer; } CONTROL_AREA;
AT(CONTROL_AREA, FilePointer, 0x40);
typedef struct _SUBSECTION { CONTROL_AREA *ControlArea; } SUBSECTION;
typedef struct _MMVAD {
    MMVAD_SHORT Core;
    union { ULONG LongFlags2; } u2;
    SUBSECTION *Subsection;
} MMVAD;

// --- drivers, devices, requests (as in the WDK) -----------------------------------------------------

typedef struct _DRIVER_EXTENSION { struct _DRIVER_OBJECT *DriverObject; PVOID AddDevice; } DRIVER_EXTENSION;
typedef struct _DRIVER_OBJECT {
    SHORT Type, Size;
    struct _DEVICE_OBJECT *DeviceObject;
    ULONG Flags;
    PVOID DriverStart;
    ULONG DriverSize;
    PVOID DriverSection;
    DRIVER_EXTENSION *DriverExtension;
    UNICODE_STRING DriverName;
    PVOID HardwareDatabase, FastIoDispatch, DriverInit, DriverStartIo, DriverUnload, MajorFunction[28];
} DRIVER_OBJECT;
AT(DRIVER_OBJECT, MajorFunction, 0x70);
typedef struct _KDEVICE_QUEUE { SHORT Type, Size; LIST_ENTRY DeviceListHead; ULONG64 Lock; UCHAR Busy; } KDEVICE_QUEUE;
typedef struct _DEVICE_OBJECT {
    SHORT Type;
    USHORT Size;
    LONG ReferenceCount;
    DRIVER_OBJECT *DriverObject;
    struct _DEVICE_OBJECT *NextDevice, *AttachedDevice;
    struct _IRP *CurrentIrp;
    PVOID Timer;
    ULONG Flags, Characteristics;
    PVOID Vpb, DeviceExtension;
    ULONG DeviceType;
    CHAR StackSize;
    GAP(0x53);
    KDEVICE_QUEUE DeviceQueue;
    GAP(0x70);
    struct _DEVOBJ_EXTENSION *DeviceObjectExtension;
    PVOID Reserved;
} DEVICE_OBJECT;
AT(DEVICE_OBJECT, DeviceQueue, 0xA0);
AT(DEVICE_OBJECT, DeviceObjectExtension, 0x138);
typedef struct _DEVOBJ_EXTENSION {
    SHORT Type;
    USHORT Size;
    DEVICE_OBJECT *DeviceObject;
    ULONG PowerFlags;
    PVOID Dope;
    ULONG ExtensionFlags;
    PVOID DeviceNode;
    DEVICE_OBJECT *AttachedTo;
} DEVOBJ_EXTENSION;
typedef enum _PNP_DEVNODE_STATE { DeviceNodeUnspecified = 0x300, DeviceNodeStarted = 0x308 } PNP_DEVNODE_STATE;
typedef struct _DEVICE_NODE {
    struct _DEVICE_NODE *Sibling, *Child, *Parent, *LastChild;
    DEVICE_OBJECT *PhysicalDeviceObject;
    UNICODE_STRING InstancePath, ServiceName;
    GAP(0xE4);
    PNP_DEVNODE_STATE State, PreviousState, StateHistory[20];
    ULONG StateHistoryEntry;
    LONG CompletionStatus;
    ULONG Flags, UserFlags, Problem;
    LONG ProblemStatus;
    GAP(0x174);
} DEVICE_NODE;
AT(DEVICE_NODE, State, 0x12C);
AT(DEVICE_NODE, Problem, 0x194);
typedef struct _FILE_OBJECT {
    SHORT Type, Size;
    DEVICE_OBJECT *DeviceObject;
    PVOID Vpb, FsContext, FsContext2, SectionObjectPointer, PrivateCacheMap;
    LONG FinalStatus;
    struct _FILE_OBJECT *RelatedFileObject;
    UCHAR LockOperation, DeletePending, ReadAccess, WriteAccess, DeleteAccess, SharedRead, SharedWrite, SharedDelete;
    ULONG Flags;
    UNICODE_STRING FileName;
    LONG64 CurrentByteOffset;
    ULONG Waiters, Busy;
    PVOID LastLock;
    KEVENT Lock, Event;
} FILE_OBJECT;
AT(FILE_OBJECT, FileName, 0x58);
AT(FILE_OBJECT, Event, 0x98);
typedef struct _IO_STACK_LOCATION {
    UCHAR MajorFunction, MinorFunction, Flags, Control;
    union {
        struct { PVOID Argument1, Argument2, Argument3, Argument4; } Others;
    } Parameters;
    DEVICE_OBJECT *DeviceObject;
    FILE_OBJECT *FileObject;
    PVOID CompletionRoutine, Context;
} IO_STACK_LOCATION;
SIZE(IO_STACK_LOCATION, 0x48);
typedef struct _IRP {
    SHORT Type;
    USHORT Size, AllocationProcessorNumber, Reserved;
    PVOID MdlAddress;
    ULONG Flags;
    union { PVOID SystemBuffer; } AssociatedIrp;
    LIST_ENTRY ThreadListEntry;
    struct { union { LONG Status; PVOID Pointer; }; ULONG64 Information; } IoStatus;
    CHAR RequestorMode;
    UCHAR PendingReturned;
    CHAR StackCount, CurrentLocation;
    UCHAR Cancel, CancelIrql;
    CHAR ApcEnvironment;
    UCHAR AllocationFlags;
    PVOID UserIosb;
    KEVENT *UserEvent;
    union {
        struct { union { PVOID UserApcRoutine; }; union { PVOID UserApcContext; }; } AsynchronousParameters;
        LONG64 AllocationSize;
    } Overlay;
    PVOID CancelRoutine, UserBuffer;
    union {
        struct {
            union { struct { LIST_ENTRY DeviceListEntry; ULONG SortKey; UCHAR Inserted; } DeviceQueueEntry; PVOID DriverContext[4]; };
            ETHREAD *Thread;
            CHAR *AuxiliaryBuffer;
            struct { LIST_ENTRY ListEntry; union { IO_STACK_LOCATION *CurrentStackLocation; ULONG PacketType; }; };
            FILE_OBJECT *OriginalFileObject;
            PVOID IrpExtension;
        } Overlay;
        PVOID CompletionKey;
    } Tail;
} IRP;
AT(IRP, Tail, 0x78);
AT(IRP, Tail.Overlay.Thread, 0x98);
AT(IRP, Tail.Overlay.CurrentStackLocation, 0xB8);
SIZE(IRP, 0xD0);

// --- resources, pool, page counts -------------------------------------------------------------------

typedef struct _OWNER_ENTRY {
    ULONG64 OwnerThread;
    union {
        struct { ULONG IoPriorityBoosted : 1, OwnerReferenced : 1, IoQoSPriorityBoosted : 1, OwnerCount : 29; };
        ULONG TableSize;
    };
} OWNER_ENTRY;
typedef struct _ERESOURCE {
    LIST_ENTRY SystemResourcesList;
    OWNER_ENTRY *OwnerTable;
    SHORT ActiveCount;
    USHORT Flag;
    PVOID SharedWaiters, ExclusiveWaiters;
    OWNER_ENTRY OwnerEntry;
    ULONG ActiveEntries, ContentionCount, NumberOfSharedWaiters, NumberOfExclusiveWaiters;
    GAP(0x18);
} ERESOURCE;
AT(ERESOURCE, OwnerEntry, 0x30);
SIZE(ERESOURCE, 0x68);
typedef struct _FAST_ERESOURCE_INTERNAL {
    LIST_ENTRY SystemResourcesList;
    PVOID ReservedPointer;
    SHORT ActiveCount;
    USHORT Flag;
    PVOID SharedWaiters, ExclusiveWaiters;
    LIST_ENTRY OwnerEntryListHead;
    ULONG ActiveEntries, ContentionCount, NumberOfSharedWaiters, NumberOfExclusiveWaiters;
    GAP(0x18);
} FAST_ERESOURCE_INTERNAL;
SIZE(FAST_ERESOURCE_INTERNAL, 0x68);
typedef struct _FAST_OWNER_ENTRY_INTERNAL {
    LIST_ENTRY ListEntry;
    GAP(8);
    PVOID LockAddress, ThreadAddress;
    LIST_ENTRY SublistHead, LockListEntry;
} FAST_OWNER_ENTRY_INTERNAL;
AT(FAST_OWNER_ENTRY_INTERNAL, ThreadAddress, 0x20);
SIZE(FAST_OWNER_ENTRY_INTERNAL, 0x48);

typedef struct _POOL_TRACKER_TABLE {
    LONG Key;
    ULONG64 NonPagedBytes, NonPagedAllocs, NonPagedFrees, PagedBytes, PagedAllocs, PagedFrees;
    GAP(0x18);
} POOL_TRACKER_TABLE;
SIZE(POOL_TRACKER_TABLE, 0x50);
typedef struct _POOL_TRACKER_BIG_PAGES {
    ULONG64 Va;
    ULONG Key, Pattern : 8, PoolType : 12, SlushSize : 12;
    ULONG64 NumberOfBytes;
} POOL_TRACKER_BIG_PAGES;
SIZE(POOL_TRACKER_BIG_PAGES, 0x18);

typedef struct _MMPFNLIST { ULONG64 Total; ULONG ListName; ULONG64 Flink, Blink; } MMPFNLIST;
typedef struct _MMPAGING_FILE {
    ULONG64 Size, MaximumSize, MinimumSize, FreeSpace, PeakUsage;
    GAP(0x30);
    UNICODE_STRING PageFileName;
} MMPAGING_FILE;
typedef struct _MI_VISIBLE_PARTITION {
    ULONG64 LowestPhysicalPage, HighestPhysicalPage, NumberOfPhysicalPages;
    ULONG NumberOfPagingFiles;
    UCHAR SystemCacheInitialized;
    MMPAGING_FILE *PagingFile[16];
    GAP(0x20);
    ULONG64 AvailablePages;
    GAP(0x38);
    ULONG64 ResidentAvailablePages;
    GAP(0x120);
    ULONG64 TotalCommittedPages;
    GAP(0x10);
    MMPFNLIST ModifiedPageListHead;
    GAP(0x60);
    MMPFNLIST ModifiedNoWritePageListHead;
    GAP(0x38);
    ULONG64 TotalCommitLimit, TotalPagesForPagingFile, VadPhysicalPages, ProcessLockedFilePages, SharedCommit;
    GAP(0x40);
} MI_VISIBLE_PARTITION;
AT(MI_VISIBLE_PARTITION, AvailablePages, 0xC0);
AT(MI_VISIBLE_PARTITION, ResidentAvailablePages, 0x100);
AT(MI_VISIBLE_PARTITION, TotalCommittedPages, 0x228);
AT(MI_VISIBLE_PARTITION, ModifiedPageListHead, 0x240);
AT(MI_VISIBLE_PARTITION, ModifiedNoWritePageListHead, 0x2C0);
AT(MI_VISIBLE_PARTITION, SharedCommit, 0x338);
typedef struct _MI_PARTITION { GAP(BY_BUILD(0x1B00, 0x4280, 0x4840)); MI_VISIBLE_PARTITION Vp; } MI_PARTITION;
