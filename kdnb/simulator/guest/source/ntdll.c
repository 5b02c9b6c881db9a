// ntdll.dll: where threads start in user mode, and the lists of loaded images.
#include "ntdll.h"

extern UCHAR __ImageBase[];
static const WCHAR LdrpOwnPath[] = L"C:\\Windows\\System32\\ntdll.dll";
enum { LdrpImage, LdrpNtdll, LdrpMaximumEntries };

PEB_LDR_DATA PebLdr = {sizeof(PebLdr)};
LDR_DATA_TABLE_ENTRY LdrpEntries[LdrpMaximumEntries];
volatile LONG LdrpProcessInitialized; // 1 while a thread is at it, 2 when it is done

EXPORT VOID RtlInitUnicodeString(UNICODE_STRING *String, const WCHAR *Text)
{
    USHORT Length = 0;
    while (Text[Length])
        Length++;
    String->Length = Length * sizeof(WCHAR);
    String->MaximumLength = (Length + 1) * sizeof(WCHAR);
    String->Buffer = (WCHAR *)Text;
}

// The last part of a path.
NOINLINE VOID LdrpGetBaseName(const UNICODE_STRING *Path, UNICODE_STRING *Name)
{
    USHORT Start = Path->Length / sizeof(WCHAR);
    while (Start && Path->Buffer[Start - 1] != '\\')
        Start--;
    Name->Buffer = Path->Buffer + Start;
    Name->Length = Path->Length - Start * sizeof(WCHAR);
    Name->MaximumLength = Path->MaximumLength - Start * sizeof(WCHAR);
}

NOINLINE VOID LdrpInsertTail(LIST_ENTRY *Head, LIST_ENTRY *Entry)
{
    Entry->Flink = Head;
    Entry->Blink = Head->Blink;
    Head->Blink->Flink = Entry;
    Head->Blink = Entry;
}

NOINLINE VOID LdrpInsertEntry(LDR_DATA_TABLE_ENTRY *Entry, PVOID Base, const UNICODE_STRING *Path, ULONG Flags)
{
    const UCHAR *Headers = (UCHAR *)Base + *(ULONG *)((UCHAR *)Base + 0x3C);
    Entry->DllBase = Base;
    Entry->EntryPoint = *(ULONG *)(Headers + 0x28) ? (UCHAR *)Base + *(ULONG *)(Headers + 0x28) : NULL;
    Entry->SizeOfImage = *(ULONG *)(Headers + 0x50);
    Entry->TimeDateStamp = *(ULONG *)(Headers + 8);
    Entry->FullDllName = *Path;
    LdrpGetBaseName(Path, &Entry->BaseDllName);
    Entry->Flags = Flags;
    Entry->ObsoleteLoadCount = 0xFFFF;
    Entry->HashLinks.Flink = Entry->HashLinks.Blink = &Entry->HashLinks;
    LdrpInsertTail(&PebLdr.InLoadOrderModuleList, &Entry->InLoadOrderLinks);
    LdrpInsertTail(&PebLdr.InMemoryOrderModuleList, &Entry->InMemoryOrderLinks);
}

NOINLINE VOID LdrpInitializeProcess(PEB *Peb)
{
    LIST_ENTRY *Heads[] = {&PebLdr.InLoadOrderModuleList, &PebLdr.InMemoryOrderModuleList, &PebLdr.InInitializationOrderModuleList};
    UNICODE_STRING Path;
    for (ULONG i = 0; i < 3; i++)
        Heads[i]->Flink = Heads[i]->Blink = Heads[i];
    LdrpInsertEntry(&LdrpEntries[LdrpImage], Peb->ImageBaseAddress, &Peb->ProcessParameters->ImagePathName, 0x22CC);
    RtlInitUnicodeString(&Path, LdrpOwnPath);
    LdrpInsertEntry(&LdrpEntries[LdrpNtdll], __ImageBase, &Path, 0xA2C4);
    LdrpInsertTail(&PebLdr.InInitializationOrderModuleList, &LdrpEntries[LdrpNtdll].InInitializationOrderLinks);
    Peb->Ldr = &PebLdr;
    PebLdr.Initialized = TRUE;
}

// The first thread fills the lists; others wait for it.
NOINLINE VOID LdrpInitialize(PEB *Peb)
{
    LONG64 Interval = -156250;
    if (__sync_val_compare_and_swap(&LdrpProcessInitialized, 0, 1) == 0) {
        LdrpInitializeProcess(Peb);
        LdrpProcessInitialized = 2;
    }
    while (LdrpProcessInitialized != 2)
        NtDelayExecution(FALSE, &Interval);
}

// Threads don't end in this system.
EXPORT VOID RtlExitUserThread(NTSTATUS Status)
{
    LONG64 Forever = (LONG64)1 << 63;
    for (;;)
        NtDelayExecution(FALSE, &Forever);
}

EXPORT VOID RtlUserThreadStart(USER_THREAD_START *StartAddress, ULONG_PTR Parameter)
{
    LdrpInitialize(NtCurrentTeb()->ProcessEnvironmentBlock);
    RtlExitUserThread(StartAddress(Parameter));
}
