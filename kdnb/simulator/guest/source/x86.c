// A processor's tables, as x86 has them: flat segments, no address space of its own for a stack, everything in ring 0.
#include "nt.h"

#define CLOCK_VECTOR 0xD1

typedef struct _KIDTENTRY {
    USHORT Offset, Selector, Access, ExtendedOffset;
} KIDTENTRY;

typedef struct _KTSS {
    USHORT Backlink, Reserved0;
    ULONG Esp0;
    USHORT Ss0, Reserved1;
    ULONG NotUsed1[4];
    ULONG CR3, Eip, EFlags, Eax, Ecx, Edx, Ebx, Esp, Ebp, Esi, Edi;
    USHORT Es, Reserved2, Cs, Reserved3, Ss, Reserved4, Ds, Reserved5, Fs, Reserved6, Gs, Reserved7, LDT, Reserved8;
    USHORT Flags, IoMapBase;
} KTSS;
_Static_assert(sizeof(KTSS) == 0x68, "KTSS");
_Static_assert(OFFSET(KTSS, CR3) == 0x1C, "KTSS.CR3");

typedef struct __attribute__((packed)) _KPSEUDO_DESCRIPTOR {
    USHORT Limit;
    PVOID Base;
} KPSEUDO_DESCRIPTOR;

typedef VOID CDECL KI_TRAP(void);
KI_TRAP KiTrap00, KiTrap01, KiTrap02, KiTrap03, KiTrap04, KiTrap05, KiTrap06, KiTrap07, KiTrap08, KiTrap0A, KiTrap0B, KiTrap0C;
KI_TRAP KiTrap0D, KiTrap0E, KiTrap10, KiTrap11, KiRaiseAssertion, KiDebugService, KiSystemService, KiFastCallEntry;
KI_TRAP KiClockInterrupt, KiUnexpectedInterrupt;

// Bytes of arguments of each service in KiServiceTable.
UCHAR KiArgumentTable[] = {44, 24, 36, 36, 4, 8};

KIDTENTRY KiIdt[256] __attribute__((aligned(4096)));
ULONG64 KiGdt[MAXIMUM_PROCESSORS][16] __attribute__((aligned(64)));
KTSS KiTss[MAXIMUM_PROCESSORS] __attribute__((aligned(128)));
KTSS KiDoubleFaultTSS[MAXIMUM_PROCESSORS] __attribute__((aligned(128)));
UCHAR KiDoubleFaultStack[MAXIMUM_PROCESSORS][0x3000] __attribute__((aligned(4096)));

NOINLINE VOID KiSetGate(ULONG Vector, KI_TRAP *Handler, ULONG Privilege)
{
    KIDTENTRY *Gate = &KiIdt[Vector];
    Gate->Offset = (USHORT)(ULONG)Handler;
    Gate->ExtendedOffset = (USHORT)((ULONG)Handler >> 16);
    Gate->Selector = GDT_R0_CODE;
    Gate->Access = (USHORT)(0x8E00 | Privilege << 13);
}

VOID KiInitializeIdt(void)
{
    static KI_TRAP *const Traps[] = {KiTrap00, KiTrap01, KiTrap02, KiTrap03, KiTrap04, KiTrap05, KiTrap06, KiTrap07, KiTrap08,
                                     NULL, KiTrap0A, KiTrap0B, KiTrap0C, KiTrap0D, KiTrap0E, NULL, KiTrap10, KiTrap11};
    for (ULONG Vector = 0; Vector < 256; Vector++)
        KiSetGate(Vector, KiUnexpectedInterrupt, 0);
    for (ULONG Vector = 0; Vector < sizeof(Traps) / sizeof(Traps[0]); Vector++)
        if (Traps[Vector])
            KiSetGate(Vector, Traps[Vector], Vector == 3 || Vector == 4 ? 3 : 0);
    KiIdt[8].Selector = GDT_DF_TSS; // a task gate: what runs may have no stack left
    KiIdt[8].Access = 0x8500;
    KiSetGate(0x2C, KiRaiseAssertion, 3);
    KiSetGate(0x2D, KiDebugService, 3);
    KiSetGate(0x2E, KiSystemService, 3);
    KiSetGate(CLOCK_VECTOR, KiClockInterrupt, 0);
}

NOINLINE ULONG64 KiDescriptor(PVOID Address, ULONG Limit, ULONG Access)
{
    ULONG Base = (ULONG)Address;
    ULONG High = (Base >> 16 & 0xFF) | Access << 8 | (Limit & 0xF0000) | (Base & 0xFF000000);
    return (ULONG64)High << 32 | (Limit & 0xFFFF) | Base << 16;
}

// The task that a double fault enters, with a stack of its own.
NOINLINE VOID KiInitializeDoubleFaultTask(ULONG Number)
{
    KTSS *Tss = &KiDoubleFaultTSS[Number];
    __asm__ volatile("mov %%cr3, %0" : "=r"(Tss->CR3));
    Tss->Eip = (ULONG)KiTrap08;
    Tss->Esp = Tss->Esp0 = (ULONG)&KiDoubleFaultStack[Number + 1] - 0x20; // zero above, so that a walk ends there
    Tss->Cs = GDT_R0_CODE;
    Tss->Ss = Tss->Ss0 = GDT_R0_DATA;
    Tss->Ds = Tss->Es = GDT_R3_DATA | 3;
    Tss->Fs = GDT_R0_PCR;
    Tss->IoMapBase = sizeof(KTSS);
    KiGdt[Number][GDT_DF_TSS / 8] = KiDescriptor(Tss, sizeof(KTSS) - 1, 0x89);
}

VOID KiInitializeProcessor(ULONG Number)
{
    ULONG64 *Gdt = KiGdt[Number];
    KTSS *Tss = &KiTss[Number];
    Gdt[1] = 0x00CF9B000000FFFF; // 08: kernel code
    Gdt[2] = 0x00CF93000000FFFF; // 10: kernel data
    Gdt[3] = 0x00CFFB000000FFFF; // 18: user code
    Gdt[4] = 0x00CFF3000000FFFF; // 20: user data
    Gdt[5] = KiDescriptor(Tss, sizeof(KTSS) - 1, 0x89);
    Gdt[6] = KiDescriptor(&KiPcrs[Number], sizeof(KPCR) - 1, 0x4093);
    Gdt[7] = 0x0040F30000000FFF; // 38: TEB
    KiInitializeDoubleFaultTask(Number);
    Tss->Ss0 = GDT_R0_DATA;
    Tss->Esp0 = (ULONG)KeLoaderBlock->StackBase + (Number + 1) * KeLoaderBlock->StackSlot;
    Tss->IoMapBase = sizeof(KTSS);
    KPSEUDO_DESCRIPTOR GdtRegister = {sizeof(KiGdt[0]) - 1, Gdt}, IdtRegister = {sizeof(KiIdt) - 1, KiIdt};
    __asm__ volatile("lgdt %0; lidt %1; ljmp $8, $1f; 1: ltr %w2" ::"m"(GdtRegister), "m"(IdtRegister), "r"(GDT_TSS));
    __asm__ volatile("movw %w0, %%ss; movw %w1, %%ds; movw %w1, %%es; movw %w2, %%fs; movw %w3, %%gs" ::"r"(GDT_R0_DATA),
                     "r"(GDT_R3_DATA | 3), "r"(GDT_R0_PCR), "r"(0));
    KiWriteMsr(0x174, GDT_R0_CODE);
    KiWriteMsr(0x175, Tss->Esp0);
    KiWriteMsr(0x176, (ULONG)KiFastCallEntry);
}

VOID KiInitializePcrTables(KPCR *Pcr, ULONG Number)
{
    Pcr->NtTib.ExceptionList = (PVOID)-1;
    Pcr->SelfPcr = Pcr;
    Pcr->Prcb = &Pcr->PrcbData;
    Pcr->IDT = KiIdt;
    Pcr->GDT = KiGdt[Number];
    Pcr->TSS = &KiTss[Number];
    Pcr->SetMember = 1 << Number;
    Pcr->Number = (UCHAR)Number;
}

// What SwapContext takes from a stack it switches to; above it the stack is zero, so that a walk ends there.
VOID KiInitializeContextThread(KTHREAD *Thread)
{
    ULONG *Sp = (ULONG *)((UCHAR *)Thread->InitialStack - 0x40);
    *--Sp = (ULONG)KiStartSystemThread;
    *--Sp = 0;
    *--Sp = (ULONG)-1; // no handlers
    Thread->KernelStack = Sp;
}
