// Handlers by unwind data: from the interrupted function outwards, each function's entry in its image's table says how
// to undo it and whether it has a handler.
#include "exception.h"

#define UNW_FLAG_EHANDLER 1
#define UNW_FLAG_UHANDLER 2
#define UNW_FLAG_CHAININFO 4

typedef struct _RUNTIME_FUNCTION {
    ULONG BeginAddress, EndAddress, UnwindData;
} RUNTIME_FUNCTION;

typedef union _UNWIND_CODE {
    struct {
        UCHAR CodeOffset;
        UCHAR UnwindOp : 4, OpInfo : 4;
    };
    USHORT FrameOffset;
} UNWIND_CODE;

typedef struct _UNWIND_INFO {
    UCHAR Version : 3, Flags : 5;
    UCHAR SizeOfProlog, CountOfCodes;
    UCHAR FrameRegister : 4, FrameOffset : 4;
    UNWIND_CODE UnwindCode[];
} UNWIND_INFO;

typedef struct _DISPATCHER_CONTEXT {
    ULONG64 ControlPc, ImageBase;
    const RUNTIME_FUNCTION *FunctionEntry;
    ULONG64 EstablisherFrame, TargetIp;
    CONTEXT *ContextRecord;
    EXCEPTION_ROUTINE *LanguageHandler;
    PVOID HandlerData;
} DISPATCHER_CONTEXT;

enum { PushNonvolatile, AllocateLarge, AllocateSmall, SetFrameRegister, SaveNonvolatile, SaveNonvolatileFar, Epilog, Spare, SaveXmm128, SaveXmm128Far, PushMachineFrame };

VOID KeContextFromKframes(KTRAP_FRAME *TrapFrame, KEXCEPTION_FRAME *ExceptionFrame, CONTEXT *Context)
{
    memset(Context, 0, sizeof(*Context));
    Context->ContextFlags = 0x100007; // control, integer, segments: the frames hold nothing else
    Context->MxCsr = 0x1F80;
    Context->SegCs = TrapFrame->SegCs;
    Context->SegSs = TrapFrame->SegSs;
    Context->SegDs = Context->SegEs = Context->SegGs = GDT_R3_DATA;
    Context->SegFs = GDT_R3_TEB;
    Context->EFlags = TrapFrame->EFlags;
    Context->Rax = TrapFrame->Rax;
    Context->Rcx = TrapFrame->Rcx;
    Context->Rdx = TrapFrame->Rdx;
    Context->Rbx = TrapFrame->Rbx;
    Context->Rsp = TrapFrame->Rsp;
    Context->Rbp = TrapFrame->Rbp;
    Context->Rsi = TrapFrame->Rsi;
    Context->Rdi = TrapFrame->Rdi;
    Context->R8 = TrapFrame->R8;
    Context->R9 = TrapFrame->R9;
    Context->R10 = TrapFrame->R10;
    Context->R11 = TrapFrame->R11;
    Context->R12 = ExceptionFrame->R12;
    Context->R13 = ExceptionFrame->R13;
    Context->R14 = ExceptionFrame->R14;
    Context->R15 = ExceptionFrame->R15;
    Context->Rip = TrapFrame->Rip;
}

// The entry of the function around an address, and its image's base; NULL for leaf functions and unknown code.
NOINLINE const RUNTIME_FUNCTION *RtlLookupFunctionEntry(ULONG64 ControlPc, ULONG64 *ImageBase)
{
    for (LIST_ENTRY *Link = PsLoadedModuleList.Flink; Link != &PsLoadedModuleList; Link = Link->Flink) {
        KLDR_DATA_TABLE_ENTRY *Image = CONTAINING_RECORD(Link, KLDR_DATA_TABLE_ENTRY, InLoadOrderLinks);
        const RUNTIME_FUNCTION *Table = Image->ExceptionTable;
        ULONG64 Rva = ControlPc - (ULONG64)Image->DllBase;
        if (Rva >= Image->SizeOfImage)
            continue;
        *ImageBase = (ULONG64)Image->DllBase;
        for (ULONG i = 0; i < Image->ExceptionTableSize / sizeof(*Table); i++)
            if (Rva >= Table[i].BeginAddress && Rva < Table[i].EndAddress)
                return &Table[i];
        return NULL;
    }
    return NULL;
}

NOINLINE ULONG RtlpUnwindSlots(const UNWIND_CODE *Code)
{
    switch (Code->UnwindOp) {
    case AllocateLarge:
        return Code->OpInfo ? 3 : 2;
    case SaveNonvolatile:
    case SaveXmm128:
        return 2;
    case SaveNonvolatileFar:
    case SaveXmm128Far:
        return 3;
    default:
        return 1;
    }
}

// Undoes what has run of a function's prolog. `Offset` is where the function stands. No epilog is looked for: only the
// interrupted function itself could be in one, where popping registers hardly faults.
NOINLINE VOID RtlpUndoProlog(const UNWIND_INFO *Info, ULONG64 Offset, ULONG64 Frame, CONTEXT *Context, BOOLEAN *MachineFrame)
{
    ULONG64 *Registers = &Context->Rax;
    ULONG Slots;
    for (ULONG i = 0; i < Info->CountOfCodes; i += Slots) {
        const UNWIND_CODE *Code = &Info->UnwindCode[i];
        ULONG Far = *(const ULONG *)(Code + 1);
        Slots = RtlpUnwindSlots(Code);
        if (Code->CodeOffset > Offset)
            continue;
        switch (Code->UnwindOp) {
        case PushNonvolatile:
            Registers[Code->OpInfo] = *(ULONG64 *)Context->Rsp;
            Context->Rsp += 8;
            break;
        case AllocateLarge:
            Context->Rsp += Code->OpInfo ? Far : Code[1].FrameOffset * 8;
            break;
        case AllocateSmall:
            Context->Rsp += Code->OpInfo * 8 + 8;
            break;
        case SetFrameRegister:
            Context->Rsp = Registers[Info->FrameRegister] - Info->FrameOffset * 16;
            break;
        case SaveNonvolatile:
            Registers[Code->OpInfo] = *(ULONG64 *)(Frame + Code[1].FrameOffset * 8);
            break;
        case SaveNonvolatileFar:
            Registers[Code->OpInfo] = *(ULONG64 *)(Frame + Far);
            break;
        case PushMachineFrame: {
            const ULONG64 *Pushed = (ULONG64 *)Context->Rsp + Code->OpInfo;
            Context->Rip = Pushed[0];
            Context->Rsp = Pushed[3];
            *MachineFrame = TRUE;
            break;
        }
        }
    }
}

// Turns `Context` into that of the caller. The function's handler of that kind, or NULL.
NOINLINE EXCEPTION_ROUTINE *RtlVirtualUnwind(ULONG HandlerType, ULONG64 ImageBase, ULONG64 ControlPc, const RUNTIME_FUNCTION *Entry, CONTEXT *Context, PVOID *HandlerData, ULONG64 *EstablisherFrame)
{
    ULONG64 Offset = ControlPc - ImageBase - Entry->BeginAddress;
    BOOLEAN MachineFrame = FALSE, InProlog;
    const UNWIND_INFO *Info = (const UNWIND_INFO *)(ImageBase + Entry->UnwindData);
    InProlog = Offset < Info->SizeOfProlog;
    *EstablisherFrame = Context->Rsp;
    if (Info->FrameRegister && !InProlog)
        *EstablisherFrame = (&Context->Rax)[Info->FrameRegister] - Info->FrameOffset * 16;
    for (;;) {
        const UNWIND_CODE *Behind = &Info->UnwindCode[(Info->CountOfCodes + 1) & ~1];
        RtlpUndoProlog(Info, Offset, *EstablisherFrame, Context, &MachineFrame);
        if (!(Info->Flags & UNW_FLAG_CHAININFO)) {
            if (!MachineFrame) {
                Context->Rip = *(ULONG64 *)Context->Rsp;
                Context->Rsp += 8;
            }
            if (InProlog || !(Info->Flags & HandlerType))
                return NULL;
            *HandlerData = (PVOID)((const ULONG *)Behind + 1);
            return (EXCEPTION_ROUTINE *)(ImageBase + *(const ULONG *)Behind);
        }
        Info = (const UNWIND_INFO *)(ImageBase + ((const RUNTIME_FUNCTION *)Behind)->UnwindData);
        Offset = (ULONG64)-1; // the prolog of a chained part has run as a whole
    }
}

// The handler of the system service entry, whose frame is the trap frame of the call: a service that user mode called
// must handle its exceptions itself.
EXCEPTION_DISPOSITION CDECL KiSystemServiceHandler(EXCEPTION_RECORD *Record, PVOID EstablisherFrame, CONTEXT *Context, PVOID DispatcherContext)
{
    if (((KTRAP_FRAME *)EstablisherFrame)->PreviousMode)
        KeBugCheckEx(0x3B, (ULONG_PTR)(LONG_PTR)Record->ExceptionCode, (ULONG_PTR)Record->ExceptionAddress, (ULONG_PTR)Context, 0);
    return ExceptionContinueSearch;
}

// Asks each handler from the inside out; TRUE when one wants the code to go on.
BOOLEAN RtlDispatchException(EXCEPTION_RECORD *Record, CONTEXT *Context)
{
    CONTEXT Frame = *Context;
    DISPATCHER_CONTEXT Dispatcher = {0};
    while (Frame.Rip) {
        if (!RtlpIsOnStack(Frame.Rsp)) {
            Record->ExceptionFlags |= EXCEPTION_STACK_INVALID;
            return FALSE;
        }
        Dispatcher.ControlPc = Frame.Rip;
        Dispatcher.FunctionEntry = RtlLookupFunctionEntry(Frame.Rip, &Dispatcher.ImageBase);
        if (!Dispatcher.FunctionEntry) { // a leaf function
            Frame.Rip = *(ULONG64 *)Frame.Rsp;
            Frame.Rsp += 8;
            continue;
        }
        Dispatcher.ContextRecord = &Frame;
        Dispatcher.LanguageHandler = RtlVirtualUnwind(UNW_FLAG_EHANDLER, Dispatcher.ImageBase, Frame.Rip, Dispatcher.FunctionEntry, &Frame, &Dispatcher.HandlerData, &Dispatcher.EstablisherFrame);
        if (Dispatcher.LanguageHandler && RtlpExecuteHandlerForException(Record, (PVOID)Dispatcher.EstablisherFrame, Context, &Dispatcher, Dispatcher.LanguageHandler) == ExceptionContinueExecution)
            return TRUE;
    }
    return FALSE;
}
