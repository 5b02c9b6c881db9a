"""Text of stops, prints and other events (the command reference, 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.protocol.names import exception_name
from kdnb.render.lines import file_time, lines, printable
from kdnb.render.text_disassembly import instruction_line
from kdnb.results.addresses import format_address
from kdnb.results.events import (
    BreakInRequested,
    DebugPrint,
    LastEvent,
    LinkStateChange,
    ModuleEvent,
    Running,
    Steps,
    Stop,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []

UNIX_EPOCH = 116_444_736_000_000_000
"""1970 as a FILETIME."""
_SILENT = {"step", "temporary"}
"""Stops that the user asked for: nothing but the place is shown."""


@lines.register(Stop)
def _stop(value: Stop) -> Iterator[str]:
    yield from (f"Breakpoint {number} hit" for number in value.breakpoints)
    if not value.breakpoints and value.reason not in _SILENT and value.code:
        yield _exception(value)
    if value.details:
        yield from printable(value.details).rstrip("\n").split("\n")
    if value.symbol:
        yield f"{value.symbol}:"
    if value.instruction is not None:
        yield instruction_line(value.instruction, value.address_size)
    elif not value.symbol:
        yield f"stopped at {format_address(value.address, value.address_size)}"


def _exception(value: Stop) -> str:
    name = exception_name(value.code) or "Unknown exception"
    chance = "first chance" if value.first_chance else "!!! second chance !!!"
    return f"{name} - code {value.code:08x} ({chance})"


@lines.register(LastEvent)
def _last_event(value: LastEvent) -> Iterator[str]:
    stop = value.stop
    if stop.breakpoints:
        text = f"Hit breakpoint {stop.breakpoints[0]}"
    elif stop.code:
        text = _exception(stop)
    else:
        text = printable(stop.details).split("\n")[0] or stop.reason
    yield f"Last event: {text}"
    if stop.time_ns is not None:
        yield f"  debugger time: {file_time(stop.time_ns // 100 + UNIX_EPOCH)} (UTC + 0:00)"


@lines.register(Steps)
def _steps(value: Steps) -> Iterator[str]:
    for stop in value.stops:
        yield from _stop(stop)


@lines.register(DebugPrint)
def _print(value: DebugPrint) -> Iterator[str]:
    yield from printable(value.text).removesuffix("\n").split("\n")


@lines.register(ModuleEvent)
def _module(value: ModuleEvent) -> Iterator[str]:
    size = 8 if value.base >> 32 else 4
    word = "Unload" if value.unload else "ModLoad:"
    end = format_address(value.base + value.size, size)
    yield f"{word} {format_address(value.base, size)} {end}   {value.path}"


@lines.register(Running)
def _running(value: Running) -> Iterator[str]:
    yield "Debuggee is running..."


@lines.register(BreakInRequested)
def _break_in(value: BreakInRequested) -> Iterator[str]:
    yield "Break-in sent; the stop follows."


@lines.register(LinkStateChange)
def _state(value: LinkStateChange) -> Iterator[str]:
    yield f"Target {value.state}" + (f": {value.details}" if value.details else "")
