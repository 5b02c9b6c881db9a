"""`wt` on the simulated machine."""

from __future__ import annotations

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


def test_it_ends_at_its_bound_and_at_other_stops(session: Session) -> None:
    (_, trace) = execute(session, "g nt!KeClockInterruptNotify; wt -m 5")
    assert isinstance(trace, CallTrace)
    assert (trace.instructions, trace.ended) == (5, "after 5 steps")
    with pytest.raises(CommandError):
        execute(session, "wt -m 0")


def test_levels_can_be_left_out(session: Session) -> None:
    (_, trace) = execute(session, "g nt!KeClockInterruptNotify; wt -l 0")
    assert isinstance(trace, CallTrace)
    assert {row.depth for row in trace.trace} == {0}
