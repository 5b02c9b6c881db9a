"""`wt`: trace a function to its return and count (the command reference, 7.7).

Targets of today refuse the requests that once did this by themselves, so it is done by single steps, with a bound.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.errors import ExpressionError
from kdnb.results.tracing import CallTrace, TracedFunction, TraceRow

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result
    from kdnb.results.events import Stop

STEP_LIMIT = 0x4000
ROW_LIMIT = 2000


@dataclass(slots=True)
class _Call:
    name: str
    own: int = 0
    children: int = 0


@dataclass(slots=True)
class _Counter:
    """The calls that are open now, and what the finished ones came to."""

    deepest: int
    calls: list[_Call]
    rows: list[TraceRow] = field(default_factory=list)
    totals: dict[str, list[int]] = field(default_factory=dict)

    def note(self) -> None:
        call = self.calls[-1]
        if len(self.rows) < ROW_LIMIT and len(self.calls) <= self.deepest:
            self.rows.append(TraceRow(call.own, call.children, len(self.calls) - 1, call.name))

    def enter(self, name: str) -> None:
        self.note()
        self.calls.append(_Call(name))

    def leave(self) -> None:
        self.note()
        call = self.calls.pop()
        self.totals.setdefault(call.name, []).append(call.own)
        if self.calls:
            self.calls[-1].children += call.own + call.children


@command(
    "wt",
    summary="Trace a function to its return: which functions it calls, and how many instructions each executes.",
    syntax="wt [-l Depth] [-m Steps] [=StartAddress]",
    details="Begin at the first instruction of a function, or at a call. -l shows only so many levels. It steps, one "
    "instruction after the other, at most Steps (4000 hex); Stop ends it early.",
    examples=("g nt!KeUpdateRunTime; wt", "g nt!KeUpdateRunTime; wt -l 1"),
    tier="C",
    resumes=True,
)
def trace_calls(session: Session, arguments: Arguments) -> Result:
    """The counts, and the stop behind the return."""
    deepest, limit = ROW_LIMIT, STEP_LIMIT
    while option := arguments.match(r"-([lm])\s+"):
        value = arguments.expression()
        if option[1] == "l":
            deepest = value + 1
        else:
            limit = value
    if arguments.match(r"=\s*"):
        address = arguments.expression()
        session.require_writable("the instruction pointer would change")
        session.registers.move_pc(address)
    arguments.finish()
    if not 0 < limit <= STEP_LIMIT or session.stop is None:
        raise ExpressionError(f"Range error in 'wt {arguments.text[:60]}'", "1 to 4000 steps (hex)")
    title = session.symbols.format(session.registers.pc)
    return_address = session.unwind(1).frames[0].return_address
    place = session.symbols.format(return_address) if return_address else "its end"
    counter = _Counter(deepest, [_Call(_function(title))])
    stop, count, ended = _run(session, counter, limit)
    while counter.calls:
        counter.leave()
    functions = tuple(
        TracedFunction(name, len(owns), min(owns), max(owns), sum(owns))
        for name, owns in sorted(counter.totals.items())
    )
    return CallTrace(f"{title} to return address {place}", tuple(counter.rows), functions, count, stop, ended)


def _run(session: Session, counter: _Counter, limit: int) -> tuple[Stop, int, str]:
    """Step until the first function has returned: the last stop, the steps, and why it ended early."""
    assert session.stop is not None
    stop = session.stop
    for count in range(limit):
        here = session.disassemble(stop.address, 1)[0]
        stop = session.step()
        counter.calls[-1].own += 1
        if stop.reason != "step":
            return stop, count + 1, f"another stop: {stop.reason}"
        if here.is_return:
            counter.leave()
            if not counter.calls:
                return stop, count + 1, ""
        elif here.is_call and stop.address != here.address + here.size:
            if len(counter.calls) == 1 and count == 0:
                counter.calls[0].own = 0  # begun at a call: it is the called function that is traced
                counter.calls[0].name = _function(stop.symbol)
            else:
                counter.enter(_function(stop.symbol))
        if session.cancel_requested():
            return stop, count + 1, "it was stopped"
    return stop, limit, f"after {limit} steps"


def _function(symbol: str) -> str:
    return symbol.split("+0x", 1)[0]
