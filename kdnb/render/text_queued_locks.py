"""Text of `!qlocks` (the documentation's example of it)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.render.lines import lines
from kdnb.results.queued_locks import QueuedLocks

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []


@lines.register(QueuedLocks)
def _locks(value: QueuedLocks) -> Iterator[str]:
    yield "Key: O = Owner, 1-n = Wait order, blank = not owned/waiting, C = Corrupt"
    yield ""
    yield f"{'':23}Processor Number"
    yield f"{'    Lock Name':<20}" + "".join(f"{number:>3}" for number in range(value.processors))
    yield ""
    for lock in value:
        yield (f"{lock.name:<20}" + "".join(f"{state:>3}" for state in lock.states)).rstrip()
