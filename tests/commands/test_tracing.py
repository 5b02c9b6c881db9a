"""`wt` on the simulated machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.tracing import CallTrace

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def test_a_function_is_traced_to_its_return(session: Session) -> None:
    (stop, trace) = execute(session, "g nt!KeClockInterruptNotify; wt")
    assert isinstance(trace, CallTrace)
    assert trace.ended == ""
    assert trace.stop.address != stop.address  # type: ignore[attr-defined]  # a Stop
    names = [function.name for function in trace.functions]
    assert "nt!KeClockInterruptNotify" in names
    assert "nt!KeUpdateRunTime" in names
    assert sum(function.total for function in trace.functions) == trace.instructions
    text = to_text(trace)
    assert text.startswith("Tracing nt!KeClockInterruptNotify to return address nt!KiClockInterrupt+0x")
    assert "Invocations MinInst MaxInst AvgInst" in text
    assert list(trace.df["name"]) == names


def traced(session: Session, options: str, start: str = "nt!KeClockInterruptNotify") -> CallTrace:
    trace = execute(session, f"g {start}; wt {options}")[-1]
    assert isinstance(trace, CallTrace)
    return trace


def test_it_ends_at_its_bound_and_takes_no_nonsense(session: Session) -> None:
    trace = traced(session, "-steps 5")
    assert (trace.instructions, trace.ended) == (5, "after 5 steps")
    for nonsense in ("-steps 0", "-m", "-l", "-q"):
        with pytest.raises(CommandError):
            execute(session, f"wt {nonsense}")


def test_deeper_levels_are_run_through(session: Session) -> None:
    trace = traced(session, "-l 0")
    assert trace.ended == ""
    assert {row.depth for row in trace.trace} == {0}
    assert [function.name for function in trace.functions] == ["nt!KeClockInterruptNotify"]
    assert trace.instructions == trace.functions[0].total


def test_modules_are_chosen_or_left_out(session: Session) -> None:
    assert {function.name for function in traced(session, "-i nt").functions} == {"nt!KeClockInterruptNotify"}
    assert {function.name for function in traced(session, "-m ntfs.sys -m disk").functions} == {
        "nt!KeClockInterruptNotify"
    }
    every = {function.name for function in traced(session, "-m nt").functions}
    assert "nt!KeUpdateRunTime" in every


def test_calls_summary_and_returned_values_are_shown_as_asked(session: Session) -> None:
    text = to_text(traced(session, "-l 1 -ns -or"))
    assert "Invocations" not in text
    assert re.search(r"\[  1\]   nt!KeUpdateRunTime rax = [0-9a-f]+$", text, re.MULTILINE)
    text = to_text(traced(session, "-nc"))
    assert "[  1]" not in text
    assert "Invocations" in text


def test_a_function_that_waits_is_waited_for_while_others_run(session: Session) -> None:
    thread = execute(session, "g nt!NtDelayExecution")[-1]
    mine = session.change.thread if session.change is not None else 0
    trace = execute(session, "wt")[-1]
    assert isinstance(trace, CallTrace)
    assert trace.ended == ""
    assert trace.elsewhere >= 1
    assert not any("Idle" in function.name for function in trace.functions)
    assert session.change is not None
    assert session.change.thread == mine
    assert f"({trace.elsewhere} from other threads)" in to_text(trace)
    assert thread.address != trace.stop.address  # type: ignore[attr-defined]  # a Stop
