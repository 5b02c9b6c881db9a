"""Aliases on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import Runner, execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text

if TYPE_CHECKING:
    from pathlib import Path

    from kdnb.debugger.session import Session


def shown(session: Session, text: str) -> list[str]:
    return [found for result in execute(session, text) if (found := to_text(result))]


def test_a_name_stands_for_its_text_from_the_next_line_on(session: Session) -> None:
    assert shown(session, "as hi hello\n.echo hi there\n.echo ahi") == ["hello there", "ahi"]
    assert shown(session, '.echo "${hi}"') == ["hello"]


def test_as_ends_at_a_semicolon_unless_quoted(session: Session) -> None:
    execute(session, 'aS one 1; aS two "2; 2"')
    assert shown(session, '.echo one; .echo "${two}"') == ["1", "2; 2"]


def test_values_and_output_can_be_aliases(session: Session) -> None:
    execute(session, "aS /x sum 2+2; aS /c mods lm1m m nt")
    assert shown(session, ".echo sum mods") == ["0x4 nt"]


def test_references_ask_whether_a_name_is_known(session: Session) -> None:
    execute(session, "aS known yes")
    assert shown(session, ".echo ${/d:known} ${/d:other} ${/f:known}${/f:other} ${/v:known} ${/n:known}") == [
        "1 0 yes ${/v:known} known"
    ]


def test_fixed_names(session: Session) -> None:
    execute(session, "r $.u0=nt!KeBugCheckEx")
    assert shown(session, ".echo [$u0]") == ["[nt!KeBugCheckEx]"]


def test_lines_that_define_aliases_are_left_alone(session: Session) -> None:
    execute(session, "aS name first")
    execute(session, "aS name second")
    assert shown(session, ".echo name") == ["second"]
    assert "name" in shown(session, "al")[0]
    execute(session, "ad name")
    assert shown(session, ".echo name") == ["name"]
    with pytest.raises(CommandError, match="no alias"):
        execute(session, "ad name")


def test_nonsense_is_one_clear_line(session: Session) -> None:
    for text in ("as", "aS (x) y", "as /e x NO_SUCH_VARIABLE", "aS /f x /no/such/file", "aS /x n nosuch!y"):
        with pytest.raises(CommandError):
            execute(session, text)


def test_a_value_s_alias_ends_at_a_semicolon(session: Session) -> None:
    assert shown(session, "as /x sum 2+3; .block { .echo sum }") == ["0x5"]
    assert shown(session, 'as plain a; b\n.echo "${plain}"') == ["a; b"]


def test_the_environment_and_files_of_this_computer_can_be_aliases(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KDNB_TEST_NAME", "here")
    (tmp_path / "text.txt").write_text("from a file")
    assert shown(session, "as /e where KDNB_TEST_NAME; .block { .echo where }") == ["here"]
    execute(session, f"aS /f told {tmp_path / 'text.txt'}")
    assert shown(session, ".echo told") == ["from a file"]


def test_what_may_come_from_the_target_reads_neither(session: Session, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("secret")
    for text in (
        "as /e home HOME",
        f"aS /f told {tmp_path / 'text.txt'}",
        f'.foreach /f (w "{tmp_path}/text.txt") {{ k }}',
    ):
        with pytest.raises(CommandError, match="commands of breakpoints and targets"):
            list(Runner(session, trusted=False).run(text))


def test_fixed_names_are_shown_and_nt_has_names_of_its_own(session: Session) -> None:
    execute(session, "r $.u3=some words")
    assert shown(session, "r $.u3; r $.u4") == ["$.u3=some words", "$.u4="]
    assert shown(session, ".echo ${$ntnsym}!x $ntsym") == ["nt!x nt"]


def test_a_name_that_is_not_there_may_be_deleted_quietly(session: Session) -> None:
    assert shown(session, "ad /q nosuch") == []
