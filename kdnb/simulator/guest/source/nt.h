// Types and prototypes of the pretend kernel.
// Structures carry Windows' names; the offsets that debuggers know by heart are those of build 19041 (x64) and, as far
// as public, of Windows 10 for x86. What only one machine has is in amd64.h and x86.h.
#pragma once

typedef unsigned char UCHAR, BOOLEAN;
typedef char CHAR;
typedef unsigned short USHORT, WCHAR;
typedef short SHORT;
typedef int LONG, NTSTATUS;
typedef unsigned int ULONG;
typedef long long LONG64;
typedef unsigned long long ULONG64;
typedef __UINTPTR_TYPE__ ULONG_PTR;
typedef __INTPTR_TYPE__ LONG_PTR;
typedef ULONG_PTR SIZE_T, KSPIN_LOCK;
typedef void VOID, *PVOID, *HANDLE;
typedef UCHAR KIRQL;

#define TRUE 1
#define FALSE 0
#define NULL ((void *)0)
#define CDECL __attribute__((cdecl))
#define NOINLINE __attribute__((noinline))
#define OFFSET(type, field) __builtin_offsetof(type, field)
#define CONTAINING_RECORD(address, type, field) ((type *)((UCHAR *)(address)-OFFSET(type, field)))
// Offsets, sizes and paddings that differ come in pairs: amd64, x86.
#ifdef __x86_64__
#define BY_MACHINE(amd64, x86) (amd64)
#define EXPORT __declspec(dllexport)
#else
#define BY_MACHINE(amd64, x86) (x86)
#define EXPORT // by a .def file: names without decoration
#endif
#define PAD(name, amd64, x86) UCHAR name[BY_MACHINE(amd64, x86)]
#define AT(type, field, amd64, x86) _Static_assert(OFFSET(type, field) == BY_MACHINE(amd64, x86), #type "." #field)
#define SIZED(type, amd64, x86) _Static_assert(sizeof(type) == BY_MACHINE(amd64, x86), #type)
// An address in a field of 64 bits, as debuggers want it.
#define SIGN_EXTENDED(address) ((ULONG64)(LONG64)(LONG_PTR)(address))
#define NT_SUCCESS(status) ((NTSTATUS)(status) >= 0)

#define STATUS_SUCCESS 0
#define STATUS_PENDING 0x103
#define STATUS_TIMEOUT 0x102
#define STATUS_BREAKPOINT ((NTSTATUS)0x80000003)
#define STATUS_SINGLE_STEP ((NTSTATUS)0x80000004)
#define STATUS_ACCESS_VIOLATION ((NTSTATUS)0xC0000005)
#define STATUS_INVALID_PARAMETER_1 ((NTSTATUS)0xC00000EF)
#define STATUS_INVALID_CID ((NTSTATUS)0xC000000B)
#define STATUS_INVALID_HANDLE ((NTSTATUS)0xC0000008)
#define STATUS_INVALID_DEVICE_REQUEST ((NTSTATUS)0xC0000010)
#define STATUS_ILLEGAL_INSTRUCTION ((NTSTATUS)0xC000001D)
#define STATUS_INTEGER_DIVIDE_BY_ZERO ((NTSTATUS)0xC0000094)
#define STATUS_MORE_PROCESSING_REQUIRED ((NTSTATUS)0xC0000016)
#define STATUS_OBJECT_NAME_NOT_FOUND ((NTSTATUS)0xC0000034)
#define STATUS_INSUFFICIENT_RESOURCES ((NTSTATUS)0xC000009A)
#define STATUS_IMAGE_ALREADY_LOADED ((NTSTATUS)0xC000010E)
#define STATUS_ASSERTION_FAILURE ((NTSTATUS)0xC0000420)

#define DPFLTR_SYSTEM_ID 0
#define DPFLTR_NTFS_ID 3
#define DPFLTR_IHVDRIVER_ID 77
#define DPFLTR_DEFAULT_ID 101
#define DPFLTR_ERROR_LEVEL 0
#define DPFLTR_WARNING_LEVEL 1
#define DPFLTR_TRACE_LEVEL 2
#define DPFLTR_INFO_LEVEL 3

#define PASSIVE_LEVEL 0
#define APC_LEVEL 1
#define DISPATCH_LEVEL 2

#define PAGE_SIZE 0x1000

#define NonPagedPool 0
#define PagedPool 1
#define PROTECTED_POOL 0x80000000 // in a tag

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

#include "handle.h"
#include "vad.h"
#include "user.h"

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

typedef struct _KSEMAPHORE {
    DISPATCHER_HEADER Header;
    LONG Limit;
} KSEMAPHORE;
SIZED(KSEMAPHORE, 0x20, 0x14);

#define EventNotificationObject 0
#define EventSynchronizationObject 1
#define ProcessObject 3
#define SemaphoreObject 5
#define ThreadObject 6

typedef struct _KPROCESS {
    DISPATCHER_HEADER Header;
    LIST_ENTRY ProfileListHead;
    ULONG_PTR DirectoryTableBase;
    LIST_ENTRY ThreadListHead;
    ULONG ProcessLock;
    ULONG ProcessTimerDelay;
    ULONG64 DeepFreezeStartTime;
    PAD(Reserved, 0x438 - 0x50, 0xB0 - 0x38);
} KPROCESS;
AT(KPROCESS, DirectoryTableBase, 0x28, 0x18);
AT(KPROCESS, ThreadListHead, 0x30, 0x1C);

typedef struct _EPROCESS {
    KPROCESS Pcb;
    ULONG_PTR ProcessLock;
    HANDLE UniqueProcessId;
    LIST_ENTRY ActiveProcessLinks;
    PAD(Reserved1, 0x4B8 - 0x458, 0xFC - 0xC0);
    ULONG_PTR Token; // EX_FAST_REF
    PAD(Reserved9, 0x540 - 0x4C0, 0x140 - 0x100);
    HANDLE InheritedFromUniqueProcessId;
    PAD(Reserved2, 8, 0);
    PVOID Peb;
    PAD(Reserved3, 0x570 - 0x558, 0x154 - 0x148);
    HANDLE_TABLE *ObjectTable;
    PAD(Reserved6, 0x5A8 - 0x578, 0x17C - 0x158);
    CHAR ImageFileName[15];
    UCHAR PriorityClass;
    PAD(Reserved4, 0x5E0 - 0x5B8, 0x198 - 0x18C);
    LIST_ENTRY ThreadListHead;
    ULONG ActiveThreads;
    PAD(Reserved5, 0x648 - 0x5F4, 0x1E0 - 0x1A4);
    ULONG_PTR CommitCharge; // in pages
    PAD(Reserved8, 0x7D8 - 0x650, 0x2C8 - 0x1E4);
    RTL_AVL_TREE VadRoot;
    PVOID VadHint;
    ULONG_PTR VadCount;
    PAD(Reserved10, 0xA40 - 0x7F0, 0x3A8 - 0x2D4);
} EPROCESS;
AT(EPROCESS, UniqueProcessId, 0x440, 0xB4);
AT(EPROCESS, ActiveProcessLinks, 0x448, 0xB8);
AT(EPROCESS, Token, 0x4B8, 0xFC);
AT(EPROCESS, InheritedFromUniqueProcessId, 0x540, 0x140);
AT(EPROCESS, Peb, 0x550, 0x144);
AT(EPROCESS, ObjectTable, 0x570, 0x154);
AT(EPROCESS, ImageFileName, 0x5A8, 0x17C);
AT(EPROCESS, ThreadListHead, 0x5E0, 0x198);
AT(EPROCESS, CommitCharge, 0x648, 0x1E0);
AT(EPROCESS, VadRoot, 0x7D8, 0x2C8);
SIZED(EPROCESS, 0xA40, 0x3A8);

struct _KTHREAD;

typedef struct _KWAIT_BLOCK {
    LIST_ENTRY WaitListEntry;
    UCHAR WaitType, BlockState;
    USHORT WaitKey;
    PAD(SpareLong, 4, 0);
    struct _KTHREAD *Thread;
    PVOID Object;
    PVOID SparePtr;
} KWAIT_BLOCK;
SIZED(KWAIT_BLOCK, 0x30, 0x18);

typedef enum _KTHREAD_STATE { Initialized, Ready, Running, Standby, Terminated, Waiting, Transition } KTHREAD_STATE;
typedef enum _KWAIT_REASON { Executive, FreePage, PageIn, PoolAllocation, DelayExecution, Suspended, UserRequest, WrResource = 27 } KWAIT_REASON;

typedef struct _KAPC_STATE {
    LIST_ENTRY ApcListHead[2];
    KPROCESS *Process;
    UCHAR InProgressFlags, KernelApcPending, UserApcPending;
    PAD(Reserved, 5, 1);
} KAPC_STATE;

struct _KTRAP_FRAME;

typedef struct _KTHREAD {
    DISPATCHER_HEADER Header;
    PVOID SListFaultAddress;
    ULONG64 QuantumTarget;
    PVOID InitialStack;
    PVOID StackLimit;
    PVOID StackBase;
    ULONG_PTR ThreadLock;
    ULONG64 CycleTime;
    PAD(Reserved0, 0, 8);
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
    LONG_PTR WaitStatus;
    KWAIT_BLOCK *WaitBlockList;
    LIST_ENTRY WaitListEntry;
    PVOID Queue;
    PVOID Teb;
    PAD(Reserved2, 0x140 - 0xF8, 0xA8 - 0xA4);
    KWAIT_BLOCK WaitBlock;
    PAD(Reserved7, 0x184 - 0x170, 0x124 - 0xC0);
    UCHAR State;
    CHAR NpxState;
    KIRQL WaitIrql;
    CHAR WaitMode;
    ULONG WaitTime;
    PAD(Reserved3, 0x220 - 0x18C, 0x150 - 0x12C);
    KPROCESS *Process;
    PAD(Reserved4, 0x283 - 0x228, 0x187 - 0x154);
    UCHAR WaitReason;
    PAD(Reserved5, 0x2F8 - 0x284, 0x1D4 - 0x188);
    LIST_ENTRY ThreadListEntry;
    PVOID WaitObject;      // what the scheduler of this kernel waits for; no field of Windows
    ULONG64 WaitDueTime;   // tick at which the wait times out, 0 for never
    ULONG Processor;       // the one processor on which the thread runs
    LONG Quantum;
    PAD(Reserved6, 0x430 - 0x320, 0x348 - 0x1F0);
} KTHREAD;
AT(KTHREAD, InitialStack, 0x28, 0x20);
AT(KTHREAD, KernelStack, 0x58, 0x48);
AT(KTHREAD, TrapFrame, 0x90, 0x70);
AT(KTHREAD, ApcState, 0x98, 0x74);
AT(KTHREAD, WaitListEntry, 0xD8, 0x94);
AT(KTHREAD, Teb, 0xF0, 0xA0);
AT(KTHREAD, State, 0x184, 0x124);
AT(KTHREAD, Process, 0x220, 0x150);
AT(KTHREAD, WaitReason, 0x283, 0x187);
AT(KTHREAD, ThreadListEntry, 0x2F8, 0x1D4);
AT(KTHREAD, Running, 0x71, 0x55);           // these three known to the assembly
AT(KTHREAD, SystemCallNumber, 0x80, 0x64);
AT(KTHREAD, FirstArgument, 0x88, 0x6C);
SIZED(KTHREAD, 0x430, 0x348);

typedef VOID KSTART_ROUTINE(PVOID Context);

typedef struct _ETHREAD {
    KTHREAD Tcb;
    LONG64 CreateTime;
    PAD(Reserved1, 0x450 - 0x438, 0);
    KSTART_ROUTINE *StartAddress;
    PAD(Reserved2, 0x478 - 0x458, 0x36C - 0x354);
    CLIENT_ID Cid;
    PAD(Reserved3, 0x4B0 - 0x488, 0x38C - 0x374);
    LIST_ENTRY IrpList;
    PAD(Reserved4, 8, 0);
    PVOID StartContext;
    PVOID Win32StartAddress;
    PAD(Reserved5, 16, 4);
    LIST_ENTRY ThreadListEntry;
    PAD(Reserved6, 0x898 - 0x4F8, 0x480 - 0x3A8);
} ETHREAD;
AT(ETHREAD, StartAddress, 0x450, 0x350);
AT(ETHREAD, Cid, 0x478, 0x36C);
AT(ETHREAD, IrpList, 0x4B0, 0x38C);
AT(ETHREAD, ThreadListEntry, 0x4E8, 0x3A0);
SIZED(ETHREAD, 0x898, 0x480);

// A processor's place at a lock; who waits is linked to the one before.
typedef struct _KSPIN_LOCK_QUEUE {
    struct _KSPIN_LOCK_QUEUE *volatile Next;
    volatile ULONG_PTR Lock; // address of the lock, and the two bits
} KSPIN_LOCK_QUEUE;
#define LOCK_QUEUE_WAIT 1
#define LOCK_QUEUE_OWNER 2
#define LockQueueNonPagedPoolLock 6
#define LockQueueMaximumLock 17

#ifdef __x86_64__
#include "amd64.h"
#else
#include "x86.h"
#endif

#define KeGetCurrentPrcb() (&KiPcr()->PCR_PRCB)
#define KeGetCurrentThread() (KeGetCurrentPrcb()->CurrentThread)
#define PsGetCurrentProcess() ((EPROCESS *)KeGetCurrentThread()->ApcState.Process)

typedef struct _EXCEPTION_RECORD {
    NTSTATUS ExceptionCode;
    ULONG ExceptionFlags;
    struct _EXCEPTION_RECORD *ExceptionRecord;
    PVOID ExceptionAddress;
    ULONG NumberParameters;
    ULONG_PTR ExceptionInformation[15];
} EXCEPTION_RECORD;

// ---- resources -----------------------------------------------------------------------------------------

typedef struct _OWNER_ENTRY {
    ULONG_PTR OwnerThread;
    union {
        struct {
            ULONG IoPriorityBoosted : 1, OwnerReferenced : 1, IoQoSPriorityBoosted : 1, OwnerCount : 29;
        };
        ULONG TableSize;
    };
} OWNER_ENTRY;
SIZED(OWNER_ENTRY, 0x10, 8);

#define ResourceOwnedExclusive 0x80

typedef struct _ERESOURCE {
    LIST_ENTRY SystemResourcesList;
    OWNER_ENTRY *OwnerTable;
    SHORT ActiveCount;
    USHORT Flag;
    KSEMAPHORE *SharedWaiters;
    KEVENT *ExclusiveWaiters;
    OWNER_ENTRY OwnerEntry;
    ULONG ActiveEntries;
    ULONG ContentionCount;
    ULONG NumberOfSharedWaiters;
    ULONG NumberOfExclusiveWaiters;
    PAD(Reserved2, 8, 0);
    PVOID Address;
    KSPIN_LOCK SpinLock;
} ERESOURCE;
AT(ERESOURCE, OwnerEntry, 0x30, 0x18);
AT(ERESOURCE, ContentionCount, 0x44, 0x24);
SIZED(ERESOURCE, 0x68, 0x38);

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
} KLDR_DATA_TABLE_ENTRY;
AT(KLDR_DATA_TABLE_ENTRY, DllBase, 0x30, 0x18);
AT(KLDR_DATA_TABLE_ENTRY, FullDllName, 0x48, 0x24);
AT(KLDR_DATA_TABLE_ENTRY, BaseDllName, 0x58, 0x2C);
AT(KLDR_DATA_TABLE_ENTRY, CheckSum, 0x78, 0x40);
AT(KLDR_DATA_TABLE_ENTRY, TimeDateStamp, 0x9C, 0x58);

// What is remembered of a driver that is gone. The list is a ring of MI_UNLOADED_DRIVERS entries.
typedef struct _UNLOADED_DRIVERS {
    UNICODE_STRING Name;
    PVOID StartAddress;
    PVOID EndAddress;
    LONG64 CurrentTime;
} UNLOADED_DRIVERS;
SIZED(UNLOADED_DRIVERS, 0x28, 0x18);
#define MI_UNLOADED_DRIVERS 50

// ---- what the loader (Python) hands over: see kdnb/simulator/loader.py ------------------------------

typedef struct _LOADER_IMAGE {
    PVOID Base;
    PVOID EntryPoint;
    ULONG SizeOfImage;
    ULONG CheckSum;
    ULONG TimeDateStamp;
    ULONG ExceptionTableSize;
    PVOID ExceptionTable;
    ULONG_PTR PhysicalBase; // where the file of a driver lies that is loaded later; 0 for those that are in place
    ULONG_PTR Pages;        // where the pages of a driver lie, one behind the other
    WCHAR Path[64];
} LOADER_IMAGE;

// A program or library of user mode, laid out in physical memory; the first is ntdll.dll.
typedef struct _LOADER_USER_IMAGE {
    ULONG64 Base;
    ULONG64 EntryPoint;
    ULONG64 PhysicalBase;
    CHAR Name[16];
} LOADER_USER_IMAGE;

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
    ULONG64 FileBuffer; // for what a debugger gives in place of a driver
    LOADER_IMAGE Images[8];
    ULONG64 UserImageCount;
    LOADER_USER_IMAGE UserImages[4];
} LOADER_PARAMETER_BLOCK;

enum { ScenarioIdle, ScenarioBoot, ScenarioSyscalls, ScenarioBugCheck, ScenarioStorm, ScenarioPrompt, ScenarioException, ScenarioDeadlock, ScenarioDoubleFault, ScenarioDriverLoad, ScenarioServiceException, ScenarioDriverUnload };

#include "io.h"

#ifdef KERNEL
#define NTKERNELAPI EXPORT
#elif !defined(NTKERNELAPI)
#define NTKERNELAPI __declspec(dllimport)
#endif

// ---- exported to drivers -----------------------------------------------------------------------------

NTKERNELAPI ULONG DbgPrint(const CHAR *Format, ...);
NTKERNELAPI ULONG DbgPrintEx(ULONG ComponentId, ULONG Level, const CHAR *Format, ...);
NTKERNELAPI ULONG DbgPrompt(const CHAR *Prompt, CHAR *Response, ULONG Length);
NTKERNELAPI VOID DbgBreakPoint(void);
NTKERNELAPI VOID DbgBreakPointWithStatus(ULONG Status);
NTKERNELAPI VOID KeBugCheckEx(ULONG Code, ULONG_PTR P1, ULONG_PTR P2, ULONG_PTR P3, ULONG_PTR P4);
NTKERNELAPI NTSTATUS KeDelayExecutionThread(CHAR WaitMode, BOOLEAN Alertable, LONG64 *Interval);
NTKERNELAPI NTSTATUS KeWaitForSingleObject(PVOID Object, ULONG Reason, CHAR Mode, BOOLEAN Alertable, LONG64 *Timeout);
NTKERNELAPI VOID KeInitializeEvent(KEVENT *Event, ULONG Type, BOOLEAN State);
NTKERNELAPI LONG KeSetEvent(KEVENT *Event, LONG Increment, BOOLEAN Wait);
NTKERNELAPI VOID KeInitializeSemaphore(KSEMAPHORE *Semaphore, LONG Count, LONG Limit);
NTKERNELAPI LONG KeReleaseSemaphore(KSEMAPHORE *Semaphore, LONG Increment, LONG Adjustment, BOOLEAN Wait);
NTKERNELAPI NTSTATUS ExInitializeResourceLite(ERESOURCE *Resource);
NTKERNELAPI NTSTATUS ExDeleteResourceLite(ERESOURCE *Resource);
NTKERNELAPI BOOLEAN ExAcquireResourceExclusiveLite(ERESOURCE *Resource, BOOLEAN Wait);
NTKERNELAPI BOOLEAN ExAcquireResourceSharedLite(ERESOURCE *Resource, BOOLEAN Wait);
NTKERNELAPI VOID ExReleaseResourceLite(ERESOURCE *Resource);
NTKERNELAPI KIRQL KeAcquireSpinLockRaiseToDpc(volatile KSPIN_LOCK *SpinLock);
NTKERNELAPI VOID KeReleaseSpinLock(volatile KSPIN_LOCK *SpinLock, KIRQL OldIrql);
NTKERNELAPI PVOID ExAllocatePoolWithTag(ULONG PoolType, SIZE_T Size, ULONG Tag);
NTKERNELAPI VOID ExFreePoolWithTag(PVOID Address, ULONG Tag);
NTKERNELAPI NTSTATUS IoCreateDevice(DRIVER_OBJECT *Driver, ULONG ExtensionSize, UNICODE_STRING *Name, ULONG Type, ULONG Characteristics, BOOLEAN Exclusive, DEVICE_OBJECT **Device);
NTKERNELAPI VOID IoDeleteDevice(DEVICE_OBJECT *Device);
NTKERNELAPI DEVICE_OBJECT *IoAttachDeviceToDeviceStack(DEVICE_OBJECT *Source, DEVICE_OBJECT *Target);
NTKERNELAPI DEVICE_OBJECT *IopFindDevice(const WCHAR *Name);
NTKERNELAPI NTSTATUS IofCallDriver(DEVICE_OBJECT *DeviceObject, IRP *Irp);
NTKERNELAPI NTSTATUS IoCallDriver(DEVICE_OBJECT *DeviceObject, IRP *Irp);
NTKERNELAPI VOID IofCompleteRequest(IRP *Irp, CHAR PriorityBoost);
NTKERNELAPI IRP *IoAllocateIrp(CHAR StackSize, BOOLEAN ChargeQuota);
NTKERNELAPI VOID IoFreeIrp(IRP *Irp);
NTKERNELAPI VOID IoStartPacket(DEVICE_OBJECT *Device, IRP *Irp, ULONG *Key, DRIVER_CANCEL *Cancel);
NTKERNELAPI VOID IoStartNextPacket(DEVICE_OBJECT *Device, BOOLEAN Cancelable);
NTKERNELAPI NTSTATUS PsCreateSystemThread(HANDLE *Thread, ULONG Access, OBJECT_ATTRIBUTES *Attributes, HANDLE Process, CLIENT_ID *ClientId, KSTART_ROUTINE *Routine, PVOID Context);
NTKERNELAPI VOID RtlInitUnicodeString(UNICODE_STRING *String, const WCHAR *Text);
NTKERNELAPI BOOLEAN RtlEqualUnicodeString(const UNICODE_STRING *A, const UNICODE_STRING *B, BOOLEAN IgnoreCase);
NTKERNELAPI VOID *CDECL memcpy(void *To, const void *From, SIZE_T Size);
NTKERNELAPI VOID *CDECL memset(void *To, int Value, SIZE_T Size);
NTKERNELAPI int CDECL memcmp(const void *A, const void *B, SIZE_T Size);
NTKERNELAPI ULONG ExScenario(void);

// ---- inside the kernel ---------------------------------------------------------------------------------

#ifdef KERNEL
extern LOADER_PARAMETER_BLOCK *KeLoaderBlock;
extern LIST_ENTRY PsActiveProcessHead;
extern EPROCESS *PsIdleProcess;
extern KPRCB *KiProcessorBlock[32];
extern EXPORT LIST_ENTRY PsLoadedModuleList;
extern EXPORT EPROCESS *PsInitialSystemProcess;
extern EXPORT ULONG_PTR KiBugCheckData[5];
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
static inline __attribute__((always_inline)) VOID KiRestoreInterrupts(ULONG_PTR Flags)
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
NTSTATUS NtQueryDebugFilterState(ULONG ComponentId, ULONG Level);
NTSTATUS DebugPrint(STRING *Output, ULONG ComponentId, ULONG Level);
NTSTATUS DebugService(ULONG Service, PVOID A, PVOID B, PVOID C, PVOID D);
VOID DbgLoadImageSymbols(STRING *FileName, PVOID Base, ULONG_PTR ProcessId);
VOID DbgUnLoadImageSymbols(STRING *FileName, PVOID Base, ULONG_PTR ProcessId);
VOID KdInitSystem(ULONG Phase);
BOOLEAN KdPollBreakIn(void);
VOID KdCheckForDebugBreak(void);
BOOLEAN KdTrap(KTRAP_FRAME *TrapFrame, KEXCEPTION_FRAME *ExceptionFrame, EXCEPTION_RECORD *Record, BOOLEAN FirstChance);
VOID KdInitializePcr(KPCR *Pcr);

VOID KiInitializeIdle(ULONG Number, EPROCESS *Process);
VOID KiReadyThread(KTHREAD *Thread);
NTSTATUS KiSwapThread(KTHREAD *Thread, KPRCB *Prcb);
VOID KiIdleLoop(void);
VOID KiRetireWaits(KPRCB *Prcb);
VOID KeInitializeThread(KTHREAD *Thread, KPROCESS *Process, ULONG Processor, PVOID Stack);
// Numbers of object types from 2 on, as the first ones of Windows are counted.
enum { ObTypeType = 2, ObDirectoryType, ObSymbolicLinkType, ObProcessType, ObThreadType, ObDeviceType, ObDriverType, ObFileType, ObEventType, ObTokenType };
WCHAR RtlpUpcase(WCHAR Character);
VOID ObInitSystem(void);
PVOID ObpAllocateObject(UCHAR Type, SIZE_T Size, ULONG Tag);
VOID ObpFreeObject(PVOID Object, ULONG Tag);
NTSTATUS ObInsertObject(PVOID Object, const UNICODE_STRING *Path);
VOID ObMakeTemporaryObject(PVOID Object);
PVOID ObpLookupPath(const UNICODE_STRING *Path);
extern HANDLE_TABLE *PspCidTable, *ObpKernelHandleTable;
HANDLE_TABLE *ExCreateHandleTable(EPROCESS *Process);
VOID PspInsertCid(PVOID Object, ULONG_PTR Id);
PVOID ObpReferenceObject(HANDLE Handle, UCHAR Type);
NTSTATUS ObpCreateHandle(PVOID Object, ULONG Access, ULONG Attributes, HANDLE *Handle);
NTSTATUS ObpInsertHandle(PVOID Object, ULONG Access, ULONG Attributes, HANDLE *Handle);
NTSTATUS IopCloseFile(FILE_OBJECT *File);
NTSTATUS NtOpenProcess(HANDLE *Process, ULONG Access, OBJECT_ATTRIBUTES *Attributes, CLIENT_ID *ClientId);
NTSTATUS NtOpenThread(HANDLE *Thread, ULONG Access, OBJECT_ATTRIBUTES *Attributes, CLIENT_ID *ClientId);
NTSTATUS NtOpenDirectoryObject(HANDLE *Directory, ULONG Access, OBJECT_ATTRIBUTES *Attributes);
NTSTATUS NtCreateEvent(HANDLE *Event, ULONG Access, OBJECT_ATTRIBUTES *Attributes, ULONG Type, BOOLEAN State);
extern UNLOADED_DRIVERS *MmUnloadedDrivers;
extern ULONG MmLastUnloadedDriver;
UNICODE_STRING *MmLocateUnloadedDriver(ULONG_PTR Address);
VOID MmInitSystem(void);
PVOID MmCreateKernelStack(void);
ULONG_PTR MmCreateProcessAddressSpace(void);
#define PTE_FRAME ((ULONG_PTR)BY_MACHINE(0x000FFFFFFFFFF000, 0xFFFFF000))
#define PTE_PRESENT 1
#define PTE_WRITE 2
#define PTE_NO_EXECUTE ((ULONG_PTR)BY_MACHINE(1ULL << 63, 0))
#define PTE_USER_READ 5
#define PTE_USER_WRITE 7
PVOID MmMapUserPage(ULONG_PTR DirectoryTableBase, ULONG_PTR Address);
ULONG_PTR *MiUserPageTableEntry(ULONG_PTR DirectoryTableBase, ULONG_PTR Address);
NTSTATUS MmAccessFault(ULONG_PTR FaultCode, ULONG_PTR Address, ULONG Mode, KTRAP_FRAME *TrapFrame);
VOID ExInitializePool(ULONG_PTR Start, SIZE_T Size);
VOID IoInitSystem(void);
const WCHAR *IopBaseName(const WCHAR *Path);
NTSTATUS IopLoadDriver(LOADER_IMAGE *Image);
VOID MmLoadSystemImage(LOADER_IMAGE *Image);
ULONG KdPullRemoteFile(const WCHAR *Name, PVOID Buffer, ULONG Size);
VOID DbgNotifyImage(KLDR_DATA_TABLE_ENTRY *Entry, const WCHAR *Name, BOOLEAN Unload);
NTSTATUS NtLoadDriver(UNICODE_STRING *DriverServiceName);
NTSTATUS NtUnloadDriver(UNICODE_STRING *DriverServiceName);
KSTART_ROUTINE IopDriverThread;
EXPORT NTSTATUS IoCreateDriver(const WCHAR *Path, DRIVER_INITIALIZE *Initialize);
IRP *IopAllocateIrp(FILE_OBJECT *File, UCHAR MajorFunction, IO_STATUS_BLOCK *Iosb);
VOID PnpInitializeRoot(void);
VOID PnpStartDevices(DRIVER_OBJECT *Driver);
VOID PsInitSystem(void);
VOID PsStartScenario(void);
EPROCESS *PspCreateProcess(const CHAR *Name, ULONG_PTR ProcessId, ULONG_PTR ParentId);
ETHREAD *PspAllocateThread(EPROCESS *Process, ULONG_PTR ThreadId, ULONG Processor, KSTART_ROUTINE *Routine, PVOID Context);
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

// user.c
VOID PspInitializeUserProcess(EPROCESS *Process);
BOOLEAN PspStartNotepad(EPROCESS *Process, ULONG Interval);
VOID PspExitThread(void);

// amd64.c, x86.c
extern KPCR KiPcrs[MAXIMUM_PROCESSORS];
VOID KeAcquireQueuedSpinLockAtDpcLevel(KSPIN_LOCK_QUEUE *LockQueue);
VOID KeReleaseQueuedSpinLockFromDpcLevel(KSPIN_LOCK_QUEUE *LockQueue);
VOID KiInitializeIdt(void);
VOID KiInitializeProcessor(ULONG Number);
VOID KiInitializePcrTables(KPCR *Pcr, ULONG Number);
VOID KiInitializeContextThread(KTHREAD *Thread);
VOID KiInitializeContextUserThread(KTHREAD *Thread, ULONG_PTR Pc, ULONG_PTR Sp, ULONG_PTR First, ULONG_PTR Second);

// trap.S, trap_x86.S
VOID KiSwapContext(KTHREAD *Old, KTHREAD *New);
VOID KiStartSystemThread(void);
ULONG_PTR KiDisableInterrupts(void);
VOID KiStartUserThread(void);
#endif
