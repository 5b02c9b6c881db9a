"""`dt` on the simulated machine, whose PDB has types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.types import TypeDump, TypeNames

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def test_a_layout_has_offsets_names_and_types(session: Session) -> None:
    assert to_text(execute(session, "dt nt!_LIST_ENTRY")[0]).split("\n") == [
        "   +0x000 Flink            : Ptr64 _LIST_ENTRY",
        "   +0x008 Blink            : Ptr64 _LIST_ENTRY",
    ]


def test_an_address_gives_the_values(session: Session) -> None:
    (value,) = execute(session, "dt nt!_LIST_ENTRY nt!PsLoadedModuleList")
    assert isinstance(value, TypeDump)
    assert value["flink"] == session.evaluate("poi(nt!PsLoadedModuleList)")


def test_fields_can_be_chosen_by_name_or_beginning(session: Session) -> None:
    (value,) = execute(session, "dt nt!_LIST_ENTRY Bl* nt!PsLoadedModuleList")
    assert isinstance(value, TypeDump)
    assert [field.name for field in value] == ["Blink"]


def test_the_current_process_has_a_name(session: Session) -> None:
    (value,) = execute(session, "dt nt!_EPROCESS ImageFileName UniqueProcessId @$proc")
    assert isinstance(value, TypeDump)
    assert {field.name for field in value} == {"ImageFileName", "UniqueProcessId"}
    assert ' : [15]  "' in to_text(value) or ' : [16]  "' in to_text(value)


def test_a_pattern_lists_names(session: Session) -> None:
    (value,) = execute(session, "dt nt!_KPR*")
    assert isinstance(value, TypeNames)
    assert "nt!_KPRCB" in list(value)


@pytest.mark.parametrize("command", ["dt nt!_NOSUCH", "dt nosuch!_X", "dt nt!_ZZ*", "dt nt!_LIST_ENTRY nosuch"])
def test_what_isnt_there_is_one_clear_line(session: Session, command: str) -> None:
    with pytest.raises(CommandError, match=r"not found|no type|no module|resolve"):
        execute(session, command)
