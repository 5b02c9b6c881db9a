// Start-up of the processors, scheduling, the clock and the bug check.
#include "nt.h"

#define TICKS_PER_QUANTUM 2
#define TIME_INCREMENT 156250 // 100 ns units per tick: 64 ticks per second of the machine's own time

typedef struct _KSERVICE_TABLE_DESCRIPTOR {
    PVOID *Base;
    ULONG *Count;
    ULONG Limit;
    UCHAR *Number;
} KSERVICE_TABLE_DESCRIPTOR;

LOADER_PARAMETER_BLOCK *KeLoaderBlock;
KPRCB *KiProcessorBlock[32];
EXPORT ULONG_PTR KiBugCheckData[5];
UNICODE_STRING *KiBugCheckDriver; // who is to blame, where that is known
EXPORT volatile ULONG KeNumberProcessors;
EXPORT volatile ULONG64 KeTickCount;
ULONG KeTimeIncrement = TIME_INCREMENT;
volatile LONG KeBugCheckCount;
volatile KSPIN_LOCK KiDispatcherLock;
KSPIN_LOCK_QUEUE *volatile KiQueuedSpinLocks[LockQueueMaximumLock]; // each leads to the end of its queue
volatile BOOLEAN KiStartProcessors;
KPCR KiPcrs[MAXIMUM_PROCESSORS] __attribute__((aligned(4096)));
PVOID KiServiceTable[] = {NtCreateFile, NtOpenFile, NtReadFile, NtWriteFile, NtClose, NtDelayExecution};
EXPORT KSERVICE_TABLE_DESCRIPTOR KeServiceDescriptorTable[1] = {{KiServiceTable, NULL, 6, SERVICE_ARGUMENTS}};
AT(KSERVICE_TABLE_DESCRIPTOR, Limit, 0x10, 8); // known to the assembly

// ---- processors -----------------------------------------------------------------------------------------

// The first processor does this for all: threads are made for processors that don't run yet.
NOINLINE VOID KiInitializePcr(ULONG Number)
{
    KPCR *Pcr = &KiPcrs[Number];
    KPRCB *Prcb = &Pcr->PCR_PRCB;
    KiInitializePcrTables(Pcr, Number);
    Pcr->MajorVersion = Pcr->MinorVersion = 1;
    Pcr->Irql = HIGH_LEVEL;
    KdInitializePcr(Pcr);
    Prcb->MajorVersion = Prcb->MinorVersion = 1;
    Prcb->Number = Number;
    Prcb->LegacyNumber = (UCHAR)Number;
    Prcb->CpuType = 6;
    Prcb->CpuID = 1;
    Prcb->CpuStep = 0x9E0A;
    Prcb->MHz = 2400;
    Prcb->Context = Prcb->ProcessorState.ContextFrame;
    memcpy(Prcb->VendorString, "GenuineIntel", 13);
    Prcb->UpdateSignature = 0xD600000000;
    Prcb->FeatureBits = 0x3D1B3FFF;
    InitializeListHead(&Prcb->WaitListHead);
    InitializeListHead(&Prcb->DispatcherReadyListHead);
    for (ULONG i = 0; i < LockQueueMaximumLock; i++)
        Prcb->LockQueue[i].Lock = (ULONG_PTR)&KiQueuedSpinLocks[i];
    KiProcessorBlock[Number] = Prcb;
}

NOINLINE VOID KiInitializeSharedData(void)
{
    static const WCHAR Root[] = L"C:\\Windows";
    memcpy(USER_SHARED + 0x30, Root, sizeof(Root));
    *(ULONG *)(USER_SHARED + 0x260) = NtBuildNumber & 0xFFFF;
    *(ULONG *)(USER_SHARED + 0x264) = 1; // NtProductWinNt
    *(USHORT *)(USER_SHARED + 0x26A) = 9;
    *(ULONG *)(USER_SHARED + 0x26C) = 10;
    *(USHORT *)(USER_SHARED + 0x2C) = *(USHORT *)(USER_SHARED + 0x2E) = IMAGE_MACHINE;
    *(UCHAR *)(USER_SHARED + 0x2D4) = 3; // kernel debugger enabled and present
    *(ULONG *)(USER_SHARED + 0x3C0) = KeLoaderBlock->NumberProcessors;
}

VOID KiInitializeKernel(LOADER_PARAMETER_BLOCK *LoaderBlock, ULONG Number)
{
    if (Number == 0) {
        KeLoaderBlock = LoaderBlock;
        KiInitializeIdt();
        for (ULONG Each = 0; Each < LoaderBlock->NumberProcessors; Each++)
            KiInitializePcr(Each);
    }
    KiInitializeProcessor(Number);
    if (Number == 0) {
        KdInitSystem(0);
        MmInitSystem();
        ObInitSystem();
        KiInitializeSharedData();
        PsInitSystem();
    }
    KiInitializeIdle(Number, PsIdleProcess);
    KiPcr()->Irql = PASSIVE_LEVEL;
    KeNumberProcessors++;
    if (Number == 0) {
        IoInitSystem();
        PsStartScenario();
        KiOut8(PORT_POST, POST_READY);
        KiStartProcessors = TRUE;
    }
    KiPcr()->Irql = DISPATCH_LEVEL;
    KiIdleLoop();
}

// Turns the code that runs into the processor's idle thread.
VOID KiInitializeIdle(ULONG Number, EPROCESS *Process)
{
    KPRCB *Prcb = KeGetCurrentPrcb();
    ETHREAD *Thread = ObpAllocateObject(ObThreadType, sizeof(ETHREAD), 'erhT');
    ULONG_PTR Stack = KeLoaderBlock->StackBase + (ULONG_PTR)(Number + 1) * KeLoaderBlock->StackSlot;
    KeInitializeThread(&Thread->Tcb, &Process->Pcb, Number, (PVOID)Stack);
    Thread->StartAddress = (KSTART_ROUTINE *)KiIdleLoop;
    Thread->Tcb.State = Running;
    Thread->Tcb.Running = TRUE;
    Prcb->IdleThread = Prcb->CurrentThread = &Thread->Tcb;
}

NOINLINE VOID HalProcessorIdle(void) { __asm__ volatile("sti; hlt" ::: "memory"); }

NOINLINE VOID PoIdle(KPRCB *Prcb)
{
    Prcb->IdleHalt = 1;
    HalProcessorIdle();
    Prcb->IdleHalt = 0;
}

VOID KiIdleLoop(void)
{
    KPRCB *Prcb = KeGetCurrentPrcb();
    for (;;) {
        __asm__ volatile("cli" ::: "memory");
        if (!IsListEmpty(&Prcb->DispatcherReadyListHead))
            KiSwapThread(Prcb->IdleThread, Prcb);
        PoIdle(Prcb);
    }
}

// ---- threads --------------------------------------------------------------------------------------------

VOID KeInitializeThread(KTHREAD *Thread, KPROCESS *Process, ULONG Processor, PVOID Stack)
{
    Thread->Header.Type = ThreadObject;
    InitializeListHead(&Thread->Header.WaitListHead);
    InitializeListHead(&Thread->ApcState.ApcListHead[0]);
    InitializeListHead(&Thread->ApcState.ApcListHead[1]);
    Thread->ApcState.Process = Thread->Process = Process;
    Thread->InitialStack = Thread->StackBase = Stack;
    Thread->StackLimit = (UCHAR *)Stack - 0x6000;
    Thread->Processor = Processor;
    Thread->Quantum = TICKS_PER_QUANTUM;
    InsertTailList(&Process->ThreadListHead, &Thread->ThreadListEntry);
}

VOID KiReadyThread(KTHREAD *Thread)
{
    Thread->State = Ready;
    InsertTailList(&KiProcessorBlock[Thread->Processor]->DispatcherReadyListHead, &Thread->WaitListEntry);
}

// What dispatcher objects say and who waits at them. Interrupts are off for as long as it is held.
static inline __attribute__((always_inline)) VOID KiAcquireDispatcherLock(void)
{
    while (__sync_lock_test_and_set(&KiDispatcherLock, 1))
        __asm__ volatile("pause");
}

static inline __attribute__((always_inline)) VOID KiReleaseDispatcherLock(void) { __sync_lock_release(&KiDispatcherLock); }

// What a wait that an object ends takes from it.
static inline __attribute__((always_inline)) VOID KiSatisfyWait(DISPATCHER_HEADER *Object)
{
    if (Object->Type == EventSynchronizationObject)
        Object->SignalState = 0;
    else if (Object->Type == SemaphoreObject)
        Object->SignalState--;
}

// Moves the threads whose wait is over to the ready list. Interrupts are off.
VOID KiRetireWaits(KPRCB *Prcb)
{
    LIST_ENTRY *Next;
    KiAcquireDispatcherLock();
    for (LIST_ENTRY *Entry = Prcb->WaitListHead.Flink; Entry != &Prcb->WaitListHead; Entry = Next) {
        KTHREAD *Thread = CONTAINING_RECORD(Entry, KTHREAD, WaitListEntry);
        DISPATCHER_HEADER *Object = Thread->WaitObject;
        Next = Entry->Flink;
        if (Object && Object->SignalState > 0) {
            KiSatisfyWait(Object);
            Thread->WaitStatus = STATUS_SUCCESS;
        } else if (Thread->WaitDueTime && KeTickCount >= Thread->WaitDueTime)
            Thread->WaitStatus = Object ? STATUS_TIMEOUT : STATUS_SUCCESS;
        else
            continue;
        if (Object)
            RemoveEntryList(&Thread->WaitBlock.WaitListEntry);
        RemoveEntryList(Entry);
        KiReadyThread(Thread);
    }
    KiReleaseDispatcherLock();
}

NOINLINE NTSTATUS KiSwapThread(KTHREAD *Thread, KPRCB *Prcb)
{
    KTHREAD *Next = Prcb->IdleThread;
    if (!IsListEmpty(&Prcb->DispatcherReadyListHead)) {
        LIST_ENTRY *Entry = Prcb->DispatcherReadyListHead.Flink;
        RemoveEntryList(Entry);
        Next = CONTAINING_RECORD(Entry, KTHREAD, WaitListEntry);
    }
    if (Next != Thread) {
        KIRQL Irql = KiPcr()->Irql;
        Next->State = Running;
        Next->Quantum = TICKS_PER_QUANTUM;
        Prcb->ContextSwitches++;
        KiSwapContext(Thread, Next);
        KiPcr()->Irql = Irql;
    }
    Thread->State = Running;
    return (NTSTATUS)Thread->WaitStatus;
}

NOINLINE ULONG64 KiDueTick(const LONG64 *Interval)
{
    ULONG64 Ticks = (ULONG64)(*Interval < 0 ? -*Interval : *Interval) / TIME_INCREMENT;
    return KeTickCount + (Ticks ? Ticks : 1);
}

NOINLINE NTSTATUS KiCommitThreadWait(KTHREAD *Thread, PVOID Object, ULONG Reason, ULONG64 DueTick)
{
    KPRCB *Prcb = KeGetCurrentPrcb();
    Thread->State = Waiting;
    Thread->WaitReason = (UCHAR)Reason;
    Thread->WaitTime = (ULONG)KeTickCount;
    Thread->WaitObject = Object;
    Thread->WaitBlock.Thread = Thread;
    Thread->WaitBlock.Object = Object;
    Thread->WaitBlockList = Object ? &Thread->WaitBlock : NULL;
    Thread->WaitDueTime = DueTick;
    InsertTailList(&Prcb->WaitListHead, &Thread->WaitListEntry);
    if (Object) {
        KiAcquireDispatcherLock();
        InsertTailList(&((DISPATCHER_HEADER *)Object)->WaitListHead, &Thread->WaitBlock.WaitListEntry);
        KiReleaseDispatcherLock();
    }
    return KiSwapThread(Thread, Prcb);
}

EXPORT NTSTATUS KeDelayExecutionThread(CHAR WaitMode, BOOLEAN Alertable, LONG64 *Interval)
{
    ULONG_PTR Flags = KiDisableInterrupts();
    KTHREAD *Thread = KeGetCurrentThread();
    NTSTATUS Status = STATUS_SUCCESS;
    Thread->WaitMode = WaitMode;
    if (Thread != KeGetCurrentPrcb()->IdleThread)
        Status = KiCommitThreadWait(Thread, NULL, DelayExecution, KiDueTick(Interval));
    KiRestoreInterrupts(Flags);
    return Status;
}

EXPORT NTSTATUS KeWaitForSingleObject(PVOID Object, ULONG Reason, CHAR Mode, BOOLEAN Alertable, LONG64 *Timeout)
{
    ULONG_PTR Flags = KiDisableInterrupts();
    KTHREAD *Thread = KeGetCurrentThread();
    DISPATCHER_HEADER *Header = Object;
    NTSTATUS Status = STATUS_SUCCESS;
    Thread->WaitMode = Mode;
    KiAcquireDispatcherLock();
    BOOLEAN Signaled = Header->SignalState > 0;
    if (Signaled)
        KiSatisfyWait(Header);
    KiReleaseDispatcherLock();
    if (!Signaled)
        Status = KiCommitThreadWait(Thread, Object, Reason, Timeout ? KiDueTick(Timeout) : 0);
    KiRestoreInterrupts(Flags);
    return Status;
}

EXPORT VOID KeInitializeEvent(KEVENT *Event, ULONG Type, BOOLEAN State)
{
    Event->Header.Type = (UCHAR)Type;
    Event->Header.Size = sizeof(KEVENT) / 4;
    Event->Header.SignalState = State;
    InitializeListHead(&Event->Header.WaitListHead);
}

// The waiters see it at the next tick of their processor.
EXPORT LONG KeSetEvent(KEVENT *Event, LONG Increment, BOOLEAN Wait)
{
    LONG Old = Event->Header.SignalState;
    Event->Header.SignalState = 1;
    return Old;
}

EXPORT VOID KeInitializeSemaphore(KSEMAPHORE *Semaphore, LONG Count, LONG Limit)
{
    Semaphore->Header.Type = SemaphoreObject;
    Semaphore->Header.Size = sizeof(KSEMAPHORE) / 4;
    Semaphore->Header.SignalState = Count;
    Semaphore->Limit = Limit;
    InitializeListHead(&Semaphore->Header.WaitListHead);
}

EXPORT LONG KeReleaseSemaphore(KSEMAPHORE *Semaphore, LONG Increment, LONG Adjustment, BOOLEAN Wait)
{
    return __sync_fetch_and_add(&Semaphore->Header.SignalState, Adjustment);
}

EXPORT KIRQL KeAcquireSpinLockRaiseToDpc(volatile KSPIN_LOCK *SpinLock)
{
    KIRQL Old = KiPcr()->Irql;
    KiPcr()->Irql = DISPATCH_LEVEL;
    while (__sync_lock_test_and_set(SpinLock, 1))
        __asm__ volatile("pause");
    return Old;
}

EXPORT VOID KeReleaseSpinLock(volatile KSPIN_LOCK *SpinLock, KIRQL OldIrql)
{
    __sync_lock_release(SpinLock);
    KiPcr()->Irql = OldIrql;
}

// Whoever comes next waits at his own entry, and is let in by the one before.
VOID KeAcquireQueuedSpinLockAtDpcLevel(KSPIN_LOCK_QUEUE *LockQueue)
{
    KSPIN_LOCK_QUEUE *volatile *Lock = (KSPIN_LOCK_QUEUE *volatile *)LockQueue->Lock;
    KSPIN_LOCK_QUEUE *Before = __sync_lock_test_and_set(Lock, LockQueue);
    if (!Before) {
        LockQueue->Lock |= LOCK_QUEUE_OWNER;
        return;
    }
    LockQueue->Lock |= LOCK_QUEUE_WAIT;
    Before->Next = LockQueue;
    while (LockQueue->Lock & LOCK_QUEUE_WAIT)
        __asm__ volatile("pause");
}

VOID KeReleaseQueuedSpinLockFromDpcLevel(KSPIN_LOCK_QUEUE *LockQueue)
{
    LockQueue->Lock &= ~(ULONG_PTR)LOCK_QUEUE_OWNER;
    if (!LockQueue->Next && __sync_bool_compare_and_swap((KSPIN_LOCK_QUEUE *volatile *)LockQueue->Lock, LockQueue, NULL))
        return;
    while (!LockQueue->Next)
        __asm__ volatile("pause");
    KSPIN_LOCK_QUEUE *Next = LockQueue->Next;
    LockQueue->Next = NULL;
    __sync_fetch_and_xor(&Next->Lock, LOCK_QUEUE_WAIT | LOCK_QUEUE_OWNER);
}

// ---- clock ------------------------------------------------------------------------------------------------

NOINLINE VOID KeUpdateSystemTime(void)
{
    volatile ULONG64 *Interrupt = (ULONG64 *)(USER_SHARED + 8), *System = (ULONG64 *)(USER_SHARED + 0x14);
    KeTickCount++;
    *Interrupt += TIME_INCREMENT;
    *System = 0x01D6BF2A00000000 + *Interrupt; // a fixed day, so that every run is the same
    *(volatile ULONG64 *)(USER_SHARED + 0x320) = KeTickCount;
}

NOINLINE VOID KeUpdateRunTime(KPRCB *Prcb)
{
    Prcb->CurrentThread->CycleTime += TIME_INCREMENT;
    if (Prcb->CurrentThread != Prcb->IdleThread && --Prcb->CurrentThread->Quantum <= 0)
        Prcb->QuantumEnd = TRUE;
}

// Where a processor stays when another has stopped the system: it takes clock interrupts, but runs no thread.
NOINLINE VOID KiFreezeTargetExecution(KPRCB *Prcb)
{
    Prcb->IpiFrozen = TRUE;
    KiPcr()->Irql = HIGH_LEVEL;
    for (;;)
        __asm__ volatile("sti; hlt");
}

NOINLINE VOID KeClockInterruptNotify(KTRAP_FRAME *TrapFrame)
{
    KPRCB *Prcb = KeGetCurrentPrcb();
    KIRQL Irql = KiPcr()->Irql;
    KiPcr()->Irql = CLOCK_LEVEL;
    Prcb->InterruptCount++;
    if (Prcb->Number == 0)
        KeUpdateSystemTime();
    KeUpdateRunTime(Prcb);
    KiRetireWaits(Prcb);
    if (Prcb->Number == 0)
        KdCheckForDebugBreak();
    if (KeBugCheckCount && !Prcb->IpiFrozen)
        KiFreezeTargetExecution(Prcb);
    KiPcr()->Irql = Irql;
}

// On the way out of the clock interrupt: gives the processor to the next ready thread.
NOINLINE VOID KiDispatchInterrupt(KTRAP_FRAME *TrapFrame)
{
    KPRCB *Prcb = KeGetCurrentPrcb();
    KTHREAD *Thread = Prcb->CurrentThread;
    BOOLEAN Idle = Thread == Prcb->IdleThread;
    if (Prcb->IpiFrozen || IsListEmpty(&Prcb->DispatcherReadyListHead))
        return;
    if (!Idle && (!Prcb->QuantumEnd || KiPcr()->Irql >= DISPATCH_LEVEL))
        return;
    Prcb->QuantumEnd = FALSE;
    if (!Idle)
        KiReadyThread(Thread);
    KiSwapThread(Thread, Prcb);
}

// ---- the bug check -----------------------------------------------------------------------------------------

NOINLINE VOID KiBugCheckDebugBreak(ULONG Status)
{
    if (KdDebuggerEnabled)
        DbgBreakPointWithStatus(Status);
}

NOINLINE VOID KeBugCheck2(ULONG Code, ULONG_PTR P1, ULONG_PTR P2, ULONG_PTR P3, ULONG_PTR P4, KTRAP_FRAME *TrapFrame)
{
    __asm__ volatile("cli");
    KiPcr()->Irql = HIGH_LEVEL;
    KeBugCheckCount++;
    KeGetCurrentPrcb()->IpiFrozen = TRUE;
    // code or data of a driver that is gone
    if (Code == 0x50 && (KiBugCheckDriver = MmLocateUnloadedDriver(P1)))
        Code = 0xCE;
    // a page fault at raised IRQL in a driver is that driver's bug check
    if (Code == 0xA && (P4 < (ULONG_PTR)KeLoaderBlock->Images[0].Base || P4 >= (ULONG_PTR)KeLoaderBlock->Images[0].Base + KeLoaderBlock->Images[0].SizeOfImage))
        Code = 0xD1;
    KiBugCheckData[0] = Code;
    KiBugCheckData[1] = P1;
    KiBugCheckData[2] = P2;
    KiBugCheckData[3] = P3;
    KiBugCheckData[4] = P4;
    DbgPrintEx(DPFLTR_SYSTEM_ID, DPFLTR_ERROR_LEVEL, "\n*** Fatal System Error: 0x%08lx\n                       (0x%p,0x%p,0x%p,0x%p)\n\n", Code, P1, P2, P3, P4);
    KiBugCheckDebugBreak(3);
    KiBugCheckDebugBreak(4);
    KiFreezeTargetExecution(KeGetCurrentPrcb());
}

EXPORT NOINLINE VOID KeBugCheckEx(ULONG Code, ULONG_PTR P1, ULONG_PTR P2, ULONG_PTR P3, ULONG_PTR P4)
{
    KeBugCheck2(Code, P1, P2, P3, P4, NULL);
    __asm__ volatile("nop");
}

EXPORT VOID KeBugCheck(ULONG Code) { KeBugCheckEx(Code, 0, 0, 0, 0); }
