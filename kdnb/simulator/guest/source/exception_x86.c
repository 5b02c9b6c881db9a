// Handlers by registration: fs:[0] leads a chain of records on the stack, innermost first.
#include "exception.h"

typedef struct _EXCEPTION_REGISTRATION_RECORD {
    struct _EXCEPTION_REGISTRATION_RECORD *Next;
    EXCEPTION_ROUTINE *Handler;
} EXCEPTION_REGISTRATION_RECORD;

#define EXCEPTION_CHAIN_END ((EXCEPTION_REGISTRATION_RECORD *)-1)

VOID KeContextFromKframes(KTRAP_FRAME *TrapFrame, KEXCEPTION_FRAME *ExceptionFrame, CONTEXT *Context)
{
    BOOLEAN User = TrapFrame->SegCs & 1;
    memset(Context, 0, sizeof(*Context));
    Context->ContextFlags = 0x10007; // control, integer, segments: the frame holds nothing else
    Context->SegGs = TrapFrame->SegGs;
    Context->SegFs = TrapFrame->SegFs;
    Context->SegEs = TrapFrame->SegEs;
    Context->SegDs = TrapFrame->SegDs;
    Context->Edi = TrapFrame->Edi;
    Context->Esi = TrapFrame->Esi;
    Context->Ebx = TrapFrame->Ebx;
    Context->Edx = TrapFrame->Edx;
    Context->Ecx = TrapFrame->Ecx;
    Context->Eax = TrapFrame->Eax;
    Context->Ebp = TrapFrame->Ebp;
    Context->Eip = TrapFrame->Eip;
    Context->SegCs = TrapFrame->SegCs;
    Context->EFlags = TrapFrame->EFlags;
    // the processor pushes both only on a change of privilege
    Context->Esp = User ? TrapFrame->HardwareEsp : (ULONG)&TrapFrame->HardwareEsp;
    Context->SegSs = User ? TrapFrame->HardwareSegSs : GDT_R0_DATA;
}

// Asks each handler from the inside out; TRUE when one wants the code to go on.
BOOLEAN RtlDispatchException(EXCEPTION_RECORD *Record, CONTEXT *Context)
{
    EXCEPTION_REGISTRATION_RECORD *Registration = KiPcr()->NtTib.ExceptionList;
    for (; Registration != EXCEPTION_CHAIN_END; Registration = Registration->Next) {
        if (!RtlpIsOnStack((ULONG)Registration)) {
            Record->ExceptionFlags |= EXCEPTION_STACK_INVALID;
            return FALSE;
        }
        if (RtlpExecuteHandlerForException(Record, Registration, Context, NULL, Registration->Handler) == ExceptionContinueExecution)
            return TRUE;
    }
    return FALSE;
}
