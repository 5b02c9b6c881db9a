"""Completion: commands first on a line, names behind them, nothing in the way of Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.completer import provisionalcompleter

from kdnb.jupyter.completion import LIMIT, CommandMatcher

if TYPE_CHECKING:
    import pytest

    from tests.jupyter.conftest import Cells


def complete(cells: Cells, line: str) -> list[str]:
    return CommandMatcher(cells.notebook).complete(line)[1]


def test_the_start_of_a_line_completes_to_commands(cells: Cells) -> None:
    assert {".reload"} <= set(complete(cells, ".rel"))
    assert {"db", "dd", "dps"} <= set(complete(cells, "d"))
    assert {"bp"} <= set(complete(cells, "%kd b"))


def test_symbols_and_registers_complete_behind_a_command(sim: Cells) -> None:
    assert "nt!NtCreateFile" in complete(sim, "bp nt!NtCreateF")
    assert "@rip" in complete(sim, "u @ri")
    assert "nt!" in complete(sim, "u n")


def test_a_command_is_completed_with_what_it_takes(sim: Cells) -> None:
    assert {"rax", "rip"} <= set(complete(sim, "r r"))
    assert {"@$proc", "@$prcb"} <= set(complete(sim, "? @$pr"))
    assert {"$t0", "$t19"} <= set(complete(sim, "r $t"))
    assert complete(sim, "? @$nosuch") == []
    assert "_EPROCESS" in complete(sim, "dt _EP")
    assert "nt!_EPROCESS" in complete(sim, "dt -r nt!_EP")
    assert complete(sim, "dt nt!_EPROCESS Image") == ["ImageFileName"]
    assert complete(sim, "dt nt!_NOTHING Image") == []
    assert "sim:" in complete(sim, "connect s")


def test_there_is_a_limit_to_what_is_offered(sim: Cells) -> None:
    assert 0 < len(complete(sim, "bp nt!")) <= LIMIT


def test_python_lines_are_left_to_python(sim: Cells) -> None:
    assert complete(sim, "hex(nt") == []
    assert complete(sim, "") == []


def test_without_a_session_nothing_is_offered_behind_a_command(cells: Cells) -> None:
    assert complete(cells, "bp nt!Nt") == []


def test_ipython_offers_them(sim: Cells) -> None:
    text = "bp nt!NtCreateF"
    with provisionalcompleter():
        offered = [completion.text for completion in sim.shell.Completer.completions(text, len(text))]
    assert any("NtCreateFile" in entry for entry in offered)


def test_python_names_stay_out_of_command_lines(sim: Cells) -> None:
    text = "x nt!Ke"
    with provisionalcompleter():
        offered = [completion.text for completion in sim.shell.Completer.completions(text, len(text))]
    assert offered
    assert not [entry for entry in offered if "Error" in entry or "Interrupt" in entry.replace("KeClockInterrupt", "")]


def test_completing_downloads_nothing(sim: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    debugger = sim.notebook.debugger
    assert debugger is not None
    symbols = debugger.session.symbols
    asked: list[bool] = []
    open_pdb = symbols.open_pdb

    def noted(codeview: Any, *, download: bool, **options: Any) -> Any:
        asked.append(download)
        return open_pdb(codeview, download=download, **options)

    monkeypatch.setattr(symbols, "open_pdb", noted)
    debugger.execute(".reload /u; .reload")
    assert "disk!DiskReadWrite" in complete(sim, "bp disk!DiskRead")
    assert complete(sim, "dt nt!_EPRO")
    assert asked
    assert not any(asked)
