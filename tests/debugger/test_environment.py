"""What expressions learn from a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.errors import ExpressionError, TargetRunningError

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def test_registers_go_before_symbols_and_memory_is_read(session: Session) -> None:
    assert session.evaluate("rip") == session.evaluate("@rip") == session.evaluate(".")
    assert session.evaluate("poi(nt) & ffff") == 0x5A4D
    assert session.evaluate("wo(nt)") == 0x5A4D
    cr3 = session.registers.get("cr3")
    assert session.evaluate(f"$pqwo({cr3:#x})") == session.physical.read_u64(cr3)


def test_breakpoints_variables_and_exceptions_are_pseudo_registers(session: Session) -> None:
    session.breakpoints.add("nt!KeBugCheckEx")
    assert session.evaluate("$bp0") == session.evaluate("nt!KeBugCheckEx")
    assert session.evaluate("$exr_code") == 0x80000003
    assert session.evaluate("$pagesize") == 0x1000
    assert session.evaluate("$retreg") == session.registers.get("rax")
    assert session.evaluate("$eventip") == session.registers.pc
    assert session.evaluate("$exp") == 0
    for unknown in ("$bp7", "$t20", "$nonsense", "$bug_code"):
        with pytest.raises(ExpressionError):
            session.evaluate(unknown)


def test_unreadable_memory_names_its_place(session: Session) -> None:
    with pytest.raises(ExpressionError, match="Memory access error"):
        session.evaluate("poi(1000)")


def test_a_running_target_has_no_instruction_pointer(session: Session) -> None:
    session.go(wait=False)
    with pytest.raises(TargetRunningError):
        session.evaluate(".")
    assert session.evaluate("1 + 1") == 2
