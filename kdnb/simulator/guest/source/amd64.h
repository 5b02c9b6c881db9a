// What is amd64's own: the processor block, trap frames, and access to the processor. Offsets of build 19041 (x64).
#pragma once

#define CLOCK_LEVEL 13
#define HIGH_LEVEL 15
#define USER_SHARED ((UCHAR *)0xFFFFF78000000000)
#define HIGHEST_USER_ADDRESS 0x00007FFFFFFEFFFF
#define SYSTEM_RANGE_START 0xFFFF800000000000
#define USER_PROBE_ADDRESS 0x00007FFFFFFF0000
#define IMAGE_MACHINE 0x8664
#define VERSION_FLAGS (1 | 2 | 4) // MP, DATA, PTR64
#define CONTEXT_VERSION 2
#define BUILD_ARCHITECTURE "amd64fre"
#define PCR_PRCB Prcb
#define PCR_SELF Self
#define PCR_CURRENT_PRCB CurrentPrcb
#define SERVICE_ARGUMENTS NULL
#define BREAKPOINT_WITH_STATUS DbgBreakPointWithStatus
#define TRAP_PC(frame) ((frame)->Rip)
#define GDT_R0_CODE 0x10
#define GDT_R0_DATA 0x18
#define GDT_R0_PCR 0
#define GDT_R3_CODE 0x33
#define GDT_R3_DATA 0x2B
#define GDT_R3_TEB 0x53
#define GDT_TSS 0x40
#define GDT_64_R3_CM_CODE 0x23

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
    ULONG64 UpdateSignature;
    ULONG FeatureBits;
    ULONG Reserved4;
    KSPIN_LOCK_QUEUE LockQueue[LockQueueMaximumLock];
} KPRCB;
AT(KPRCB, CurrentThread, 8, 0);
AT(KPRCB, IdleThread, 0x18, 0);
AT(KPRCB, ProcessorState, 0x100, 0);
AT(KPRCB, KeSystemCalls, 0x708, 0); // known to trap.S

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
AT(KPCR, Irql, 0x50, 0);
AT(KPCR, KdVersionBlock, 0x108, 0);
AT(KPCR, Prcb, 0x180, 0);

static inline __attribute__((always_inline)) KPCR *KiPcr(void)
{
    KPCR *Pcr;
    __asm__ volatile("movq %%gs:0x18, %0" : "=r"(Pcr));
    return Pcr;
}

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
AT(KTRAP_FRAME, Rax, 0x30, 0);
AT(KTRAP_FRAME, FaultAddress, 0xD0, 0);
AT(KTRAP_FRAME, Rbx, 0x140, 0);
AT(KTRAP_FRAME, ErrorCode, 0x160, 0);
AT(KTRAP_FRAME, Rip, 0x168, 0);
_Static_assert(sizeof(KTRAP_FRAME) == 0x190, "KTRAP_FRAME");

typedef struct _KEXCEPTION_FRAME {
    ULONG64 P1Home, P2Home, P3Home, P4Home, P5;
    ULONG64 Spare1[26];
    ULONG64 Rbp, Rbx, Rdi, Rsi, R12, R13, R14, R15;
    ULONG64 Return;
} KEXCEPTION_FRAME;
AT(KEXCEPTION_FRAME, Rbp, 0xF8, 0);
AT(KEXCEPTION_FRAME, Return, 0x138, 0);
