# Trap entries, context switch, system service entry. Every routine carries unwind data, so that a debugger walks
# through interrupts and switches as it does on Windows.
# The frame that a trap entry builds is KTRAP_FRAME (0x190 bytes); rbp points 0x80 into it, as Windows has it.

    .intel_syntax noprefix
    .text

.macro FUNCTION name
    .def \name; .scl 2; .type 32; .endef
    .globl \name
    .p2align 4
\name:
    .seh_proc \name
.endm

.macro END_FUNCTION
    .seh_endproc
.endm

# Completes the frame below the machine frame and its error code; `from_user` where gs may still be that of user mode.
.macro BUILD_TRAP_FRAME from_user=0
    push rbp
    .seh_pushreg rbp
    sub rsp, 0x158
    .seh_stackalloc 0x158
    lea rbp, [rsp + 0x80]
    .seh_setframe rbp, 0x80
    mov [rsp + 0x140], rbx
    .seh_savereg rbx, 0x140
    mov [rsp + 0x148], rdi
    .seh_savereg rdi, 0x148
    mov [rsp + 0x150], rsi
    .seh_savereg rsi, 0x150
    .seh_endprologue
    .if \from_user
    test byte ptr [rsp + 0x170], 1
    jz 7f
    swapgs
7:
    .endif
    mov [rsp + 0x30], rax
    mov [rsp + 0x38], rcx
    mov [rsp + 0x40], rdx
    mov [rsp + 0x48], r8
    mov [rsp + 0x50], r9
    mov [rsp + 0x58], r10
    mov [rsp + 0x60], r11
    mov r11b, byte ptr gs:[0x50]
    mov [rsp + 0x29], r11b
    mov r11b, [rsp + 0x170]
    and r11b, 1
    mov [rsp + 0x28], r11b
    cld
.endm

.macro ENTER_TRAP
    .seh_pushframe
    push 0
    .seh_stackalloc 8
    BUILD_TRAP_FRAME 1
.endm

.macro ENTER_TRAP_WITH_CODE
    .seh_pushframe @code
    BUILD_TRAP_FRAME 1
.endm

# A jump out of the function that no stack walk takes for the end of an epilog (protocol reference 8.3); always taken.
.macro JUMP_OUT target
    test rsp, rsp
    jnz \target
.endm

# Expects rbp = frame + 0x80.
.macro LEAVE_TRAP
    lea rsp, [rbp - 0x80]
    JUMP_OUT KiExceptionExit
.endm

# A fault that becomes an exception: ecx = status, edx = number of parameters, r8 = address, r9, r10 = parameters.
.macro DISPATCH status, back
    mov ecx, \status
    xor edx, edx
    mov r8, [rbp - 0x80 + 0x168]
    .if \back
    sub r8, \back
    .endif
    xor r9d, r9d
    xor r10d, r10d
    call KiExceptionDispatch
    LEAVE_TRAP
.endm

# The way out of every trap, in a function without frame register, and its last instruction in one without frame:
# so a walk finds its way at each of these instructions too, though rbp is the interrupted code's again.
FUNCTION KiExceptionExit
    .seh_pushframe @code
    .seh_stackalloc 0x160
    .seh_savereg rbx, 0x140
    .seh_savereg rdi, 0x148
    .seh_savereg rsi, 0x150
    .seh_savereg rbp, 0x158
    .seh_endprologue
    test byte ptr [rsp + 0x170], 1
    jz 1f
    swapgs
1:  mov rax, [rsp + 0x30]
    mov rcx, [rsp + 0x38]
    mov rdx, [rsp + 0x40]
    mov r8, [rsp + 0x48]
    mov r9, [rsp + 0x50]
    mov r10, [rsp + 0x58]
    mov r11, [rsp + 0x60]
    mov rbx, [rsp + 0x140]
    mov rdi, [rsp + 0x148]
    mov rsi, [rsp + 0x150]
    mov rbp, [rsp + 0x158]
    add rsp, 0x168
END_FUNCTION
    .def KiInterruptReturn; .scl 2; .type 32; .endef
    .globl KiInterruptReturn
KiInterruptReturn:
    .seh_proc KiInterruptReturn
    .seh_pushframe
    .seh_endprologue
    iretq
END_FUNCTION

FUNCTION KiDivideErrorFault
    ENTER_TRAP
    DISPATCH 0xC0000094, 0
END_FUNCTION

FUNCTION KiDebugTrapOrFault
    ENTER_TRAP
    DISPATCH 0x80000004, 0
END_FUNCTION

FUNCTION KiNmiInterrupt
    ENTER_TRAP
    LEAVE_TRAP
END_FUNCTION

FUNCTION KiBreakpointTrap
    ENTER_TRAP
    sub qword ptr [rbp - 0x80 + 0x168], 1
    DISPATCH 0x80000003, 0
END_FUNCTION

FUNCTION KiOverflowTrap
    ENTER_TRAP
    DISPATCH 0xC0000095, 0
END_FUNCTION

FUNCTION KiBoundFault
    ENTER_TRAP
    DISPATCH 0xC000008C, 0
END_FUNCTION

FUNCTION KiInvalidOpcodeFault
    ENTER_TRAP
    DISPATCH 0xC000001D, 0
END_FUNCTION

FUNCTION KiNpxNotAvailableFault
    ENTER_TRAP
    DISPATCH 0xC000001D, 0
END_FUNCTION

FUNCTION KiDoubleFaultAbort
    ENTER_TRAP_WITH_CODE
    mov ecx, 0x7F
    mov edx, 8
    lea r8, [rbp - 0x80]
    xor r9d, r9d
    xor r10d, r10d
    call KiBugCheckDispatch
    int3
END_FUNCTION

FUNCTION KiInvalidTssFault
    ENTER_TRAP_WITH_CODE
    DISPATCH 0xC0000005, 0
END_FUNCTION

FUNCTION KiSegmentNotPresentFault
    ENTER_TRAP_WITH_CODE
    DISPATCH 0xC0000005, 0
END_FUNCTION

FUNCTION KiStackFault
    ENTER_TRAP_WITH_CODE
    DISPATCH 0xC0000005, 0
END_FUNCTION

FUNCTION KiGeneralProtectionFault
    ENTER_TRAP_WITH_CODE
    mov ecx, 0xC0000005
    mov edx, 2
    mov r8, [rbp - 0x80 + 0x168]
    xor r9d, r9d
    mov r10, -1
    call KiExceptionDispatch
    LEAVE_TRAP
END_FUNCTION

FUNCTION KiFloatingErrorFault
    ENTER_TRAP
    DISPATCH 0xC0000090, 0
END_FUNCTION

FUNCTION KiAlignmentFault
    ENTER_TRAP_WITH_CODE
    DISPATCH 0x80000002, 0
END_FUNCTION

FUNCTION KiRaiseAssertion
    ENTER_TRAP
    sub qword ptr [rbp - 0x80 + 0x168], 2
    DISPATCH 0xC0000420, 0
END_FUNCTION

# Debug services are taken by the board's debugger side before they get here.
FUNCTION KiDebugServiceTrap
    ENTER_TRAP
    add qword ptr [rbp - 0x80 + 0x168], 1
    LEAVE_TRAP
END_FUNCTION

FUNCTION KiPageFault
    ENTER_TRAP_WITH_CODE
    mov rdx, cr2
    mov [rbp - 0x80 + 0xD0], rdx
    mov rcx, [rbp - 0x80 + 0x160]
    movzx r8d, byte ptr [rbp - 0x80 + 0x28]
    lea r9, [rbp - 0x80]
    call MmAccessFault
    test eax, eax
    jns 1f
    mov r9, [rbp - 0x80 + 0x160]
    shr r9d, 1
    and r9d, 1
    mov r10, [rbp - 0x80 + 0xD0]
    cmp byte ptr [rbp - 0x80 + 0x29], 2
    jae 2f
    mov ecx, eax
    mov edx, 2
    mov r8, [rbp - 0x80 + 0x168]
    call KiExceptionDispatch
1:  LEAVE_TRAP
2:  mov ecx, 0xA
    mov rdx, r10
    movzx r8d, byte ptr [rbp - 0x80 + 0x29]
    mov r10, [rbp - 0x80 + 0x168]
    call KiBugCheckDispatch
    int3
END_FUNCTION

FUNCTION KiClockInterrupt
    ENTER_TRAP
    lea rcx, [rbp - 0x80]
    call KeClockInterruptNotify
    lea rcx, [rbp - 0x80]
    call KiDispatchInterrupt
    LEAVE_TRAP
END_FUNCTION

FUNCTION KiUnexpectedInterrupt
    ENTER_TRAP
    LEAVE_TRAP
END_FUNCTION

# Saves the registers that a call keeps in a KEXCEPTION_FRAME and builds the exception record above it:
# ecx = status, edx = number of parameters, r8 = address, r9, r10 = parameters; rbp = trap frame + 0x80.
FUNCTION KiExceptionDispatch
    sub rsp, 0x1D8
    .seh_stackalloc 0x1D8
    mov [rsp + 0x100], rbx
    .seh_savereg rbx, 0x100
    mov [rsp + 0x108], rdi
    .seh_savereg rdi, 0x108
    mov [rsp + 0x110], rsi
    .seh_savereg rsi, 0x110
    mov [rsp + 0x118], r12
    .seh_savereg r12, 0x118
    mov [rsp + 0x120], r13
    .seh_savereg r13, 0x120
    mov [rsp + 0x128], r14
    .seh_savereg r14, 0x128
    mov [rsp + 0x130], r15
    .seh_savereg r15, 0x130
    .seh_endprologue
    mov [rsp + 0x140], ecx
    mov dword ptr [rsp + 0x144], 0
    mov qword ptr [rsp + 0x148], 0
    mov [rsp + 0x150], r8
    mov [rsp + 0x158], edx
    mov dword ptr [rsp + 0x15C], 0
    mov [rsp + 0x160], r9
    mov [rsp + 0x168], r10
    lea rcx, [rsp + 0x140]
    mov rdx, rsp
    lea r8, [rbp - 0x80]
    movzx r9d, byte ptr [rbp - 0x80 + 0x28]
    mov byte ptr [rsp + 0x20], 1
    call KiDispatchException
    mov r12, [rsp + 0x118]
    mov r13, [rsp + 0x120]
    mov r14, [rsp + 0x128]
    mov r15, [rsp + 0x130]
    add rsp, 0x1D8
    ret
END_FUNCTION

# ecx = bug check code, rdx, r8, r9, r10 = parameters.
FUNCTION KiBugCheckDispatch
    sub rsp, 0x138
    .seh_stackalloc 0x138
    mov [rsp + 0x100], rbx
    .seh_savereg rbx, 0x100
    mov [rsp + 0x108], rdi
    .seh_savereg rdi, 0x108
    mov [rsp + 0x110], rsi
    .seh_savereg rsi, 0x110
    mov [rsp + 0x118], r12
    .seh_savereg r12, 0x118
    mov [rsp + 0x120], r13
    .seh_savereg r13, 0x120
    mov [rsp + 0x128], r14
    .seh_savereg r14, 0x128
    mov [rsp + 0x130], r15
    .seh_savereg r15, 0x130
    .seh_endprologue
    mov [rsp + 0x20], r10
    call KeBugCheckEx
    nop
    int3
END_FUNCTION

# rcx = old thread, rdx = new thread; interrupts are off.
FUNCTION KiSwapContext
    sub rsp, 0x138
    .seh_stackalloc 0x138
    mov [rsp + 0x100], rbx
    .seh_savereg rbx, 0x100
    mov [rsp + 0x108], rdi
    .seh_savereg rdi, 0x108
    mov [rsp + 0x110], rsi
    .seh_savereg rsi, 0x110
    mov [rsp + 0x118], r12
    .seh_savereg r12, 0x118
    mov [rsp + 0x120], r13
    .seh_savereg r13, 0x120
    mov [rsp + 0x128], r14
    .seh_savereg r14, 0x128
    mov [rsp + 0x130], r15
    .seh_savereg r15, 0x130
    .seh_endprologue
    mov rdi, rcx
    mov rsi, rdx
    call SwapContext
    mov rbx, [rsp + 0x100]
    mov rdi, [rsp + 0x108]
    mov rsi, [rsp + 0x110]
    mov r12, [rsp + 0x118]
    mov r13, [rsp + 0x120]
    mov r14, [rsp + 0x128]
    mov r15, [rsp + 0x130]
    add rsp, 0x138
    ret
END_FUNCTION

# rdi = old thread, rsi = new thread.
FUNCTION SwapContext
    push rbp
    .seh_pushreg rbp
    sub rsp, 0x20
    .seh_stackalloc 0x20
    .seh_endprologue
    mov byte ptr [rdi + 0x71], 0
    mov [rdi + 0x58], rsp
    mov rsp, [rsi + 0x58]
    mov byte ptr [rsi + 0x71], 1
    mov qword ptr gs:[0x188], rsi
    mov rcx, [rsi + 0xB8]
    mov rcx, [rcx + 0x28]
    mov rdx, cr3
    cmp rcx, rdx
    je 1f
    mov cr3, rcx
1:  mov rcx, [rsi + 0x28]
    mov qword ptr gs:[0x1A8], rcx
    mov rdx, qword ptr gs:[8]
    mov [rdx + 4], rcx # KTSS64.Rsp0: traps from user mode
    mov rax, [rsi + 0xF0]
    mov rdx, rax
    shr rdx, 32
    mov ecx, 0xC0000102 # gs of user mode: the TEB
    wrmsr
    add rsp, 0x20
    pop rbp
    ret
END_FUNCTION

# Returns the flags as they were. Not inline: there a push without unwind data would lead stack walks astray.
FUNCTION KiDisableInterrupts
    pushfq
    .seh_stackalloc 8
    .seh_endprologue
    cli
    pop rax
    ret
END_FUNCTION

# First code of a new thread; the stack above is zero, so a walk ends here.
FUNCTION KiStartSystemThread
    .seh_handler PspUnhandledExceptionInSystemThread, @except
    sub rsp, 0x28
    .seh_stackalloc 0x28
    .seh_endprologue
    call PspSystemThreadStartup
    int3
END_FUNCTION

# First code of a new thread of user mode, which leaves the trap frame at rsp; that has room for the callee's home too.
FUNCTION KiStartUserThread
    .seh_pushframe @code
    .seh_stackalloc 0x160
    .seh_savereg rbx, 0x140
    .seh_savereg rdi, 0x148
    .seh_savereg rsi, 0x150
    .seh_savereg rbp, 0x158
    .seh_endprologue
    call PspUserThreadStartup
    xor r12d, r12d # what the frame doesn't hold
    xor r13d, r13d
    xor r14d, r14d
    xor r15d, r15d
    JUMP_OUT KiExceptionExit
END_FUNCTION

# First code of a processor: rcx = loader block, edx = number.
FUNCTION KiSystemStartup
    sub rsp, 0x28
    .seh_stackalloc 0x28
    .seh_endprologue
    call KiInitializeKernel
    int3
END_FUNCTION

# ---- system services ------------------------------------------------------------------------------------
# Kernel threads call Zw...; the stub builds a machine frame and enters the common path, as Windows does.

.macro ZW_STUB name, number
FUNCTION Zw\name
    mov rax, rsp
    cli
    sub rsp, 8
    .seh_stackalloc 8
    push 0x18
    .seh_stackalloc 8
    push rax
    .seh_stackalloc 8
    pushfq
    .seh_stackalloc 8
    push 0x10
    .seh_stackalloc 8
    lea rax, [rip + KiServiceLinkage]
    push rax
    .seh_stackalloc 8
    .seh_endprologue
    mov eax, \number
    JUMP_OUT KiServiceInternal
END_FUNCTION
.endm

FUNCTION KiServiceLinkage
    .seh_endprologue
    ret
END_FUNCTION

FUNCTION KiServiceInternal
    .seh_pushframe
    push 0
    .seh_stackalloc 8
    BUILD_TRAP_FRAME
    or dword ptr [rsp + 0x178], 0x200
    JUMP_OUT KiSystemServiceStart
END_FUNCTION

# Entry of the syscall instruction (LSTAR): switches to the thread's kernel stack and joins the same path.
FUNCTION KiSystemCall64
    .seh_handler KiSystemServiceHandler, @except
    swapgs
    mov qword ptr gs:[0x10], rsp
    mov rsp, qword ptr gs:[0x1A8]
    push 0x2B
    push qword ptr gs:[0x10]
    push r11
    push 0x33
    push rcx
    .seh_pushframe
    mov rcx, r10
    push 0
    .seh_stackalloc 8
    BUILD_TRAP_FRAME
    .globl KiSystemServiceUser
KiSystemServiceUser:
    nop
    .globl KiSystemServiceStart
KiSystemServiceStart:
    sti
    mov rbx, qword ptr gs:[0x188]
    mov [rbx + 0x80], eax
    mov [rbx + 0x88], rcx
    lea rsi, [rbp - 0x80]
    mov [rbx + 0x90], rsi
    inc qword ptr gs:[0x180 + 0x708]
    .globl KiSystemServiceRepeat
KiSystemServiceRepeat:
    lea r11, [rip + KeServiceDescriptorTable]
    mov edi, [r11 + 0x10]
    cmp eax, edi
    jae 3f
    mov r11, [r11]
    mov r10, [r11 + rax * 8]
    # up to eight arguments beyond the four in registers
    sub rsp, 0x70
    mov rsi, [rbp - 0x80 + 0x180]
    mov rax, [rsi + 0x28]
    mov [rsp + 0x20], rax
    mov rax, [rsi + 0x30]
    mov [rsp + 0x28], rax
    mov rax, [rsi + 0x38]
    mov [rsp + 0x30], rax
    mov rax, [rsi + 0x40]
    mov [rsp + 0x38], rax
    mov rax, [rsi + 0x48]
    mov [rsp + 0x40], rax
    mov rax, [rsi + 0x50]
    mov [rsp + 0x48], rax
    mov rax, [rsi + 0x58]
    mov [rsp + 0x50], rax
    mov rax, [rsi + 0x60]
    mov [rsp + 0x58], rax
    .globl KiSystemServiceCopyEnd
KiSystemServiceCopyEnd:
    mov [rbp - 0x80 + 0x58], r10
    call r10
    nop dword ptr [rax]
    .globl KiSystemServiceExit
KiSystemServiceExit:
    mov [rbp - 0x80 + 0x30], rax
    cli
    mov rbx, qword ptr gs:[0x188]
    mov qword ptr [rbx + 0x90], 0
    LEAVE_TRAP
3:  mov eax, 0xC000001C
    jmp KiSystemServiceExit
END_FUNCTION

ZW_STUB CreateFile, 0
ZW_STUB OpenFile, 1
ZW_STUB ReadFile, 2
ZW_STUB WriteFile, 3
ZW_STUB Close, 4
ZW_STUB DelayExecution, 5

# ---- debugger entries ---------------------------------------------------------------------------------------

FUNCTION DbgBreakPoint
    .seh_endprologue
    int3
    ret
END_FUNCTION

FUNCTION DbgBreakPointWithStatus
    .seh_endprologue
    int3
    ret
END_FUNCTION

# ecx = service, rdx, r8, r9, [rsp+28] = its arguments; the byte after int 2d is skipped by whoever takes the trap.
FUNCTION DebugService
    push rbx
    .seh_pushreg rbx
    .seh_endprologue
    mov eax, ecx
    mov rcx, rdx
    mov rdx, r8
    mov r8, r9
    mov r9, [rsp + 0x30]
    int 0x2d
    int3
    pop rbx
    ret
END_FUNCTION

    .section .drectve, "yn"
    .ascii " /export:DbgBreakPoint /export:DbgBreakPointWithStatus /export:ZwCreateFile /export:ZwOpenFile"
    .ascii " /export:ZwReadFile /export:ZwWriteFile /export:ZwClose"
