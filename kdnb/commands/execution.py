"""`g`, `p`, `t` and their kin: running and stepping (the command reference, 7.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.errors import ExpressionError
from kdnb.protocol.constants import ContinueStatus
from kdnb.results.events import Running, Steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result
    from kdnb.results.events import Stop

STEP_LIMIT = 0x10000
TARGET_LIMIT = 10
"""One-shot addresses behind `g`."""
_STATUS = {
    "g": ContinueStatus.DBG_CONTINUE,
    "gc": ContinueStatus.DBG_CONTINUE,
    "gh": ContinueStatus.DBG_EXCEPTION_HANDLED,
    "gn": ContinueStatus.DBG_EXCEPTION_NOT_HANDLED,
}


@command(
    *_STATUS,
    summary="Run; gh with the exception handled, gn not handled, gc from a breakpoint's commands.",
    syntax="g|gh|gn|gc [=StartAddress] [Address ...] [&]",
    details="Waits for the next stop; what stands behind it on the line runs then. Up to ten addresses are one-shot "
    "breakpoints. With & it returns at once. While the target runs, plain g waits for its next stop.",
    examples=("g nt!KeUpdateSystemTime",),
    resumes=True,
    needs_stop=False,
)
def go(session: Session, arguments: Arguments) -> Result:
    """Run up to the next stop."""
    if not arguments.at_end and not arguments.rest.startswith("&"):
        session.require_stopped()
    _move_start(session, arguments)
    until: list[int] = []
    detached = False
    while not arguments.at_end:
        if arguments.match(r"&\s*$"):
            detached = True
            break
        until.append(arguments.expression())
    if len(until) > TARGET_LIMIT:
        raise ExpressionError(f"Range error in 'g {arguments.text[:60]}'", "at most 10 addresses")
    seconds = session.options.get("go_timeout")
    timeout = float(seconds) if isinstance(seconds, (int, float)) else None
    stop = session.go(_STATUS[arguments.name], until or None, timeout, wait=not detached)
    return stop if stop is not None else Running(None if detached else timeout)


def _move_start(session: Session, arguments: Arguments) -> None:
    """`=Address` before anything else moves the instruction pointer."""
    if arguments.match(r"=\s*"):
        address = arguments.expression()
        session.require_writable("the instruction pointer would change")
        session.registers.move_pc(address)


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
    syntax="p|t [=StartAddress] [Count]",
    details="The count is in the current radix (hex); every step is shown.",
    examples=("p", "t", "p 3"),
    suffix="r?",
    resumes=True,
)
def step(session: Session, arguments: Arguments) -> Result:
    """One step, or several."""
    _move_start(session, arguments)
    count = arguments.expression(1)
    arguments.finish()
    if not 0 < count <= STEP_LIMIT:
        raise ExpressionError(f"Range error in '{arguments.name} {arguments.text[:60]}'", "1 to 10000 steps (hex)")
    one = session.step_over if arguments.name == "p" else session.step
    if count == 1:
        return one()
    return Steps(tuple(_steps(session, one, count)))


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
    syntax="pa|ta [=StartAddress] StopAddress",
    examples=("pa @rip",),
    tier="B",
    resumes=True,
)
def step_to_address(session: Session, arguments: Arguments) -> Result:
    """The steps up to the address."""
    _move_start(session, arguments)
    address = arguments.expression() & session.address_mask
    arguments.finish()
    if session.stop is not None and session.stop.address == address:
        return session.stop
    one = session.step_over if arguments.name == "pa" else session.step
    return Steps(tuple(_steps(session, one, STEP_LIMIT, lambda stop: stop.address == address)))


@command(
    "pc",
    "tc",
    "pt",
    "tt",
    summary="Step to the next call (pc, tc) or return (pt, tt); p over calls, t into them.",
    syntax="pc|tc|pt|tt [=StartAddress] [Count]",
    examples=("pt",),
    tier="B",
    resumes=True,
)
def step_to_instruction(session: Session, arguments: Arguments) -> Result:
    """The stop at the next call or return instruction."""
    _move_start(session, arguments)
    count = arguments.expression(1)
    arguments.finish()
    if not 0 < count <= STEP_LIMIT:
        raise ExpressionError(f"Range error in '{arguments.name} {arguments.text[:60]}'", "1 to 10000 (hex)")
    one = session.step_over if arguments.name.startswith("p") else session.step
    calls = arguments.name.endswith("c")

    def arrived(stop: Stop) -> bool:
        here = stop.instruction
        return here is not None and (here.is_call if calls else here.is_return)

    stops: list[Stop] = []
    for _ in range(count):
        stops = _steps(session, one, STEP_LIMIT, arrived)
        if not arrived(stops[-1]):
            break
    return stops[-1]
