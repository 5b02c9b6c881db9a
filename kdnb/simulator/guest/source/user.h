// What user mode knows of its process and thread, with Windows' names and offsets (build 19041).
#pragma once

typedef struct _CURDIR {
    UNICODE_STRING DosPath;
    HANDLE Handle;
} CURDIR;

typedef struct _RTL_USER_PROCESS_PARAMETERS {
    ULONG MaximumLength, Length, Flags, DebugFlags;
    HANDLE ConsoleHandle;
    ULONG ConsoleFlags;
    HANDLE StandardInput, StandardOutput, StandardError;
    CURDIR CurrentDirectory;
    UNICODE_STRING DllPath, ImagePathName, CommandLine;
    PVOID Environment;
    ULONG StartingX, StartingY, CountX, CountY, CountCharsX, CountCharsY, FillAttribute, WindowFlags, ShowWindowFlags;
    UNICODE_STRING WindowTitle, DesktopInfo, ShellInfo, RuntimeData;
} RTL_USER_PROCESS_PARAMETERS;
AT(RTL_USER_PROCESS_PARAMETERS, CurrentDirectory, 0x38, 0x24);
AT(RTL_USER_PROCESS_PARAMETERS, ImagePathName, 0x60, 0x38);
AT(RTL_USER_PROCESS_PARAMETERS, CommandLine, 0x70, 0x40);
AT(RTL_USER_PROCESS_PARAMETERS, WindowTitle, 0xB0, 0x70);

typedef struct _PEB_LDR_DATA {
    ULONG Length;
    BOOLEAN Initialized;
    HANDLE SsHandle;
    LIST_ENTRY InLoadOrderModuleList, InMemoryOrderModuleList, InInitializationOrderModuleList;
    PVOID EntryInProgress;
    BOOLEAN ShutdownInProgress;
    HANDLE ShutdownThreadId;
} PEB_LDR_DATA;
AT(PEB_LDR_DATA, InLoadOrderModuleList, 0x10, 0xC);
SIZED(PEB_LDR_DATA, 0x58, 0x30);

typedef struct _LDR_DATA_TABLE_ENTRY {
    LIST_ENTRY InLoadOrderLinks, InMemoryOrderLinks, InInitializationOrderLinks;
    PVOID DllBase;
    PVOID EntryPoint;
    ULONG SizeOfImage;
    UNICODE_STRING FullDllName, BaseDllName;
    ULONG Flags;
    USHORT ObsoleteLoadCount;
    USHORT TlsIndex;
    LIST_ENTRY HashLinks;
    ULONG TimeDateStamp;
} LDR_DATA_TABLE_ENTRY;
AT(LDR_DATA_TABLE_ENTRY, DllBase, 0x30, 0x18);
AT(LDR_DATA_TABLE_ENTRY, FullDllName, 0x48, 0x24);
AT(LDR_DATA_TABLE_ENTRY, Flags, 0x68, 0x34);
AT(LDR_DATA_TABLE_ENTRY, TimeDateStamp, 0x80, 0x44);

typedef struct _PEB {
    UCHAR InheritedAddressSpace, ReadImageFileExecOptions, BeingDebugged, BitField;
    HANDLE Mutant;
    PVOID ImageBaseAddress;
    PEB_LDR_DATA *Ldr;
    RTL_USER_PROCESS_PARAMETERS *ProcessParameters;
    PVOID SubSystemData, ProcessHeap, FastPebLock, AtlThunkSListPtr, IFEOKey;
    ULONG CrossProcessFlags;
    PVOID KernelCallbackTable;
    ULONG SystemReserved, AtlThunkSListPtr32;
    PVOID ApiSetMap;
    ULONG TlsExpansionCounter;
    PVOID TlsBitmap;
    ULONG TlsBitmapBits[2];
    PVOID ReadOnlySharedMemoryBase, SharedData;
    PVOID *ReadOnlyStaticServerData;
    PVOID AnsiCodePageData, OemCodePageData, UnicodeCaseTableData;
    ULONG NumberOfProcessors, NtGlobalFlag;
    LONG64 CriticalSectionTimeout;
    SIZE_T HeapSegmentReserve, HeapSegmentCommit, HeapDeCommitTotalFreeThreshold, HeapDeCommitFreeBlockThreshold;
    ULONG NumberOfHeaps, MaximumNumberOfHeaps;
    PVOID *ProcessHeaps;
    PVOID GdiSharedHandleTable, ProcessStarterHelper;
    ULONG GdiDCAttributeList;
    PVOID LoaderLock;
    ULONG OSMajorVersion, OSMinorVersion;
    USHORT OSBuildNumber, OSCSDVersion;
    ULONG OSPlatformId, ImageSubsystem, ImageSubsystemMajorVersion, ImageSubsystemMinorVersion;
    PAD(Reserved, 0x2C0 - 0x134, 0x1D4 - 0xC0);
    ULONG SessionId;
} PEB;
AT(PEB, Ldr, 0x18, 0xC);
AT(PEB, ProcessHeap, 0x30, 0x18);
AT(PEB, NumberOfProcessors, 0xB8, 0x64);
AT(PEB, OSMajorVersion, 0x118, 0xA4);
AT(PEB, ImageSubsystem, 0x128, 0xB4);
AT(PEB, SessionId, 0x2C0, 0x1D4);

typedef struct _NT_TIB {
    PVOID ExceptionList, StackBase, StackLimit, SubSystemTib, FiberData, ArbitraryUserPointer;
    struct _NT_TIB *Self;
} NT_TIB;

typedef struct _TEB {
    NT_TIB NtTib;
    PVOID EnvironmentPointer;
    CLIENT_ID ClientId;
    PVOID ActiveRpcHandle, ThreadLocalStoragePointer;
    PEB *ProcessEnvironmentBlock;
    ULONG LastErrorValue, CountOfOwnedCriticalSections;
    PVOID CsrClientThread, Win32ThreadInfo;
    PAD(Reserved1, 0x1250 - 0x80, 0xBF4 - 0x44);
    NTSTATUS LastStatusValue;
    UNICODE_STRING StaticUnicodeString;
    WCHAR StaticUnicodeBuffer[261];
    PVOID DeallocationStack;
    PAD(Reserved2, 0x1838 - 0x1480, 0x1000 - 0xE10);
} TEB;
AT(TEB, ClientId, 0x40, 0x20);
AT(TEB, ProcessEnvironmentBlock, 0x60, 0x30);
AT(TEB, LastErrorValue, 0x68, 0x34);
AT(TEB, LastStatusValue, 0x1250, 0xBF4);
AT(TEB, DeallocationStack, 0x1478, 0xE0C);
SIZED(TEB, 0x1838, 0x1000);

// Where a process has them; each thread's environment block and stack lie at a distance from those of the one before.
#define PEB_ADDRESS BY_MACHINE(0xC3414D1000, 0x7FFDF000)
#define PARAMETERS_ADDRESS BY_MACHINE(0xC341450000, 0x20000)
#define TEB_ADDRESS 0xC3414D3000
#define TEB_DISTANCE 0x2000
#define USER_STACK_BASE 0xC341510000
#define USER_STACK_DISTANCE 0x10000
#define USER_STACK_SIZE 0x4000
