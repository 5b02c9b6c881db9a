"""I/O request packets, as `!irp`, `!irpfind` and `!thread` show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kdnb.results.base import TableResult

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FoundIrp", "FoundIrps", "IrpInfo", "IrpLocation", "ThreadIrp"]


@dataclass(frozen=True, slots=True)
class IrpLocation:
    """One stack location of an IRP: what one driver of the stack is asked for."""

    number: int
    """From 1, the lowest driver's."""
    major: int
    major_name: str
    """`IRP_MJ_READ`; empty for a location that nobody has used yet."""
    minor: int
    minor_name: str
    flags: int
    control: int
    """SL_ flags: 1 pending, 20, 40, 80 when the completion routine is called."""
    device: int
    driver_name: str
    file: int
    completion_routine: int
    completion_symbol: str
    context: int
    arguments: tuple[int, ...]
    """Parameters.Others: what they mean depends on the function."""
    is_current: bool


@dataclass(frozen=True, slots=True, repr=False)
class IrpInfo(TableResult):
    """An IRP with its stack locations, the lowest driver's first."""

    address: int
    stack_count: int
    current_location: int
    """Counts down; above `stack_count` the IRP is completed, or not sent yet."""
    current_stack_location: int
    mdl: int
    system_buffer: int
    thread: int
    pending_returned: bool
    locations: tuple[IrpLocation, ...]
    address_size: int
    flags: int = 0
    status: int = 0
    information: int = 0
    cancel: bool = False
    cancel_routine: int = 0
    cancel_symbol: str = ""
    user_buffer: int = 0
    user_event: int = 0
    details: tuple[tuple[str, int], ...] = ()
    """All fields by their names, where they were asked for."""
    note: str = ""

    @property
    def is_completed(self) -> bool:
        return self.current_location > self.stack_count

    @property
    def current(self) -> IrpLocation | None:
        """The location of the driver that has the IRP."""
        return next((each for each in self.locations if each.is_current), None)

    def __len__(self) -> int:
        return len(self.locations)

    def __iter__(self) -> Iterator[IrpLocation]:
        return iter(self.locations)

    def rows(self) -> list[dict[str, Any]]:
        names = (
            "number", "major_name", "minor", "device", "driver_name", "file", "completion_symbol", "context",
            "arguments", "control", "is_current",
        )  # fmt: skip
        return [{name: getattr(each, name) for name in names} for each in self.locations]


@dataclass(frozen=True, slots=True)
class ThreadIrp:
    """An IRP in the list of the thread that asked for it."""

    address: int
    type: int
    size: int
    flags: int
    mdl: int


@dataclass(frozen=True, slots=True)
class FoundIrp:
    """What a search shows of an IRP."""

    address: int
    thread: int
    stack_count: int
    current_location: int
    major: int
    minor: int
    device: int
    driver_name: str
    mdl: int

    @property
    def is_completed(self) -> bool:
        return self.current_location > self.stack_count


@dataclass(frozen=True, slots=True, repr=False)
class FoundIrps(TableResult):
    """IRPs of the pool (`!irpfind`). `details` has them whole, where that was asked for."""

    irps: tuple[FoundIrp, ...]
    region: str
    """`nonpaged pool` or `paged pool`."""
    start: int
    end: int
    address_size: int
    details: tuple[IrpInfo, ...] = ()
    note: str = ""

    def __len__(self) -> int:
        return len(self.irps)

    def __iter__(self) -> Iterator[FoundIrp]:
        return iter(self.irps)

    def rows(self) -> list[dict[str, Any]]:
        names = ("address", "thread", "major", "minor", "device", "driver_name", "mdl", "current_location")
        return [{name: getattr(each, name) for name in names} for each in self.irps]
