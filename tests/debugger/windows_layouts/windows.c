// A moment of a Windows kernel as static data: two processes, a thread that waits, handles in three levels, a token, a
// request, devices, resources, pool tables and page counts. What depends on addresses is filled in by the test.
#include "windows.h"

#define TEXT(text) { sizeof(text) - 2, sizeof(text), (const WCHAR *)(text) }
#define LIST(head) { &(head), &(head) }
#define ONLY(entry) { &(entry), &(entry) }
#define ADDRESS(value) ((ULONG64)(value))

int DllMain(void) { return 1; }  // the entry point; nothing here ever runs

UCHAR ObHeaderCookie = 0x5A;
extern OBJECT_TYPE TypeOfProcess, TypeOfThread, TypeOfDevice, TypeOfDirectory, TypeOfFile, TypeOfEvent, TypeOfDriver;
OBJECT_TYPE *ObTypeIndexTable[] = { 0, 0, &TypeOfProcess, &TypeOfThread, &TypeOfDevice, &TypeOfDirectory, &TypeOfFile, &TypeOfEvent, &TypeOfDriver };
OBJECT_TYPE TypeOfProcess = { .Name = TEXT(L"Process"), .Index = 2 };
OBJECT_TYPE TypeOfThread = { .Name = TEXT(L"Thread"), .Index = 3 };
OBJECT_TYPE TypeOfDevice = { .Name = TEXT(L"Device"), .Index = 4 };
OBJECT_TYPE TypeOfDirectory = { .Name = TEXT(L"Directory"), .Index = 5 };
OBJECT_TYPE TypeOfFile = { .Name = TEXT(L"File"), .Index = 6 };
OBJECT_TYPE TypeOfEvent = { .Name = TEXT(L"Event"), .Index = 7 };
OBJECT_TYPE TypeOfDriver = { .Name = TEXT(L"Driver"), .Index = 8 };

OBJECT_HEADER *AnyObjectHeader;  // so that its type is in the PDB, as the next one's
OBJECT_SYMBOLIC_LINK *AnySymbolicLink;

// --- the namespace: \Device holds DemoDevice0 -------------------------------------------------------

typedef struct { _Alignas(16) OBJECT_HEADER_NAME_INFO NameInfo; UCHAR Header[0x30]; OBJECT_DIRECTORY Body; } NAMED_DIRECTORY;
typedef struct { _Alignas(16) OBJECT_HEADER_NAME_INFO NameInfo; OBJECT_HEADER_CREATOR_INFO Creator; UCHAR Header[0x30]; DEVICE_OBJECT Body; } NAMED_DEVICE;
typedef struct { _Alignas(16) UCHAR Header[0x30]; FILE_OBJECT Body; } UNNAMED_FILE;
typedef struct { _Alignas(16) UCHAR Header[0x30]; KEVENT Body; } UNNAMED_EVENT;
typedef struct { _Alignas(16) OBJECT_HEADER_NAME_INFO NameInfo; UCHAR Header[0x30]; DRIVER_OBJECT Body; } NAMED_DRIVER;
typedef struct { _Alignas(16) UCHAR Header[0x30]; EPROCESS Body; } UNNAMED_PROCESS;
typedef struct { _Alignas(16) UCHAR Header[0x30]; ETHREAD Body; } UNNAMED_THREAD;

extern NAMED_DIRECTORY RootDirectory, DeviceDirectory, DriverDirectory;
extern NAMED_DEVICE Lower, Upper;
extern NAMED_DRIVER Driver;
extern UNNAMED_PROCESS System, Demo;
extern UNNAMED_THREAD SystemThread, DemoThread;
extern UNNAMED_FILE File;
extern UNNAMED_EVENT Event;

OBJECT_DIRECTORY_ENTRY DriverEntry = { 0, &DriverDirectory.Body }, DeviceEntry = { &DriverEntry, &DeviceDirectory.Body };
OBJECT_DIRECTORY_ENTRY LowerEntry = { 0, &Lower.Body }, DemoDriverEntry = { 0, &Driver.Body };
NAMED_DIRECTORY RootDirectory = { { 0, TEXT(L"\\") }, {}, { { [11] = &DeviceEntry } } };
NAMED_DIRECTORY DeviceDirectory = { { &RootDirectory.Body, TEXT(L"Device") }, {}, { { [36] = &LowerEntry } } };
NAMED_DIRECTORY DriverDirectory = { { &RootDirectory.Body, TEXT(L"Driver") }, {}, { { [0] = &DemoDriverEntry } } };
OBJECT_DIRECTORY *ObpRootDirectoryObject = &RootDirectory.Body;

// --- a driver, two devices, their node, a request ---------------------------------------------------

extern DEVICE_NODE IopRootNode, DemoNode;
extern DEVOBJ_EXTENSION LowerExtension, UpperExtension, RootExtension;
extern struct _REQUEST { IRP Irp; IO_STACK_LOCATION Locations[2]; } Request;

NAMED_DRIVER Driver = { { &DriverDirectory.Body, TEXT(L"Demo") }, {}, {
    .Type = 4, .Size = sizeof(DRIVER_OBJECT), .DeviceObject = &Upper.Body, .DriverName = TEXT(L"\\Driver\\Demo"),
    .DriverInit = DllMain, .MajorFunction = { [3] = DllMain } } };
NAMED_DEVICE Lower = { { &DeviceDirectory.Body, TEXT(L"DemoDevice0") }, {}, {}, {
    .Type = 3, .Size = sizeof(DEVICE_OBJECT), .ReferenceCount = 1, .DriverObject = &Driver.Body,
    .AttachedDevice = &Upper.Body, .DeviceType = 7, .StackSize = 1, .DeviceObjectExtension = &LowerExtension,
    .DeviceQueue = { .DeviceListHead = LIST(Lower.Body.DeviceQueue.DeviceListHead) } } };
NAMED_DEVICE Upper = { {}, {}, {}, {
    .Type = 3, .Size = sizeof(DEVICE_OBJECT), .DriverObject = &Driver.Body, .NextDevice = &Lower.Body, .StackSize = 2,
    .DeviceType = 7, .DeviceObjectExtension = &UpperExtension } };
DEVICE_OBJECT RootDevice = { .Type = 3, .Size = sizeof(DEVICE_OBJECT), .DeviceObjectExtension = &RootExtension };
DEVOBJ_EXTENSION LowerExtension = { .DeviceObject = &Lower.Body, .DeviceNode = &DemoNode };
DEVOBJ_EXTENSION UpperExtension = { .DeviceObject = &Upper.Body, .AttachedTo = &Lower.Body };
DEVOBJ_EXTENSION RootExtension = { .DeviceObject = &RootDevice, .DeviceNode = &IopRootNode };
DEVICE_NODE IopRootNode = { .Child = &DemoNode, .LastChild = &DemoNode, .PhysicalDeviceObject = &RootDevice,
    .InstancePath = TEXT(L"HTREE\\ROOT\\0"), .State = DeviceNodeStarted };
DEVICE_NODE DemoNode = { .Parent = &IopRootNode, .PhysicalDeviceObject = &Lower.Body,
    .InstancePath = TEXT(L"ROOT\\DEMO\\0000"), .ServiceName = TEXT(L"Demo"), .State = DeviceNodeStarted,
    .PreviousState = 0x307, .StateHistory = { 0x301, 0x302, 0x307 }, .StateHistoryEntry = 3, .Flags = 0x131 };
DEVICE_NODE *IopRootDeviceNode = &IopRootNode;

UNNAMED_FILE File = { {}, { .Type = 5, .Size = sizeof(FILE_OBJECT), .DeviceObject = &Lower.Body,
    .FileName = TEXT(L"\\data\\demo.bin"), .ReadAccess = 1, .CurrentByteOffset = 0x1234 } };
struct _REQUEST Request = { {
    .Type = 6, .Size = sizeof(struct _REQUEST), .StackCount = 2, .CurrentLocation = 2, .PendingReturned = 1,
    .ThreadListEntry = ONLY(DemoThread.Body.IrpList), .UserBuffer = &File, .IoStatus = { .Information = 0 },
    .Tail = { .Overlay = { .Thread = &DemoThread.Body, .CurrentStackLocation = &Request.Locations[1], .OriginalFileObject = &File.Body } } },
    { [1] = { .MajorFunction = 3, .DeviceObject = &Upper.Body, .FileObject = &File.Body, .Parameters = { .Others = { (PVOID)0x200 } } } } };

// --- processes and threads --------------------------------------------------------------------------

extern struct _TWO_FREE_LISTS SystemHandles, DemoHandles;
extern TOKEN Token;
extern MMVAD_SHORT Stack, Heap;
extern MMVAD Image;
extern KSEMAPHORE Semaphore;

LIST_ENTRY PsActiveProcessHead = { &System.Body.ActiveProcessLinks, &Demo.Body.ActiveProcessLinks };
#if BUILD < 26100
MM_SESSION_SPACE Session = { .ReferenceCount = 1, .SessionId = 2 };
#define SESSION &Session
#define DEVICE_MAP (PVOID)0xFFFF900000012340
#else
#define SESSION (SESSION_SPACE *)0xFFFF900000012000
#define DEVICE_MAP { { (PVOID)0xFFFF90000001234D } }
#endif
UNNAMED_PROCESS System = { {}, {
    .Pcb = { .Header = { .Type = 3 }, .DirectoryTableBase = 0x1AD000 }, .UniqueProcessId = (PVOID)4,
    .ActiveProcessLinks = { &Demo.Body.ActiveProcessLinks, &PsActiveProcessHead }, .ObjectTable = (HANDLE_TABLE *)&SystemHandles,
    .ImageFileName = "System", .ActiveThreads = 1, .ThreadListHead = ONLY(SystemThread.Body.ThreadListEntry) } };
UNNAMED_PROCESS Demo = { {}, {
    .Pcb = { .Header = { .Type = 3 }, .DirectoryTableBase = 0x2000, .KernelTime = 5, .UserTime = 7 },
    .UniqueProcessId = (PVOID)0x1A4, .InheritedFromUniqueProcessId = (PVOID)4, .Peb = (PVOID)0x7FF000,
    .ActiveProcessLinks = { &PsActiveProcessHead, &System.Body.ActiveProcessLinks }, .ObjectTable = (HANDLE_TABLE *)&DemoHandles,
    .Token = { { (UCHAR *)&Token + 0xD } }, .Session = SESSION, .DeviceMap = DEVICE_MAP, .ImageFileName = "demo.exe",
    .ActiveThreads = 1, .CommitCharge = 300, .SharedCommitCharge = 40, .VadRoot = { (RTL_BALANCED_NODE *)&Heap },
    .ThreadListHead = ONLY(DemoThread.Body.ThreadListEntry) } };

#define THREAD(name, owner) .Header = { .Type = 6 }, .Process = &owner.Body.Pcb, .ApcState = { .Process = &owner.Body.Pcb }
UNNAMED_THREAD SystemThread = { {}, { .Tcb = { THREAD(SystemThread, System), .State = 2 }, .Cid = { (PVOID)4, (PVOID)8 },
    .IrpList = LIST(SystemThread.Body.IrpList), .StartAddress = DllMain,
    .ThreadListEntry = ONLY(System.Body.ThreadListHead) } };
KWAIT_BLOCK WaitBlocks[2] = {
    { .Thread = &DemoThread.Body.Tcb, .Object = &Event.Body }, { .Thread = &DemoThread.Body.Tcb, .Object = &Semaphore } };
UNNAMED_THREAD DemoThread = { {}, { .Tcb = {
        THREAD(DemoThread, Demo), .Alertable = 1, .WaitBlockList = WaitBlocks, .Teb = (PVOID)0x7FE000, .WaitBlockCount = 2,
        .State = 5, .WaitMode = 1, .WaitReason = 6, .BasePriority = 8, .KernelTime = 3, .UserTime = 4 },
    .Cid = { (PVOID)0x1A4, (PVOID)0x1A8 }, .IrpList = ONLY(Request.Irp.ThreadListEntry), .Win32StartAddress = DllMain,
    .ThreadListEntry = ONLY(Demo.Body.ThreadListHead) } };
UNNAMED_EVENT Event = { {}, { { .Type = 1, .WaitListHead = LIST(Event.Body.Header.WaitListHead) } } };
KSEMAPHORE Semaphore = { { .Type = 5, .WaitListHead = LIST(Semaphore.Header.WaitListHead) }, 16 };
KPRCB Prcb = { .CurrentThread = &SystemThread.Body.Tcb, .IdleThread = &SystemThread.Body.Tcb, .CpuType = 6, .CpuStep = 0x9E0A,
    .MHz = 3600, .Group = 1, .GroupIndex = 2, .GroupSetMember = 4, .InterruptCount = 77, .DebuggerSavedIRQL = 2,
    .VendorString = "GenuineIntel", .FeatureBits = 0x112345678, .UpdateSignature = 0x9600000000 };

// --- handles: the entries are packed by the test ----------------------------------------------------

_Alignas(4096) HANDLE_TABLE_ENTRY Leaves[2][256], SystemLeaf[256];
_Alignas(4096) HANDLE_TABLE_ENTRY *Middle[512] = { Leaves[0], Leaves[1] };
_Alignas(4096) HANDLE_TABLE_ENTRY **Top[512] = { Middle };
_Alignas(4096) HANDLE_TABLE_ENTRY CidLeaf[256];
ULONG ExpFreeListCount = 2;
struct _TWO_FREE_LISTS { HANDLE_TABLE Table; HANDLE_TABLE_FREE_LIST Second; };
struct _TWO_FREE_LISTS SystemHandles = { { 0x400, 0, ADDRESS(SystemLeaf), &System.Body, .FreeLists = { { .HandleCount = 1 } } } };
struct _TWO_FREE_LISTS CidHandles = { { 0x400, 0, ADDRESS(CidLeaf), .FreeLists = { { .HandleCount = 4 } } } };
struct _TWO_FREE_LISTS DemoHandles = { { 0x800, 0, ADDRESS(Top) + 2, &Demo.Body, .FreeLists = { { .HandleCount = 6 } } }, { .HandleCount = -1 } };
HANDLE_TABLE *PspCidTable = &CidHandles.Table;

// --- a token ----------------------------------------------------------------------------------------

UCHAR UserSid[] = { 1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0 }, EveryoneSid[] = { 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0 };
SID_AND_ATTRIBUTES Groups[] = { { UserSid, 0 }, { EveryoneSid, 7 } };
_Alignas(16) TOKEN Token = { .TokenSource = { "User32 " }, .AuthenticationId = { 0x3E7 }, .TokenId = { 0x77 },
    .Privileges = { 1 << 20 | 1 << 23, 1 << 23, 1 << 23 }, .SessionId = 2, .UserAndGroupCount = 2, .UserAndGroups = Groups,
    .PrimaryGroup = EveryoneSid, .TokenType = TokenPrimary, .OriginatingLogonSession = { 0x3E7 } };

// --- ranges: a heap, above it a stack, below it an image --------------------------------------------

CONTROL_AREA ControlArea = { .FilePointer = { { (UCHAR *)&File.Body + 0 } } };
SUBSECTION Subsection = { &ControlArea };
MMVAD Image = { { .StartingVpn = 0xFF7A0000, .EndingVpn = 0xFF7A0FFF, .StartingVpnHigh = 7, .EndingVpnHigh = 7,
    .u = { .VadFlags = { .VadType = 2, .Protection = 7 } }, .u1 = { .VadFlags1 = { .CommitCharge = 3 } } }, .Subsection = &Subsection };
MMVAD_SHORT Stack = { .StartingVpn = 0x100, .EndingVpn = 0x10F,
    .u = { .VadFlags = { .Protection = 4, .PreferredNode = 3, .PrivateMemory = 1 } }, .u1 = { .VadFlags1 = { .CommitCharge = 16 } } };
MMVAD_SHORT Heap = { .VadNode = { { { (RTL_BALANCED_NODE *)&Stack, (RTL_BALANCED_NODE *)&Image } } }, .StartingVpn = 0x200, .EndingVpn = 0x2FF,
    .u = { .VadFlags = { .Protection = 4, .PrivateMemory = 1 } }, .u1 = { .VadFlags1 = { .CommitCharge = 100 } } };

// --- resources: held, shared, of the fast kind, and free -------------------------------------------

extern ERESOURCE Held, Shared, Free;
extern FAST_ERESOURCE_INTERNAL Fast;
LIST_ENTRY ExpSystemResourcesList = { &Held.SystemResourcesList, &Free.SystemResourcesList };
ERESOURCE Held = { .SystemResourcesList = { &Shared.SystemResourcesList, &ExpSystemResourcesList }, .Flag = 0x80, .ActiveCount = 1,
    .OwnerEntry = { ADDRESS(&DemoThread.Body) + 3, { { .OwnerCount = 2 } } }, .ActiveEntries = 1, .NumberOfSharedWaiters = 1 };
OWNER_ENTRY SharedOwners[3] = { { 0, { .TableSize = 3 } }, { ADDRESS(&DemoThread.Body), { { .OwnerCount = 1 } } },
    { ADDRESS(&SystemThread.Body), { { .OwnerCount = 3 } } } };
ERESOURCE Shared = { .SystemResourcesList = { &Fast.SystemResourcesList, &Held.SystemResourcesList }, .ActiveCount = 1,
    .OwnerTable = SharedOwners, .ActiveEntries = 2 };
FAST_OWNER_ENTRY_INTERNAL FastOwner = { .ListEntry = ONLY(Fast.OwnerEntryListHead), .ThreadAddress = &DemoThread.Body };
FAST_ERESOURCE_INTERNAL Fast = { .SystemResourcesList = { &Free.SystemResourcesList, &Shared.SystemResourcesList }, .Flag = 0x80,
    .ActiveCount = 1, .OwnerEntryListHead = ONLY(FastOwner.ListEntry), .ActiveEntries = 1 };
ERESOURCE Free = { .SystemResourcesList = { &ExpSystemResourcesList, &Fast.SystemResourcesList } };

// --- the pool of a machine with two processors, and page counts -------------------------------------

POOL_TRACKER_TABLE FirstTable[4] = { { 'omeD', 0x300, 5, 1, 0, 0, 0 }, { ' prI', 0x100, 9, 9, 0, 2, 0 } };
POOL_TRACKER_TABLE SecondTable[4] = { { 'omeD', (ULONG64)-0x100, 0, 2, 0x40, 1, 0 }, { ' prI', (ULONG64)-0x100, 0, 0, 0, 0, 2 } };
POOL_TRACKER_TABLE *PoolTrackTable = FirstTable;
PVOID ExPoolTagTables[8] = { FirstTable, SecondTable };
ULONG64 PoolTrackTableSize = 4, PoolBigPageTableSize = 3;
POOL_TRACKER_BIG_PAGES BigPages[3] = { { 1 }, { 0xFFFFA80000300000, 'omeD', 0, 0, 0, 0x3000 }, { 0xFFFFA80000500001, 'eerF', 0, 0, 0, 0x1000 } };
POOL_TRACKER_BIG_PAGES *PoolBigPageTable = BigPages;
ULONG64 ExPoolState[4];

MMPAGING_FILE PageFile = { .Size = 0x1000, .MaximumSize = 0x3000, .MinimumSize = 0x1000, .FreeSpace = 0x800, .PageFileName = TEXT(L"\\??\\C:\\pagefile.sys") };
MI_PARTITION MiSystemPartition = { .Vp = { .NumberOfPhysicalPages = 0x7F000, .NumberOfPagingFiles = 1, .PagingFile = { &PageFile },
    .AvailablePages = 0x40000, .ResidentAvailablePages = 0x70000, .TotalCommittedPages = 0x30000,
    .ModifiedPageListHead = { 0x123 }, .ModifiedNoWritePageListHead = { 0x45 }, .TotalCommitLimit = 0x90000, .SharedCommit = 0x567 } };

UCHAR KdDebuggerDataBlock[0x400];
PVOID KdDebuggerDataList = KdDebuggerDataBlock;
KPRCB *KiProcessorBlock[2] = { &Prcb };
LIST_ENTRY PsLoadedModuleList;
