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
    assert session.evaluate("$exr_chance") == 1
    assert session.last_stop is not None
    assert session.evaluate("$exr_numparams") == len(session.last_stop.parameters)
    assert session.evaluate("$pcrb") == session.evaluate("$prcb")
    assert session.evaluate("$pagesize") == 0x1000
    assert session.evaluate("$retreg") == session.registers.get("rax")
    assert session.evaluate("$eventip") == session.registers.pc
    assert session.evaluate("$exp") == 0
    assert session.evaluate("$bp7") == 0
    for unknown in ("$t20", "$nonsense", "$bug_code", "$exr_param9", "$exr_nonsense"):
        with pytest.raises(ExpressionError):
            session.evaluate(unknown)


def test_source_lines_are_addresses(session: Session) -> None:
    start = session.evaluate("nt!KeBugCheckEx")
    kernel = session.modules.kernel
    assert kernel is not None
    assert kernel.pdb is not None
    line = kernel.pdb.line_at(start - kernel.base)
    assert line is not None
    for text in (f"`nt!{line.file}:{line.line}`", f"`{line.file}:{line.line}`"):
        assert session.evaluate(text) == start
    for wrong in ("`nt!nosuch.c:1`", f"`nt!{line.file}:99999`", "`nosuch!a.c:1`"):
        with pytest.raises(ExpressionError, match="Couldn't resolve"):
            session.evaluate(wrong)


def test_a_local_variable_is_its_address(session: Session) -> None:
    session.go(until=session.evaluate("nt!KeClockInterruptNotify"), timeout=30.0)
    with pytest.raises(ExpressionError, match="no address: it is in @rcx"):
        session.evaluate("$!TrapFrame")
    with pytest.raises(ExpressionError, match="Couldn't resolve"):
        session.evaluate("$!nosuch")


def test_expressions_can_be_cplusplus_by_default(session: Session) -> None:
    session.environment.is_cplusplus = True
    assert session.evaluate("10") == 10
    assert session.evaluate("sizeof(nt!_LIST_ENTRY)") == 16
    assert session.evaluate("@@masm(10)") == 16


def test_unreadable_memory_names_its_place(session: Session) -> None:
    with pytest.raises(ExpressionError, match="Memory access error"):
        session.evaluate("poi(1000)")


def test_a_running_target_has_no_instruction_pointer(session: Session) -> None:
    session.go(wait=False)
    with pytest.raises(TargetRunningError):
        session.evaluate(".")
    assert session.evaluate("1 + 1") == 2


def test_stops_and_operands_are_pseudo_registers(session: Session) -> None:
    here = session.registers.pc
    session.go(until=session.evaluate("nt!KeClockInterruptNotify"), timeout=30.0)
    assert session.evaluate("$previp") == here
    assert session.evaluate("$argreg") == session.registers.get("rcx")
    while "[" not in session.disassemble(session.registers.pc, 1)[0].operands:
        session.step()
    shown = session.scope.snapshot().instruction
    assert shown is not None
    place = shown.annotation.partition("=")[0].rpartition(":")[2].replace("`", "")
    if shown.annotation.startswith(("ds:", "ss:")):
        assert session.evaluate("$ea") == int(place, 16)


def test_whether_a_function_succeeded_is_told_by_its_type_or_the_flag(session: Session) -> None:
    for text, value in {
        "$fnsucc(nt!PspLookupCid, 0, 1)": 0,  # gives a pointer: the flag doesn't count
        "$fnsucc(nt!PspLookupCid, 5, 1)": 1,
        "$fnsucc(nt!NtReadFile, 0, 1)": 1,
        "$fnsucc(nt!NtReadFile, 0, 0)": 0,
        "$fnsucc(5, 7, 0)": 1,
    }.items():
        assert session.evaluate(text) == value, text


def test_patterns_are_those_of_x_and_bm(session: Session) -> None:
    assert session.evaluate('$spat("nt!KeBug", "*!ke[a-c]ug")') == 1
    assert session.evaluate('$spat("aaab", "a#b")') == 1
    assert session.evaluate('$spat("b", "a#b")') == 1
    assert session.evaluate('$spat("b", "a+b")') == 0
