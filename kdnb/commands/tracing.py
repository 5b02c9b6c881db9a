"""`wt`: trace a function to its return and count (the command reference, 7.7).

Targets of today refuse the requests that once did this by themselves, so it is done by single steps, with a bound.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.errors import ExpressionError
from kdnb.protocol.constants import MachineType
from kdnb.results.tracing import CallTrace, TracedFunction, TraceRow

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result
    from kdnb.results.events import Stop

STEP_LIMIT, MOST_STEPS = 0x4000, 0x100000
ROW_LIMIT = 2000
_RETURN = {MachineType.AMD64: "rax", MachineType.I386: "eax", MachineType.ARM64: "x0"}


@dataclass(slots=True)
class _Call:
    name: str
    back: int
    """Where it returns to."""
    depth: int
    """The stack pointer is at least here when it has returned."""
    own: int = 0
    children: int = 0


@dataclass(slots=True)
class _Choice:
    """What is traced, and what of it is shown."""

    deepest: int = ROW_LIMIT
    limit: int = STEP_LIMIT
    only: set[str] = field(default_factory=set)
    ignored: set[str] = field(default_factory=set)
    flags: set[str] = field(default_factory=set)

    def is_traced(self, name: str, depth: int) -> bool:
        """Whether a function's instructions are looked at, or it is run through."""
        module = name.split("!", 1)[0].lower()
        return depth <= self.deepest and module not in self.ignored and (not self.only or module in self.only)


@dataclass(slots=True)
class _Counter:
    """The calls that are open now, and what the finished ones came to."""

    calls: list[_Call]
    rows: list[TraceRow] = field(default_factory=list)
    totals: dict[str, list[int]] = field(default_factory=dict)
    elsewhere: int = 0
    """How often another thread had the processor."""

    def note(self, value: int | None = None) -> None:
        call = self.calls[-1]
        if len(self.rows) < ROW_LIMIT:
            self.rows.append(TraceRow(call.own, call.children, len(self.calls) - 1, call.name, value))

    def enter(self, call: _Call) -> None:
        self.note()
        self.calls.append(call)

    def leave(self, value: int | None = None) -> None:
        self.note(value)
        call = self.calls.pop()
        self.totals.setdefault(call.name, []).append(call.own)
        if self.calls:
            self.calls[-1].children += call.own + call.children


@command(
    "wt",
    summary="Trace a function to its return: which functions it calls, and how many instructions each executes.",
    syntax="wt [-l Depth] [-m Module ...] [-i Module ...] [-ns] [-nc] [-nw] [-or|-oR] [-steps Count] [=StartAddress]",
    details="Begin at the first instruction of a function, or at a call. Calls deeper than Depth, those into modules "
    "other than the ones of -m, and those into the ones of -i are run through, not traced. -ns leaves the summary out, "
    "-nc the calls, -nw warnings; -or and -oR show what functions return. It steps, one instruction after the other, "
    "at most Count (4000 hex); while another thread runs it waits for its own. Stop ends it early.",
    examples=("g nt!KeUpdateRunTime; wt", "g nt!KeUpdateRunTime; wt -l 1 -ns"),
    tier="C",
    resumes=True,
)
def trace_calls(session: Session, arguments: Arguments) -> Result:
    """The counts, and the stop behind the return."""
    choice = _choice(arguments)
    if arguments.match(r"=\s*"):
        address = arguments.expression()
        session.require_writable("the instruction pointer would change")
        session.registers.move_pc(address)
    arguments.finish()
    if not 0 < choice.limit <= MOST_STEPS or session.stop is None:
        raise ExpressionError(f"Range error in 'wt {arguments.text[:60]}'", "1 to 100000 steps (hex)")
    title = session.symbols.format(session.registers.pc)
    frames = session.unwind(2).frames
    return_address = frames[0].return_address if frames else 0
    place = session.symbols.format(return_address) if return_address else "its end"
    counter = _Counter([_Call(_function(title), return_address, session.registers.sp + 1)])
    stop, count, ended = _run(session, counter, choice)
    while counter.calls:
        counter.leave()
    functions = tuple(
        TracedFunction(name, len(owns), min(owns), max(owns), sum(owns))
        for name, owns in sorted(counter.totals.items())
    )
    return CallTrace(
        f"{title} to return address {place}",
        tuple(counter.rows),
        functions,
        count,
        stop,
        ended,
        elsewhere=counter.elsewhere,
        with_calls="nc" not in choice.flags,
        with_summary="ns" not in choice.flags,
        return_register=_RETURN.get(session.machine, "") if {"or", "oR"} & choice.flags else "",
    )


def _choice(arguments: Arguments) -> _Choice:
    choice = _Choice()
    while option := arguments.match(r"-(l|m|i|ns|nc|nw|or|oR|steps)(?=\s|$)\s*"):
        name = option[1]
        if name in ("ns", "nc", "nw", "or", "oR"):
            choice.flags.add(name)
            continue
        word = arguments.word()  # no expression: what follows begins with a minus sign
        if not word:
            raise ExpressionError(f"Syntax error at '-{name}'", ".hh wt shows the syntax")
        if name == "l":
            choice.deepest = arguments.session.evaluate(word)
        elif name == "steps":
            choice.limit = arguments.session.evaluate(word)
        else:
            names = choice.only if name == "m" else choice.ignored
            names.add(re.sub(r"\.\w{2,4}$", "", word).lower())
    return choice


def _run(session: Session, counter: _Counter, choice: _Choice) -> tuple[Stop, int, str]:
    """Step until the first function has returned: the last stop, the steps, and why it ended early."""
    assert session.stop is not None
    stop, thread = session.stop, _thread(session)
    for count in range(1, choice.limit + 1):
        here = session.disassemble(stop.address, 1)[0]
        stop = session.step()
        counter.calls[-1].own += 1
        if stop.reason == "step" and _thread(session) != thread:
            counter.elsewhere += 1
            stop = session.execution.return_to(counter.calls[-1].back, thread, counter.calls[-1].depth)
            counter.leave()
        elif stop.reason == "step" and here.is_return:
            counter.leave(session.registers.get(_RETURN[session.machine]) if session.machine in _RETURN else None)
        elif stop.reason == "step" and here.is_call and stop.address != here.address + here.size:
            stop = _enter(session, counter, choice, here.address + here.size, first=count == 1)
        if stop.reason not in ("step", "temporary"):
            return stop, count, f"another stop: {stop.reason}"
        if not counter.calls:
            return stop, count, ""
        if session.cancel_requested():
            return stop, count, "it was stopped"
    return stop, choice.limit, f"after {choice.limit} steps"


def _enter(session: Session, counter: _Counter, choice: _Choice, back: int, *, first: bool) -> Stop:
    """A call was stepped into: trace it, or run through it."""
    assert session.stop is not None
    call = _Call(_function(session.stop.symbol), back, session.registers.sp + 1)
    if first:
        counter.calls[0] = call  # begun at a call: it is the called function that is traced
    elif choice.is_traced(call.name, len(counter.calls)):
        counter.enter(call)
    else:
        return session.execution.return_to(back, _thread(session), call.depth)
    return session.stop


def _thread(session: Session) -> int:
    return session.change.thread if session.change is not None else 0


def _function(symbol: str) -> str:
    return symbol.split("+0x", 1)[0]
