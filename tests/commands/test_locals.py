"""`dv` on the simulated machine, whose PDBs have private symbols."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.locals import LocalList
from kdnb.results.stack import Stack

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def _locals(session: Session, command: str = "dv") -> LocalList:
    (found,) = execute(session, command)
    assert isinstance(found, LocalList)
    return found


def test_a_parameter_is_in_its_register_at_the_function_s_start(session: Session) -> None:
    execute(session, "g nt!KeClockInterruptNotify")
    by_name = {variable.name: variable for variable in _locals(session).variables}
    parameter = by_name["TrapFrame"]
    assert parameter.is_parameter
    assert parameter.place == "@rcx"
    assert f"{session.registers.get('rcx') & 0xFFFFFFFF:08x}" in parameter.value
    text = to_text(_locals(session, "dv /i /t TrapFrame"))
    assert text.startswith("prv param  struct _KTRAP_FRAME * TrapFrame = 0x")
    assert to_text(_locals(session)).split("\n")[0].startswith("      TrapFrame = 0x")


def test_in_a_caller_only_preserved_registers_are_believed(session: Session) -> None:
    execute(session, "g nt!KeUpdateSystemTime")
    (stack,) = execute(session, "k")
    assert isinstance(stack, Stack)
    number = next(frame.number for frame in stack if frame.symbol.startswith("nt!KeClockInterruptNotify+"))
    execute(session, f".frame {number}")
    by_name = {variable.name: variable for variable in _locals(session).variables}
    prcb = session.processes.prcb()
    assert prcb is not None
    assert f"{prcb & 0xFFFFFFFF:08x}" in by_name["Prcb"].value
    for variable in by_name.values():
        assert not variable.place.startswith(("@rax", "@rcx", "@rdx", "@r8", "@r9")) or "unavailable" in variable.value


def test_without_private_symbols_dv_says_what_is_missing(session: Session) -> None:
    execute(session, "g nt!KeUpdateSystemTime; .frame /c 2")  # the interrupt's entry, written in assembler
    with pytest.raises(CommandError, match="Unable to enumerate locals, HRESULT 0x80004005"):
        execute(session, "dv")


def test_options_sort_and_share_a_slash(session: Session) -> None:
    execute(session, "g nt!KeClockInterruptNotify")
    names = [variable.name for variable in _locals(session, "dv /n").variables]
    assert names == sorted(names, key=str.lower)
    assert [variable.name for variable in _locals(session, "dv /N").variables] == names[::-1]
    sizes = [variable.size for variable in _locals(session, "dv /z").variables]
    assert sizes == sorted(sizes)
    assert to_text(_locals(session, "dv /tV TrapFrame")) == to_text(_locals(session, "dv /t /V TrapFrame"))
    with pytest.raises(CommandError, match="Syntax error at '/tq'"):
        execute(session, "dv /tq")


def test_variables_of_other_code_are_shown_without_values(session: Session) -> None:
    text = to_text(_locals(session, 'dv /t /f nt!KeClockInterruptNotify "Trap*"'))
    assert text.split() == ["@rcx", "struct", "_KTRAP_FRAME", "*", "TrapFrame"]
    with pytest.raises(CommandError, match="Unable to enumerate locals"):
        execute(session, "dv /f nt!KiClockInterrupt")
