"""What makes a shell a kdnb one: commands stay commands, and Python stays Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.errors import UnknownNameError
from kdnb.jupyter.extension import attach, detach

if TYPE_CHECKING:
    from tests.jupyter.conftest import Cells


@pytest.mark.parametrize("text", ['f"{1 + 1}"', 'r"raw"', 'u"unicode"', "f'{1}'"])
def test_strings_with_a_prefix_are_no_magics(cells: Cells, text: str) -> None:
    assert cells.run(text) == eval(text)


def test_a_name_that_ipython_keeps_is_still_automagic(cells: Cells) -> None:
    assert isinstance(cells.run("pwd"), str)


def test_what_stands_alone_is_shown_in_a_loop_and_before_the_last_line(sim: Cells) -> None:
    sim.run("for _ in range(2):\n    %kd ? 1\n    %k 1\n")
    assert len(sim.texts) == 4
    assert sim.texts[0].startswith("Evaluate expression: 1")
    value = sim.run("%kd ? 1\n%kd ? 2\n")
    assert sim.texts == ["Evaluate expression: 1 = 00000000`00000001"]
    assert "00000002" in str(value)
    sim.run("kept = %kd ? 1\n2")
    assert sim.texts == []


def test_a_command_written_as_python_says_how_it_is_written(cells: Cells, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NameError):
        cells.run("if True:\n    k")
    assert "k is a command too: inside Python code write %kd k" in cells.stdout
    with pytest.raises(NameError):
        cells.run("unknown_thing")
    assert "is a command too" not in cells.stdout


def test_an_unknown_register_is_one_line_as_an_attribute_too(sim: Cells) -> None:
    with pytest.raises(UnknownNameError, match="did you mean"):
        sim.run("kd.registers.raxx")
    assert sim.run("hasattr(kd.registers, 'raxx')") is False


def test_connecting_is_a_magic(cells: Cells) -> None:
    pytest.importorskip("unicorn")
    cells.run("%connect sim:")
    assert "the target runs on" in str(cells.run("%disconnect"))


def test_unloading_leaves_the_shell_as_it_was(cells: Cells) -> None:
    shell = cells.shell
    detach(shell)
    magics = shell.magics_manager.magics
    assert "bp" not in magics["line"]
    assert "kd" not in magics["cell"]
    parts = (shell.ast_transformers, shell.prefilter_manager.checkers, magics["line"])
    before = [len(each) for each in parts]
    attach(shell)
    assert "bp" in magics["line"]
    detach(shell)
    assert [len(each) for each in parts] == before


def test_help_on_a_magic_is_the_help_on_its_command(cells: Cells) -> None:
    assert "Syntax:" in cells.shell.find_magic("bp").__doc__
