// A processor's tables, as amd64 has them.
#include "nt.h"

#define CLOCK_VECTOR 0xD1

typedef struct _KIDTENTRY64 {
    USHORT OffsetLow, Selector;
    UCHAR IstIndex, Type;
    USHORT OffsetMiddle;
    ULONG OffsetHigh, Reserved;
} KIDTENTRY64;

typedef struct __attribute__((packed)) _KTSS64 {
    ULONG Reserved0;
    ULONG64 Rsp0, Rsp1, Rsp2;
    ULONG64 Ist[8];
    ULONG64 Reserved1;
    USHORT Reserved2, IoMapBase;
} KTSS64;

typedef struct __attribute__((packed)) _KPSEUDO_DESCRIPTOR {
    USHORT Limit;
    PVOID Base;
} KPSEUDO_DESCRIPTOR;

VOID KiDivideErrorFault(void), KiDebugTrapOrFault(void), KiNmiInterrupt(void), KiBreakpointTrap(void), KiOverflowTrap(void);
VOID KiBoundFault(void), KiInvalidOpcodeFault(void), KiNpxNotAvailableFault(void), KiDoubleFaultAbort(void);
VOID KiInvalidTssFault(void), KiSegmentNotPresentFault(void), KiStackFault(void), KiGeneralProtectionFault(void);
VOID KiPageFault(void), KiFloatingErrorFault(void), KiAlignmentFault(void), KiRaiseAssertion(void), KiDebugServiceTrap(void);
VOID KiClockInterrupt(void), KiUnexpectedInterrupt(void), KiSystemCall64(void);

KIDTENTRY64 KiIdt[256] __attribute__((aligned(4096)));
ULONG64 KiGdt[MAXIMUM_PROCESSORS][16] __attribute__((aligned(64)));
KTSS64 KiTss[MAXIMUM_PROCESSORS] __attribute__((aligned(128)));
UCHAR KiIstStacks[MAXIMUM_PROCESSORS][2][0x2000] __attribute__((aligned(4096)));

NOINLINE VOID KiSetGate(ULONG Vector, VOID (*Handler)(void), ULONG Ist, ULONG Privilege)
{
    ULONG64 Address = (ULONG64)Handler;
    KIDTENTRY64 *Gate = &KiIdt[Vector];
    Gate->OffsetLow = (USHORT)Address;
    Gate->OffsetMiddle = (USHORT)(Address >> 16);
    Gate->OffsetHigh = (ULONG)(Address >> 32);
    Gate->Selector = 0x10;
    Gate->IstIndex = (UCHAR)Ist;
    Gate->Type = (UCHAR)(0x8E | Privilege << 5);
    Gate->Reserved = 0;
}

NOINLINE VOID KiInitializeIdt(void)
{
    for (ULONG Vector = 0; Vector < 256; Vector++)
        KiSetGate(Vector, KiUnexpectedInterrupt, 0, 0);
    KiSetGate(0, KiDivideErrorFault, 0, 0);
    KiSetGate(1, KiDebugTrapOrFault, 0, 0);
    KiSetGate(2, KiNmiInterrupt, 2, 0);
    KiSetGate(3, KiBreakpointTrap, 0, 3);
    KiSetGate(4, KiOverflowTrap, 0, 3);
    KiSetGate(5, KiBoundFault, 0, 0);
    KiSetGate(6, KiInvalidOpcodeFault, 0, 0);
    KiSetGate(7, KiNpxNotAvailableFault, 0, 0);
    KiSetGate(8, KiDoubleFaultAbort, 1, 0);
    KiSetGate(10, KiInvalidTssFault, 0, 0);
    KiSetGate(11, KiSegmentNotPresentFault, 0, 0);
    KiSetGate(12, KiStackFault, 0, 0);
    KiSetGate(13, KiGeneralProtectionFault, 0, 0);
    KiSetGate(14, KiPageFault, 0, 0);
    KiSetGate(16, KiFloatingErrorFault, 0, 0);
    KiSetGate(17, KiAlignmentFault, 0, 0);
    KiSetGate(0x2C, KiRaiseAssertion, 0, 3);
    KiSetGate(0x2D, KiDebugServiceTrap, 0, 3);
    KiSetGate(CLOCK_VECTOR, KiClockInterrupt, 0, 0);
}

NOINLINE VOID KiInitializeBootStructures(ULONG Number)
{
    ULONG64 *Gdt = KiGdt[Number];
    KTSS64 *Tss = &KiTss[Number];
    ULONG64 Base = (ULONG64)Tss;
    Gdt[2] = 0x00209B0000000000; // 10: kernel code
    Gdt[3] = 0x00CF93000000FFFF; // 18: kernel data
    Gdt[4] = 0x00CFFB000000FFFF; // 20: 32-bit user code
    Gdt[5] = 0x00CFF3000000FFFF; // 28: user data
    Gdt[6] = 0x0020FB0000000000; // 30: user code
    Gdt[8] = (sizeof(KTSS64) - 1) | (Base & 0xFFFFFF) << 16 | 0x89ULL << 40 | (Base >> 24 & 0xFF) << 56; // 40: TSS
    Gdt[9] = Base >> 32;
    Gdt[10] = 0x0040F30000003C00; // 50: 32-bit TEB
    Tss->Ist[1] = (ULONG64)&KiIstStacks[Number][0][0x2000]; // Ist[0] is no stack
    Tss->Ist[2] = (ULONG64)&KiIstStacks[Number][1][0x2000];
    Tss->IoMapBase = sizeof(KTSS64);
    KPSEUDO_DESCRIPTOR GdtRegister = {sizeof(KiGdt[0]) - 1, Gdt}, IdtRegister = {sizeof(KiIdt) - 1, KiIdt};
    __asm__ volatile("lgdt %0; lidt %1; ltr %w2" ::"m"(GdtRegister), "m"(IdtRegister), "r"(0x40));
    __asm__ volatile("movw %w0, %%ds; movw %w0, %%es; movw %w1, %%fs; movw %w0, %%gs" ::"r"(0x2B), "r"(0x53));
}

NOINLINE VOID KiInitializeMachineSpecificRegisters(ULONG Number)
{
    KiWriteMsr(0xC0000101, (ULONG64)&KiPcrs[Number]);
    KiWriteMsr(0xC0000102, 0);
    KiWriteMsr(0xC0000081, 0x0023001000000000);
    KiWriteMsr(0xC0000082, (ULONG64)KiSystemCall64);
    KiWriteMsr(0xC0000084, 0x4700);
}

VOID KiInitializeProcessor(ULONG Number)
{
    KiInitializeBootStructures(Number);
    KiInitializeMachineSpecificRegisters(Number);
}

VOID KiInitializePcrTables(KPCR *Pcr, ULONG Number)
{
    Pcr->Self = Pcr;
    Pcr->Used_Self = Pcr;
    Pcr->CurrentPrcb = &Pcr->Prcb;
    Pcr->LockArray = Pcr->Prcb.LockQueue;
    Pcr->IdtBase = KiIdt;
    Pcr->GdtBase = KiGdt[Number];
    Pcr->TssBase = &KiTss[Number];
    Pcr->Prcb.MxCsr = 0x1F80;
    Pcr->Prcb.DpcStack = &KiIstStacks[Number][1][0x2000];
}

// A thread of user mode starts by leaving the trap that its frame tells of.
VOID KiInitializeContextUserThread(KTHREAD *Thread, ULONG_PTR Pc, ULONG_PTR Sp, ULONG_PTR First, ULONG_PTR Second)
{
    KTRAP_FRAME *Frame = (KTRAP_FRAME *)Thread->InitialStack - 1;
    ULONG64 *Stack = (ULONG64 *)Frame;
    memset(Frame, 0, sizeof(*Frame));
    Frame->PreviousMode = 1;
    Frame->Rip = Pc;
    Frame->Rsp = Sp;
    Frame->Rcx = First;
    Frame->Rdx = Second;
    Frame->EFlags = 0x202;
    Frame->SegCs = GDT_R3_CODE;
    Frame->SegSs = GDT_R3_DATA;
    *--Stack = (ULONG64)KiStartUserThread;
    *--Stack = 0;
    Thread->KernelStack = (UCHAR *)Stack - 0x20;
}

// What SwapContext takes from a stack it switches to; above it the stack is zero, so that a walk ends there.
VOID KiInitializeContextThread(KTHREAD *Thread)
{
    ULONG64 *Sp = (ULONG64 *)((UCHAR *)Thread->InitialStack - 0x40);
    *--Sp = (ULONG64)KiStartSystemThread;
    *--Sp = 0;
    Thread->KernelStack = (UCHAR *)Sp - 0x20;
}
