"""Queued spin locks by processor, as `!qlocks` shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kdnb.results.base import TableResult

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["QueuedLock", "QueuedLocks"]


@dataclass(frozen=True, slots=True)
class QueuedLock:
    """One lock: for each processor `O` (owner), `1` and on (place among those who wait), `C` (corrupt), or nothing."""

    number: int
    name: str
    """`EX   - NonPagedPool`."""
    states: tuple[str, ...]


@dataclass(frozen=True, slots=True, repr=False)
class QueuedLocks(TableResult):
    """All of them, in the order of their numbers."""

    locks: tuple[QueuedLock, ...]
    processors: int

    def __len__(self) -> int:
        return len(self.locks)

    def __iter__(self) -> Iterator[QueuedLock]:
        return iter(self.locks)

    def __getitem__(self, index: int) -> QueuedLock:
        return self.locks[index]

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"number": lock.number, "name": lock.name} | {f"cpu{n}": state for n, state in enumerate(lock.states)}
            for lock in self.locks
        ]
