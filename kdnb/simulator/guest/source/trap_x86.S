# Trap entries, context switch, system service entry for x86. A trap entry builds KTRAP_FRAME with EBP at its start, whose
# first two words are a link of the chain of EBPs, so that stacks can be walked through it, as on Windows; beside that
# every routine has FPO data.

    .intel_syntax noprefix
    .section .debug$S, "dr"
    .p2align 2
    .long 4 // the signature of CodeView
    .text

.macro FUNCTION name, parameters
    .def \name; .scl 2; .type 32; .endef
    .globl \name
    .p2align 4
\name:
    .cv_fpo_proc \name \parameters
.endm

.macro END_FUNCTION name
    .cv_fpo_endproc
    .section .debug$S, "dr"
    .cv_fpo_data \name
    .text
.endm

# A function that the processor enters by a gate: its FPO record says so, as that of each trap handler of Windows.
.macro TRAP name
FUNCTION \name, 8
.endm

.macro END_TRAP name
.Lend_\name:
END_FUNCTION \name
    .section .debug$F, "dr"
    .long \name@IMGREL
    .long .Lend_\name - \name
    .long 0
    .short 0
    .short 0x4000
    .text
.endm

# Completes the frame below the error code; what lies above (EIP, CS, flags) counts as return address and parameters.
.macro ENTER_TRAP_WITH_CODE
    .cv_fpo_stackalloc 4
    push ebp
    .cv_fpo_pushreg ebp
    push ebx
    .cv_fpo_pushreg ebx
    push esi
    .cv_fpo_pushreg esi
    push edi
    .cv_fpo_pushreg edi
    .att_syntax
    pushl %fs
    .cv_fpo_stackalloc 4
    .intel_syntax noprefix
    push dword ptr fs:[0]
    .cv_fpo_stackalloc 4
    push 0
    .cv_fpo_stackalloc 4
    push eax
    .cv_fpo_stackalloc 4
    push ecx
    .cv_fpo_stackalloc 4
    push edx
    .cv_fpo_stackalloc 4
    .att_syntax // Intel's form would push 16 bits
    pushl %ds
    .cv_fpo_stackalloc 4
    pushl %es
    .cv_fpo_stackalloc 4
    pushl %gs
    .cv_fpo_stackalloc 4
    .intel_syntax noprefix
    sub esp, 0x30
    .cv_fpo_stackalloc 0x30
    mov ebp, esp
    .cv_fpo_setframe ebp
    .cv_fpo_endprologue
    mov esi, [ebp + 0x60]
    mov [ebp], esi
    mov esi, [ebp + 0x68]
    mov [ebp + 4], esi
    mov dword ptr [ebp + 8], 0xBADB0D00
    cld
.endm

.macro ENTER_TRAP
    push 0
    ENTER_TRAP_WITH_CODE
.endm

# A fault that becomes an exception without parameters; `back` bytes before the saved EIP.
.macro DISPATCH status, back
    mov eax, \status
    xor edx, edx
    mov ebx, [ebp + 0x68]
    .if \back
    sub ebx, \back
    mov [ebp + 0x68], ebx
    .endif
    call CommonDispatchException
    jmp _KiExceptionExit
.endm

.macro SIMPLE_TRAP name, status
TRAP \name
    ENTER_TRAP
    DISPATCH \status, 0
END_TRAP \name
.endm

.macro TRAP_WITH_CODE name, status
TRAP \name
    ENTER_TRAP_WITH_CODE
    DISPATCH \status, 0
END_TRAP \name
.endm

# EBP = trap frame, which stands as ENTER_TRAP has built it.
FUNCTION _KiExceptionExit, 8
    .cv_fpo_stackalloc 4
    .cv_fpo_pushreg ebp
    .cv_fpo_pushreg ebx
    .cv_fpo_pushreg esi
    .cv_fpo_pushreg edi
    .cv_fpo_stackalloc 0x54
    .cv_fpo_setframe ebp
    .cv_fpo_endprologue
    lea esp, [ebp + 0x3C]
    pop edx
    pop ecx
    pop eax
    add esp, 12
    pop edi
    pop esi
    pop ebx
    pop ebp
END_FUNCTION _KiExceptionExit

# Its end, where EBP is the interrupted code's again; no padding may come between.
    .def _KiExceptionReturn; .scl 3; .type 32; .endef
_KiExceptionReturn:
    .cv_fpo_proc _KiExceptionReturn 8
    .cv_fpo_stackalloc 4
    .cv_fpo_endprologue
    add esp, 4
    iretd
END_FUNCTION _KiExceptionReturn

SIMPLE_TRAP _KiTrap00, 0xC0000094
SIMPLE_TRAP _KiTrap01, 0x80000004

TRAP _KiTrap02
    ENTER_TRAP
    jmp _KiExceptionExit
END_TRAP _KiTrap02

TRAP _KiTrap03
    ENTER_TRAP
    DISPATCH 0x80000003, 1
END_TRAP _KiTrap03

SIMPLE_TRAP _KiTrap04, 0xC0000095
SIMPLE_TRAP _KiTrap05, 0xC000008C
SIMPLE_TRAP _KiTrap06, 0xC000001D
SIMPLE_TRAP _KiTrap07, 0xC000001D

# Entered by a task switch: there is no frame but the error code, the interrupted registers are in the main TSS. An
# FPO record of kind TSS says so to debuggers.
    .def _KiTrap08; .scl 2; .type 32; .endef
    .globl _KiTrap08
    .p2align 4
_KiTrap08:
    pushfd
    and dword ptr [esp], ~0x4000 // no nested task: the traps to come must return within this one
    popfd
    push 0
    push 0
    push dword ptr fs:[0x40]
    push 8
    push 0x7F
    call _KeBugCheckEx@20
    int3
KiTrap08End:
    .section .debug$F, "dr"
    .long _KiTrap08@IMGREL
    .long KiTrap08End - _KiTrap08
    .long 0
    .short 0
    .short 0x8000
    .text

TRAP_WITH_CODE _KiTrap0A, 0xC0000005
TRAP_WITH_CODE _KiTrap0B, 0xC0000005
TRAP_WITH_CODE _KiTrap0C, 0xC0000005

TRAP _KiTrap0D
    ENTER_TRAP_WITH_CODE
    mov eax, 0xC0000005
    mov edx, 2
    mov ebx, [ebp + 0x68]
    xor ecx, ecx
    mov esi, -1
    call CommonDispatchException
    jmp _KiExceptionExit
END_TRAP _KiTrap0D

TRAP _KiTrap0E
    ENTER_TRAP_WITH_CODE
    mov edi, cr2
    push ebp
    push 0
    push edi
    push dword ptr [ebp + 0x64]
    call _MmAccessFault@16
    test eax, eax
    jns 1f
    mov ebx, [ebp + 0x68]
    mov ecx, [ebp + 0x64]
    shr ecx, 1
    and ecx, 1
    cmp byte ptr fs:[0x24], 2
    jae 2f
    mov edx, 2
    mov esi, edi
    call CommonDispatchException
1:  jmp _KiExceptionExit
2:  push ebx
    push ecx
    movzx eax, byte ptr fs:[0x24]
    push eax
    push edi
    push 0xA
    call _KeBugCheckEx@20
    int3
END_TRAP _KiTrap0E

SIMPLE_TRAP _KiTrap10, 0xC0000090
TRAP_WITH_CODE _KiTrap11, 0x80000002

TRAP _KiRaiseAssertion
    ENTER_TRAP
    DISPATCH 0xC0000420, 2
END_TRAP _KiRaiseAssertion

# Debug services are taken by the board's debugger side before they get here.
TRAP _KiDebugService
    ENTER_TRAP
    inc dword ptr [ebp + 0x68]
    jmp _KiExceptionExit
END_TRAP _KiDebugService

TRAP _KiClockInterrupt
    ENTER_TRAP
    push ebp
    call _KeClockInterruptNotify@4
    push ebp
    call _KiDispatchInterrupt@4
    jmp _KiExceptionExit
END_TRAP _KiClockInterrupt

TRAP _KiUnexpectedInterrupt
    ENTER_TRAP
    jmp _KiExceptionExit
END_TRAP _KiUnexpectedInterrupt

# Builds the exception record: eax = status, edx = number of parameters, ebx = address, ecx, esi = parameters;
# ebp = trap frame, which stays the frame of this routine too.
FUNCTION CommonDispatchException, 0
    sub esp, 0x50
    .cv_fpo_stackalloc 0x50
    .cv_fpo_endprologue
    mov [esp], eax
    mov dword ptr [esp + 4], 0
    mov dword ptr [esp + 8], 0
    mov [esp + 0xC], ebx
    mov [esp + 0x10], edx
    mov [esp + 0x14], ecx
    mov [esp + 0x18], esi
    mov eax, esp
    push 1
    push 0
    push ebp
    push 0
    push eax
    call _KiDispatchException@20
    add esp, 0x50
    ret
END_FUNCTION CommonDispatchException

# KiSwapContext(old, new); interrupts are off.
FUNCTION _KiSwapContext@8, 8
    push ebp
    .cv_fpo_pushreg ebp
    mov ebp, esp
    .cv_fpo_setframe ebp
    push ebx
    push esi
    push edi
    .cv_fpo_endprologue
    mov edi, [ebp + 8]
    mov esi, [ebp + 0xC]
    call SwapContext
    pop edi
    pop esi
    pop ebx
    pop ebp
    ret 8
END_FUNCTION _KiSwapContext@8

# edi = old thread, esi = new thread.
FUNCTION SwapContext, 0
    push ebp
    .cv_fpo_pushreg ebp
    push dword ptr fs:[0] // each thread has its own chain of handlers
    .cv_fpo_stackalloc 4
    .cv_fpo_endprologue
    mov byte ptr [edi + 0x55], 0
    mov [edi + 0x48], esp
    mov esp, [esi + 0x48]
    mov byte ptr [esi + 0x55], 1
    mov fs:[0x124], esi
    mov ecx, [esi + 0x84]
    mov ecx, [ecx + 0x18]
    mov edx, cr3
    cmp ecx, edx
    je 1f
    mov cr3, ecx
1:  pop dword ptr fs:[0]
    pop ebp
    ret
END_FUNCTION SwapContext

# Returns the flags as they were. Not inline: there a push without frame data would lead stack walks astray.
FUNCTION _KiDisableInterrupts@0, 0
    pushfd
    .cv_fpo_stackalloc 4
    .cv_fpo_endprologue
    cli
    pop eax
    ret
END_FUNCTION _KiDisableInterrupts@0

# First code of a new thread; the stack above is zero, so a walk ends here.
FUNCTION _KiStartSystemThread@0, 0
    .att_syntax // Intel's form would push 8 bits
    pushl $_PspUnhandledExceptionInSystemThread
    .intel_syntax noprefix
    .cv_fpo_stackalloc 4
    push dword ptr fs:[0]
    .cv_fpo_stackalloc 4
    .cv_fpo_endprologue
    mov fs:[0], esp
    call _PspSystemThreadStartup@0
    int3
END_FUNCTION _KiStartSystemThread@0

# First code of a processor: KiSystemStartup(loader block, number).
FUNCTION _KiSystemStartup@8, 8
    .cv_fpo_endprologue
    xor ebp, ebp
    push dword ptr [esp + 8]
    push dword ptr [esp + 8]
    call _KiInitializeKernel@8
    int3
END_FUNCTION _KiSystemStartup@8

# ---- system services ------------------------------------------------------------------------------------
# Kernel threads call Zw...; the stub makes a machine frame (flags, CS, and its return address) as Windows does.

.macro ZW_STUB name, number, bytes
FUNCTION _Zw\name\()@\bytes, \bytes
    .cv_fpo_endprologue
    mov eax, \number
    lea edx, [esp + 4]
    pushfd
    push 8
    call _KiSystemService
    ret \bytes
END_FUNCTION _Zw\name\()@\bytes
.endm

# int 2e: eax = number, edx = address of the arguments.
TRAP _KiSystemService
    ENTER_TRAP
    mov ebx, fs:[0x124]
    mov [ebx + 0x64], eax
    mov [ebx + 0x6C], edx
    mov [ebx + 0x70], ebp
    inc dword ptr fs:[0x120 + 0x3F4]
    cmp eax, [_KeServiceDescriptorTable + 8]
    jae 3f
    mov ebx, [_KeServiceDescriptorTable]
    mov ebx, [ebx + eax * 4]
    mov edi, [_KeServiceDescriptorTable + 12]
    movzx ecx, byte ptr [edi + eax]
    sub esp, ecx
    mov esi, edx
    mov edi, esp
    shr ecx, 2
    rep movsd
    call ebx
    .globl _KiSystemServicePostCall
_KiSystemServicePostCall:
    mov [ebp + 0x44], eax
    .globl _KiServiceExit
_KiServiceExit:
    cli
    mov ebx, fs:[0x124]
    mov dword ptr [ebx + 0x70], 0
    jmp _KiExceptionExit
3:  mov eax, 0xC000001C
    jmp _KiSystemServicePostCall
END_TRAP _KiSystemService

# Target of sysenter: builds the frame that an int 2e would have pushed. No code of this system runs in user mode.
FUNCTION _KiFastCallEntry, 0
    .cv_fpo_endprologue
    push 0x23
    push edx
    pushfd
    push 0x1B
    push dword ptr [edx]
    add edx, 8
    jmp _KiSystemService
END_FUNCTION _KiFastCallEntry

ZW_STUB CreateFile, 0, 44
ZW_STUB OpenFile, 1, 24
ZW_STUB ReadFile, 2, 36
ZW_STUB WriteFile, 3, 36
ZW_STUB Close, 4, 4
ZW_STUB DelayExecution, 5, 8

# ---- debugger entries ---------------------------------------------------------------------------------------

FUNCTION _DbgBreakPoint@0, 0
    .cv_fpo_endprologue
    int3
    ret
END_FUNCTION _DbgBreakPoint@0

FUNCTION _DbgBreakPointWithStatus@4, 4
    .cv_fpo_endprologue
    mov eax, [esp + 4]
    .def _RtlpBreakWithStatusInstruction; .scl 2; .type 32; .endef
    .globl _RtlpBreakWithStatusInstruction
_RtlpBreakWithStatusInstruction:
    int3
    ret 4
END_FUNCTION _DbgBreakPointWithStatus@4

# DebugService(service, four arguments); the byte after int 2d is skipped by whoever takes the trap.
FUNCTION _DebugService@20, 20
    push ebp
    .cv_fpo_pushreg ebp
    mov ebp, esp
    .cv_fpo_setframe ebp
    push ebx
    push edi
    .cv_fpo_endprologue
    mov eax, [ebp + 8]
    mov ecx, [ebp + 0xC]
    mov edx, [ebp + 0x10]
    mov ebx, [ebp + 0x14]
    mov edi, [ebp + 0x18]
    int 0x2d
    int3
    pop edi
    pop ebx
    pop ebp
    ret 20
END_FUNCTION _DebugService@20

# ---- what the compiler calls for 64-bit division ----------------------------------------------------------------
# Divisors have 32 bits here; a greater one stops in the debugger.

.macro DIVISION name
FUNCTION \name, 16
    .cv_fpo_endprologue
    cmp dword ptr [esp + 16], 0
    je 1f
    int3
1:  mov ecx, [esp + 12]
    xor edx, edx
    mov eax, [esp + 8]
    div ecx
.endm

.macro QUOTIENT name
    DIVISION \name
    mov [esp + 8], eax // the arguments are this function's own
    mov eax, [esp + 4]
    div ecx
    mov edx, [esp + 8]
    ret 16
END_FUNCTION \name
.endm

.macro REMAINDER name
    DIVISION \name
    mov eax, [esp + 4]
    div ecx
    mov eax, edx
    xor edx, edx
    ret 16
END_FUNCTION \name
.endm

QUOTIENT __aulldiv
REMAINDER __aullrem

    .section .debug$S, "dr"
    .cv_stringtable
