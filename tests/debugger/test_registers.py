"""Registers by name on both machines; what each costs is in `test_session`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.debugger.paging import physical_address
from kdnb.errors import UnknownNameError
from kdnb.protocol.constants import MachineType
from kdnb.protocol.messages.execution import Continue2X86
from tests.debugger.x86_target import CODE, x86_session

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def test_a_snapshot_is_what_r_shows(session: Session) -> None:
    shown = session.registers.snapshot()
    assert shown.machine == "amd64"
    assert shown.rip == session.registers.pc
    assert shown.symbol == "nt!DbgBreakPointWithStatus"
    assert shown.instruction is not None
    assert shown.instruction.mnemonic == "int"
    assert "dr0" not in shown.values
    assert "p1_home" not in shown.values
    assert {"cr0", "cr3", "dr7", "gdtr", "gs_base"} <= set(session.registers.snapshot(special=True).values)


def test_an_instruction_pointer_that_was_moved_stays_moved_when_everything_is_read_anew(session: Session) -> None:
    moved = session.registers.pc + 1
    session.registers.set("rip", moved)
    session.refresh()
    assert session.registers.pc == moved


def test_every_name_has_a_value_and_a_width(session: Session) -> None:
    names = session.registers.names()
    assert {"rax", "eax", "al", "r15b", "xmm0", "st0", "efl", "iopl", "cr8", "tr", "idtl"} <= set(names)
    for name in names:
        value = session.registers.get(name)
        assert 0 <= value < 1 << session.registers.width(name)


def test_a_special_register_is_written_back_whole(session: Session) -> None:
    before = session.registers.special()
    session.registers.set("dr1", 0xFFFFF80041E13260)
    session.drop_caches()
    after = session.registers.special()
    assert session.registers.get("dr1") == 0xFFFFF80041E13260
    assert after.replace(kernel_dr1=0) == before.replace(kernel_dr1=0)  # type: ignore[attr-defined]  # a Structure


def test_the_current_instruction_says_what_it_touches(session: Session) -> None:
    session.go(until=session.evaluate("nt!NtDelayExecution"), timeout=30)
    for _ in range(40):
        instruction = session.registers.snapshot().instruction
        assert instruction is not None
        if "[rsp" in instruction.operands and instruction.mnemonic == "mov":
            assert instruction.annotation.startswith("ss:0018:fffffb06`")
            return
        session.step_over()
    pytest.fail("no move to the stack came by")


def test_a_32_bit_machine_has_its_own_names() -> None:
    with x86_session() as (session, machine):
        assert session.machine is MachineType.I386
        assert session.pointer_size == 4
        registers = session.registers
        assert (registers.get("eax"), registers.get("ah"), registers.get("ax")) == (0x11223344, 0x33, 0x3344)
        assert (registers.get("cr0"), registers.get("gdtl"), registers.get("zf")) == (0x8001003B, 0x3FF, 1)
        assert registers.find("rax") is None
        with pytest.raises(UnknownNameError):
            registers.get("r8")
        registers.set("bx", 0x7777)
        assert machine.context.ebx == 0x7777
        registers.set("cr2", 0x1234)
        assert machine.special.cr2 == 0x1234
        assert session.registers.snapshot().machine == "x86"


def test_a_32_bit_machine_steps_past_an_int3_and_on() -> None:
    with x86_session() as (session, machine):
        assert session.stop is not None
        assert session.stop.address == CODE
        assert session.step().address == CODE + 1
        assert machine.context.eip == CODE + 1
        assert session.step().address == CODE + 2
        (message,) = machine.resumed
        assert Continue2X86.decode(message.body.encode()) == Continue2X86(0x10002, 1, 0x400, 1, 0)


def test_physical_addresses_of_a_32_bit_machine_are_not_extended() -> None:
    with x86_session() as (session, _):
        assert physical_address(session, session.evaluate("80801000")) == 0x80801000
        assert physical_address(session, session.evaluate("@eip")) == CODE
        assert physical_address(session, 0xF_8000_0000) == 0xF_8000_0000  # PAE


def test_expressions_of_a_32_bit_machine_extend_signs() -> None:
    with x86_session() as (session, _):
        assert session.evaluate("80801000") == 0xFFFFFFFF80801000
        assert session.evaluate("poi(@esp)") == CODE + 0x10
        assert session.evaluate("$ra") == CODE + 0x10
        assert session.evaluate("$ip") == CODE
