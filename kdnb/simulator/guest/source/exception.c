// Dispatch of exceptions: to the handlers of the interrupted code, then to the debugger, at last a bug check.
#include "exception.h"

VOID KiDispatchException(EXCEPTION_RECORD *Record, KEXCEPTION_FRAME *ExceptionFrame, KTRAP_FRAME *TrapFrame, CHAR PreviousMode, BOOLEAN FirstChance)
{
    CONTEXT Context;
    if (FirstChance && KdTrap(TrapFrame, ExceptionFrame, Record, TRUE))
        return;
    KeContextFromKframes(TrapFrame, ExceptionFrame, &Context);
    if (!PreviousMode && FirstChance && RtlDispatchException(Record, &Context))
        return;
    if (KdTrap(TrapFrame, ExceptionFrame, Record, FALSE))
        return;
    if (PreviousMode)
        PspExitThread(); // programs have no handlers here
    KeBugCheckEx(0x1E, (ULONG_PTR)(LONG_PTR)Record->ExceptionCode, (ULONG_PTR)Record->ExceptionAddress,
                 Record->ExceptionInformation[0], Record->ExceptionInformation[1]);
}

BOOLEAN RtlpIsOnStack(ULONG_PTR Address)
{
    KTHREAD *Thread = KeGetCurrentThread();
    return Address >= (ULONG_PTR)Thread->StackLimit && Address < (ULONG_PTR)Thread->StackBase && Address % sizeof(PVOID) == 0;
}

NOINLINE EXCEPTION_DISPOSITION RtlpExecuteHandlerForException(EXCEPTION_RECORD *Record, PVOID Frame, CONTEXT *Context, PVOID Dispatcher, EXCEPTION_ROUTINE *Handler)
{
    return Handler(Record, Frame, Context, Dispatcher);
}

// The outermost handler of every system thread: what reaches it, nobody else wants.
EXCEPTION_DISPOSITION CDECL PspUnhandledExceptionInSystemThread(EXCEPTION_RECORD *Record, PVOID EstablisherFrame, CONTEXT *Context, PVOID DispatcherContext)
{
    KeBugCheckEx(0x7E, (ULONG_PTR)(LONG_PTR)Record->ExceptionCode, (ULONG_PTR)Record->ExceptionAddress, (ULONG_PTR)Record, (ULONG_PTR)Context);
    return ExceptionContinueSearch;
}
