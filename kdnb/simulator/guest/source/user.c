// User mode: what a process has below the kernel's half (images, environment blocks, stacks), and threads that run there.
#include "nt.h"
#include "image.h"

ULONG_PTR PspUserThreadStart; // ntdll!RtlUserThreadStart

static inline __attribute__((always_inline)) UCHAR *MiPhysicalView(ULONG_PTR Page) { return (UCHAR *)(ULONG_PTR)KeLoaderBlock->PhysicalMapBase + Page; }

// ---- images ------------------------------------------------------------------------------------------------------

// Pages that may be written are the process's own copies, all others those of the image.
NOINLINE VOID MiMapImagePages(ULONG_PTR DirectoryTableBase, LOADER_USER_IMAGE *Image, ULONG Rva, ULONG Size, ULONG Characteristics)
{
    ULONG_PTR Flags = Characteristics & SECTION_EXECUTE ? PTE_USER_READ : PTE_USER_READ | PTE_NO_EXECUTE;
    for (ULONG Offset = Rva; Offset < Rva + Size; Offset += PAGE_SIZE) {
        ULONG_PTR Address = (ULONG_PTR)Image->Base + Offset, Page = (ULONG_PTR)Image->PhysicalBase + Offset;
        if (Characteristics & SECTION_WRITE)
            memcpy(MmMapUserPage(DirectoryTableBase, Address), MiPhysicalView(Page), PAGE_SIZE);
        else
            *MiUserPageTableEntry(DirectoryTableBase, Address) = Page | Flags;
    }
}

NOINLINE VOID MmMapViewOfImage(EPROCESS *Process, LOADER_USER_IMAGE *Image, const WCHAR *Path)
{
    ULONG_PTR DirectoryTableBase = Process->Pcb.DirectoryTableBase, Copied = 0;
    const UCHAR *View = MiPhysicalView(Image->PhysicalBase), *Headers = View + *(ULONG *)(View + 0x3C);
    const UCHAR *Section = Headers + 0x18 + *(USHORT *)(Headers + 0x14);
    MiMapImagePages(DirectoryTableBase, Image, 0, PAGE_SIZE, 0);
    for (ULONG i = *(USHORT *)(Headers + 6); i; i--, Section += 0x28) {
        ULONG Size = *(ULONG *)(Section + 8), Characteristics = *(ULONG *)(Section + 0x24);
        MiMapImagePages(DirectoryTableBase, Image, *(ULONG *)(Section + 12), Size, Characteristics);
        if (Characteristics & SECTION_WRITE)
            Copied += (Size + PAGE_SIZE - 1) & ~(ULONG_PTR)(PAGE_SIZE - 1);
    }
    MiInsertImageVad(Process, (ULONG_PTR)Image->Base, *(ULONG *)(Headers + 0x50), Copied, Path);
}

// Address of an export, 0 where the image has none of that name.
NOINLINE ULONG_PTR PspFindExport(LOADER_USER_IMAGE *Image, const CHAR *Name)
{
    ULONG Rva = MiFindExport(MiPhysicalView(Image->PhysicalBase), Name);
    return Rva ? (ULONG_PTR)Image->Base + Rva : 0;
}

// ---- processes ---------------------------------------------------------------------------------------------------

// A string behind the parameters, in the same page.
NOINLINE VOID PspAppendString(UCHAR *View, ULONG *Used, UNICODE_STRING *String, const WCHAR *Folder, const CHAR *Name)
{
    WCHAR *Text = (WCHAR *)(View + *Used);
    USHORT Length = 0;
    while (*Folder)
        Text[Length++] = *Folder++;
    while (*Name)
        Text[Length++] = (UCHAR)*Name++;
    Text[Length] = 0;
    String->Buffer = (WCHAR *)(ULONG_PTR)(PARAMETERS_ADDRESS + *Used);
    String->Length = Length * sizeof(WCHAR);
    String->MaximumLength = (Length + 1) * sizeof(WCHAR);
    *Used += String->MaximumLength;
}

VOID PspInitializeUserProcess(EPROCESS *Process)
{
    ULONG_PTR Directory = Process->Pcb.DirectoryTableBase;
    PEB *Peb = MmMapUserPage(Directory, PEB_ADDRESS);
    RTL_USER_PROCESS_PARAMETERS *Parameters = MmMapUserPage(Directory, PARAMETERS_ADDRESS);
    ULONG Used = sizeof(*Parameters);
    MiInsertPrivateVad(Process, PEB_ADDRESS, PAGE_SIZE, MM_READWRITE);
    MiInsertPrivateVad(Process, PARAMETERS_ADDRESS, PAGE_SIZE, MM_READWRITE);
    Process->Peb = (PVOID)PEB_ADDRESS;
    Peb->ProcessParameters = (PVOID)PARAMETERS_ADDRESS;
    Peb->NumberOfProcessors = KeLoaderBlock->NumberProcessors;
    Peb->NtGlobalFlag = NtGlobalFlag;
    Peb->OSMajorVersion = 10;
    Peb->OSBuildNumber = NtBuildNumber & 0xFFFF;
    Peb->OSPlatformId = 2;
    Peb->ImageSubsystem = 2;
    PspAppendString((UCHAR *)Parameters, &Used, &Parameters->CurrentDirectory.DosPath, L"C:\\Windows\\System32\\", "");
    PspAppendString((UCHAR *)Parameters, &Used, &Parameters->DllPath, L"C:\\Windows\\System32", "");
    PspAppendString((UCHAR *)Parameters, &Used, &Parameters->ImagePathName, L"C:\\Windows\\System32\\", Process->ImageFileName);
    PspAppendString((UCHAR *)Parameters, &Used, &Parameters->CommandLine, L"", Process->ImageFileName);
    PspAppendString((UCHAR *)Parameters, &Used, &Parameters->WindowTitle, L"C:\\Windows\\System32\\", Process->ImageFileName);
    Parameters->Length = Parameters->MaximumLength = Used;
    Parameters->Flags = 1; // the pointers in it are addresses
}

// Maps a program and ntdll.dll into its process. NULL where the machine has no such program.
LOADER_USER_IMAGE *PspMapUserImages(EPROCESS *Process)
{
    for (ULONG i = 1; i < KeLoaderBlock->UserImageCount; i++) {
        LOADER_USER_IMAGE *Ntdll = &KeLoaderBlock->UserImages[0], *Image = &KeLoaderBlock->UserImages[i];
        if (memcmp(Image->Name, Process->ImageFileName, sizeof(Process->ImageFileName)))
            continue;
        MmMapViewOfImage(Process, Ntdll, L"\\Windows\\System32\\ntdll.dll");
        MmMapViewOfImage(Process, Image, L"\\Windows\\System32\\notepad.exe");
        ((PEB *)MmMapUserPage(Process->Pcb.DirectoryTableBase, PEB_ADDRESS))->ImageBaseAddress = (PVOID)(ULONG_PTR)Image->Base;
        PspUserThreadStart = PspFindExport(Ntdll, "RtlUserThreadStart");
        return Image;
    }
    return NULL;
}

// ---- threads -----------------------------------------------------------------------------------------------------

#ifdef __x86_64__
// The stack's end with the place of a return address that is 0, so that a walk ends there.
NOINLINE ULONG_PTR PspCreateUserStack(ULONG_PTR DirectoryTableBase, ULONG Index, TEB *Teb)
{
    ULONG_PTR Base = USER_STACK_BASE + Index * USER_STACK_DISTANCE;
    for (ULONG_PTR Page = Base - USER_STACK_SIZE; Page < Base; Page += PAGE_SIZE)
        MmMapUserPage(DirectoryTableBase, Page);
    Teb->NtTib.StackBase = (PVOID)Base;
    Teb->NtTib.StackLimit = (PVOID)(Base - USER_STACK_SIZE);
    return Base - 0x38;
}

ETHREAD *PspCreateUserThread(EPROCESS *Process, ULONG_PTR ThreadId, ULONG Processor, ULONG_PTR StartAddress, ULONG_PTR Parameter)
{
    ULONG Index = Process->ActiveThreads;
    ULONG_PTR Directory = Process->Pcb.DirectoryTableBase, Address = TEB_ADDRESS + Index * TEB_DISTANCE, Flags = KiDisableInterrupts();
    TEB *Teb = MmMapUserPage(Directory, Address);
    MmMapUserPage(Directory, Address + PAGE_SIZE);
    MiInsertPrivateVad(Process, Address, 2 * PAGE_SIZE, MM_READWRITE);
    MiInsertPrivateVad(Process, USER_STACK_BASE + Index * USER_STACK_DISTANCE - USER_STACK_SIZE, USER_STACK_SIZE, MM_READWRITE);
    ULONG_PTR Stack = PspCreateUserStack(Directory, Index, Teb);
    ETHREAD *Thread = PspAllocateThread(Process, ThreadId, Processor, (KSTART_ROUTINE *)PspUserThreadStart, (PVOID)Parameter);
    Thread->Win32StartAddress = (PVOID)StartAddress;
    Thread->Tcb.Teb = Teb->NtTib.Self = (PVOID)Address;
    Teb->ClientId = Thread->Cid;
    Teb->ProcessEnvironmentBlock = Process->Peb;
    KiInitializeContextUserThread(&Thread->Tcb, PspUserThreadStart, Stack, StartAddress, Parameter);
    KiReadyThread(&Thread->Tcb);
    KiRestoreInterrupts(Flags);
    return Thread;
}

// What a thread of user mode does first; its trap frame is on the stack below.
NOINLINE VOID PspUserThreadStartup(void) { KiPcr()->Irql = PASSIVE_LEVEL; }

BOOLEAN PspStartNotepad(EPROCESS *Process, ULONG Interval)
{
    LOADER_USER_IMAGE *Image = PspMapUserImages(Process);
    if (!Image)
        return FALSE;
    PspCreateUserThread(Process, 0x1048, 0, (ULONG_PTR)Image->EntryPoint, Interval);
    PspCreateUserThread(Process, 0x104C, 1, PspFindExport(Image, "WaitForInput"), 1 << 20);
    return TRUE;
}
#else
// The x86 machine has no user mode.
BOOLEAN PspStartNotepad(EPROCESS *Process, ULONG Interval) { return FALSE; }
#endif

// The end of a thread whose exception nobody handled.
VOID PspExitThread(void)
{
    KTHREAD *Thread = KeGetCurrentThread();
    __asm__ volatile("cli");
    Thread->State = Terminated;
    KiSwapThread(Thread, KeGetCurrentPrcb());
}
