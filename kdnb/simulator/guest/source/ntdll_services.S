# The system services as programs call them: the number in eax, the first argument in r10, since syscall takes rcx.

    .intel_syntax noprefix
    .text

.macro SERVICE name, number
    .def Nt\name; .scl 2; .type 32; .endef
    .globl Nt\name
    .p2align 4
Nt\name:
    .seh_proc Nt\name
    .seh_endprologue
    mov r10, rcx
    mov eax, \number
    syscall
    ret
    .seh_endproc
.endm

SERVICE CreateFile, 0
SERVICE OpenFile, 1
SERVICE ReadFile, 2
SERVICE WriteFile, 3
SERVICE Close, 4
SERVICE DelayExecution, 5

    .def DbgBreakPoint; .scl 2; .type 32; .endef
    .globl DbgBreakPoint
    .p2align 4
DbgBreakPoint:
    .seh_proc DbgBreakPoint
    .seh_endprologue
    int3
    ret
    .seh_endproc

    .section .drectve, "yn"
    .ascii " /export:NtCreateFile /export:NtOpenFile /export:NtReadFile /export:NtWriteFile /export:NtClose"
    .ascii " /export:NtDelayExecution /export:DbgBreakPoint"
