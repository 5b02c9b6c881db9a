"""The line to the target: `.restart` opens it anew, `.link` counts what was said on it."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.errors import UsageError
from kdnb.results.values import Text

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

RECONNECT_TIMEOUT = 30.0


@command(
    ".restart",
    summary="Open the line to the target anew and stop the target; breakpoints stay.",
    syntax=".restart [Seconds]",
    tier="B",
    needs_stop=False,
    resumes=True,
)
def restart_line(session: Session, arguments: Arguments) -> Result:
    """The stop at which the target was taken over."""
    text = arguments.all().strip()
    if text and not text.isdecimal():
        raise UsageError(f".restart takes seconds, not {text[:40]!r}", ".restart 10")
    stop = session.reconnect(float(text) if text else RECONNECT_TIMEOUT)
    return stop if stop is not None else Text("")


@command(
    ".link",
    summary="Show the counters of the link: packets, repetitions, damage.",
    syntax=".link",
    examples=(".link",),
    tier="B",
    needs_stop=False,
)
def link_counters(session: Session, arguments: Arguments) -> Result:
    """One line for each counter."""
    statistics = session.target.statistics
    rows = [(field.name.replace("_", " "), getattr(statistics, field.name)) for field in fields(statistics)]
    rows.append(("break-in echoes", session.break_ins.echoes))
    return Text("\n".join(f"{name:16} {value}" for name, value in rows if value is not None))
