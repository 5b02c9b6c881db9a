"""`!analyze` and its words for codes; triage itself is tested in tests/debugger/test_analysis.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def test_a_code_is_explained_with_its_parameters(session: Session) -> None:
    (value,) = execute(session, "!analyze -show d1 1000 2 1 2000")
    lines = to_text(value).splitlines()
    assert lines[0] == "DRIVER_IRQL_NOT_LESS_OR_EQUAL (d1)"
    assert lines[-4] == "Arg1: 0000000000001000, memory referenced"


def test_an_unknown_code_is_said_to_be_unknown(session: Session) -> None:
    (value,) = execute(session, "!analyze -show 7777")
    assert to_text(value) == "Unknown bugcheck code (7777)"


def test_what_is_not_there_names_what_is(session: Session) -> None:
    with pytest.raises(CommandError, match="!running"):
        execute(session, "!analyze -hang")
