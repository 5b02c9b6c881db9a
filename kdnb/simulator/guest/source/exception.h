// What the dispatch of exceptions is made of: context records, handlers, and the search for them. Only CONTEXT and how
// handlers are found differ by machine.
#pragma once
#include "nt.h"

#define EXCEPTION_STACK_INVALID 8

#ifdef __x86_64__

typedef struct __attribute__((aligned(16))) _CONTEXT {
    ULONG64 P1Home, P2Home, P3Home, P4Home, P5Home, P6Home;
    ULONG ContextFlags, MxCsr;
    USHORT SegCs, SegDs, SegEs, SegFs, SegGs, SegSs;
    ULONG EFlags;
    ULONG64 Dr0, Dr1, Dr2, Dr3, Dr6, Dr7;
    ULONG64 Rax, Rcx, Rdx, Rbx, Rsp, Rbp, Rsi, Rdi, R8, R9, R10, R11, R12, R13, R14, R15; // in the order of unwind codes
    ULONG64 Rip;
    UCHAR FltSave[0x200];
    M128A VectorRegister[26];
    ULONG64 VectorControl, DebugControl, LastBranchToRip, LastBranchFromRip, LastExceptionToRip, LastExceptionFromRip;
} CONTEXT;
_Static_assert(sizeof(CONTEXT) == 0x4D0, "CONTEXT");
_Static_assert(OFFSET(CONTEXT, Rip) == 0xF8, "CONTEXT.Rip");

#else

typedef struct _CONTEXT {
    ULONG ContextFlags;
    ULONG Dr0, Dr1, Dr2, Dr3, Dr6, Dr7;
    UCHAR FloatSave[0x70];
    ULONG SegGs, SegFs, SegEs, SegDs;
    ULONG Edi, Esi, Ebx, Edx, Ecx, Eax;
    ULONG Ebp, Eip, SegCs, EFlags, Esp, SegSs;
    UCHAR ExtendedRegisters[0x200];
} CONTEXT;
_Static_assert(sizeof(CONTEXT) == 0x2CC, "CONTEXT");
_Static_assert(OFFSET(CONTEXT, Eip) == 0xB8, "CONTEXT.Eip");

#endif

typedef enum _EXCEPTION_DISPOSITION {
    ExceptionContinueExecution,
    ExceptionContinueSearch,
    ExceptionNestedException,
    ExceptionCollidedUnwind
} EXCEPTION_DISPOSITION;

// EstablisherFrame: on x86 the registration record, on amd64 the frame of the function whose handler it is.
typedef EXCEPTION_DISPOSITION CDECL EXCEPTION_ROUTINE(EXCEPTION_RECORD *Record, PVOID EstablisherFrame, CONTEXT *Context, PVOID DispatcherContext);

VOID KeContextFromKframes(KTRAP_FRAME *TrapFrame, KEXCEPTION_FRAME *ExceptionFrame, CONTEXT *Context);
BOOLEAN RtlDispatchException(EXCEPTION_RECORD *Record, CONTEXT *Context);
BOOLEAN RtlpIsOnStack(ULONG_PTR Address);
EXCEPTION_DISPOSITION RtlpExecuteHandlerForException(EXCEPTION_RECORD *Record, PVOID Frame, CONTEXT *Context, PVOID Dispatcher, EXCEPTION_ROUTINE *Handler);
