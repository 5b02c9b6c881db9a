"""Text of resources: `!locks` (the command reference, 7.10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.render.lines import lines
from kdnb.results.resources import ResourceInfo, ResourceList

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__: list[str] = []

PER_LINE = 4
WAITER_INDENT = " " * 14
THREAD_INDENT = " " * 5


def _wide(number: int, size: int) -> str:
    return f"{number:0{2 * size}x}"


@lines.register(ResourceList)
def _resources(value: ResourceList) -> Iterator[str]:
    size = value.address_size
    if value.is_dump:
        yield "**** DUMP OF ALL RESOURCE OBJECTS ****"
        yield "KD: Scanning for held locks."
    for each in value:
        yield ""
        yield from _resource(each, size, with_contention=value.with_contention)
    if value.is_dump or value.resources:
        yield f"{value.total} total locks, {value.held} locks currently held"
    for circle in value.deadlocks:
        yield "Deadlock:"
        holders = (*circle.threads[1:], circle.threads[0])
        for thread, resource, holder in zip(circle.threads, circle.resources, holders, strict=True):
            yield f"    thread {_wide(thread, size)} waits for {_wide(resource, size)}, held by {_wide(holder, size)}"
    if value.note:
        yield f"WARNING: {value.note}"


def _resource(value: ResourceInfo, size: int, *, with_contention: bool) -> Iterator[str]:
    place = f"0x{_wide(value.address, size)}"
    name = f"{value.symbol} ({place})" if value.symbol else place
    yield f"Resource @ {name}    {_state(value)}"
    if value.contention_count or with_contention:
        yield f"    Contention Count = {value.contention_count}"
    if value.shared_waiter_count:
        yield f"    NumberOfSharedWaiters = {value.shared_waiter_count}"
    if value.exclusive_waiter_count:
        yield f"    NumberOfExclusiveWaiters = {value.exclusive_waiter_count}"
    owners = []
    for owner in value.owners:
        text = f"{_wide(owner.value, size)}-{owner.count:02x}{'<*>' if owner.thread else ''}"
        if owner.thread and owner.thread != owner.value:
            text += f" *** Actual Thread {_wide(owner.thread, size)}"
        owners.append(text)
    for at in range(0, len(owners), PER_LINE):
        word = "     Threads: " if not at else WAITER_INDENT
        yield word + "    ".join(owners[at : at + PER_LINE])
    yield from _waiters("Shared", value.shared_waiters, size)
    yield from _waiters("Exclusive", value.exclusive_waiters, size)
    for thread in value.threads:
        yield ""
        yield from (THREAD_INDENT + line for line in lines(thread))
    if value.note:
        yield f"    WARNING: {value.note}"


def _state(value: ResourceInfo) -> str:
    if not value.owners:
        return "Available"
    return "Exclusively owned" if value.is_exclusive else f"Shared {len(value.owners)} owning threads"


def _waiters(word: str, threads: Sequence[int], size: int) -> Iterator[str]:
    if threads:
        yield f"     Threads Waiting On {word} Access:"
    for at in range(0, len(threads), PER_LINE):
        yield WAITER_INDENT + "       ".join(_wide(thread, size) for thread in threads[at : at + PER_LINE])
