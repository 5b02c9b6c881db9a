"""`x` and `ln` on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.locals import LocalList
from kdnb.results.modules import NearestSymbols, SymbolList

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


TAKES = "(unsigned long, unsigned int64, unsigned int64, unsigned int64, unsigned int64)"
"""What KeBugCheckEx takes, in C's words."""


def lines(session: Session, command: str) -> list[str]:
    (value,) = execute(session, command)
    return to_text(value).split("\n")


def test_symbols_are_found_by_pattern_in_either_case(session: Session) -> None:
    (value,) = execute(session, "x NT!kebugcheck*")
    assert isinstance(value, SymbolList)
    assert "nt!KeBugCheckEx" in [symbol.name for symbol in value]
    with pytest.raises(CommandError, match="Couldn't resolve"):
        execute(session, "x nt!NoSuchThing*")


def test_the_nearest_symbols_of_an_address(session: Session) -> None:
    (exact,) = execute(session, "ln nt!KeBugCheckEx")
    assert isinstance(exact, NearestSymbols)
    assert [symbol.name for symbol in exact.exact] == ["nt!KeBugCheckEx"]
    (inside,) = execute(session, "ln nt!KeBugCheckEx+3")
    assert isinstance(inside, NearestSymbols)
    assert inside.before is not None
    assert inside.before.text == "nt!KeBugCheckEx+0x3"
    assert inside.after is not None
    assert not inside.exact
    assert "No symbol" in to_text(execute(session, "ln 1000")[0])


def test_without_symbols_names_come_from_exports(session: Session) -> None:
    before = str(session.symbols.path)
    execute(session, ".sympath /nowhere")
    assert "(export symbols)" in to_text(execute(session, "x nt!KeBugCheckEx; lm m nt")[1])
    execute(session, f".sympath {before}")


def test_variables_show_what_they_hold_and_addresses_their_source_line(session: Session) -> None:
    text = to_text(execute(session, "x nt!KeTimeIncrement")[0])
    assert text.endswith(f" nt!KeTimeIncrement = 0x{session.evaluate('dwo(nt!KeTimeIncrement)'):x}")
    assert " = _LIST_ENTRY [ 0x" in to_text(execute(session, "x nt!PsActiveProcessHead")[0])
    lines = to_text(execute(session, "ln nt!KeBugCheckEx+8")[0]).split("\n")
    assert lines[0].partition("(")[0].endswith(".c")
    assert "nt!KeBugCheckEx+0x8" in lines[1]


def test_addresses_names_or_both_can_be_shown_alone(session: Session) -> None:
    start = session.evaluate("nt!KeBugCheckEx")
    address = f"{start >> 32:08x}`{start & 0xFFFFFFFF:08x}"
    assert lines(session, "x /0 nt!KeBugCheckEx") == [address]
    assert lines(session, "x /1 nt!KeBugCheckEx") == ["nt!KeBugCheckEx"]
    assert lines(session, "x /2 nt!KeBugCheckEx") == [f"{address} nt!KeBugCheckEx"]
    assert lines(session, "x /q nt!KeBugCheckEx") == [f'{address} @!"nt!KeBugCheckEx" {TAKES}']
    assert lines(session, "x /p nt!KeBugCheckEx") == [f"{address} nt!KeBugCheckEx{TAKES}"]


def test_types_kinds_and_sizes_are_known_from_private_symbols(session: Session) -> None:
    assert " struct _LIST_ENTRY nt!PsActiveProcessHead = " in lines(session, "x /t nt!PsActiveProcessHead")[0]
    assert " <function> nt!KeBugCheckEx " in lines(session, "x /t nt!KeBugCheckEx")[0]
    assert lines(session, "x /v nt!PsActiveProcessHead")[0].startswith("prv global fffff800`")
    assert "   10 nt!PsActiveProcessHead" in lines(session, "x /v nt!PsActiveProcessHead")[0]
    assert lines(session, "x /v nt!KeBugCheckEx")[0].startswith("prv func   fffff800`")
    assert lines(session, "x /v nt!KiBreakpointTrap")[0].startswith("pub func   fffff800`")


def test_functions_variables_and_sizes_can_be_chosen(session: Session) -> None:
    every = set(lines(session, "x /1 nt!KeBug*"))
    functions, data = set(lines(session, "x /f /1 nt!KeBug*")), set(lines(session, "x /d1 nt!KeBug*"))
    assert functions | data == every
    assert not functions & data
    assert "nt!KeBugCheckCount" in data
    assert lines(session, "x /1 /s 4 nt!KeBugCheckC*") == ["nt!KeBugCheckCount"]


def test_symbols_are_sorted_as_asked(session: Session) -> None:
    (value,) = execute(session, "x nt!Ke*")
    assert isinstance(value, SymbolList)
    addresses, names = [one.address for one in value], [one.name.lower() for one in value]
    assert addresses == sorted(addresses)
    assert lines(session, "x /0 /A nt!Ke*") == lines(session, "x /0 nt!Ke*")[::-1]
    assert [name.lower() for name in lines(session, "x /1 /n nt!Ke*")] == sorted(names)
    assert [name.lower() for name in lines(session, "x /1 /N nt!Ke*")] == sorted(names, reverse=True)
    (by_size,) = execute(session, "x /Z nt!Ke*")
    assert isinstance(by_size, SymbolList)
    sizes = [one.size or 0 for one in by_size]
    assert sizes == sorted(sizes, reverse=True)


def test_a_star_alone_means_the_local_variables(session: Session) -> None:
    execute(session, "g nt!KeClockInterruptNotify")
    (value,) = execute(session, "x *")
    assert isinstance(value, LocalList)
    assert "TrapFrame" in [variable.name for variable in value.variables]


def test_why_nothing_matches_is_said(session: Session) -> None:
    before = str(session.symbols.path)
    try:
        execute(session, ".sympath /nowhere")
        with pytest.raises(CommandError) as error:
            execute(session, "x buggy!*")
        assert error.value.hint.startswith("buggy has no symbols: ")
    finally:
        execute(session, f".sympath {before}")
    with pytest.raises(CommandError, match="Syntax error at '/x'"):
        execute(session, "x /x nt!*")


def test_functions_show_what_they_take(session: Session) -> None:
    (line,) = lines(session, "x nt!KeClockInterruptNotify")
    assert line.endswith(" nt!KeClockInterruptNotify (struct _KTRAP_FRAME *)")
    assert lines(session, "x nt!HalProcessorIdle")[0].endswith(" nt!HalProcessorIdle (void)")
    assert lines(session, "x nt!KiClockInterrupt")[0].endswith(" nt!KiClockInterrupt (<no parameter info>)")
    assert lines(session, "x /p nt!HalProcessorIdle")[0].endswith(" nt!HalProcessorIdle(void)")
    assert lines(session, "ln /D nt!PoIdle")[-1] == "    nt!PoIdle (struct _KPRCB *)"


def test_symbols_of_unknown_size_are_shown_whatever_the_size_asked_for(session: Session) -> None:
    before = str(session.symbols.path)
    execute(session, ".sympath /nowhere")
    try:
        (value,) = execute(session, "x /s 5 nt!KeBugCheckEx")
    finally:
        execute(session, f".sympath {before}")
    assert isinstance(value, SymbolList)
    assert [symbol.size for symbol in value] == [None]
