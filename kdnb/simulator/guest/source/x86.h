// What is x86's own: the processor block, trap frames, and access to the processor. KPCR, KTRAP_FRAME and the first part
// of KPRCB as every public Windows for x86 has them.
#pragma once

#define CLOCK_LEVEL 28
#define HIGH_LEVEL 31
#define USER_SHARED ((UCHAR *)0xFFDF0000)
#define HIGHEST_USER_ADDRESS 0x7FFEFFFF
#define SYSTEM_RANGE_START 0x80000000
#define USER_PROBE_ADDRESS 0x7FFF0000
#define IMAGE_MACHINE 0x14C
#define VERSION_FLAGS (1 | 2) // MP, DATA
#define CONTEXT_VERSION 0
#define BUILD_ARCHITECTURE "x86fre"
#define PCR_PRCB PrcbData
#define PCR_SELF SelfPcr
#define PCR_CURRENT_PRCB Prcb
#define SERVICE_ARGUMENTS KiArgumentTable
#define TRAP_PC(frame) ((frame)->Eip)
#define GDT_R0_CODE 0x08
#define GDT_R0_DATA 0x10
#define GDT_R0_PCR 0x30
#define GDT_R3_CODE 0x18
#define GDT_R3_DATA 0x20
#define GDT_R3_TEB 0x38
#define GDT_TSS 0x28
#define GDT_DF_TSS 0x50
#define GDT_64_R3_CM_CODE 0

extern UCHAR KiArgumentTable[], RtlpBreakWithStatusInstruction[];
#define BREAKPOINT_WITH_STATUS RtlpBreakWithStatusInstruction

typedef struct _KDESCRIPTOR {
    USHORT Pad;
    USHORT Limit;
    PVOID Base;
} KDESCRIPTOR;

typedef struct _KSPECIAL_REGISTERS {
    ULONG Cr0, Cr2, Cr3, Cr4;
    ULONG KernelDr0, KernelDr1, KernelDr2, KernelDr3, KernelDr6, KernelDr7;
    KDESCRIPTOR Gdtr, Idtr;
    USHORT Tr, Ldtr;
    ULONG Reserved[6];
} KSPECIAL_REGISTERS;
_Static_assert(sizeof(KSPECIAL_REGISTERS) == 0x54, "KSPECIAL_REGISTERS");

typedef struct _KPROCESSOR_STATE {
    UCHAR ContextFrame[0x2CC];
    KSPECIAL_REGISTERS SpecialRegisters;
} KPROCESSOR_STATE;
AT(KPROCESSOR_STATE, SpecialRegisters, 0, 0x2CC);

typedef struct _KPRCB {
    USHORT MinorVersion, MajorVersion;
    KTHREAD *CurrentThread;
    KTHREAD *NextThread;
    KTHREAD *IdleThread;
    UCHAR LegacyNumber, NestingLevel;
    USHORT BuildType;
    UCHAR CpuType, CpuID;
    USHORT CpuStep;
    KPROCESSOR_STATE ProcessorState;
    ULONG KernelReserved[16];
    ULONG HalReserved[16];
    ULONG CFlushSize;
    UCHAR CoresPerPhysicalProcessor, LogicalProcessorsPerCore, CpuVendor, PrcbPad0;
    ULONG MHz;
    ULONG Reserved1[2];
    ULONG Number;
    PVOID Context;
    LIST_ENTRY WaitListHead;
    LIST_ENTRY DispatcherReadyListHead;
    PVOID DpcStack;
    PVOID IsrStack;
    ULONG InterruptCount;
    ULONG ContextSwitches;
    ULONG KeSystemCalls;
    BOOLEAN QuantumEnd;
    BOOLEAN DpcRoutineActive;
    BOOLEAN IpiFrozen;
    UCHAR IdleHalt;
    ULONG NormalDpcState;
    UCHAR VendorString[13];
    UCHAR Reserved3[3];
    ULONG64 UpdateSignature;
    ULONG FeatureBits;
    ULONG Reserved4;
    KSPIN_LOCK_QUEUE LockQueue[LockQueueMaximumLock];
} KPRCB;
AT(KPRCB, CurrentThread, 0, 4);
AT(KPRCB, ProcessorState, 0, 0x18);
AT(KPRCB, Number, 0, 0x3CC);
AT(KPRCB, KeSystemCalls, 0, 0x3F4); // known to trap_x86.S

typedef struct _KPCR {
    NT_TIB NtTib;
    struct _KPCR *SelfPcr;
    KPRCB *Prcb;
    KIRQL Irql;
    UCHAR Unused0[3];
    ULONG IRR, IrrActive, IDR;
    PVOID KdVersionBlock;
    PVOID IDT, GDT, TSS;
    USHORT MajorVersion, MinorVersion;
    ULONG SetMember;
    ULONG StallScaleFactor;
    UCHAR SpareUnused, Number, Spare0, SecondLevelCacheAssociativity;
    ULONG VdmAlert;
    ULONG KernelReserved[14];
    ULONG SecondLevelCacheSize;
    ULONG HalReserved[16];
    ULONG InterruptMode;
    UCHAR Spare1;
    ULONG KernelReserved2[17];
    KPRCB PrcbData;
} KPCR;
AT(KPCR, SelfPcr, 0, 0x1C);
AT(KPCR, Irql, 0, 0x24);
AT(KPCR, KdVersionBlock, 0, 0x34);
AT(KPCR, PrcbData, 0, 0x120);

static inline __attribute__((always_inline)) KPCR *KiPcr(void)
{
    KPCR *Pcr;
    __asm__ volatile("movl %%fs:0x1C, %0" : "=r"(Pcr));
    return Pcr;
}

typedef struct _KTRAP_FRAME {
    ULONG DbgEbp, DbgEip, DbgArgMark, DbgArgPointer; // first two: a link of the chain of EBPs through the trap
    USHORT TempSegCs;
    UCHAR Logging, FrameType;
    ULONG TempEsp;
    ULONG Dr0, Dr1, Dr2, Dr3, Dr6, Dr7;
    ULONG SegGs, SegEs, SegDs;
    ULONG Edx, Ecx, Eax;
    UCHAR PreviousPreviousMode, EntropyQueueDpc, Reserved[2];
    PVOID ExceptionList;
    ULONG SegFs;
    ULONG Edi, Esi, Ebx, Ebp;
    ULONG ErrCode;
    ULONG Eip, SegCs, EFlags;
    ULONG HardwareEsp, HardwareSegSs; // only where the trap came from user mode
    ULONG V86Es, V86Ds, V86Fs, V86Gs;
} KTRAP_FRAME;
AT(KTRAP_FRAME, Ebp, 0, 0x60);
AT(KTRAP_FRAME, Eip, 0, 0x68);
_Static_assert(sizeof(KTRAP_FRAME) == 0x8C, "KTRAP_FRAME");

// There is none on x86: KTRAP_FRAME holds every register.
typedef struct _KEXCEPTION_FRAME KEXCEPTION_FRAME;
