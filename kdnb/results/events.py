"""What a target does of itself: stops, prints, module loads, changes of state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kdnb.results.base import Result, TableResult

if TYPE_CHECKING:
    from kdnb.results.breakpoints import BreakpointInfo
    from kdnb.results.disassembly import Instruction

__all__ = ["BreakInRequested", "DebugPrint", "LastEvent", "LinkStateChange", "ModuleEvent", "Running", "Steps", "Stop"]


@dataclass(frozen=True, slots=True, repr=False)
class Stop(Result):
    """The target has stopped. Shows as WinDbg's lines: event, symbol, instruction."""

    reason: str
    """`breakpoint` (one of ours), `break` (break-in or a compiled int3), `step`, `exception`, `bugcheck`,
    `load`, `unload`, `temporary` (a one-shot of `g ADDRESS`, `gu`), `switch` (another processor's view of it)."""
    processor: int
    address: int
    code: int = 0
    """Exception code; 0 where the stop is no exception."""
    first_chance: bool = True
    parameters: tuple[int, ...] = ()
    breakpoints: tuple[int, ...] = ()
    """Numbers of the breakpoints that were hit."""
    thread: int = 0
    symbol: str = ""
    instruction: Instruction | None = None
    address_size: int = 8
    processor_count: int = 1
    sequence: int = 0
    """Counts the stops of a session; objects of an earlier stop are stale."""
    details: str = ""
    """More lines: the module that was loaded, the bug check code and its parameters."""
    requested: bool = False
    """The user asked for this break."""
    time_ns: int | None = field(default=None, compare=False)
    """When it was heard here, in ns since 1970 (UTC); None where no packet log tells."""

    def hit(self, breakpoint: BreakpointInfo | int) -> bool:
        """Whether this stop is a hit of that breakpoint (its number or its value)."""
        number = breakpoint if isinstance(breakpoint, int) else breakpoint.number
        return number in self.breakpoints


@dataclass(frozen=True, slots=True, repr=False)
class LastEvent(Result):
    """Why the target stopped, and when (`.lastevent`)."""

    stop: Stop


@dataclass(frozen=True, slots=True, repr=False)
class Steps(TableResult):
    """The stops of several steps (`p 3`), in order; `stop` is the last one."""

    stops: tuple[Stop, ...]

    @property
    def stop(self) -> Stop:
        return self.stops[-1]

    def __len__(self) -> int:
        return len(self.stops)

    def __getitem__(self, index: int) -> Stop:
        return self.stops[index]

    def rows(self) -> list[dict[str, Any]]:
        return [{"address": s.address, "symbol": s.symbol, "reason": s.reason} for s in self.stops]


@dataclass(frozen=True, slots=True, repr=False)
class Running(Result):
    """The target runs: what `g &` returns, and `g` when its time was up."""

    seconds: float | None = None


@dataclass(frozen=True, slots=True, repr=False)
class BreakInRequested(Result):
    """A break-in went out; the stop comes as an event."""


@dataclass(frozen=True, slots=True, repr=False)
class DebugPrint(Result):
    """One DbgPrint of the target. The text is untrusted."""

    text: str
    processor: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class ModuleEvent(Result):
    """An image was loaded or unloaded."""

    path: str
    base: int
    size: int
    unload: bool = False
    process_id: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class LinkStateChange(Result):
    """The link or the target changed its state: `connected`, `running`, `stopped`, `restarted`, `lost`, `closed`;
    `rearmed` says what became of the breakpoints after a restart."""

    state: str
    details: str = ""
