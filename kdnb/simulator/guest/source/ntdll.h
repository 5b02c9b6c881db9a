// What ntdll.dll gives to programs. User mode has its own declarations of the services: the kernel's are its exports.
#pragma once
#ifdef NTDLL
#define NTKERNELAPI EXPORT // what drivers import from the kernel is here a function of this library
#endif
#include "nt.h"
#define NTSYSAPI NTKERNELAPI

typedef NTSTATUS USER_THREAD_START(ULONG_PTR Parameter);

NTSYSAPI NTSTATUS NtCreateFile(HANDLE *File, ULONG Access, OBJECT_ATTRIBUTES *Attributes, IO_STATUS_BLOCK *Iosb, LONG64 *Size, ULONG FileAttributes, ULONG Share, ULONG Disposition, ULONG Options, PVOID Ea, ULONG EaLength);
NTSYSAPI NTSTATUS NtOpenFile(HANDLE *File, ULONG Access, OBJECT_ATTRIBUTES *Attributes, IO_STATUS_BLOCK *Iosb, ULONG Share, ULONG Options);
NTSYSAPI NTSTATUS NtReadFile(HANDLE File, HANDLE Event, PVOID Apc, PVOID ApcContext, IO_STATUS_BLOCK *Iosb, PVOID Buffer, ULONG Length, LONG64 *Offset, ULONG *Key);
NTSYSAPI NTSTATUS NtWriteFile(HANDLE File, HANDLE Event, PVOID Apc, PVOID ApcContext, IO_STATUS_BLOCK *Iosb, PVOID Buffer, ULONG Length, LONG64 *Offset, ULONG *Key);
NTSYSAPI NTSTATUS NtClose(HANDLE Handle);
NTSYSAPI NTSTATUS NtDelayExecution(BOOLEAN Alertable, LONG64 *Interval);
NTSYSAPI VOID RtlUserThreadStart(USER_THREAD_START *StartAddress, ULONG_PTR Parameter);
NTSYSAPI VOID RtlExitUserThread(NTSTATUS Status);

static inline __attribute__((always_inline)) TEB *NtCurrentTeb(void)
{
    TEB *Teb;
    __asm__ volatile("movq %%gs:0x30, %0" : "=r"(Teb));
    return Teb;
}
