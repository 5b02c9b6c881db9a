"""`.time`, `.sleep`: the target's clock, and waiting (the command reference, 6, 7.14)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.debugger.shared_data import SHARED_DATA
from kdnb.errors import ExpressionError, UnsupportedError
from kdnb.results.clock import TargetTime
from kdnb.results.values import Text

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

LONGEST_SLEEP = 24 * 3600 * 1000
_HOUR = 36_000_000_000
_MOST_HOURS = 24
_INTERRUPT_TIME, _SYSTEM_TIME, _ZONE_BIAS = 0x08, 0x14, 0x20
"""KSYSTEM_TIME: the low 32 bits, then the high ones twice."""


@command(
    ".time",
    summary="Show the target's time and how long it has been up.",
    syntax=".time [-h Hours]",
    details="-h shows the time of a zone that is so many hours from UTC; (-5) needs its parentheses. Both times are "
    " in the page that the kernel shares with all processes (KUSER_SHARED_DATA).",
    examples=(".time", ".time -h 1"),
    tier="C",
)
def target_time(session: Session, arguments: Arguments) -> Result:
    """System time and uptime at this stop."""
    hours = arguments.expression() if arguments.match(r"-h\b") else None
    arguments.finish()
    if hours is None:
        return time_of(session)
    hours -= hours >> 63 << 64
    if abs(hours) > _MOST_HOURS:
        raise ExpressionError(f"Range error in '.time {arguments.text[:60]}'", f"-{_MOST_HOURS} to {_MOST_HOURS} hours")
    return replace(time_of(session), zone_bias=-hours * _HOUR)


def time_of(session: Session) -> TargetTime:
    """The target's clock, read from the page that the kernel shares."""
    page = SHARED_DATA.get(session.pointer_size)
    if page is None:
        raise UnsupportedError("where this target keeps its time is not known")
    data = session.memory.read(page, _ZONE_BIAS + 12)

    def at(offset: int) -> int:
        return int.from_bytes(data[offset : offset + 8], "little", signed=True)

    return TargetTime(at(_SYSTEM_TIME), at(_INTERRUPT_TIME), at(_ZONE_BIAS))


@command(
    ".sleep",
    summary="Wait, while the target stays as it is.",
    syntax=".sleep Milliseconds",
    details="The number is in the radix (hex), as everywhere. Stop ends it.",
    examples=(".sleep 1",),
    tier="C",
    needs_stop=False,
)
def sleep(session: Session, arguments: Arguments) -> Result:
    """Nothing to show."""
    milliseconds = arguments.expression()
    arguments.finish()
    if milliseconds > LONGEST_SLEEP:
        raise ExpressionError(f"Range error in '.sleep {arguments.text[:60]}'", "a day at most")
    session.pause(milliseconds / 1000)
    return Text("")
