// notepad.exe: a program that reads its file again and again, and a thread in it that waits.
#include "ntdll.h"

#define TICK (-156250LL)

volatile ULONG FilesRead;
UCHAR FileText[1024];

NOINLINE VOID Sleep(ULONG_PTR Ticks)
{
    LONG64 Interval = TICK * (LONG64)Ticks;
    NtDelayExecution(FALSE, &Interval);
}

NOINLINE HANDLE OpenFile(const WCHAR *Path)
{
    HANDLE Handle = NULL;
    UNICODE_STRING Name;
    OBJECT_ATTRIBUTES Attributes = {sizeof(Attributes), NULL, &Name, 0x40, NULL, NULL};
    IO_STATUS_BLOCK Iosb;
    RtlInitUnicodeString(&Name, Path);
    return NT_SUCCESS(NtCreateFile(&Handle, 0x80100000, &Attributes, &Iosb, NULL, 0x80, 1, 1, 0x20, NULL, 0)) ? Handle : NULL;
}

NOINLINE VOID ReadFileText(HANDLE File)
{
    IO_STATUS_BLOCK Iosb;
    for (LONG64 Offset = 0; Offset < sizeof(FileText); Offset += 256)
        NtReadFile(File, NULL, NULL, NULL, &Iosb, FileText + Offset, 256, &Offset, NULL);
}

NOINLINE VOID LoadFile(const WCHAR *Path)
{
    HANDLE File = OpenFile(Path);
    if (!File)
        return;
    ReadFileText(File);
    NtClose(File);
    FilesRead++;
}

EXPORT NTSTATUS WaitForInput(ULONG_PTR Parameter)
{
    for (;;)
        Sleep(Parameter);
}

// The parameter is the time between two readings, in ticks.
NTSTATUS WinMainCRTStartup(ULONG_PTR Parameter)
{
    for (;;) {
        LoadFile(L"\\??\\C:\\Users\\kd\\notes.txt");
        Sleep(Parameter);
    }
}
