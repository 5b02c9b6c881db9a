"""Command lists: order, failures, tags in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import Runner, execute, prompt
from kdnb.errors import CommandError
from kdnb.results.values import Evaluation

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def test_a_list_stops_at_the_first_failure_and_keeps_what_ran(session: Session) -> None:
    with pytest.raises(CommandError) as caught:
        execute(session, "? 1; ? 2; nosuch; ? 3")
    assert [int(result) for result in caught.value.results] == [1, 2]  # type: ignore[call-overload]  # they are Evaluations
    assert caught.value.command == "nosuch"


def test_the_commands_before_an_unknown_one_still_run(session: Session) -> None:
    runner = Runner(session).run("? 1\nnosuch")
    assert isinstance(next(runner), Evaluation)
    with pytest.raises(CommandError, match="Unknown command 'nosuch'"):
        next(runner)


def test_leftover_arguments_are_refused(session: Session) -> None:
    with pytest.raises(CommandError, match=r"Extra character error in 'zzz'; \.hh k shows the syntax"):
        execute(session, "k 2 zzz")


def test_the_log_knows_which_cell_and_command_caused_a_packet(session: Session) -> None:
    execute(session, ".reload; db nt L10", cell="7")
    packets = session.log.packets()
    mine = packets[packets["cell"] == "7"]
    assert set(mine["command"].dropna()) >= {".reload"}


def test_a_table_is_rendered_without_a_target_once_it_is_there(session: Session) -> None:
    (modules,) = execute(session, "lm")
    execute(session, "g &")
    assert "module name" in str(modules)
    session.break_in()


def test_the_prompt_names_the_processor(session: Session) -> None:
    assert prompt(session) == "0: kd>"
    execute(session, "~1s")
    assert prompt(session) == "1: kd>"
