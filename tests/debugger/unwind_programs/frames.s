# Frames that the compiler doesn't make, with unwind data written by hand:
# chained and indirect entries, version 2 epilogs, far saves, an r12 frame register, processor frames.
        .intel_syntax noprefix
        .text
        .globl __chkstk, TheEnd, AsmChained, AsmVersion2, AsmFar, AsmTrap, AsmFrameRegister, AsmIndirect
        .globl trap_push, trap_handler, trap_leave, trap_resume

__chkstk:
        ret
TheEnd:
        hlt
        ret

# A primary part and a fragment whose record is chained to the primary's.
AsmChained:
        push    rbx
        sub     rsp, 0x30
        mov     rbx, rcx
        test    rcx, rcx
        jz      .Lchained_out
        jmp     .Lfragment
.Lchained_out:
        mov     rax, rbx
        add     rsp, 0x30
        pop     rbx
        ret
.Lchained_end:
        nop
.Lfragment:
        mov     qword ptr [rsp+0x28], rsi
.Lfragment_prolog:
        mov     rsi, 77
        lea     rcx, [rbx+1]
        call    Called
        add     rbx, rax
        mov     rsi, qword ptr [rsp+0x28]
        jmp     .Lchained_out
.Lfragment_end:

# Two version 2 epilogs of three instructions, one of them at the function's end.
AsmVersion2:
        push    rbx
        push    r12
        sub     rsp, 0x28
.Lv2_prolog:
        mov     rbx, rcx
        mov     r12, 99
        call    Called
        test    rax, rax
        jz      .Lv2_other
        call    Leaf
        add     rsp, 0x28
.Lv2_epilog1:
        pop     r12
        pop     rbx
        ret
.Lv2_other:
        mov     rcx, rbx
        call    Leaf
        add     rsp, 0x28
.Lv2_epilog2:
        pop     r12
        pop     rbx
        ret
.Lv2_end:

# Allocations and saves that need three slots.
AsmFar:
        mov     eax, 0x90000
        sub     rsp, rax
.Lfar_alloc:
        mov     qword ptr [rsp+0x80010], rdi
.Lfar_save:
        movaps  xmmword ptr [rsp+0x88000], xmm7
.Lfar_xmm:
        movaps  xmmword ptr [rsp+0x40], xmm6
.Lfar_prolog:
        mov     rdi, rcx
        xorps   xmm7, xmm7
        cvtsi2sd xmm6, rcx
        call    Called
        add     rax, rdi
        movaps  xmm6, xmmword ptr [rsp+0x40]
        movaps  xmm7, xmmword ptr [rsp+0x88000]
        mov     rdi, qword ptr [rsp+0x80010]
        add     rsp, 0x90000
        ret
.Lfar_end:

# r12 as the frame register, so that the epilog's lea needs a SIB byte; the stack pointer moves in the body, and
# the save slot is counted from the frame register.
AsmFrameRegister:
        push    r12
        push    rsi
        sub     rsp, 0x48
.Lfr_alloc:
        lea     r12, [rsp+0x20]
.Lfr_fpreg:
        mov     qword ptr [rsp+0x30], rdi
.Lfr_prolog:
        mov     rsi, 5
        mov     rdi, 6
        sub     rsp, 0x60
        call    Called
        sub     rsp, 0x40
        call    Leaf
        mov     rdi, qword ptr [r12+0x10]
        lea     rsp, [r12+0x28]
        pop     rsi
        pop     r12
        ret
.Lfr_end:

# A second range of a function whose table entry points to the first range's entry.
AsmIndirect:
        push    rdi
        sub     rsp, 0x20
.Lind_prolog:
        mov     rdi, rcx
        jmp     .Lind2
.Lind_end:
        nop
.Lind2:
        call    Called
        lea     rcx, [rax+rdi]
        call    Leaf
        add     rsp, 0x20
        pop     rdi
        ret
.Lind2_end:

# A trap: pushes what the processor would, goes to a handler with an error code; that one is interrupted without one.
AsmTrap:
        push    rbx
        sub     rsp, 0x20
.Ltrap_prolog:
        mov     rbx, rcx
trap_push:
        mov     rax, rsp
        push    0x18
        push    rax
        pushfq
        push    0x10
        lea     rcx, [rip+trap_resume]
        push    rcx
        push    0
        jmp     trap_handler
trap_resume:
        mov     rax, rbx
        call    Leaf
        add     rsp, 0x20
        pop     rbx
        ret
.Ltrap_end:
trap_handler:
        push    rbp
        sub     rsp, 0x58
        lea     rbp, [rsp+0x30]
.Lhandler_prolog:
        mov     ecx, 3
        call    Called
        mov     ecx, 0x55
        call    LargeFrame
trap_leave:
        mov     rcx, [rsp+0x58]
        mov     rsp, [rsp+0x58+0x8+0x8+0x18]
        mov     rbp, rcx
        jmp     trap_resume
.Lhandler_end:

        .section .xdata,"dr"
        .p2align 2
.Lu_chained:
        .byte   1, 5, 2, 0
        .byte   5, 0x52, 1, 0x30
.Lu_fragment:
        .byte   0x21, .Lfragment_prolog-.Lfragment, 2, 0
        .byte   .Lfragment_prolog-.Lfragment, 0x64, 5, 0
        .long   AsmChained@IMGREL, .Lchained_end@IMGREL, .Lu_chained@IMGREL
.Lu_v2:
        .byte   2, .Lv2_prolog-AsmVersion2, 6, 0
        .byte   .Lv2_end-.Lv2_epilog2, 0x16
        .byte   .Lv2_end-.Lv2_epilog1, 0x06
        .byte   0, 0x06
        .byte   .Lv2_prolog-AsmVersion2, 0x42, 3, 0xC0, 1, 0x30
.Lu_far:
        .byte   1, .Lfar_prolog-AsmFar, 11, 0
        .byte   .Lfar_prolog-AsmFar, 0x68, 4, 0
        .byte   .Lfar_xmm-AsmFar, 0x79
        .long   0x88000
        .byte   .Lfar_save-AsmFar, 0x75
        .long   0x80010
        .byte   .Lfar_alloc-AsmFar, 0x11
        .long   0x90000
        .byte   0, 0
.Lu_fr:
        .byte   1, .Lfr_prolog-AsmFrameRegister, 6, 0x2C
        .byte   .Lfr_prolog-AsmFrameRegister, 0x74, 6, 0
        .byte   .Lfr_fpreg-AsmFrameRegister, 0x03, .Lfr_alloc-AsmFrameRegister, 0x82, 3, 0x60, 2, 0xC0
.Lu_ind:
        .byte   1, .Lind_prolog-AsmIndirect, 2, 0
        .byte   .Lind_prolog-AsmIndirect, 0x32, 1, 0x70
.Lu_trap:
        .byte   1, .Ltrap_prolog-AsmTrap, 2, 0
        .byte   .Ltrap_prolog-AsmTrap, 0x32, 1, 0x30
.Lu_handler:
        .byte   1, .Lhandler_prolog-trap_handler, 4, 0x35
        .byte   .Lhandler_prolog-trap_handler, 0x03, 5, 0xA2, 1, 0x50, 0, 0x1A

        .section .pdata,"dr"
        .p2align 2
        .long   AsmChained@IMGREL, .Lchained_end@IMGREL, .Lu_chained@IMGREL
        .long   .Lfragment@IMGREL, .Lfragment_end@IMGREL, .Lu_fragment@IMGREL
        .long   AsmVersion2@IMGREL, .Lv2_end@IMGREL, .Lu_v2@IMGREL
        .long   AsmFar@IMGREL, .Lfar_end@IMGREL, .Lu_far@IMGREL
        .long   AsmFrameRegister@IMGREL, .Lfr_end@IMGREL, .Lu_fr@IMGREL
.Lp_indirect:
        .long   AsmIndirect@IMGREL, .Lind_end@IMGREL, .Lu_ind@IMGREL
        .long   .Lind2@IMGREL, .Lind2_end@IMGREL, .Lp_indirect@IMGREL+1
        .long   AsmTrap@IMGREL, .Ltrap_end@IMGREL, .Lu_trap@IMGREL
        .long   trap_handler@IMGREL, .Lhandler_end@IMGREL, .Lu_handler@IMGREL
