"""Entering the guest's code from outside: at start-up, through a gate of its IDT, and by a call."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kdnb.simulator.task_switch import NESTED_TASK, enter_task
from kdnb.simulator.unicorn_state import VECTORS_WITH_ERROR_CODE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kdnb.simulator.cpu import Processor

__all__ = ["INTERRUPT_FLAG", "TRAP_FLAG", "TripleFault", "call", "deliver", "enter_system_call", "start"]

TRAP_FLAG, INTERRUPT_FLAG, RESUME_FLAG = 0x100, 0x200, 0x10000

_KERNEL_CODE, _KERNEL_DATA = 0x10, 0x18
_MASKED_ON_ENTRY = TRAP_FLAG | INTERRUPT_FLAG | RESUME_FLAG | NESTED_TASK
_PRESENT = 0x80
_GATE_TYPE, _TASK_GATE = 0x1F, 5
_DOUBLE_FAULT = 8
_STAR, _LSTAR, _SYSTEM_CALL_MASK = 0xC0000081, 0xC0000082, 0xC0000084
_ARGUMENT_REGISTERS = ("rcx", "rdx", "r8", "r9")
_HOME_SPACE = 0x20


class TripleFault(Exception):
    """An interrupt could not be delivered: the real board would reset."""


class _NoStack(Exception):
    """What an interrupt pushes would go where nothing is mapped."""

    def __init__(self, address: int) -> None:
        super().__init__(f"no stack at {address:#x}")
        self.address = address


def start(processor: Processor, entry: int, stack: int, arguments: Sequence[int]) -> None:
    """The state in which the loader hands a processor to the guest: a call of `entry` that nobody made."""
    if processor.architecture.pointer_size == 8:
        for name, value in {"cs": _KERNEL_CODE, "ss": _KERNEL_DATA, "mxcsr": 0x1F80}.items():
            processor.set(name, value)
    processor.set("eflags", 2)
    processor.set("fpcw", 0x27F)
    _enter(processor, entry, stack, 0, arguments)


def call(processor: Processor, function: int, arguments: Sequence[int]) -> None:
    """Make the processor call a function of the guest; interrupts are off in it."""
    _enter(processor, function, (processor.sp - 0x80) & ~15, processor.pc, arguments)
    processor.set("eflags", processor.get("eflags") & ~(INTERRUPT_FLAG | TRAP_FLAG))
    processor.halted = False


def _enter(processor: Processor, function: int, stack: int, back: int, arguments: Sequence[int]) -> None:
    """By the convention of the machine: four in registers with their home space, or all on the stack."""
    in_registers = len(_ARGUMENT_REGISTERS) if processor.architecture.pointer_size == 8 else 0
    for name, value in zip(_ARGUMENT_REGISTERS[:in_registers], arguments, strict=False):
        processor.set(name, value)
    home = bytes(_HOME_SPACE if in_registers else 0)
    size = processor.architecture.pointer_size
    frame = back.to_bytes(size, "little") + home
    frame += b"".join(value.to_bytes(size, "little") for value in arguments[in_registers:])
    # on amd64 a function finds its return address eight bytes below a multiple of 16
    processor.sp = stack - (size if in_registers else len(frame))
    processor.write(processor.sp, frame)
    processor.pc = function


def deliver(processor: Processor, vector: int, error_code: int | None = None) -> None:
    """Enter the guest's handler as the processor would: machine frame on the right stack, RIP or EIP from the gate.

    Without a stack for it, it is a double fault: the page fault of the push can't be delivered either. Raises
    `TripleFault` when that one's gate or stack can't be reached.
    """
    try:
        _enter_handler(processor, vector, error_code if vector in VECTORS_WITH_ERROR_CODE else None)
    except _NoStack as missing:
        processor.set("cr2", missing.address)
        try:
            _enter_handler(processor, _DOUBLE_FAULT, 0)
        except _NoStack as again:
            raise TripleFault(f"processor {processor.number}: {again} for a double fault") from missing
    processor.halted = False


def _enter_handler(processor: Processor, vector: int, error_code: int | None) -> None:
    if processor.architecture.pointer_size == 8:
        _enter_amd64(processor, vector, error_code)
    else:
        _enter_x86(processor, vector, error_code)


def _enter_amd64(processor: Processor, vector: int, error_code: int | None) -> None:
    gate = _gate(processor, vector, 16)
    low, selector, stack_index, _type, middle, high = struct.unpack("<HHBBHI4x", gate)
    rsp = processor.sp
    top = _handler_stack(processor, stack_index & 7) & ~15
    frame = [processor.pc, processor.get("cs"), processor.get("eflags"), rsp, processor.get("ss")]
    _push(processor, top, frame, error_code)
    # a change of rings leaves no selector in SS
    processor.enter_kernel_mode(selector, 0 if processor.is_user_mode else processor.get("ss"))
    processor.pc = low | middle << 16 | high << 32
    processor.set("eflags", processor.get("eflags") & ~_MASKED_ON_ENTRY)


def _enter_x86(processor: Processor, vector: int, error_code: int | None) -> None:
    """Everything runs in ring 0, so the frame has neither ESP nor SS and lies on the same stack.

    A task gate leads to the registers and the stack of another TSS; just an error code is pushed there.
    """
    gate = _gate(processor, vector, 8)
    low, selector, _type, high = struct.unpack("<HHHH", gate)
    if gate[5] & _GATE_TYPE == _TASK_GATE:
        if not enter_task(processor, selector):
            raise TripleFault(f"processor {processor.number}: no free task {selector:#x} for vector {vector:#x}")
        _push(processor, processor.sp, [], error_code)
        return
    frame = [processor.pc, processor.get("cs"), processor.get("eflags")]
    _push(processor, processor.sp, frame, error_code)
    if selector != processor.get("cs"):
        processor.set("cs", selector)
    processor.pc = low | high << 16
    processor.set("eflags", processor.get("eflags") & ~_MASKED_ON_ENTRY)


def _gate(processor: Processor, vector: int, size: int) -> bytes:
    gate = processor.read(processor.table_register("idtr")[1] + size * vector, size)
    if len(gate) < size or not gate[5] & _PRESENT:
        raise TripleFault(f"processor {processor.number}: no gate for vector {vector:#x}")
    return gate


def _push(processor: Processor, top: int, frame: list[int], error_code: int | None) -> None:
    size = processor.architecture.pointer_size
    values = frame if error_code is None else [error_code, *frame]
    data = b"".join(value.to_bytes(size, "little") for value in values)
    top -= len(data)
    if processor.write(top, data) < len(data):
        raise _NoStack(top)
    processor.sp = top


def _handler_stack(processor: Processor, index: int) -> int:
    task_state = processor.table_register("tr")[1]
    if index:
        return processor.read_pointer(task_state + 0x24 + 8 * (index - 1))
    return processor.read_pointer(task_state + 4) if processor.is_user_mode else processor.sp


def enter_system_call(processor: Processor) -> None:
    """What `syscall` does, behind which the processor stands; unicorn leaves it to whoever hooks the instruction."""
    flags = processor.get("eflags")
    processor.set("rcx", processor.pc)
    processor.set("r11", flags)
    code = processor.msr_read(_STAR) >> 32 & 0xFFFC
    processor.enter_kernel_mode(code, code + 8)
    processor.set("eflags", flags & ~processor.msr_read(_SYSTEM_CALL_MASK) & ~RESUME_FLAG)
    processor.pc = processor.msr_read(_LSTAR)
