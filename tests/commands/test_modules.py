"""`lm x ln` on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.modules import ModuleList, NearestSymbols, SymbolList

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def names(session: Session, command: str) -> list[str]:
    (value,) = execute(session, command)
    assert isinstance(value, ModuleList)
    return [module.name for module in value]


def test_modules_come_in_address_order(session: Session) -> None:
    (value,) = execute(session, "lm")
    assert isinstance(value, ModuleList)
    starts = [module.start for module in value]
    assert starts == sorted(starts)
    assert value["NT"].start == session.evaluate("nt")


def test_options_choose_modules_and_columns(session: Session) -> None:
    assert names(session, "lm m d*") == ["disk"]
    assert names(session, "lmm d*") == ["disk"]
    assert names(session, "lm a nt+100") == ["nt"]
    assert names(session, "lma nt+100") == ["nt"]
    assert names(session, "lmu") == []
    assert "nt" in names(session, "lmk")
    assert names(session, "lmsm")[0] == "buggy"
    assert "nt" in to_text(execute(session, "lm1m")[0]).split("\n")
    assert "ntoskrnl.exe" in to_text(execute(session, "lmn")[0])


def test_details_of_one_module(session: Session) -> None:
    shown = to_text(execute(session, "lmvm disk")[0])
    assert "    Image name: disk.sys" in shown
    assert "    ImageSize:        " in shown
    assert "(This is a reproducible build file hash, not a timestamp)" in shown


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
