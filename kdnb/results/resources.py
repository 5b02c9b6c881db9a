"""Resources (ERESOURCE) with who holds them and who waits, as `!locks` shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kdnb.results.base import TableResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.results.processes import ThreadInfo

__all__ = ["Deadlock", "ResourceInfo", "ResourceList", "ResourceOwner"]


@dataclass(frozen=True, slots=True)
class ResourceOwner:
    """One entry of a resource's owners."""

    value: int
    """As it stands there: a thread, or an address that its low bits mark."""
    count: int
    """How often it acquired the resource."""
    thread: int
    """ETHREAD; 0 where the entry names no thread."""


@dataclass(frozen=True, slots=True)
class ResourceInfo:
    """One resource. Who waits is empty where the build keeps waiters in a way that isn't public; `note` says so."""

    address: int
    symbol: str
    """`nt!PsLoadedModuleResource`; empty outside all modules."""
    is_exclusive: bool
    owners: tuple[ResourceOwner, ...]
    contention_count: int
    shared_waiter_count: int
    exclusive_waiter_count: int
    shared_waiters: tuple[int, ...] = ()
    """ETHREAD of each."""
    exclusive_waiters: tuple[int, ...] = ()
    threads: tuple[ThreadInfo, ...] = ()
    """The owners as `!thread` shows them, where asked for."""
    note: str = ""

    @property
    def is_held(self) -> bool:
        return bool(self.owners)

    @property
    def waiters(self) -> tuple[int, ...]:
        return self.shared_waiters + self.exclusive_waiters


@dataclass(frozen=True, slots=True)
class Deadlock:
    """A circle: each thread waits for the resource that the next one holds, the last for that of the first."""

    threads: tuple[int, ...]
    resources: tuple[int, ...]
    """What each of them waits for."""


@dataclass(frozen=True, slots=True, repr=False)
class ResourceList(TableResult):
    """The resources that are shown, out of `total` in the system."""

    resources: tuple[ResourceInfo, ...]
    total: int
    held: int
    address_size: int
    deadlocks: tuple[Deadlock, ...] = ()
    is_dump: bool = True
    """Whether the whole list was looked through."""
    with_contention: bool = False
    """Whether the counts of contention are asked for even where they are 0."""
    note: str = ""

    def __len__(self) -> int:
        return len(self.resources)

    def __iter__(self) -> Iterator[ResourceInfo]:
        return iter(self.resources)

    def __getitem__(self, index: int) -> ResourceInfo:
        return self.resources[index]

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "address": each.address,
                "symbol": each.symbol,
                "exclusive": each.is_exclusive,
                "owners": [owner.thread or owner.value for owner in each.owners],
                "contention": each.contention_count,
                "shared_waiters": each.shared_waiter_count,
                "exclusive_waiters": each.exclusive_waiter_count,
                "waiters": list(each.waiters),
            }
            for each in self.resources
        ]
