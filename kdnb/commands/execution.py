"""`g`, `p`, `t` and their kin: running and stepping (the command reference, 7.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.errors import ExpressionError
from kdnb.protocol.constants import ContinueStatus
from kdnb.results.events import Running, Steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result
    from kdnb.results.disassembly import Instruction
    from kdnb.results.events import Stop

STEP_LIMIT = 0x10000
TARGET_LIMIT = 10
"""One-shot addresses behind `g`."""
_STATUS = {
    "g": ContinueStatus.DBG_CONTINUE,
    "ga": ContinueStatus.DBG_CONTINUE,
    "gc": ContinueStatus.DBG_CONTINUE,
    "gh": ContinueStatus.DBG_EXCEPTION_HANDLED,
    "gn": ContinueStatus.DBG_EXCEPTION_NOT_HANDLED,
}


@command(
    *_STATUS,
    summary="Run; gh with the exception handled, gn not handled, gc from a breakpoint's commands.",
    syntax="g|ga|gh|gn|gc [=StartAddress] [Address ...] [&]",
    details="Waits for the next stop; what stands behind it on the line runs then. Up to ten addresses are one-shot "
    "breakpoints, with ga processor breakpoints (four at most). With & it returns at once. While the target runs, "
    "plain g waits for its next stop.",
    examples=("g nt!KeUpdateSystemTime",),
    resumes=True,
    needs_stop=False,
)
def go(session: Session, arguments: Arguments) -> Result:
    """Run up to the next stop."""
    if not arguments.at_end and not arguments.rest.startswith("&"):
        session.require_stopped()
    start = _start(arguments)
    until: list[int] = []
    detached = False
    while not arguments.at_end:
        if arguments.match(r"&\s*$"):
            detached = True
            break
        until.append(arguments.expression())
    if len(until) > TARGET_LIMIT:
        raise ExpressionError(f"Range error in 'g {arguments.text[:60]}'", "at most 10 addresses")
    _move(session, start)
    seconds = session.options.get("go_timeout")
    timeout = float(seconds) if isinstance(seconds, (int, float)) else None
    placed, until = (until, []) if arguments.name == "ga" else ([], until)
    numbers = [session.breakpoints.add(place, kind="e", one_shot=True).number for place in placed]
    try:
        stop = session.go(_STATUS[arguments.name], until or None, timeout, wait=not detached)
    finally:
        if not detached:
            left = {breakpoint.number for breakpoint in session.breakpoints}
            session.breakpoints.remove([number for number in numbers if number in left])
    return stop if stop is not None else Running(None if detached else timeout)


def _start(arguments: Arguments) -> int | None:
    """The address of `=Address`, which is moved to once all arguments are known to be sound."""
    return arguments.expression() if arguments.match(r"=\s*") else None


def _move(session: Session, start: int | None) -> None:
    if start is not None:
        session.require_writable("the instruction pointer would change")
        session.registers.move_pc(start)


@command(
    "gu",
    summary="Run until the present function has returned.",
    syntax="gu",
    details="Stops at this depth of the stack: a deeper call of the same function does not count.",
    examples=("gu",),
    resumes=True,
)
def go_up(session: Session, arguments: Arguments) -> Result:
    """The stop behind the call."""
    arguments.finish()
    return session.step_out()


@command(
    "p",
    "t",
    summary="Step one instruction; p goes over calls, t into them.",
    syntax='p|t[r] [=StartAddress] [Count] ["Commands"]',
    details="The count is in the current radix (hex); every step is shown. r shows the registers behind them, and "
    "commands run there.",
    examples=("p", "t", "p 3", "tr", 'p 2 "k 1"'),
    suffix="r?",
    resumes=True,
)
def step(session: Session, arguments: Arguments) -> Iterator[Result]:
    """One step, or several."""
    start = _start(arguments)
    count = _count(arguments)
    text = _rest(arguments)
    _move(session, start)
    one = session.step_over if arguments.name == "p" else session.step
    yield one() if count == 1 else Steps(tuple(_steps(session, one, count)))
    yield from _behind(session, arguments, text)


def _count(arguments: Arguments) -> int:
    count = 1 if arguments.rest.startswith('"') else arguments.expression(1)
    if not 0 < count <= STEP_LIMIT:
        raise ExpressionError(f"Range error in '{arguments.name} {arguments.text[:60]}'", "1 to 10000 steps (hex)")
    return count


def _rest(arguments: Arguments) -> str:
    """The commands behind a step; nothing else may be left."""
    text = arguments.quoted() or ""
    arguments.finish()
    return text


def _behind(session: Session, arguments: Arguments, text: str) -> Iterator[Result]:
    """What is shown where the steps have led to."""
    if session.is_running:
        return
    if arguments.suffix:
        yield session.scope.snapshot(0)
    yield from arguments.run(text)


def _steps(
    session: Session, one: Callable[[], Stop], count: int, done: Callable[[Stop], bool] | None = None
) -> list[Stop]:
    """Up to `count` steps; ends early at another kind of stop, a cancel, or where `done` says so."""
    stops: list[Stop] = []
    for _ in range(count):
        stops.append(one())
        if stops[-1].reason not in ("step", "temporary") or session.cancel_requested():
            break
        if done is not None and done(stops[-1]):
            break
    return stops


@command(
    "pa",
    "ta",
    summary="Step to an address and show each step; pa goes over calls, ta into them.",
    syntax='pa|ta[r] [=StartAddress] StopAddress ["Commands"]',
    examples=("pa @rip", "par @rip"),
    tier="B",
    suffix="r?",
    resumes=True,
)
def step_to_address(session: Session, arguments: Arguments) -> Iterator[Result]:
    """The steps up to the address."""
    start = _start(arguments)
    address = arguments.expression() & session.address_mask
    text = _rest(arguments)
    _move(session, start)
    if session.stop is not None and session.registers.pc == address:
        yield session.stop
    else:
        one = session.step_over if arguments.name == "pa" else session.step
        yield Steps(tuple(_steps(session, one, STEP_LIMIT, lambda stop: stop.address == address)))
    yield from _behind(session, arguments, text)


_WANTED: dict[str, Callable[[Instruction], bool]] = {
    "c": lambda here: here.is_call,
    "t": lambda here: here.is_return,
    "ct": lambda here: here.is_call or here.is_return,
    "h": lambda here: here.is_call or here.is_return or here.is_jump,
}


@command(
    *(f"{letter}{kind}" for kind in _WANTED for letter in "pt"),
    summary="Step to the next call (pc, tc), return (pt, tt), either (pct, tct), or branch (ph, th); p over calls, "
    "t into them.",
    syntax='pc|tc|pt|tt|pct|tct|ph|th[r] [=StartAddress] [Count] ["Commands"]',
    examples=("pt", "ph", "pct"),
    tier="B",
    suffix="r?",
    resumes=True,
)
def step_to_instruction(session: Session, arguments: Arguments) -> Iterator[Result]:
    """The stop at the next instruction of that kind."""
    start = _start(arguments)
    count = _count(arguments)
    text = _rest(arguments)
    _move(session, start)
    one = session.step_over if arguments.name.startswith("p") else session.step
    wanted = _WANTED[arguments.name[1:]]

    def arrived(stop: Stop) -> bool:
        return stop.instruction is not None and wanted(stop.instruction)

    stops: list[Stop] = []
    for _ in range(count):
        stops = _steps(session, one, STEP_LIMIT, arrived)
        if not arrived(stops[-1]):
            break
    yield stops[-1]
    yield from _behind(session, arguments, text)
