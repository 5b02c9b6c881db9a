"""`.kframes .lines .asm .effmach .symopt` and those without effect, on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def text(session: Session, command: str) -> str:
    return "\n".join(filter(None, (to_text(result) for result in execute(session, command))))


def test_the_usual_number_of_frames_can_be_set(session: Session) -> None:
    assert text(session, ".kframes") == "Default stack trace depth is 0n256 frames"
    assert text(session, ".kframes 2; k").count("\n") == 3
    assert text(session, "k 3").count("\n") == 3
    with pytest.raises(CommandError, match="Range error"):
        execute(session, ".kframes 0")


def test_source_lines_in_stacks_can_be_hidden(session: Session) -> None:
    assert ".c @ " in text(session, "k 3")
    text(session, ".lines -d")
    assert ".c @ " not in text(session, "k 3")
    assert "LOAD_LINES" not in text(session, ".symopt")
    assert text(session, ".lines") == "Line number information will be loaded"
    assert ".c @ " in text(session, "k 3")


def test_the_bytes_of_code_can_be_hidden(session: Session) -> None:
    code = "nt!DbgBreakPointWithStatus"
    assert " cc " in text(session, f"u {code} L1")
    assert text(session, ".asm no_code_bytes") == "Assembly options: no_code_bytes"
    assert text(session, f"u {code} L1").split("\n")[1].endswith(" int     3")
    assert " cc " not in text(session, f"uf {code}")
    assert text(session, ".asm- no_code_bytes") == "Assembly options: <none>"
    assert " cc " in text(session, f"u {code} L1")
    with pytest.raises(CommandError, match="verbose is not an option"):
        execute(session, ".asm verbose")


def test_the_machine_is_the_targets(session: Session) -> None:
    assert text(session, ".effmach") == text(session, ".effmach amd64") == "Effective machine: x64 (AMD64)"
    with pytest.raises(CommandError, match="can't be chosen"):
        execute(session, ".effmach x86")


def test_symbol_options_say_how_it_works_and_two_can_be_changed(session: Session) -> None:
    assert "SYMOPT_DEBUG" not in text(session, ".symopt")
    assert "SYMOPT_DEBUG" in text(session, ".symopt+ 80000000")
    assert text(session, "!sym").startswith("noisy")
    text(session, ".symopt- 80000010")
    assert text(session, "!sym").startswith("quiet")
    assert ".c @ " not in text(session, "k 3")
    with pytest.raises(CommandError, match="40 can't be changed"):
        execute(session, ".symopt+ 40")


@pytest.mark.parametrize("command", [".cls", ".prefer_dml 1", ".srcpath c:\\src", "lsp -a 5", ".prompt_allow -reg"])
def test_what_has_nothing_to_do_here_says_so_in_one_line(session: Session, command: str) -> None:
    assert text(session, command).endswith(".")
    assert "\n" not in text(session, command)
