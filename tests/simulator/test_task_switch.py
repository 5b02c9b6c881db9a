"""Double faults: through a task gate on x86, on a stack of its own on amd64."""

from __future__ import annotations

import struct

import pytest

from kdnb.protocol.context.x86 import X86Context, X86SpecialRegisters
from kdnb.simulator.architecture import AMD64, X86, Architecture
from kdnb.simulator.events import Rebooted, Trap
from kdnb.simulator.loader import guest_exports
from kdnb.simulator.machine import Machine
from kdnb.simulator.task_switch import NESTED_TASK
from tests.simulator.guest_access import run_to

MAIN, DOUBLE_FAULT = 0x28, 0x50


def booted(architecture: Architecture) -> Machine:
    machine = Machine("doublefault", architecture)
    machine.boot()
    return machine


def task(machine: Machine, selector: int) -> tuple[int, bytes, int]:
    """Address and content of a TSS, and the access byte of its descriptor, on processor 0."""
    table = X86SpecialRegisters.decode(machine.get_special(0)).gdtr
    _limit, low, middle, access, _flags, high = struct.unpack("<HHBBBB", machine.read_virtual(0, table + selector, 8))
    base = low | middle << 16 | high << 24
    return base, machine.read_virtual(0, base, 0x68), access


@pytest.mark.parametrize("architecture", [AMD64, X86], ids=["amd64", "x86"])
def test_a_kernel_stack_that_runs_out_is_a_double_fault(architecture: Architecture) -> None:
    machine = booted(architecture)
    run_to(machine, Trap, turns=100_000)
    size = architecture.pointer_size
    data = machine.read_virtual(0, guest_exports(architecture)["KiBugCheckData"], 2 * size)
    assert (int.from_bytes(data[:size], "little"), int.from_bytes(data[size:], "little")) == (0x7F, 8)


def test_the_task_gate_leaves_the_interrupted_registers_in_the_main_task() -> None:
    machine = booted(X86)
    trap = run_to(machine, Trap, turns=100_000)
    assert trap.processor == 0
    assert X86SpecialRegisters.decode(machine.get_special(0)).tr == DOUBLE_FAULT
    _, main, access = task(machine, MAIN)
    eip, flags, esp = (int.from_bytes(main[at : at + 4], "little") for at in (0x20, 0x24, 0x38))
    assert eip >> 16 == 0xF8A1, "in buggy.sys"
    assert esp % 0x8000 in range(0x2000, 0x2010), "the lowest bytes of a stack slot"
    assert flags & NESTED_TASK == 0
    _, nested, nested_access = task(machine, DOUBLE_FAULT)
    assert int.from_bytes(nested[:2], "little") == MAIN, "the link back"
    assert (access & 0xF, nested_access & 0xF) == (0xB, 0xB), "both are busy"
    context = X86Context.decode(machine.get_context(0))
    assert context.esp >> 16 == 0x8040, "the stack of double faults, in the kernel's image"
    assert (context.cs, context.ss, context.fs) == (8, 0x10, 0x30)
    assert context.efl & NESTED_TASK == 0, "KiTrap08 clears it"


def test_a_task_that_is_busy_cannot_be_entered_and_the_board_resets() -> None:
    machine = booted(X86)
    machine.request_break_in()
    run_to(machine, Trap)
    for processor in range(2):
        table = X86SpecialRegisters.decode(machine.get_special(processor)).gdtr
        machine.write_virtual(processor, table + DOUBLE_FAULT + 5, b"\x8b")
    context = X86Context.decode(machine.get_context(0))
    machine.set_context(0, context.replace(eip=context.eip + 1).encode())
    machine.resume(0x10001, trace=False, dr7=0x400)
    assert run_to(machine, Rebooted, turns=100_000) == Rebooted()
