// Processes and threads, and what they do in each scenario.
#include "nt.h"
#include "partition.h"
#include "se.h"

#define TICK (-156250LL)
#define FIRST_USER_PROCESS 0xC3C // explorer.exe and those after it belong to a person

LIST_ENTRY PsActiveProcessHead = {&PsActiveProcessHead, &PsActiveProcessHead};
EXPORT EPROCESS *PsInitialSystemProcess;
EPROCESS *PsIdleProcess;
ULONG_PTR PspNextClientId = 0x100;
KEVENT PspNeverSignaled;
KEVENT PspWorkAvailable;
volatile ULONG64 ExpWorkItems;
EPROCESS *ExpDebuggerProcessAttach;
PVOID ExpDebuggerPageIn;
volatile ULONG ExpDebuggerWork;

EXPORT ULONG ExScenario(void) { return KeLoaderBlock->Scenario; }

EPROCESS *PspCreateProcess(const CHAR *Name, ULONG_PTR ProcessId, ULONG_PTR ParentId)
{
    EPROCESS *Process = ObpAllocateObject(ObProcessType, sizeof(EPROCESS), 'corP');
    ULONG_PTR Committed = MiSystemPartition.Vp.TotalCommittedPages;
    Process->Pcb.Header.Type = ProcessObject;
    InitializeListHead(&Process->Pcb.Header.WaitListHead);
    InitializeListHead(&Process->Pcb.ProfileListHead);
    InitializeListHead(&Process->Pcb.ThreadListHead);
    InitializeListHead(&Process->ThreadListHead);
    Process->UniqueProcessId = (HANDLE)ProcessId;
    Process->InheritedFromUniqueProcessId = (HANDLE)ParentId;
    Process->PriorityClass = 2;
    for (ULONG i = 0; Name[i] && i < sizeof(Process->ImageFileName) - 1; i++)
        Process->ImageFileName[i] = Name[i];
    Process->Pcb.DirectoryTableBase = MmCreateProcessAddressSpace();
    SeAssignPrimaryToken(Process, ProcessId >= FIRST_USER_PROCESS);
    if (ProcessId) {
        Process->ObjectTable = ExCreateHandleTable(Process);
        PspInsertCid(Process, ProcessId);
    }
    if (ProcessId > 4)
        PspInitializeUserProcess(Process);
    Process->CommitCharge = MiSystemPartition.Vp.TotalCommittedPages - Committed;
    if (ProcessId)
        InsertTailList(&PsActiveProcessHead, &Process->ActiveProcessLinks);
    return Process;
}

NOINLINE VOID PspSystemThreadStartup(void)
{
    ETHREAD *Thread = (ETHREAD *)KeGetCurrentThread();
    KiPcr()->Irql = PASSIVE_LEVEL;
    __asm__ volatile("sti");
    Thread->StartAddress(Thread->StartContext);
    for (;;)
        KeWaitForSingleObject(&PspNeverSignaled, Executive, 0, FALSE, NULL);
}

// A thread without a context to start in. Interrupts are off.
ETHREAD *PspAllocateThread(EPROCESS *Process, ULONG_PTR ThreadId, ULONG Processor, KSTART_ROUTINE *Routine, PVOID Context)
{
    ETHREAD *Thread = ObpAllocateObject(ObThreadType, sizeof(ETHREAD), 'erhT');
    Thread->StartAddress = Routine;
    Thread->Win32StartAddress = Routine;
    Thread->StartContext = Context;
    Thread->Cid.UniqueProcess = Process->UniqueProcessId;
    Thread->Cid.UniqueThread = (HANDLE)ThreadId;
    InitializeListHead(&Thread->IrpList);
    InsertTailList(&Process->ThreadListHead, &Thread->ThreadListEntry);
    PspInsertCid(Thread, ThreadId);
    Process->ActiveThreads++;
    KeInitializeThread(&Thread->Tcb, &Process->Pcb, Processor, MmCreateKernelStack());
    return Thread;
}

ETHREAD *PspCreateThread(EPROCESS *Process, ULONG_PTR ThreadId, ULONG Processor, KSTART_ROUTINE *Routine, PVOID Context)
{
    ULONG_PTR Flags = KiDisableInterrupts();
    ETHREAD *Thread = PspAllocateThread(Process, ThreadId, Processor, Routine, Context);
    KiInitializeContextThread(&Thread->Tcb);
    KiReadyThread(&Thread->Tcb);
    KiRestoreInterrupts(Flags);
    return Thread;
}

EXPORT NTSTATUS PsCreateSystemThread(HANDLE *Thread, ULONG Access, OBJECT_ATTRIBUTES *Attributes, HANDLE Process, CLIENT_ID *ClientId, KSTART_ROUTINE *Routine, PVOID Context)
{
    ULONG Processor = (PspNextClientId / 4) % KeLoaderBlock->NumberProcessors;
    ETHREAD *New = PspCreateThread(PsInitialSystemProcess, PspNextClientId, Processor, Routine, Context);
    PspNextClientId += 4;
    if (ClientId)
        *ClientId = New->Cid;
    return ObpCreateHandle(New, Access, OBJ_KERNEL_HANDLE, Thread);
}

VOID PsInitSystem(void)
{
    KeInitializeEvent(&PspNeverSignaled, EventNotificationObject, FALSE);
    KeInitializeEvent(&PspWorkAvailable, EventSynchronizationObject, FALSE);
    PsIdleProcess = PspCreateProcess("Idle", 0, 0);
    PsInitialSystemProcess = PspCreateProcess("System", 4, 0);
    ObpKernelHandleTable = PsInitialSystemProcess->ObjectTable;
}

// ---- what the threads do ----------------------------------------------------------------------------------------

NOINLINE VOID PspSleep(LONG64 Ticks)
{
    LONG64 Interval = TICK * Ticks;
    ZwDelayExecution(FALSE, &Interval);
}

NOINLINE VOID ExpWorkerThread(PVOID Context)
{
    for (;;) {
        KeWaitForSingleObject(&PspWorkAvailable, Executive, 0, FALSE, NULL);
        ExpWorkItems++;
    }
}

// What a debugger asks for with .process /i: a stop within another process.
NOINLINE VOID ExpDebuggerWorker(void)
{
    KTHREAD *Thread = KeGetCurrentThread();
    KPROCESS *Own = Thread->ApcState.Process;
    ULONG_PTR OwnTables = Own->DirectoryTableBase;
    ExpDebuggerWork = 0;
    if (!ExpDebuggerProcessAttach)
        return;
    Thread->ApcState.Process = &ExpDebuggerProcessAttach->Pcb;
    __asm__ volatile("mov %0, %%cr3" ::"r"(ExpDebuggerProcessAttach->Pcb.DirectoryTableBase) : "memory");
    DbgBreakPointWithStatus(7); // DBG_STATUS_WORKER
    Thread->ApcState.Process = Own;
    __asm__ volatile("mov %0, %%cr3" ::"r"(OwnTables) : "memory");
}

NOINLINE VOID KeBalanceSetManager(PVOID Context)
{
    for (;;) {
        LONG64 Interval = TICK * 16;
        KeDelayExecutionThread(0, FALSE, &Interval);
        KeSetEvent(&PspWorkAvailable, 0, FALSE);
        if (ExpDebuggerWork)
            ExpDebuggerWorker();
    }
}

// What the long-lived processes hold on to: handles that stay open.
NOINLINE VOID PspHoldProcess(ULONG_PTR ProcessId, ULONG Access)
{
    HANDLE Handle;
    OBJECT_ATTRIBUTES Attributes = {sizeof(Attributes)};
    CLIENT_ID ClientId = {(HANDLE)ProcessId, NULL};
    NtOpenProcess(&Handle, Access, &Attributes, &ClientId);
}

NOINLINE VOID PspHoldThread(ULONG_PTR ThreadId, ULONG Access)
{
    HANDLE Handle;
    OBJECT_ATTRIBUTES Attributes = {sizeof(Attributes)};
    CLIENT_ID ClientId = {NULL, (HANDLE)ThreadId};
    NtOpenThread(&Handle, Access, &Attributes, &ClientId);
}

NOINLINE VOID PspHoldDirectory(const WCHAR *Path)
{
    HANDLE Handle;
    UNICODE_STRING Name;
    OBJECT_ATTRIBUTES Attributes = {sizeof(Attributes), NULL, &Name, OBJ_CASE_INSENSITIVE};
    RtlInitUnicodeString(&Name, Path);
    NtOpenDirectoryObject(&Handle, 3, &Attributes);
}

NOINLINE VOID PspHoldEvent(const WCHAR *Path, ULONG HandleAttributes)
{
    HANDLE Handle;
    UNICODE_STRING Name;
    OBJECT_ATTRIBUTES Attributes = {sizeof(Attributes), NULL, Path ? &Name : NULL, HandleAttributes};
    RtlInitUnicodeString(&Name, Path);
    NtCreateEvent(&Handle, 0x1F0003, &Attributes, EventNotificationObject, FALSE);
}

NOINLINE NTSTATUS PspOpen(const WCHAR *Path, HANDLE *Handle)
{
    UNICODE_STRING Name;
    OBJECT_ATTRIBUTES Attributes = {sizeof(Attributes), NULL, &Name, 0x40, NULL, NULL};
    IO_STATUS_BLOCK Iosb;
    RtlInitUnicodeString(&Name, Path);
    return ZwCreateFile(Handle, 0x80100000, &Attributes, &Iosb, NULL, 0x80, 1, 1, 0x20, NULL, 0);
}

// Opens, reads and closes a file: the path that lessons set breakpoints on.
NOINLINE VOID PspReadWholeFile(const WCHAR *Path)
{
    UCHAR Buffer[256];
    HANDLE File = NULL;
    IO_STATUS_BLOCK Iosb;
    if (!NT_SUCCESS(PspOpen(Path, &File)))
        return;
    for (LONG64 Offset = 0; Offset < 1024; Offset += sizeof(Buffer))
        ZwReadFile(File, NULL, NULL, NULL, &Iosb, Buffer, sizeof(Buffer), &Offset, NULL);
    ZwClose(File);
}

NOINLINE VOID PspWriteRecord(const WCHAR *Path, ULONG Number)
{
    UCHAR Record[64];
    HANDLE File = NULL;
    IO_STATUS_BLOCK Iosb;
    LONG64 Offset = Number % 16 * sizeof(Record);
    memset(Record, (int)Number, sizeof(Record));
    if (!NT_SUCCESS(PspOpen(Path, &File)))
        return;
    ZwWriteFile(File, NULL, NULL, NULL, &Iosb, Record, sizeof(Record), &Offset, NULL);
    ZwClose(File);
}

// Saves the file that notepad reads: what in the scenario "deadlock" ends badly.
NOINLINE VOID PspSaverThread(PVOID Context)
{
    for (ULONG Count = 0;; Count++) {
        PspWriteRecord(L"\\??\\C:\\Users\\kd\\notes.txt", Count);
        PspSleep(8);
    }
}

// Ticks between two rounds of a thread.
NOINLINE ULONG PspInterval(ULONG Ticks) { return ExScenario() == ScenarioSyscalls ? 1 : Ticks; }

NOINLINE VOID PspNotepadThread(PVOID Context)
{
    for (;;) {
        PspReadWholeFile(L"\\??\\C:\\Users\\kd\\notes.txt");
        PspSleep(PspInterval(8));
    }
}

// Reads a device that takes its time: at most stops the request is pending.
NOINLINE VOID PspReaderThread(PVOID Context)
{
    UCHAR Buffer[64];
    HANDLE File = NULL;
    IO_STATUS_BLOCK Iosb;
    if (!NT_SUCCESS(PspOpen(L"\\Device\\Buggy", &File)))
        return;
    for (;;)
        ZwReadFile(File, NULL, NULL, NULL, &Iosb, Buffer, sizeof(Buffer), NULL, NULL);
}

NOINLINE VOID PspServicesThread(PVOID Context)
{
    HANDLE Own;
    PspOpen(L"\\SystemRoot\\System32\\services.exe", &Own);
    for (ULONG Count = 0;; Count++) {
        PspWriteRecord(L"\\SystemRoot\\System32\\config\\SYSTEM.LOG", Count);
        PspSleep(PspInterval(12));
    }
}

NOINLINE ULONG64 PspComputeChecksum(ULONG64 Seed, ULONG Rounds)
{
    for (ULONG i = 0; i < Rounds; i++)
        Seed = Seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return Seed;
}

volatile ULONG64 PspChecksum[4];

NOINLINE VOID PspBusyThread(PVOID Context)
{
    ULONG_PTR Index = (ULONG_PTR)Context;
    for (;;) {
        PspChecksum[Index] = PspComputeChecksum(PspChecksum[Index], 2000);
        PspReadWholeFile(L"\\SystemRoot\\System32\\drivers\\etc\\hosts");
    }
}

NOINLINE VOID PspStartSmss(PVOID Context)
{
    PspHoldDirectory(L"\\??");
    PspHoldDirectory(L"\\BaseNamedObjects");
    PspHoldProcess(0x1F4, 0x1FFFFF);
}

// csrss.exe knows every process and thread, as on Windows.
NOINLINE VOID PspStartCsrss(PVOID Context)
{
    static const USHORT Processes[] = {0x2A8, 0xC3C, 0x1044}, Threads[] = {0x2B0, 0xC40, 0x1048, 0x104C};
    PspHoldDirectory(L"\\BaseNamedObjects");
    for (ULONG i = 0; i < sizeof(Processes) / sizeof(*Processes); i++)
        PspHoldProcess(Processes[i], 0x1FFFFF);
    for (ULONG i = 0; i < sizeof(Threads) / sizeof(*Threads); i++)
        PspHoldThread(Threads[i], 0x1FFFFF);
}

NOINLINE VOID PspStartExplorer(PVOID Context)
{
    PspHoldEvent(L"\\BaseNamedObjects\\ShellReadyEvent", OBJ_CASE_INSENSITIVE);
    PspHoldEvent(NULL, OBJ_INHERIT);
    PspHoldProcess(0x1044, 0x1FFFFF);
}

// Does first what the process has to do at its start, if anything.
NOINLINE VOID PspWaitingThread(PVOID Context)
{
    if (Context)
        ((KSTART_ROUTINE *)Context)(NULL);
    KeWaitForSingleObject(&PspNeverSignaled, UserRequest, 1, FALSE, NULL);
}

NOINLINE VOID PspStormThread(PVOID Context)
{
    for (ULONG Count = 0;; Count++) {
        DbgPrintEx(DPFLTR_SYSTEM_ID, DPFLTR_ERROR_LEVEL, "storm: line %d from thread %p, tick %I64d\n", Count, KeGetCurrentThread(), KeTickCount);
        PspComputeChecksum(Count, 500);
    }
}

VOID PsStartScenario(void)
{
    EPROCESS *Smss = PspCreateProcess("smss.exe", 0x188, 4);
    EPROCESS *Csrss = PspCreateProcess("csrss.exe", 0x1F4, 0x188);
    EPROCESS *Services = PspCreateProcess("services.exe", 0x2A8, 0x188);
    EPROCESS *Explorer = PspCreateProcess("explorer.exe", 0xC3C, 0x2A8);
    EPROCESS *Notepad = PspCreateProcess("notepad.exe", 0x1044, 0xC3C);
    PspCreateThread(PsInitialSystemProcess, 0x1C, 0, ExpWorkerThread, NULL);
    PspCreateThread(PsInitialSystemProcess, 0x20, 1, KeBalanceSetManager, NULL);
    PspCreateThread(Smss, 0x18C, 0, PspWaitingThread, PspStartSmss);
    PspCreateThread(Csrss, 0x1FC, 0, PspWaitingThread, PspStartCsrss);
    PspCreateThread(Csrss, 0x200, 1, PspWaitingThread, NULL);
    PspCreateThread(Csrss, 0x204, 0, PspReaderThread, NULL);
    PspCreateThread(Csrss, 0x208, 1, PspReaderThread, NULL);
    PspCreateThread(Services, 0x2B0, 1, PspServicesThread, NULL);
    PspCreateThread(Explorer, 0xC40, 1, PspWaitingThread, PspStartExplorer);
    if (!PspStartNotepad(Notepad, PspInterval(8))) {
        PspCreateThread(Notepad, 0x1048, 0, PspNotepadThread, NULL);
        PspCreateThread(Notepad, 0x104C, 1, PspWaitingThread, NULL);
    }
    if (ExScenario() == ScenarioSyscalls)
        for (ULONG_PTR i = 0; i < 4; i++)
            PspCreateThread(i < 2 ? Explorer : Notepad, 0x1100 + i * 4, i % 2, PspBusyThread, (PVOID)i);
    if (ExScenario() == ScenarioDeadlock)
        PspCreateThread(Explorer, 0x1100, 1, PspSaverThread, NULL);
    if (ExScenario() == ScenarioDriverLoad || ExScenario() == ScenarioDriverUnload)
        PspCreateThread(PsInitialSystemProcess, 0x40, 1, IopDriverThread, NULL);
    if (ExScenario() == ScenarioStorm)
        PspCreateThread(PsInitialSystemProcess, 0x40, 0, PspStormThread, NULL);
    DbgPrintEx(DPFLTR_SYSTEM_ID, DPFLTR_ERROR_LEVEL, "PSINIT: system processes started\n");
}

NTSTATUS NtDelayExecution(BOOLEAN Alertable, LONG64 *Interval) { return KeDelayExecutionThread(1, Alertable, Interval); }
