"""`!list` on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.lists import ForEach

if TYPE_CHECKING:
    from kdnb.debugger.session import Session

PROCESSES = "!list -t nt!_EPROCESS.ActiveProcessLinks.Flink"


def shown(session: Session, text: str) -> str:
    return "\n".join(to_text(result) for result in execute(session, text))


def test_commands_run_for_each_element(session: Session) -> None:
    (value,) = execute(session, f'{PROCESSES} -x "dt nt!_EPROCESS ImageFileName @$extret" nt!PsActiveProcessHead')
    assert isinstance(value, ForEach)
    assert len(value) == len(value.addresses) > 2
    assert '"System"' in to_text(value[0])
    assert value.note == ""


def test_an_element_is_a_start_too_and_the_walk_can_be_bounded(session: Session) -> None:
    (value,) = execute(session, f'{PROCESSES} -x "? @$extret" -m 2 nt!PsActiveProcessHead')
    assert isinstance(value, ForEach)
    assert value.note == "cut after 2 entries"
    (again,) = execute(session, f'{PROCESSES} -x "? @$extret" -m 2 {value.addresses[0]:x}')
    assert isinstance(again, ForEach)
    assert again.addresses == value.addresses


def test_arguments_are_put_behind_and_the_whole_may_stand_in_quotes(session: Session) -> None:
    (value,) = execute(session, '!list " -x dp -a @$extret -m 1 nt!PsLoadedModuleList"')
    assert isinstance(value, ForEach)
    assert len(value) == 1


def test_the_element_is_forgotten_afterwards(session: Session) -> None:
    execute(session, '!list -x "? @$extret" -m 1 nt!PsLoadedModuleList')
    assert "extret" not in session.variables


@pytest.mark.parametrize("command", ["!list", "!list -t nt!_EPROCESS nt!PsIdleProcess", "!list -t nt!_NO.X 1000"])
def test_what_is_missing_is_said(session: Session, command: str) -> None:
    with pytest.raises(CommandError):
        execute(session, command)


def test_all_arguments_may_stand_in_quotes(session: Session) -> None:
    plain = shown(session, '!list -t nt!_LIST_ENTRY.Flink -x "? @$extret" -m 2 nt!PsLoadedModuleList')
    quoted = shown(session, '!list "-t nt!_LIST_ENTRY.Flink -x \\"? @$extret\\" -m 2 nt!PsLoadedModuleList"')
    assert quoted == plain
    assert "!list -t" in shown(session, "!list -h")


def test_the_element_is_put_behind_commands_that_do_not_name_it(session: Session) -> None:
    named = shown(session, '!list -t nt!_LIST_ENTRY.Flink -x "dd @$extret L2" -m 2 nt!PsLoadedModuleList')
    assert shown(session, '!list -t nt!_LIST_ENTRY.Flink -x "dd" -a "L2" -m 2 nt!PsLoadedModuleList') == named
    assert shown(session, '!list -e -x "dd" -a "L2" -m 1 nt!PsLoadedModuleList').startswith("dd @$extret L2\n")


def test_links_are_shown_in_either_direction(session: Session) -> None:
    assert shown(session, "!dflink nt!PsLoadedModuleList 3") == shown(session, "dl nt!PsLoadedModuleList 3 2")
    assert shown(session, "!dblink nt!PsLoadedModuleList") == shown(session, "dlb nt!PsLoadedModuleList 20 2")


def test_a_list_is_checked(session: Session) -> None:
    count = len([module for module in session.modules if module.base >> 47])
    assert shown(session, "!validatelist nt!PsLoadedModuleList") == f"Found list end after {count} entries"
    assert "damaged" in shown(session, "!validatelist @rsp")
