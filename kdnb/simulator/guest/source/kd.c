// What a kernel debugger meets: the data block, prints, symbol notifications, break-in, exception reports.
#include "nt.h"
#include "partition.h"

typedef struct _DBGKD_GET_VERSION64 {
    USHORT MajorVersion, MinorVersion;
    UCHAR ProtocolVersion, KdSecondaryVersion;
    USHORT Flags, MachineType;
    UCHAR MaxPacketType, MaxStateChange, MaxManipulate, Simulation;
    USHORT Unused;
    ULONG64 KernBase, PsLoadedModuleList, DebuggerDataList;
} DBGKD_GET_VERSION64;
_Static_assert(sizeof(DBGKD_GET_VERSION64) == 40, "DBGKD_GET_VERSION64");

#define KDBG_SIZE 0x380

// The KDDEBUGGER_DATA64 block by offset: most of its 150 fields have no meaning in this kernel and stay zero.
typedef struct _KDDEBUGGER_DATA64 {
    LIST_ENTRY List; // 64-bit links on amd64 only; the tag is at 0x10 on both
    PAD(Reserved, 0, 8);
    ULONG OwnerTag, Size;
    ULONG64 KernBase;
    UCHAR Fields[KDBG_SIZE - 0x20];
} KDDEBUGGER_DATA64;

typedef struct _KD_SYMBOLS_INFO {
    PVOID BaseOfDll;
    ULONG_PTR ProcessId;
    ULONG CheckSum;
    ULONG SizeOfImage;
} KD_SYMBOLS_INFO;

#define FLG_STOP_ON_EXCEPTION 1
#define BREAKPOINT_PRINT 1
#define BREAKPOINT_LOAD_SYMBOLS 3
#define BREAKPOINT_UNLOAD_SYMBOLS 4
#define BREAKPOINT_REPORT_EXCEPTION 0x100 // these two of this board, no services of Windows
#define BREAKPOINT_PULL_FILE 0x101
#define DBG_STATUS_CONTROL_C 1

extern UCHAR __ImageBase[];
EXPORT BOOLEAN KdDebuggerEnabled = TRUE;
EXPORT BOOLEAN KdDebuggerNotPresent = FALSE;
EXPORT ULONG NtGlobalFlag = 0;
EXPORT ULONG NtBuildNumber = 0xF0000000 | 19041;
EXPORT CHAR NtBuildLab[] = "19041.1." BUILD_ARCHITECTURE ".kdnb_guest.201120-1200";
KDDEBUGGER_DATA64 KdDebuggerDataBlock;
LIST_ENTRY KdpDebuggerDataListHead;
EXPORT DBGKD_GET_VERSION64 KdVersionBlock;
CHAR KdPrintDefaultCircularBuffer[0x1000];
CHAR *KdPrintCircularBuffer = KdPrintDefaultCircularBuffer;
CHAR *KdPrintWritePointer = KdPrintDefaultCircularBuffer;
ULONG KdPrintBufferSize = sizeof(KdPrintDefaultCircularBuffer);
ULONG KdPrintRolloverCount;
volatile KSPIN_LOCK KdpPrintSpinLock;

extern UCHAR ExpSystemResourcesList[], MmHighestUserAddress[], MmSystemRangeStart[], MmUserProbeAddress[], MmNumberOfPhysicalPages[];
extern UCHAR MmLowestPhysicalPage[], MmHighestPhysicalPage[], MmNonPagedPoolStart[], MmNonPagedPoolEnd[], MmPagedPoolStart[], MmPagedPoolEnd[], PoolTrackTable[], NonPagedPoolDescriptor[], KeTimeIncrement[], ObpRootDirectoryObject[], ObpTypeObjectType[];

NOINLINE VOID KdpPut64(ULONG Offset, ULONG64 Value) { *(ULONG64 *)((UCHAR *)&KdDebuggerDataBlock + Offset) = Value; }
NOINLINE VOID KdpPut32(ULONG Offset, ULONG Value) { *(ULONG *)((UCHAR *)&KdDebuggerDataBlock + Offset) = Value; }
NOINLINE VOID KdpPut16(ULONG Offset, USHORT Value) { *(USHORT *)((UCHAR *)&KdDebuggerDataBlock + Offset) = Value; }
#define ADDRESS(offset, symbol) KdpPut64(offset, (ULONG_PTR)&(symbol))

NOINLINE VOID KdpInitializeDataBlock(void)
{
    KdpPut64(0x18, (ULONG_PTR)__ImageBase);
    KdpPut64(0x20, (ULONG_PTR)BREAKPOINT_WITH_STATUS);
    ADDRESS(0x48, PsLoadedModuleList);
    ADDRESS(0x50, PsActiveProcessHead);
    ADDRESS(0x58, PspCidTable);
    ADDRESS(0x60, ExpSystemResourcesList);
    ADDRESS(0x78, KeTimeIncrement);
    ADDRESS(0x88, KiBugCheckData);
    ADDRESS(0x98, ObpRootDirectoryObject);
    ADDRESS(0xA0, ObpTypeObjectType);
    ADDRESS(0xE8, MmLowestPhysicalPage);
    ADDRESS(0xF0, MmHighestPhysicalPage);
    ADDRESS(0xF8, MmNumberOfPhysicalPages);
    ADDRESS(0x110, MmNonPagedPoolStart);
    ADDRESS(0x118, MmNonPagedPoolEnd);
    ADDRESS(0x120, MmPagedPoolStart);
    ADDRESS(0x128, MmPagedPoolEnd);
    KdpPut64(0x138, 0x1000);
    ADDRESS(0x148, MiSystemPartition.Vp.TotalCommitLimit);
    ADDRESS(0x150, MiSystemPartition.Vp.TotalCommittedPages);
    ADDRESS(0x158, MiSystemPartition.Vp.SharedCommit);
    ADDRESS(0x1A8, MiSystemPartition.Vp.AvailablePages);
    ADDRESS(0x1B0, MiSystemPartition.Vp.ResidentAvailablePages);
    ADDRESS(0x1B8, PoolTrackTable);
    ADDRESS(0x1C0, NonPagedPoolDescriptor);
    ADDRESS(0x1C8, MmHighestUserAddress);
    ADDRESS(0x1D0, MmSystemRangeStart);
    ADDRESS(0x1D8, MmUserProbeAddress);
    KdpPut64(0x1E0, (ULONG_PTR)KdPrintDefaultCircularBuffer);
    KdpPut64(0x1E8, (ULONG_PTR)KdPrintDefaultCircularBuffer + sizeof(KdPrintDefaultCircularBuffer));
    ADDRESS(0x1F0, KdPrintWritePointer);
    ADDRESS(0x1F8, KdPrintRolloverCount);
    ADDRESS(0x208, NtBuildLab);
    ADDRESS(0x218, KiProcessorBlock);
    ADDRESS(0x220, MmUnloadedDrivers);
    ADDRESS(0x228, MmLastUnloadedDriver);
    KdpPut16(0x29A, OFFSET(KTHREAD, Teb));
    KdpPut16(0x29C, OFFSET(KTHREAD, KernelStack));
    KdpPut16(0x29E, OFFSET(KTHREAD, InitialStack));
    KdpPut16(0x2A0, OFFSET(KTHREAD, ApcState) + OFFSET(KAPC_STATE, Process));
    KdpPut16(0x2A2, OFFSET(KTHREAD, State));
    KdpPut16(0x2A8, sizeof(EPROCESS));
    KdpPut16(0x2AA, OFFSET(EPROCESS, Peb));
    KdpPut16(0x2AC, OFFSET(EPROCESS, InheritedFromUniqueProcessId));
    KdpPut16(0x2AE, OFFSET(KPROCESS, DirectoryTableBase));
    KdpPut16(0x2B0, sizeof(KPRCB));
    KdpPut16(0x2B2, OFFSET(KPRCB, DpcRoutineActive));
    KdpPut16(0x2B4, OFFSET(KPRCB, CurrentThread));
    KdpPut16(0x2B6, OFFSET(KPRCB, MHz));
    KdpPut16(0x2B8, OFFSET(KPRCB, CpuType));
    KdpPut16(0x2BA, OFFSET(KPRCB, VendorString));
    KdpPut16(0x2BC, OFFSET(KPRCB, ProcessorState) + OFFSET(KPROCESSOR_STATE, ContextFrame));
    KdpPut16(0x2BE, OFFSET(KPRCB, Number));
    KdpPut16(0x2C0, sizeof(ETHREAD));
    ADDRESS(0x2C8, KdPrintCircularBuffer);
    ADDRESS(0x2D0, KdPrintBufferSize);
    ADDRESS(0x2D8, KeLoaderBlock);
    KdpPut16(0x2E0, sizeof(KPCR));
    KdpPut16(0x2E2, OFFSET(KPCR, PCR_SELF));
    KdpPut16(0x2E4, OFFSET(KPCR, PCR_CURRENT_PRCB));
    KdpPut16(0x2E6, OFFSET(KPCR, PCR_PRCB));
    KdpPut16(0x2F2, OFFSET(KPRCB, ProcessorState) + OFFSET(KPROCESSOR_STATE, SpecialRegisters));
    KdpPut16(0x2F4, GDT_R0_CODE);
    KdpPut16(0x2F6, GDT_R0_DATA);
    KdpPut16(0x2F8, GDT_R0_PCR);
    KdpPut16(0x2FA, GDT_R3_CODE);
    KdpPut16(0x2FC, GDT_R3_DATA);
    KdpPut16(0x2FE, GDT_R3_TEB);
    KdpPut16(0x302, GDT_TSS);
    KdpPut16(0x304, GDT_64_R3_CM_CODE);
    KdpPut16(0x338, OFFSET(KPRCB, Context));
    KdpPut32(0x340, OFFSET(KTHREAD, StackLimit));
    KdpPut32(0x344, OFFSET(KTHREAD, StackBase));
    KdpPut32(0x348, OFFSET(KTHREAD, WaitListEntry));
    KdpPut32(0x34C, OFFSET(ETHREAD, IrpList));
    KdpPut16(0x350, OFFSET(KPRCB, IdleThread));
    KdpPut16(0x352, OFFSET(KPRCB, NormalDpcState));
    KdpPut16(0x354, OFFSET(KPRCB, DpcStack));
    KdpPut16(0x356, OFFSET(KPRCB, IsrStack));
    KdpPut16(0x35C, OFFSET(KTHREAD, WaitReason));
    InitializeListHead(&KdpDebuggerDataListHead);
    KdDebuggerDataBlock.OwnerTag = 0x4742444B; // KDBG
    KdDebuggerDataBlock.Size = KDBG_SIZE;
    InsertTailList(&KdpDebuggerDataListHead, &KdDebuggerDataBlock.List);
}

VOID KdInitSystem(ULONG Phase)
{
    if (Phase != 0)
        return;
    KdVersionBlock.MajorVersion = 0xF;
    KdVersionBlock.MinorVersion = NtBuildNumber & 0xFFFF;
    KdVersionBlock.ProtocolVersion = 6;
    KdVersionBlock.KdSecondaryVersion = CONTEXT_VERSION;
    KdVersionBlock.Flags = VERSION_FLAGS;
    KdVersionBlock.MachineType = IMAGE_MACHINE;
    KdVersionBlock.MaxPacketType = 0xC;
    KdVersionBlock.MaxStateChange = 3;
    KdVersionBlock.MaxManipulate = 0x33;
    KdVersionBlock.KernBase = SIGN_EXTENDED(__ImageBase);
    KdVersionBlock.PsLoadedModuleList = SIGN_EXTENDED(&PsLoadedModuleList);
    KdVersionBlock.DebuggerDataList = SIGN_EXTENDED(&KdpDebuggerDataListHead);
    KdpInitializeDataBlock();
}

VOID KdInitializePcr(KPCR *Pcr) { Pcr->KdVersionBlock = &KdVersionBlock; }

// ---- prints ---------------------------------------------------------------------------------------------

// Interrupts are off: a second writer between store and check would run out of the buffer.
NOINLINE VOID KdLogDbgPrint(const STRING *Output)
{
    ULONG_PTR Flags = KiDisableInterrupts();
    while (__sync_lock_test_and_set(&KdpPrintSpinLock, 1))
        __asm__ volatile("pause");
    for (ULONG i = 0; i < Output->Length; i++) {
        *KdPrintWritePointer++ = Output->Buffer[i];
        if (KdPrintWritePointer == KdPrintCircularBuffer + KdPrintBufferSize) {
            KdPrintWritePointer = KdPrintCircularBuffer;
            KdPrintRolloverCount++;
        }
    }
    __sync_lock_release(&KdpPrintSpinLock);
    KiRestoreInterrupts(Flags);
}

NOINLINE NTSTATUS DebugPrint(STRING *Output, ULONG ComponentId, ULONG Level)
{
    return DebugService(BREAKPOINT_PRINT, Output->Buffer, (PVOID)(ULONG_PTR)Output->Length, (PVOID)(ULONG_PTR)ComponentId, (PVOID)(ULONG_PTR)Level);
}

ULONG vDbgPrintExWithPrefixInternal(const CHAR *Prefix, ULONG ComponentId, ULONG Level, const CHAR *Format, __builtin_va_list Arguments)
{
    CHAR Buffer[512];
    STRING Output;
    if (NtQueryDebugFilterState(ComponentId, Level) != TRUE)
        return STATUS_SUCCESS;
    ULONG Length = RtlStringPrint(Buffer, sizeof(Buffer), "%s", Prefix);
    Length += RtlStringVPrint(Buffer + Length, sizeof(Buffer) - Length, Format, Arguments);
    Output.Buffer = Buffer;
    Output.Length = Output.MaximumLength = (USHORT)Length;
    KdLogDbgPrint(&Output);
    NTSTATUS Status = DebugPrint(&Output, ComponentId, Level);
    if (Status == STATUS_BREAKPOINT) {
        DbgBreakPointWithStatus(DBG_STATUS_CONTROL_C);
        Status = STATUS_SUCCESS;
    }
    return Status;
}

EXPORT ULONG DbgPrint(const CHAR *Format, ...)
{
    __builtin_va_list Arguments;
    __builtin_va_start(Arguments, Format);
    ULONG Status = vDbgPrintExWithPrefixInternal("", DPFLTR_DEFAULT_ID, DPFLTR_INFO_LEVEL, Format, Arguments);
    __builtin_va_end(Arguments);
    return Status;
}

EXPORT ULONG DbgPrintEx(ULONG ComponentId, ULONG Level, const CHAR *Format, ...)
{
    __builtin_va_list Arguments;
    __builtin_va_start(Arguments, Format);
    ULONG Status = vDbgPrintExWithPrefixInternal("", ComponentId, Level, Format, Arguments);
    __builtin_va_end(Arguments);
    return Status;
}

EXPORT ULONG DbgPrompt(const CHAR *Prompt, CHAR *Response, ULONG Length)
{
    ULONG Size = 0;
    while (Prompt[Size])
        Size++;
    return DebugService(2, (PVOID)Prompt, (PVOID)(ULONG_PTR)Size, Response, (PVOID)(ULONG_PTR)Length);
}

VOID DbgLoadImageSymbols(STRING *FileName, PVOID Base, ULONG_PTR ProcessId)
{
    const UCHAR *Headers = (UCHAR *)Base + *(ULONG *)((UCHAR *)Base + 0x3C);
    KD_SYMBOLS_INFO Information = {Base, ProcessId, *(ULONG *)(Headers + 0x58), *(ULONG *)(Headers + 0x50)};
    DebugService(BREAKPOINT_LOAD_SYMBOLS, FileName, &Information, NULL, NULL);
}

VOID DbgUnLoadImageSymbols(STRING *FileName, PVOID Base, ULONG_PTR ProcessId)
{
    KD_SYMBOLS_INFO Information = {Base, ProcessId, 0, 0};
    DebugService(BREAKPOINT_UNLOAD_SYMBOLS, FileName, &Information, NULL, NULL);
}

// The bytes of the file that the debugger has for a driver (.kdfiles): how many, 0 where it has none.
// On Windows this is a conversation of the kernel's own; here the board leads it.
NOINLINE ULONG KdPullRemoteFile(const WCHAR *Name, PVOID Buffer, ULONG Size)
{
    CHAR Text[128];
    STRING Path = {0, sizeof(Text), Text};
    if (!KdDebuggerEnabled)
        return 0;
    Path.Length = (USHORT)RtlStringPrint(Text, sizeof(Text), "%ws", Name);
    return (ULONG)DebugService(BREAKPOINT_PULL_FILE, &Path, Buffer, (PVOID)(ULONG_PTR)Size, NULL);
}

// ---- break-in and exceptions --------------------------------------------------------------------------------

BOOLEAN KdPollBreakIn(void) { return KdDebuggerEnabled && KiIn8(PORT_DEBUG_BREAK) != 0; }

NOINLINE VOID KdCheckForDebugBreak(void)
{
    if (KdPollBreakIn())
        DbgBreakPointWithStatus(DBG_STATUS_CONTROL_C);
}

// Tells the debugger about an exception; TRUE when it says "handled". A first chance is only told if the global flag asks
// for it, and not of breakpoints, steps and assertions: the board tells of them before the guest sees them.
// On Windows this is a call into the transport; here the board itself is the debugger's end, reached by one more service.
NOINLINE BOOLEAN KdTrap(KTRAP_FRAME *TrapFrame, KEXCEPTION_FRAME *ExceptionFrame, EXCEPTION_RECORD *Record, BOOLEAN FirstChance)
{
    NTSTATUS Code = Record->ExceptionCode;
    BOOLEAN Told = Code == STATUS_BREAKPOINT || Code == STATUS_SINGLE_STEP || Code == STATUS_ASSERTION_FAILURE;
    if (!KdDebuggerEnabled || (FirstChance && (Told || !(NtGlobalFlag & FLG_STOP_ON_EXCEPTION))))
        return FALSE;
    return DebugService(BREAKPOINT_REPORT_EXCEPTION, Record, TrapFrame, ExceptionFrame, (PVOID)(ULONG_PTR)FirstChance) == 1;
}
