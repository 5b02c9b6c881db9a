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
    execute(session, "bu nt!KeBugCheckEx; bm nt!KeBugCheckE?")
    assert listed(session).split("\n")[1].startswith(" 1 e fffff800`")
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


def test_a_pattern_means_functions_and_variables_only_if_asked(session: Session) -> None:
    with pytest.raises(CommandError):
        execute(session, "bm nt!KeTickCoun?")
    (table,) = execute(session, "bm /a nt!KeTickCoun?")
    assert isinstance(table, BreakpointList)
    assert [info.symbol for info in table] == ["nt!KeTickCount"]


@pytest.mark.parametrize(
    "command", ["bc", "bc 9", "bc x", "ba x4 nt", "ba w3 nt", "ba w4 nt+1", "bm nt!Nothing*", "bp 1 +"]
)
def test_nonsense_is_one_clear_line(session: Session, command: str) -> None:
    with pytest.raises(CommandError):
        execute(session, command)


def test_a_read_only_session_sets_none(session: Session) -> None:
    session.read_only = True
    with pytest.raises(CommandError, match="read-only"):
        execute(session, "bp nt!KeBugCheckEx")


def test_conditions_in_its_commands_decide_whether_it_stops(session: Session) -> None:
    execute(session, "r $t6=0")
    (_, stop) = execute(
        session, 'bp nt!KeUpdateRunTime "r $t6=@$t6+1; .if (@$t6 == 3) { .echo third } .else { gc }"; g'
    )
    assert isinstance(stop, Stop)
    assert session.variables["t6"] == 3
    execute(session, "bc *; r $t6=0; bp nt!KeUpdateRunTime \"r $t6=@$t6+1; j (@$t6 == 2) '.echo x'; 'gc'\"; g")
    assert session.variables["t6"] == 2


def test_depths_threads_and_processes_select_hits(session: Session) -> None:
    thread = session.processes.current_thread()
    execute(session, f"bp /t 0x{thread:x} nt!KeUpdateRunTime; g")
    assert session.processes.current_thread() == thread
    execute(session, "bc *; bp /C 1 /c ff nt!KeUpdateRunTime; g")
    assert listed(session).split("\n")[1:] == ["     Call stack shallower than 255", "     Call stack deeper than 1"]
    session.options["go_timeout"] = 0.3
    (_, _, value) = execute(session, "bc *; bp /c 1 nt!KeUpdateRunTime; g")
    assert not isinstance(value, Stop)


def test_numbers_and_commands_are_changed_and_written_down(session: Session) -> None:
    execute(session, 'bp nt!KeBugCheckEx; br 0 9; bs 9 "k; .echo \\"x\\""; ba w4 nt!KeTickCount; bd 0')
    assert to_text(execute(session, ".bpcmds")[0]).split("\n") == [
        "ba0 w4 nt!KeTickCount; bd 0",
        'bp9 nt!KeBugCheckEx "k; .echo \\"x\\""',
    ]
    execute(session, 'bsc 9 "@rcx == 5" "r"')
    assert session.breakpoints[9].command == ".if (@rcx == 5) { r } .else { gc }"
    for wrong in ("br 9", "br 0 9", "bs", 'bs 77 "k"', "bsc 9"):
        with pytest.raises(CommandError):
            execute(session, wrong)


def test_after_a_restart_a_number_follows_its_module_or_is_disabled(session: Session) -> None:
    place = session.evaluate("nt!KeUpdateRunTime")
    execute(session, f"bp 0x{place:x}; bp 0x{0xFFFFF90012345678:x}")
    session.breakpoints.target_restarted()
    first, second = session.breakpoints
    assert (first.symbolic, first.address, second.enabled) == (True, None, False)
    session.breakpoints.resolve_deferred()
    assert first.address == place


def test_breakpoints_are_named_by_brackets_and_patterns_too(session: Session) -> None:
    execute(session, "bp[1+1] nt!NtReadFile; bp7 nt!NtClose; bp8 nt!KeBugCheckEx")
    assert [one.number for one in session.breakpoints] == [2, 7, 8]
    execute(session, 'bd "nt!Nt*", [4+4]')
    assert [one.number for one in session.breakpoints if one.enabled] == []
    execute(session, "be 2-7")
    assert [one.number for one in session.breakpoints if one.enabled] == [2, 7]
    assert "NtReadFile" in to_text(execute(session, "bl /L 2")[0])
    execute(session, 'bc "*close"')
    assert [one.number for one in session.breakpoints] == [2, 8]
    for wrong in ("bc", "bc zz", "bc [99]", "bp[ffffff] nt!NtClose", "bl /x"):
        with pytest.raises(CommandError):
            execute(session, wrong)
    assert [one.number for one in session.breakpoints] == [2, 8]


def test_a_condition_in_c_lets_the_target_run_on(session: Session) -> None:
    execute(session, 'r $t0=0; bp /w "0" nt!KeUpdateSystemTime "r $t0=1"; bp /w "1 == 1" nt!KeClockInterruptNotify')
    execute(session, "g")
    assert session.symbols.format(session.registers.pc) == "nt!KeClockInterruptNotify"
    assert session.evaluate("@$t0") == 0
    with pytest.raises(CommandError, match="Syntax error"):
        execute(session, "bp /w nt!NtClose")


def test_breakpoints_of_a_pattern_stay_at_their_addresses_with_d(session: Session) -> None:
    execute(session, "bm /d nt!KeBugCheck2; bm nt!KeBugCheckEx")
    assert [one.symbolic for one in session.breakpoints] == [False, True]
