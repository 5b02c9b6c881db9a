// Types and prototypes of the pretend kernel.
// Structures carry Windows' names; the offsets that debuggers know by heart are those of build 19041 (x64).
#pragma once

typedef unsigned char UCHAR, BOOLEAN;
typedef char CHAR;
typedef unsigned short USHORT, WCHAR;
typedef short SHORT;
typedef int LONG, NTSTATUS;
typedef unsigned int ULONG;
typedef long long LONG64;
typedef unsigned long long ULONG64, ULONG_PTR, SIZE_T;
typedef void VOID, *PVOID, *HANDLE;
typedef UCHAR KIRQL;

#define TRUE 1
#define FALSE 0
#define NULL ((void *)0)
#define NTAPI
#define EXPORT __declspec(dllexport)
#define NOINLINE __attribute__((noinline))
#define OFFSET(type, field) __builtin_offsetof(type, field)
#define CONTAINING_RECORD(address, type, field) ((type *)((UCHAR *)(address)-OFFSET(type, field)))
#define AT(type, field, offset) _Static_assert(OFFSET(type, field) == (offset), #type "." #field)
#define NT_SUCCESS(status) ((NTSTATUS)(status) >= 0)

#define STATUS_SUCCESS 0
#define STATUS_PENDING 0x103
#define STATUS_TIMEOUT 0x102
#define STATUS_BREAKPOINT ((NTSTATUS)0x80000003)
#define STATUS_SINGLE_STEP ((NTSTATUS)0x80000004)
#define STATUS_ACCESS_VIOLATION ((NTSTATUS)0xC0000005)
#define STATUS_INVALID_HANDLE ((NTSTATUS)0xC0000008)
#define STATUS_INVALID_DEVICE_REQUEST ((NTSTATUS)0xC0000010)
#define STATUS_ILLEGAL_INSTRUCTION ((NTSTATUS)0xC000001D)
#define STATUS_INTEGER_DIVIDE_BY_ZERO ((NTSTATUS)0xC0000094)
#define STATUS_OBJECT_NAME_NOT_FOUND ((NTSTATUS)0xC0000034)
#define STATUS_INSUFFICIENT_RESOURCES ((NTSTATUS)0xC000009A)
#define STATUS_ASSERTION_FAILURE ((NTSTATUS)0xC0000420)

#define PASSIVE_LEVEL 0
#define APC_LEVEL 1
#define DISPATCH_LEVEL 2
#define CLOCK_LEVEL 13
#define HIGH_LEVEL 15

#define MAXIMUM_PROCESSORS 2

typedef struct _LIST_ENTRY {
    struct _LIST_ENTRY *Flink;
    struct _LIST_ENTRY *Blink;
} LIST_ENTRY;

typedef struct _STRING {
    USHORT Length;
    USHORT MaximumLength;
    CHAR *Buffer;
} STRING;

typedef struct _UNICODE_STRING {
    USHORT Length;
    USHORT MaximumLength;
    WCHAR *Buffer;
} UNICODE_STRING;

typedef struct _CLIENT_ID {
    HANDLE UniqueProcess;
    HANDLE UniqueThread;
} CLIENT_ID;

// ---- dispatcher objects, processes, threads ----------------------------------------------------

typedef struct _DISPATCHER_HEADER {
    UCHAR Type;
    UCHAR Signalling;
    UCHAR Size;
    UCHAR Reserved1;
    LONG SignalState;
    LIST_ENTRY WaitListHead;
} DISPATCHER_HEADER;

typedef struct _KEVENT {
    DISPATCHER_HEADER Header;
} KEVENT;

#define EventNotificationObject 0
#define EventSynchronizationObject 1
#define ProcessObject 3
#define ThreadObject 6

typedef struct _KPROCESS {
    DISPATCHER_HEADER Header;
    LIST_ENTRY ProfileListHead;
    ULONG64 DirectoryTableBase;
    LIST_ENTRY ThreadListHead;
    ULONG ProcessLock;
    ULONG ProcessTimerDelay;
    ULONG64 DeepFreezeStartTime;
    UCHAR Reserved[0x438 - 0x50];
} KPROCESS;
AT(KPROCESS, DirectoryTableBase, 0x28);
AT(KPROCESS, ThreadListHead, 0x30);

typedef struct _EPROCESS {
    KPROCESS Pcb;
    ULONG64 ProcessLock;
    HANDLE UniqueProcessId;
    LIST_ENTRY ActiveProcessLinks;
    UCHAR Reserved1[0x540 - 0x458];
    HANDLE InheritedFromUniqueProcessId;
    UCHAR Reserved2[8];
    PVOID Peb;
    UCHAR Reserved3[0x5A8 - 0x558];
    CHAR ImageFileName[15];
    UCHAR PriorityClass;
    UCHAR Reserved4[0x5E0 - 0x5B8];
    LIST_ENTRY ThreadListHead;
    ULONG ActiveThreads;
    UCHAR Reserved5[0xA40 - 0x5F4];
} EPROCESS;
AT(EPROCESS, UniqueProcessId, 0x440);
AT(EPROCESS, ActiveProcessLinks, 0x448);
AT(EPROCESS, InheritedFromUniqueProcessId, 0x540);
AT(EPROCESS, Peb, 0x550);
AT(EPROCESS, ImageFileName, 0x5A8);
AT(EPROCESS, ThreadListHead, 0x5E0);
_Static_assert(sizeof(EPROCESS) == 0xA40, "EPROCESS");

typedef enum _KTHREAD_STATE { Initialized, Ready, Running, Standby, Terminated, Waiting, Transition } KTHREAD_STATE;
typedef enum _KWAIT_REASON { Executive, FreePage, PageIn, PoolAllocation, DelayExecution, Suspended, UserRequest } KWAIT_REASON;

typedef struct _KAPC_STATE {
    LIST_ENTRY ApcListHead[2];
    KPROCESS *Process;
    UCHAR InProgressFlags, KernelApcPending, UserApcPending, Reserved[5];
} KAPC_STATE;

struct _KTRAP_FRAME;

typedef struct _KTHREAD {
    DISPATCHER_HEADER Header;
    PVOID SListFaultAddress;
    ULONG64 QuantumTarget;
    PVOID InitialStack;
    PVOID StackLimit;
    PVOID StackBase;
    ULONG64 ThreadLock;
    ULONG64 CycleTime;
    ULONG CurrentRunTime;
    ULONG ExpectedRunTime;
    PVOID KernelStack;
    PVOID StateSaveArea;
    PVOID SchedulingGroup;
    UCHAR WaitRegister;
    BOOLEAN Running;
    UCHAR Alerted[2];
    ULONG MiscFlags;
    ULONG ThreadFlags;
    UCHAR Tag;
    UCHAR Reserved1[3];
    ULONG SystemCallNumber;
    ULONG ReadyTime;
    PVOID FirstArgument;
    struct _KTRAP_FRAME *TrapFrame;
    KAPC_STATE ApcState;
    ULONG64 WaitStatus;
    PVOID WaitBlockList;
    LIST_ENTRY WaitListEntry;
    PVOID Queue;
    PVOID Teb;
    UCHAR Reserved2[0x184 - 0xF8];
    UCHAR State;
    CHAR NpxState;
    KIRQL WaitIrql;
    CHAR WaitMode;
    ULONG WaitTime;
    UCHAR Reserved3[0x220 - 0x18C];
    KPROCESS *Process;
    UCHAR Reserved4[0x283 - 0x228];
    UCHAR WaitReason;
    UCHAR Reserved5[0x2F8 - 0x284];
    LIST_ENTRY ThreadListEntry;
    PVOID WaitObject;      // what the scheduler of this kernel waits for; no field of Windows
    ULONG64 WaitDueTime;   // tick at which the wait times out, 0 for never
    ULONG Processor;       // the one processor on which the thread runs
    LONG Quantum;
    UCHAR Reserved6[0x430 - 0x320];
} KTHREAD;
AT(KTHREAD, InitialStack, 0x28);
AT(KTHREAD, KernelStack, 0x58);
AT(KTHREAD, TrapFrame, 0x90);
AT(KTHREAD, ApcState, 0x98);
AT(KTHREAD, WaitListEntry, 0xD8);
AT(KTHREAD, Teb, 0xF0);
AT(KTHREAD, State, 0x184);
AT(KTHREAD, Process, 0x220);
AT(KTHREAD, WaitReason, 0x283);
AT(KTHREAD, ThreadListEntry, 0x2F8);
_Static_assert(sizeof(KTHREAD) == 0x430, "KTHREAD");

typedef VOID KSTART_ROUTINE(PVOID Context);

typedef struct _ETHREAD {
    KTHREAD Tcb;
    LONG64 CreateTime;
    UCHAR Reserved1[0x450 - 0x438];
    KSTART_ROUTINE *StartAddress;
    UCHAR Reserved2[0x478 - 0x458];
    CLIENT_ID Cid;
    UCHAR Reserved3[0x4C0 - 0x488];
    LIST_ENTRY IrpList;
    PVOID Win32StartAddress;
    PVOID StartContext;
    UCHAR Reserved4[8];
    LIST_ENTRY ThreadListEntry;
    UCHAR Reserved5[0x898 - 0x4F8];
} ETHREAD;
AT(ETHREAD, StartAddress, 0x450);
AT(ETHREAD, Cid, 0x478);
AT(ETHREAD, ThreadListEntry, 0x4E8);
_Static_assert(sizeof(ETHREAD) == 0x898, "ETHREAD");

// ---- processor -------------------------------------------------------------------------------------

typedef struct _KDESCRIPTOR {
    USHORT Pad[3];
    USHORT Limit;
    PVOID Base;
} KDESCRIPTOR;

typedef struct _KSPECIAL_REGISTERS {
    ULONG64 Cr0, Cr2, Cr3, Cr4;
    ULONG64 KernelDr0, KernelDr1, KernelDr2, KernelDr3, KernelDr6, KernelDr7;
    KDESCRIPTOR Gdtr, Idtr;
    USHORT Tr, Ldtr;
    ULONG MxCsr;
    ULONG64 DebugControl, LastBranchToRip, LastBranchFromRip, LastExceptionToRip, LastExceptionFromRip;
    ULONG64 Cr8, MsrGsBase, MsrGsSwap, MsrStar, MsrLStar, MsrCStar, MsrSyscallMask, Xcr0, MsrFsBase, Reserved;
} KSPECIAL_REGISTERS;
_Static_assert(sizeof(KSPECIAL_REGISTERS) == 0xF0, "KSPECIAL_REGISTERS");

typedef struct _KPROCESSOR_STATE {
    KSPECIAL_REGISTERS SpecialRegisters;
    UCHAR ContextFrame[0x4D0];
} KPROCESSOR_STATE;

typedef struct _KPRCB {
    ULONG MxCsr;
    UCHAR LegacyNumber, ReservedMustBeZero, InterruptRequest, IdleHalt;
    KTHREAD *CurrentThread;
    KTHREAD *NextThread;
    KTHREAD *IdleThread;
    UCHAR NestingLevel, ClockOwner, PendingTickFlags, IdleState;
    ULONG Number;
    ULONG64 RspBase;
    ULONG64 PrcbLock;
    CHAR *PriorityState;
    UCHAR CpuType, CpuID;
    USHORT CpuStep;
    ULONG MHz;
    ULONG64 HalReserved[8];
    USHORT MinorVersion, MajorVersion;
    UCHAR BuildType, CpuVendor, LegacyCoresPerPhysicalProcessor, LegacyLogicalProcessorsPerCore;
    UCHAR Reserved1[0x100 - 0x90];
    KPROCESSOR_STATE ProcessorState;
    PVOID Context;
    LIST_ENTRY WaitListHead;
    LIST_ENTRY DispatcherReadyListHead;
    PVOID DpcStack;
    PVOID IsrStack;
    ULONG64 InterruptCount;
    ULONG64 ContextSwitches;
    ULONG64 KeSystemCalls;
    BOOLEAN QuantumEnd;
    BOOLEAN DpcRoutineActive;
    BOOLEAN IpiFrozen;
    UCHAR Reserved2;
    ULONG NormalDpcState;
    UCHAR VendorString[13];
    UCHAR Reserved3[3];
} KPRCB;
AT(KPRCB, CurrentThread, 8);
AT(KPRCB, IdleThread, 0x18);
AT(KPRCB, ProcessorState, 0x100);
AT(KPRCB, KeSystemCalls, 0x708); // known to trap.S

typedef struct _KPCR {
    PVOID GdtBase;
    PVOID TssBase;
    ULONG64 UserRsp;
    struct _KPCR *Self;
    KPRCB *CurrentPrcb;
    PVOID LockArray;
    PVOID Used_Self;
    PVOID IdtBase;
    ULONG64 Unused[2];
    KIRQL Irql;
    UCHAR SecondLevelCacheAssociativity, ObsoleteNumber, Fill0;
    ULONG Unused0[3];
    USHORT MajorVersion, MinorVersion;
    ULONG StallScaleFactor;
    PVOID Unused1[3];
    ULONG KernelReserved[15];
    ULONG SecondLevelCacheSize;
    ULONG HalReserved[16];
    ULONG Unused2;
    PVOID KdVersionBlock;
    PVOID Unused3;
    ULONG PcrAlign1[26];
    KPRCB Prcb;
} KPCR;
AT(KPCR, Irql, 0x50);
AT(KPCR, KdVersionBlock, 0x108);
AT(KPCR, Prcb, 0x180);

static inline __attribute__((always_inline)) KPCR *KiPcr(void)
{
    KPCR *Pcr;
    __asm__ volatile("movq %%gs:0x18, %0" : "=r"(Pcr));
    return Pcr;
}
#define KeGetCurrentPrcb() (&KiPcr()->Prcb)
#define KeGetCurrentThread() (KiPcr()->Prcb.CurrentThread)
#define PsGetCurrentProcess() ((EPROCESS *)KeGetCurrentThread()->ApcState.Process)

// ---- traps -----------------------------------------------------------------------------------------

typedef struct _M128A {
    ULONG64 Low;
    LONG64 High;
} M128A;

typedef struct _KTRAP_FRAME {
    ULONG64 P1Home, P2Home, P3Home, P4Home, P5;
    CHAR PreviousMode;
    KIRQL PreviousIrql;
    UCHAR FaultIndicator, ExceptionActive;
    ULONG MxCsr;
    ULONG64 Rax, Rcx, Rdx, R8, R9, R10, R11;
    ULONG64 GsBase;
    M128A Xmm[6];
    ULONG64 FaultAddress;
    ULONG64 Dr0, Dr1, Dr2, Dr3, Dr6, Dr7;
    ULONG64 DebugControl, LastBranchToRip, LastBranchFromRip, LastExceptionToRip, LastExceptionFromRip;
    USHORT SegDs, SegEs, SegFs, SegGs;
    ULONG64 TrapFrame;
    ULONG64 Rbx, Rdi, Rsi, Rbp;
    ULONG64 ErrorCode;
    ULONG64 Rip;
    USHORT SegCs;
    USHORT Fill1[3];
    ULONG EFlags;
    ULONG Fill2;
    ULONG64 Rsp;
    USHORT SegSs;
    USHORT Fill3[3];
} KTRAP_FRAME;
AT(KTRAP_FRAME, Rax, 0x30);
AT(KTRAP_FRAME, FaultAddress, 0xD0);
AT(KTRAP_FRAME, Rbx, 0x140);
AT(KTRAP_FRAME, ErrorCode, 0x160);
AT(KTRAP_FRAME, Rip, 0x168);
_Static_assert(sizeof(KTRAP_FRAME) == 0x190, "KTRAP_FRAME");

typedef struct _KEXCEPTION_FRAME {
    ULONG64 P1Home, P2Home, P3Home, P4Home, P5;
    ULONG64 Spare1[26];
    ULONG64 Rbp, Rbx, Rdi, Rsi, R12, R13, R14, R15;
    ULONG64 Return;
} KEXCEPTION_FRAME;
AT(KEXCEPTION_FRAME, Rbp, 0xF8);
AT(KEXCEPTION_FRAME, Return, 0x138);

typedef struct _EXCEPTION_RECORD {
    NTSTATUS ExceptionCode;
    ULONG ExceptionFlags;
    struct _EXCEPTION_RECORD *ExceptionRecord;
    PVOID ExceptionAddress;
    ULONG NumberParameters;
    ULONG Reserved;
    ULONG64 ExceptionInformation[15];
} EXCEPTION_RECORD;

// ---- loaded images ---------------------------------------------------------------------------------

typedef struct _KLDR_DATA_TABLE_ENTRY {
    LIST_ENTRY InLoadOrderLinks;
    PVOID ExceptionTable;
    ULONG ExceptionTableSize;
    PVOID GpValue;
    PVOID NonPagedDebugInfo;
    PVOID DllBase;
    PVOID EntryPoint;
    ULONG SizeOfImage;
    UNICODE_STRING FullDllName;
    UNICODE_STRING BaseDllName;
    ULONG Flags;
    USHORT LoadCount;
    USHORT Unused5;
    PVOID SectionPointer;
    ULONG CheckSum;
    ULONG CoverageSectionSize;
    PVOID CoverageSection;
    PVOID LoadedImports;
    PVOID Spare;
    ULONG SizeOfImageNotRounded;
    ULONG TimeDateStamp;
} KLDR_DATA_TABLE_ENTRY, LDR_DATA_TABLE_ENTRY;
AT(KLDR_DATA_TABLE_ENTRY, DllBase, 0x30);
AT(KLDR_DATA_TABLE_ENTRY, FullDllName, 0x48);
AT(KLDR_DATA_TABLE_ENTRY, BaseDllName, 0x58);
AT(KLDR_DATA_TABLE_ENTRY, CheckSum, 0x78);
AT(KLDR_DATA_TABLE_ENTRY, TimeDateStamp, 0x9C);

// ---- what the loader (Python) hands over: see kdnb/simulator/loader.py ------------------------------

typedef struct _LOADER_IMAGE {
    PVOID Base;
    PVOID EntryPoint;
    ULONG SizeOfImage;
    ULONG CheckSum;
    ULONG TimeDateStamp;
    ULONG ExceptionTableSize;
    PVOID ExceptionTable;
    WCHAR Path[64];
} LOADER_IMAGE;

typedef struct _LOADER_PARAMETER_BLOCK {
    ULONG Size;
    ULONG Scenario;
    ULONG NumberProcessors;
    ULONG ImageCount;
    ULONG64 PoolBase;
    ULONG64 PoolSize;
    ULONG64 StackBase;
    ULONG StackSlot;
    ULONG StackCount;
    ULONG64 PhysicalMapBase;
    ULONG64 FreePage;
    ULONG64 FreePageCount;
    ULONG64 PhysicalPages;
    LOADER_IMAGE Images[8];
} LOADER_PARAMETER_BLOCK;

enum { ScenarioIdle, ScenarioBoot, ScenarioSyscalls, ScenarioBugCheck, ScenarioStorm };

// ---- I/O -------------------------------------------------------------------------------------------

struct _DEVICE_OBJECT;
struct _DRIVER_OBJECT;
struct _IRP;

typedef struct _IO_STATUS_BLOCK {
    NTSTATUS Status;
    ULONG_PTR Information;
} IO_STATUS_BLOCK;

typedef struct _OBJECT_ATTRIBUTES {
    ULONG Length;
    HANDLE RootDirectory;
    UNICODE_STRING *ObjectName;
    ULONG Attributes;
    PVOID SecurityDescriptor;
    PVOID SecurityQualityOfService;
} OBJECT_ATTRIBUTES;

typedef struct _FILE_OBJECT {
    SHORT Type;
    SHORT Size;
    struct _DEVICE_OBJECT *DeviceObject;
    PVOID Vpb, FsContext, FsContext2;
    UNICODE_STRING FileName;
    LONG64 CurrentByteOffset;
    ULONG Flags;
    LONG ReferenceCount;
} FILE_OBJECT;

#define IRP_MJ_CREATE 0
#define IRP_MJ_CLOSE 2
#define IRP_MJ_READ 3
#define IRP_MJ_WRITE 4
#define IRP_MJ_DEVICE_CONTROL 14
#define IRP_MJ_CLEANUP 18
#define IRP_MJ_MAXIMUM_FUNCTION 27

typedef struct _IO_STACK_LOCATION {
    UCHAR MajorFunction, MinorFunction, Flags, Control;
    ULONG Length;
    LONG64 ByteOffset;
    ULONG IoControlCode;
    struct _DEVICE_OBJECT *DeviceObject;
    FILE_OBJECT *FileObject;
} IO_STACK_LOCATION;

typedef struct _IRP {
    SHORT Type;
    USHORT Size;
    USHORT AllocationProcessorNumber;
    USHORT Reserved1;
    PVOID MdlAddress;
    ULONG Flags;
    ULONG Reserved2;
    PVOID SystemBuffer;
    LIST_ENTRY ThreadListEntry;
    IO_STATUS_BLOCK IoStatus;
    CHAR RequestorMode;
    BOOLEAN PendingReturned;
    CHAR StackCount;
    CHAR CurrentLocation;
    BOOLEAN Cancel;
    KIRQL CancelIrql;
    CHAR ApcEnvironment;
    UCHAR AllocationFlags;
    IO_STATUS_BLOCK *UserIosb;
    KEVENT *UserEvent;
    PVOID UserBuffer;
    ETHREAD *Thread;
    IO_STACK_LOCATION Stack[4];
} IRP;

typedef NTSTATUS DRIVER_DISPATCH(struct _DEVICE_OBJECT *DeviceObject, IRP *Irp);
typedef NTSTATUS DRIVER_INITIALIZE(struct _DRIVER_OBJECT *DriverObject, UNICODE_STRING *RegistryPath);
typedef VOID DRIVER_UNLOAD(struct _DRIVER_OBJECT *DriverObject);

typedef struct _DEVICE_OBJECT {
    SHORT Type;
    USHORT Size;
    LONG ReferenceCount;
    struct _DRIVER_OBJECT *DriverObject;
    struct _DEVICE_OBJECT *NextDevice;
    struct _DEVICE_OBJECT *AttachedDevice;
    IRP *CurrentIrp;
    PVOID Timer;
    ULONG Flags;
    ULONG Characteristics;
    PVOID Vpb;
    PVOID DeviceExtension;
    ULONG DeviceType;
    CHAR StackSize;
    UNICODE_STRING Name; // kept here: this kernel has no object directory
} DEVICE_OBJECT;

typedef struct _DRIVER_OBJECT {
    SHORT Type;
    SHORT Size;
    DEVICE_OBJECT *DeviceObject;
    ULONG Flags;
    PVOID DriverStart;
    ULONG DriverSize;
    PVOID DriverSection;
    PVOID DriverExtension;
    UNICODE_STRING DriverName;
    UNICODE_STRING *HardwareDatabase;
    PVOID FastIoDispatch;
    DRIVER_INITIALIZE *DriverInit;
    PVOID DriverStartIo;
    DRIVER_UNLOAD *DriverUnload;
    DRIVER_DISPATCH *MajorFunction[IRP_MJ_MAXIMUM_FUNCTION + 1];
} DRIVER_OBJECT;
AT(DRIVER_OBJECT, DriverStart, 0x18);
AT(DRIVER_OBJECT, DriverName, 0x38);
AT(DRIVER_OBJECT, MajorFunction, 0x70);

#ifdef KERNEL
#define NTKERNELAPI EXPORT
#else
#define NTKERNELAPI __declspec(dllimport)
#endif

// ---- exported to drivers -----------------------------------------------------------------------------

NTKERNELAPI ULONG DbgPrint(const CHAR *Format, ...);
NTKERNELAPI ULONG DbgPrintEx(ULONG ComponentId, ULONG Level, const CHAR *Format, ...);
NTKERNELAPI VOID DbgBreakPoint(void);
NTKERNELAPI VOID DbgBreakPointWithStatus(ULONG Status);
NTKERNELAPI VOID KeBugCheckEx(ULONG Code, ULONG_PTR P1, ULONG_PTR P2, ULONG_PTR P3, ULONG_PTR P4);
NTKERNELAPI NTSTATUS KeDelayExecutionThread(CHAR WaitMode, BOOLEAN Alertable, LONG64 *Interval);
NTKERNELAPI NTSTATUS KeWaitForSingleObject(PVOID Object, ULONG Reason, CHAR Mode, BOOLEAN Alertable, LONG64 *Timeout);
NTKERNELAPI VOID KeInitializeEvent(KEVENT *Event, ULONG Type, BOOLEAN State);
NTKERNELAPI LONG KeSetEvent(KEVENT *Event, LONG Increment, BOOLEAN Wait);
NTKERNELAPI KIRQL KeAcquireSpinLockRaiseToDpc(volatile ULONG64 *SpinLock);
NTKERNELAPI VOID KeReleaseSpinLock(volatile ULONG64 *SpinLock, KIRQL OldIrql);
NTKERNELAPI PVOID ExAllocatePoolWithTag(ULONG PoolType, SIZE_T Size, ULONG Tag);
NTKERNELAPI VOID ExFreePoolWithTag(PVOID Address, ULONG Tag);
NTKERNELAPI NTSTATUS IoCreateDevice(DRIVER_OBJECT *Driver, ULONG ExtensionSize, UNICODE_STRING *Name, ULONG Type, ULONG Characteristics, BOOLEAN Exclusive, DEVICE_OBJECT **Device);
NTKERNELAPI DEVICE_OBJECT *IoAttachDeviceToDeviceStack(DEVICE_OBJECT *Source, DEVICE_OBJECT *Target);
NTKERNELAPI DEVICE_OBJECT *IopFindDevice(const WCHAR *Name);
NTKERNELAPI NTSTATUS IofCallDriver(DEVICE_OBJECT *DeviceObject, IRP *Irp);
NTKERNELAPI NTSTATUS IoCallDriver(DEVICE_OBJECT *DeviceObject, IRP *Irp);
NTKERNELAPI VOID IofCompleteRequest(IRP *Irp, CHAR PriorityBoost);
NTKERNELAPI NTSTATUS PsCreateSystemThread(HANDLE *Thread, ULONG Access, OBJECT_ATTRIBUTES *Attributes, HANDLE Process, CLIENT_ID *ClientId, KSTART_ROUTINE *Routine, PVOID Context);
NTKERNELAPI VOID RtlInitUnicodeString(UNICODE_STRING *String, const WCHAR *Text);
NTKERNELAPI BOOLEAN RtlEqualUnicodeString(const UNICODE_STRING *A, const UNICODE_STRING *B, BOOLEAN IgnoreCase);
NTKERNELAPI VOID *memcpy(void *To, const void *From, SIZE_T Size);
NTKERNELAPI VOID *memset(void *To, int Value, SIZE_T Size);
NTKERNELAPI int memcmp(const void *A, const void *B, SIZE_T Size);
NTKERNELAPI ULONG ExScenario(void);

static inline __attribute__((always_inline)) IO_STACK_LOCATION *IoGetCurrentIrpStackLocation(IRP *Irp) { return &Irp->Stack[(int)Irp->CurrentLocation]; }
static inline __attribute__((always_inline)) IO_STACK_LOCATION *IoGetNextIrpStackLocation(IRP *Irp) { return &Irp->Stack[(int)Irp->CurrentLocation - 1]; }

// ---- inside the kernel ---------------------------------------------------------------------------------

#ifdef KERNEL
extern LOADER_PARAMETER_BLOCK *KeLoaderBlock;
extern LIST_ENTRY PsActiveProcessHead;
extern EPROCESS *PsIdleProcess;
extern KPRCB *KiProcessorBlock[32];
extern EXPORT LIST_ENTRY PsLoadedModuleList;
extern EXPORT EPROCESS *PsInitialSystemProcess;
extern EXPORT ULONG64 KiBugCheckData[5];
extern EXPORT volatile ULONG KeNumberProcessors;
extern EXPORT volatile ULONG64 KeTickCount;
extern EXPORT BOOLEAN KdDebuggerEnabled, KdDebuggerNotPresent;
extern EXPORT ULONG NtGlobalFlag, NtBuildNumber;
extern EXPORT CHAR NtBuildLab[];

static inline __attribute__((always_inline)) VOID InitializeListHead(LIST_ENTRY *Head) { Head->Flink = Head->Blink = Head; }
static inline __attribute__((always_inline)) BOOLEAN IsListEmpty(const LIST_ENTRY *Head) { return Head->Flink == Head; }
static inline __attribute__((always_inline)) VOID InsertTailList(LIST_ENTRY *Head, LIST_ENTRY *Entry)
{
    Entry->Flink = Head;
    Entry->Blink = Head->Blink;
    Head->Blink->Flink = Entry;
    Head->Blink = Entry;
}
static inline __attribute__((always_inline)) VOID RemoveEntryList(LIST_ENTRY *Entry)
{
    Entry->Flink->Blink = Entry->Blink;
    Entry->Blink->Flink = Entry->Flink;
}

static inline __attribute__((always_inline)) VOID KiOut8(USHORT Port, UCHAR Value) { __asm__ volatile("outb %0, %1" ::"a"(Value), "d"(Port)); }
static inline __attribute__((always_inline)) UCHAR KiIn8(USHORT Port)
{
    UCHAR Value;
    __asm__ volatile("inb %1, %0" : "=a"(Value) : "d"(Port));
    return Value;
}
static inline __attribute__((always_inline)) VOID KiWriteMsr(ULONG Msr, ULONG64 Value)
{
    __asm__ volatile("wrmsr" ::"c"(Msr), "a"((ULONG)Value), "d"((ULONG)(Value >> 32)));
}
static inline __attribute__((always_inline)) ULONG64 KiDisableInterrupts(void)
{
    ULONG64 Flags;
    __asm__ volatile("pushfq; popq %0; cli" : "=r"(Flags)::"memory");
    return Flags;
}
static inline __attribute__((always_inline)) VOID KiRestoreInterrupts(ULONG64 Flags)
{
    if (Flags & 0x200)
        __asm__ volatile("sti" ::: "memory");
}

// ports of the pretend board: see kdnb/simulator/devices.py
#define PORT_POST 0x80
#define PORT_DEBUG_BREAK 0x4B44  // in: 1 when a break-in waits (and takes it)
#define POST_READY 0xAA

ULONG vDbgPrintExWithPrefixInternal(const CHAR *Prefix, ULONG ComponentId, ULONG Level, const CHAR *Format, __builtin_va_list Arguments);
ULONG RtlStringVPrint(CHAR *Buffer, ULONG Size, const CHAR *Format, __builtin_va_list Arguments);
ULONG RtlStringPrint(CHAR *Buffer, ULONG Size, const CHAR *Format, ...);
NTSTATUS DebugPrint(STRING *Output, ULONG ComponentId, ULONG Level);
NTSTATUS DebugService(ULONG Service, PVOID A, PVOID B, PVOID C, PVOID D);
VOID DbgLoadImageSymbols(STRING *FileName, PVOID Base, ULONG_PTR ProcessId);
VOID KdInitSystem(ULONG Phase);
BOOLEAN KdPollBreakIn(void);
VOID KdCheckForDebugBreak(void);
BOOLEAN KdTrap(KTRAP_FRAME *TrapFrame, KEXCEPTION_FRAME *ExceptionFrame, EXCEPTION_RECORD *Record);
VOID KdInitializePcr(KPCR *Pcr);

VOID KiInitializeIdle(ULONG Number, EPROCESS *Process);
VOID KiInitializeContextThread(KTHREAD *Thread);
VOID KiReadyThread(KTHREAD *Thread);
NTSTATUS KiSwapThread(KTHREAD *Thread, KPRCB *Prcb);
VOID KiIdleLoop(void);
VOID KiRetireWaits(KPRCB *Prcb);
VOID KeInitializeThread(KTHREAD *Thread, KPROCESS *Process, ULONG Processor, PVOID Stack);
VOID MmInitSystem(void);
PVOID MmCreateKernelStack(void);
ULONG64 MmCreateProcessAddressSpace(void);
NTSTATUS MmAccessFault(ULONG64 FaultCode, ULONG64 Address, ULONG Mode, KTRAP_FRAME *TrapFrame);
VOID IoInitSystem(void);
VOID PsInitSystem(void);
VOID PsStartScenario(void);
EPROCESS *PspCreateProcess(const CHAR *Name, ULONG_PTR ProcessId, ULONG_PTR ParentId);
ETHREAD *PspCreateThread(EPROCESS *Process, ULONG_PTR ThreadId, ULONG Processor, KSTART_ROUTINE *Routine, PVOID Context);

EXPORT NTSTATUS NtCreateFile(HANDLE *File, ULONG Access, OBJECT_ATTRIBUTES *Attributes, IO_STATUS_BLOCK *Iosb, LONG64 *Size, ULONG FileAttributes, ULONG Share, ULONG Disposition, ULONG Options, PVOID Ea, ULONG EaLength);
EXPORT NTSTATUS NtOpenFile(HANDLE *File, ULONG Access, OBJECT_ATTRIBUTES *Attributes, IO_STATUS_BLOCK *Iosb, ULONG Share, ULONG Options);
EXPORT NTSTATUS NtReadFile(HANDLE File, HANDLE Event, PVOID Apc, PVOID ApcContext, IO_STATUS_BLOCK *Iosb, PVOID Buffer, ULONG Length, LONG64 *Offset, ULONG *Key);
EXPORT NTSTATUS NtWriteFile(HANDLE File, HANDLE Event, PVOID Apc, PVOID ApcContext, IO_STATUS_BLOCK *Iosb, PVOID Buffer, ULONG Length, LONG64 *Offset, ULONG *Key);
EXPORT NTSTATUS NtClose(HANDLE Handle);
NTSTATUS NtDelayExecution(BOOLEAN Alertable, LONG64 *Interval);
NTSTATUS ZwCreateFile(HANDLE *File, ULONG Access, OBJECT_ATTRIBUTES *Attributes, IO_STATUS_BLOCK *Iosb, LONG64 *Size, ULONG FileAttributes, ULONG Share, ULONG Disposition, ULONG Options, PVOID Ea, ULONG EaLength);
NTSTATUS ZwOpenFile(HANDLE *File, ULONG Access, OBJECT_ATTRIBUTES *Attributes, IO_STATUS_BLOCK *Iosb, ULONG Share, ULONG Options);
NTSTATUS ZwReadFile(HANDLE File, HANDLE Event, PVOID Apc, PVOID ApcContext, IO_STATUS_BLOCK *Iosb, PVOID Buffer, ULONG Length, LONG64 *Offset, ULONG *Key);
NTSTATUS ZwWriteFile(HANDLE File, HANDLE Event, PVOID Apc, PVOID ApcContext, IO_STATUS_BLOCK *Iosb, PVOID Buffer, ULONG Length, LONG64 *Offset, ULONG *Key);
NTSTATUS ZwClose(HANDLE Handle);
NTSTATUS ZwDelayExecution(BOOLEAN Alertable, LONG64 *Interval);

// trap.S
VOID KiSwapContext(KTHREAD *Old, KTHREAD *New);
VOID KiStartSystemThread(void);
VOID KiSystemCall64(void);
VOID KiDivideErrorFault(void), KiDebugTrapOrFault(void), KiNmiInterrupt(void), KiBreakpointTrap(void), KiOverflowTrap(void);
VOID KiBoundFault(void), KiInvalidOpcodeFault(void), KiNpxNotAvailableFault(void), KiDoubleFaultAbort(void);
VOID KiInvalidTssFault(void), KiSegmentNotPresentFault(void), KiStackFault(void), KiGeneralProtectionFault(void);
VOID KiPageFault(void), KiFloatingErrorFault(void), KiAlignmentFault(void), KiRaiseAssertion(void), KiDebugServiceTrap(void);
VOID KiClockInterrupt(void), KiUnexpectedInterrupt(void);
#endif
