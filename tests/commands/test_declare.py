"""The declarations as data: each one is complete, and each of its examples runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands import reference
from kdnb.commands.declare import COMMANDS, Command, declared_commands, find_command, help_text
from kdnb.commands.parse import parse, pieces
from kdnb.commands.run import execute
from kdnb.render.text import to_text

if TYPE_CHECKING:
    from pathlib import Path

    from kdnb.debugger.session import Session

ALL = [pytest.param(declared, id=declared.names[0]) for declared in declared_commands()]
WITHOUT_EXAMPLES = {
    ".dump",
    "!gle",
    "!pte2va",
    "rY",
    "!teb",
    "!sid",
    "!acl",
    ".ecxr",
    ".reboot",
    ".restart",
    ".symfix",
    ".crash",
    "wrmsr",
    "ob",
    "$<",
    ".logopen",
    "!ecb",
    ".pagein",
    "!chklowmem",
}
"""They bring the machine down, change devices, or only say what there is not; other tests run them."""


@pytest.mark.parametrize("declared", ALL)
def test_every_command_says_what_it_is_and_how_it_is_written(declared: Command) -> None:
    assert declared.summary.endswith(".")
    assert len(declared.summary) < 120
    assert any(name in declared.syntax for name in declared.names)
    assert declared.function.__doc__
    assert declared.examples or declared.names[0] in WITHOUT_EXAMPLES
    assert declared.summary in help_text(declared)
    for example in declared.examples:
        assert any(name in example for name in declared.names)
        assert all(parse(piece).command for _, piece in pieces(example))


@pytest.mark.parametrize("declared", ALL)
def test_every_example_runs(declared: Command, session: Session) -> None:
    execute(session, "g nt!KeClockInterruptNotify")  # a function with variables, whatever ran before
    for example in declared.examples:
        for result in execute(session, example):
            assert isinstance(to_text(result), str)
            result.to_dict()
        if session.is_running:
            session.break_in()


def test_names_are_found_in_any_case_unless_case_makes_a_difference() -> None:
    assert find_command("DB") is COMMANDS["db"]
    assert find_command("dD") is COMMANDS["dD"]
    assert find_command("nosuch") is None


def test_the_reference_page_is_what_the_declarations_say(repository: Path) -> None:
    page = repository / "docs/reference/commands.md"
    assert page.read_text(encoding="utf-8") == reference.page(), "run: python -m kdnb.commands.reference"
