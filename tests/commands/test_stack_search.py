"""`!findstack` and `!uniqstack` on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.processes import FoundStacks, StackGroups

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def test_threads_with_a_name_on_their_stack_are_found(session: Session) -> None:
    (found,) = execute(session, "!findstack nt!KeWaitForSingleObject 1")
    assert isinstance(found, FoundStacks)
    assert 0 < len(found) < found.thread_count
    lines = to_text(found).split("\n")
    assert lines[0].endswith("1 frame(s) match")
    assert "nt!KeWaitForSingleObject" in lines[1]
    assert lines[-1] == f"{len(found)} of {found.thread_count} threads have it on their stacks"
    (whole,) = execute(session, "!findstack KEWAITFORSINGLEOBJECT")
    assert to_text(whole).count("\n") > len(lines)
    (names,) = execute(session, "!findstack KeWaitForSingleObject 0")
    assert to_text(names).count("\n") == len(found)
    assert len(found.df) == len(found)
    (none,) = execute(session, "!findstack nosuch")
    assert to_text(none).startswith("0 of ")


def test_each_stack_is_shown_once_the_most_frequent_first(session: Session) -> None:
    (groups,) = execute(session, "!uniqstack")
    assert isinstance(groups, StackGroups)
    sizes = [len(group.threads) for group in groups.groups]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 1
    assert sum(sizes) <= groups.thread_count
    assert to_text(groups).endswith(f"unique stacks: {len(groups)}")
    assert len(groups.rows()) == sum(sizes)


def test_a_name_is_needed(session: Session) -> None:
    with pytest.raises(CommandError, match="Syntax error"):
        execute(session, "!findstack")
