"""Commands and Python in one cell, on the simulated machine, through a real IPython shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.errors import ConnectionStringError, KdnbError, NoTargetError, UsageError
from kdnb.jupyter.notebook import parse_connect
from kdnb.results.base import Results
from kdnb.results.registers import RegisterSet
from kdnb.results.stack import Stack

if TYPE_CHECKING:
    from tests.jupyter.conftest import Cells


def test_connect_puts_kd_into_the_namespace_and_shows_who_it_is(sim: Cells) -> None:
    assert sim.notebook.debugger is sim.shell.user_ns["kd"]
    assert "Kernel base" in str(sim.run("vertarget"))


def test_the_design_example_runs(sim: Cells) -> None:
    value = sim.run("bp nt!NtCreateFile\ng\nk\nregs = %kd r\nhex(regs.rip)\n")
    assert value == hex(sim.shell.user_ns["kd"].registers.rip)
    breakpoint_line, stop, stack = sim.texts
    assert "nt!NtCreateFile" in breakpoint_line
    assert stop.startswith("Breakpoint 0 hit")
    assert "nt!NtCreateFile" in stack.splitlines()[1]


def test_the_last_command_is_the_value_of_the_cell(sim: Cells) -> None:
    assert isinstance(sim.run("r\nk"), Stack)
    assert isinstance(sim.run("r"), RegisterSet)


def test_several_commands_on_a_line_give_all_their_results(sim: Cells) -> None:
    value = sim.run("%kd r; k")
    assert isinstance(value, Results)
    assert [type(entry) for entry in value] == [RegisterSet, Stack]


def test_a_cell_magic_takes_blocks_over_several_lines(sim: Cells) -> None:
    sim.run("%%kd\n.foreach (t {.echo a b})\n{\n  .echo t\n}\nr rax\n")
    assert sim.texts == ["a", "b"]


def test_a_cell_magic_runs_line_by_line(sim: Cells) -> None:
    assert isinstance(sim.run("%%kd\nr\nk\n"), Stack)
    assert len(sim.shown) == 1


def test_line_magics_are_commands_whatever_names_are_bound(sim: Cells) -> None:
    sim.run("k = 3\nbl = 4")
    assert sim.run("k") == 3
    assert isinstance(sim.run("%kd k"), Stack)
    assert isinstance(sim.run("stack = %k\nstack"), Stack)


def test_packets_carry_the_cell_and_the_command(sim: Cells) -> None:
    sim.run("db nt+2000 L10")
    number = str(sim.shell.execution_count - 1)
    packets = sim.shell.user_ns["kd"].packets()
    mine = packets[packets.command == "db nt+2000 L10"]
    assert set(mine.api.dropna()) == {"ReadVirtualMemory"}
    assert set(mine.cell) == {number}


def test_a_failing_command_is_one_line_and_keeps_what_ran_before(sim: Cells) -> None:
    with pytest.raises(KdnbError) as error:
        sim.run("? 1+1\ndb nosuchname\n")
    assert "nosuchname" in str(error.value)
    assert "\n" not in str(error.value)
    assert "Evaluate expression: 2" in sim.texts[0]


def test_what_ran_before_a_failure_on_the_last_line_is_shown(sim: Cells) -> None:
    with pytest.raises(KdnbError):
        sim.run("r rip; db nosuchname; k")
    assert [text[:4] for text in sim.texts] == ["rip="]


def test_a_typo_in_connect_keeps_the_session(sim: Cells) -> None:
    before = sim.notebook.debugger
    with pytest.raises(ConnectionStringError):
        sim.run("connect nonsense:")
    assert sim.notebook.debugger is before
    assert sim.run("r") is not None


def test_a_breakpoint_that_goes_on_prints_only_what_it_was_told_to(sim: Cells) -> None:
    sim.run("connect sim:scenario=syscalls")
    sim.run('bp nt!NtCreateFile 3 ".echo hit; gc"\nbp nt!NtCreateFile+4 4')
    sim.run("g")
    assert "hit" in sim.stdout.splitlines()
    assert "running" not in sim.stdout


def test_help_needs_no_session(cells: Cells) -> None:
    assert "Syntax:" in str(cells.run(".help k"))
    assert "!process" in str(cells.run(".hh"))


def test_a_silent_command_has_no_value(sim: Cells) -> None:
    assert sim.run("bc *") is None
    assert len(sim.run("bl")) == 0


def test_without_a_session_the_next_step_is_named(cells: Cells) -> None:
    with pytest.raises(NoTargetError, match="connect sim:"):
        cells.run("k")


def test_a_second_connect_ends_the_first_session(sim: Cells) -> None:
    first = sim.notebook.debugger
    sim.run("connect sim:")
    assert sim.notebook.debugger is not first
    assert first is not None
    with pytest.raises(KdnbError):
        first.execute("r")


def test_disconnect_ends_the_session(sim: Cells) -> None:
    sim.run("disconnect")
    assert sim.notebook.debugger is None
    with pytest.raises(NoTargetError):
        sim.run("r")


def test_target_output_reaches_the_cell_that_resumed(sim: Cells) -> None:
    sim.run("connect sim:scenario=storm")
    sim.run("g nt!NtCreateFile")
    assert sim.stdout.count("\n") > 0


def test_connect_options_are_read() -> None:
    spec, options = parse_connect("tcp:127.0.0.1:5555 symbols=/sym timeout=2.5 running readonly")
    assert spec == "tcp:127.0.0.1:5555"
    assert options == {"symbols": "/sym", "timeout": 2.5, "break_in": False, "read_only": True}


@pytest.mark.parametrize("arguments", ["", "sim: fast", "sim: timeout=soon"])
def test_bad_connect_arguments_are_refused(arguments: str) -> None:
    with pytest.raises(UsageError):
        parse_connect(arguments)


def test_a_bad_connection_string_leaves_the_notebook_usable(cells: Cells) -> None:
    with pytest.raises(ConnectionStringError):
        cells.run("connect nonsense:")
    assert cells.run("1 + 1") == 2


def test_forms_of_commands_are_magics_and_bare_words_too(sim: Cells) -> None:
    for source in ("%kv", "kv", "%lmvm nt", "lmv m nt"):
        assert sim.run(source) is not None


def test_a_question_of_the_target_is_asked_in_the_cell_that_waits(
    cells: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answer(text: str = "") -> str:
        asked.append(text)
        return "b"

    pytest.importorskip("unicorn")
    monkeypatch.setattr("builtins.input", answer)
    cells.run("%kd connect sim:scenario=prompt")
    stop = cells.run("g")
    assert getattr(stop, "symbol", "").startswith("nt!DbgBreakPoint")
    assert asked == ["buggy: Break, Ignore (bi)? "]
    assert "the answer was b" in cells.stdout


def test_a_frontend_that_cannot_ask_gives_the_default(cells: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(text: str = "") -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", refuse)
    assert cells.notebook._ask("Break?") is None
