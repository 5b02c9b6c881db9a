"""`bp bu ba bm bl bc bd be` on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.breakpoints import BreakpointInfo, BreakpointList
from kdnb.results.events import Stop

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def listed(session: Session) -> str:
    return to_text(execute(session, "bl")[0])


def test_a_breakpoint_is_listed_and_hit(session: Session) -> None:
    (info,) = execute(session, "bp nt!KeUpdateSystemTime")
    assert isinstance(info, BreakpointInfo)
    assert listed(session).startswith(" 0 e fffff800`")
    _, stop = execute(session, "bl; g")
    assert isinstance(stop, Stop)
    assert stop.hit(info)
    assert stop.address == info.address
    assert to_text(stop).startswith("Breakpoint 0 hit\nnt!KeUpdateSystemTime:\n")


def test_what_stands_behind_g_runs_at_the_stop(session: Session) -> None:
    execute(session, "bp nt!KeUpdateSystemTime")
    _, stack = execute(session, "g; k 1")
    assert "nt!KeUpdateSystemTime" in to_text(stack)


def test_numbers_ranges_and_all_of_them(session: Session) -> None:
    execute(session, "bp nt!KeBugCheckEx; bp nt!KeBugCheck2; bp7 nt!KeUpdateRunTime; bd 0-1")
    assert [line[:4] for line in listed(session).split("\n")] == [" 0 d", " 1 d", " 7 e"]
    execute(session, "be *; bc 0 7")
    assert listed(session).startswith(" 1 e")
    execute(session, "bc*")
    assert listed(session) == ""


def test_the_same_address_again_redefines(session: Session) -> None:
    execute(session, "bp nt!KeBugCheckEx")
    assert to_text(execute(session, 'bp nt!KeBugCheckEx 5 "k"')[0]).startswith("breakpoint 0 redefined\n")
    assert listed(session).endswith('0005 (0005) nt!KeBugCheckEx "k"')


def test_an_unknown_name_makes_it_deferred(session: Session) -> None:
    (info,) = execute(session, 'bu nosuch!Thing 2 "k"')
    assert isinstance(info, BreakpointInfo)
    assert info.address is None
    assert listed(session).startswith(" 0 eu")
    assert '(nosuch!Thing) "k"' in listed(session)
    assert "could not be resolved, adding deferred bp" in to_text(execute(session, "bp other!Thing")[0])


def test_passes_count_hits(session: Session) -> None:
    (info,) = execute(session, "bp nt!KeUpdateSystemTime 3")
    assert isinstance(info, BreakpointInfo)
    execute(session, "g")
    (table,) = execute(session, "bl")
    assert isinstance(table, BreakpointList)
    assert (table[0].remaining, table[0].passes, table[0].hits) == (1, 3, 3)


def test_its_commands_run_at_the_hit_and_may_go_on(session: Session) -> None:
    prints: list[str] = []
    session.events.on_print(lambda event: prints.append(event.text))
    execute(session, 'bp nt!KeUpdateSystemTime "r $t5=@$t5+1; .echo tick; gc; .echo never"')
    execute(session, "bp nt!KeUpdateRunTime 5; r $t5=0; g; bc *")
    assert session.variables["t5"] > 0
    assert prints.count("tick\n") == session.variables["t5"]
    assert "never\n" not in prints


def test_a_one_shot_goes_away(session: Session) -> None:
    execute(session, "bp /1 nt!KeUpdateSystemTime; g")
    assert listed(session) == ""


def test_a_processor_breakpoint_sees_the_write(session: Session) -> None:
    execute(session, "ba w4 nt!KeTickCount")
    assert " w 4 0001 (0001) nt!KeTickCount" in listed(session)
    (stop,) = execute(session, "g")
    assert isinstance(stop, Stop)
    assert stop.breakpoints == (0,)


def test_a_pattern_sets_several(session: Session) -> None:
    (table,) = execute(session, "bm nt!KeBugCheck*")
    assert isinstance(table, BreakpointList)
    assert "nt!KeBugCheckEx" in [info.symbol for info in table]


@pytest.mark.parametrize("command", ["bc", "bc 9", "bc x", "ba x4 nt", "ba w3 nt", "ba w4 nt+1", "bm nt!No*", "bp 1 +"])
def test_nonsense_is_one_clear_line(session: Session, command: str) -> None:
    with pytest.raises(CommandError):
        execute(session, command)


def test_a_read_only_session_sets_none(session: Session) -> None:
    session.read_only = True
    with pytest.raises(CommandError, match="read-only"):
        execute(session, "bp nt!KeBugCheckEx")
