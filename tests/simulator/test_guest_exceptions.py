"""How the guest dispatches exceptions: which handler it finds, and what it tells of the fault."""

from __future__ import annotations

import pytest

from kdnb.protocol.context.amd64 import AMD64Context
from kdnb.protocol.context.x86 import X86Context
from kdnb.simulator.architecture import AMD64, X86, Architecture
from kdnb.simulator.events import Trap
from kdnb.simulator.loader import guest_exports
from kdnb.simulator.machine import Machine
from tests.simulator.guest_access import (
    ACCESS_VIOLATION,
    DBG_CONTINUE,
    DBG_EXCEPTION_NOT_HANDLED,
    guest_names,
    run_to,
)

SYSTEM_SERVICE_EXCEPTION, SYSTEM_THREAD_EXCEPTION_NOT_HANDLED = 0x3B, 0x7E
ILLEGAL_INSTRUCTION = 0xC000001D


def bug_check(machine: Machine) -> tuple[int, ...]:
    """Code and parameters, after the stop that the bug check makes."""
    size = machine.architecture.pointer_size
    run_to(machine, Trap, turns=100_000)
    data = machine.read_virtual(0, guest_exports(machine.architecture)["KiBugCheckData"], 5 * size)
    return tuple(int.from_bytes(data[i : i + size], "little") for i in range(0, 5 * size, size))


def booted(scenario: str, architecture: Architecture) -> Machine:
    machine = Machine(scenario, architecture)
    machine.boot()
    return machine


@pytest.mark.parametrize("architecture", [AMD64, X86], ids=["amd64", "x86"])
def test_a_fault_in_a_system_thread_comes_with_its_record_and_context(architecture: Architecture) -> None:
    machine = booted("exception", architecture)
    code, status, address, record, context = bug_check(machine)
    assert (code, status & 0xFFFFFFFF) == (SYSTEM_THREAD_EXCEPTION_NOT_HANDLED, ACCESS_VIOLATION)
    assert machine.read_virtual(0, record, 4) == ACCESS_VIOLATION.to_bytes(4, "little")
    if architecture is AMD64:
        registers = AMD64Context.decode(machine.read_virtual(0, context, AMD64Context.SIZE))
        assert (registers.rip, registers.cs) == (address, 0x10)
        assert guest_names()["buggy!BuggyReportOwner"] <= address
    else:
        frame = X86Context.decode(machine.read_virtual(0, context, X86Context.SIZE))
        assert (frame.eip, frame.cs, frame.ss) == (address, 8, 0x10)


def test_the_search_for_a_handler_goes_through_a_system_call() -> None:
    machine = booted("idle", AMD64)
    place = guest_names()["ntfs!NtfsFsdWrite"]  # a thread of the kernel writes: below it lies a system call's frame
    machine.write_virtual(0, place, b"\x0f\x0b")  # ud2
    code, status, address, _, context = bug_check(machine)
    assert (code, status & 0xFFFFFFFF, address) == (SYSTEM_THREAD_EXCEPTION_NOT_HANDLED, ILLEGAL_INSTRUCTION, place)
    registers = AMD64Context.decode(machine.read_virtual(0, context, AMD64Context.SIZE))
    assert registers.rip == place


def test_a_stack_pointer_outside_the_thread_s_stack_ends_the_search() -> None:
    machine = booted("idle", AMD64)
    names = guest_names()
    # mov rsp, the middle of the pool; ud2
    code = b"\x48\xbc" + (AMD64.pool + 0x100000).to_bytes(8, "little") + b"\x0f\x0b"
    machine.write_virtual(0, names["disk!DiskFillBuffer"], code)
    trap = run_to(machine, Trap, turns=100_000)
    assert (trap.code, trap.first_chance) == (ILLEGAL_INSTRUCTION, False)


def test_a_system_service_that_user_mode_called_must_handle_its_exceptions() -> None:
    machine = booted("idle", AMD64)
    names = guest_names()
    place = names["disk!DiskFillBuffer"]
    machine.write_virtual(0, place, b"\xcc")
    trap = run_to(machine, Trap)
    registers = AMD64Context.decode(machine.get_context(trap.processor))
    thread = machine.thread(trap.processor)
    frame = int.from_bytes(machine.read_virtual(0, thread + 0x90, 8), "little")  # KTHREAD.TrapFrame
    machine.write_virtual(0, frame + 0x28, b"\1")  # KTRAP_FRAME.PreviousMode
    machine.write_virtual(0, place, b"\x0f\x0b")  # ud2
    machine.resume(0x10001, trace=False, dr7=None)
    code, status, address, context, _ = bug_check(machine)
    assert (code, status & 0xFFFFFFFF, address) == (SYSTEM_SERVICE_EXCEPTION, ILLEGAL_INSTRUCTION, place)
    found = AMD64Context.decode(machine.read_virtual(0, context, AMD64Context.SIZE))
    assert (found.rip, found.rsp) == (place, registers.rsp)


@pytest.mark.parametrize("architecture", [AMD64, X86], ids=["amd64", "x86"])
@pytest.mark.parametrize("status", [DBG_CONTINUE, DBG_EXCEPTION_NOT_HANDLED], ids=["handled", "not handled"])
def test_a_first_chance_has_the_parameters_and_comes_before_the_handlers(
    architecture: Architecture, status: int
) -> None:
    machine = booted("exception", architecture)
    machine.write_virtual(0, guest_exports(architecture)["NtGlobalFlag"], b"\1")  # FLG_STOP_ON_EXCEPTION
    first = run_to(machine, Trap, turns=100_000)
    assert (first.code, first.first_chance, first.parameters) == (ACCESS_VIOLATION, True, (0, 0))
    machine.resume(status, trace=False, dr7=None)
    if status == DBG_CONTINUE:  # the same instruction faults again
        again = run_to(machine, Trap, turns=100_000)
        assert (again.address, again.first_chance) == (first.address, True)
    else:
        assert bug_check(machine)[:3:2] == (SYSTEM_THREAD_EXCEPTION_NOT_HANDLED, first.address)
