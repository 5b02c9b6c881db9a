"""Resources: the kernel's list of ERESOURCEs, their owners, and the threads that wait for them.

Waiters stand at a semaphore (shared) and an event (exclusive) until Windows 7, and in the simulated machine. Newer
builds chain them in structs that no public PDB has; then only their number is told. The list also holds FAST_ERESOURCEs
since Windows 10 2004: they chain their owners where an ERESOURCE has its first one (public PDBs).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.debugger.lists import walk_list
from kdnb.errors import MemoryReadError, UnknownNameError, UnsupportedError
from kdnb.results.resources import Deadlock, ResourceInfo, ResourceList, ResourceOwner

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kdnb.debugger.kernel_records import Record
    from kdnb.debugger.session import Session

__all__ = ["describe_resource", "list_resources"]

OWNED_EXCLUSIVE = 0x80
"""ResourceOwnedExclusive in ERESOURCE.Flag (public headers)."""
THREAD_OBJECT = 6
SYNCHRONIZATION_EVENT, SEMAPHORE = 1, 5
"""Types in a dispatcher header of what waiters stand at."""
FAST_OWNER = "_FAST_OWNER_ENTRY_INTERNAL"
OWNER_LIMIT = 1024
"""Entries of an owner table: one a thread that shares the resource."""
WAITER_LIMIT = 1024
RESOURCE_LIMIT = 65_536
WAITS = 2
HIDDEN_WAITERS = "who waits can't be read in this build: !stacks 0 ExpWaitForResource shows the threads"


@dataclass(frozen=True, slots=True)
class _Waiters:
    threads: tuple[int, ...]
    note: str = ""


def list_resources(
    session: Session, *, every: bool = False, with_threads: bool = False, with_contention: bool = False
) -> ResourceList:
    """The resources that are held or waited for, all with `every`; and threads that wait for each other in a circle."""
    layout = session.processes.records.layout("_ERESOURCE")
    links = layout.offset("SystemResourcesList")
    found = walk_list(session.memory, _head(session), limit=RESOURCE_LIMIT, around=(links, layout.size))
    busy: list[ResourceInfo] = []
    shown: list[ResourceInfo] = []
    for link in found:
        session.require_stopped()  # sees a cancel
        resource = _describe(session, link - links, with_threads=with_threads)
        if resource.is_held or resource.shared_waiter_count or resource.exclusive_waiter_count:
            busy.append(resource)
            shown.append(resource)
        elif every:
            shown.append(resource)
    return ResourceList(
        tuple(shown),
        total=len(found),
        held=sum(each.is_held for each in busy),
        address_size=session.pointer_size,
        deadlocks=find_deadlocks(busy),
        with_contention=with_contention,
        note=found.note,
    )


def describe_resource(session: Session, address: int, *, with_threads: bool = False) -> ResourceList:
    """The one resource at `address`; `UnknownNameError` where none can be."""
    layout = session.processes.records.layout("_ERESOURCE")
    links = layout.offset("SystemResourcesList")
    memory, size = session.memory, session.pointer_size
    answer: int | None = None
    with contextlib.suppress(MemoryReadError):
        answer = memory.read_pointer(memory.read_pointer(address + links) + size)
    if answer != (address + links) & session.address_mask:
        raise UnknownNameError(f"{address:x} is no resource: it is in no list of them", "!locks -d lists them")
    resource = _describe(session, address, with_threads=with_threads)
    return ResourceList((resource,), 1, int(resource.is_held), session.pointer_size, is_dump=False)


def find_deadlocks(resources: Iterable[ResourceInfo]) -> tuple[Deadlock, ...]:
    """The circles among threads that wait for resources which others of them hold; each circle once."""
    waits_for: dict[int, ResourceInfo] = {}
    for resource in resources:
        for thread in resource.waiters:
            waits_for.setdefault(thread, resource)
    found: dict[frozenset[int], Deadlock] = {}
    for start in waits_for:
        before: dict[int, int] = {start: 0}  # thread -> who waits for it
        queue = [start]
        while queue:
            thread = queue.pop(0)
            for owner in waits_for[thread].owners:
                following = owner.thread
                if following == start:
                    path = [thread]
                    while before[path[0]]:
                        path.insert(0, before[path[0]])
                    circle = Deadlock(tuple(path), tuple(waits_for[each].address for each in path))
                    found.setdefault(frozenset(path), circle)
                elif following in waits_for and following not in before:
                    before[following] = thread
                    queue.append(following)
    return tuple(found.values())


def _head(session: Session) -> int:
    block = session.debugger_data
    head = block.get("exp_system_resources_list") if block is not None else None
    head = head or session.symbols.lookup("nt!ExpSystemResourcesList")
    if head is None:
        raise UnsupportedError("nt!ExpSystemResourcesList is not known", "give the kernel's PDB with .sympath")
    return head & session.address_mask


def _describe(session: Session, address: int, *, with_threads: bool) -> ResourceInfo:
    record = session.processes.records.read("_ERESOURCE", address)
    owners, note = _owners(session, record)
    shared_count, exclusive_count = record.number("NumberOfSharedWaiters"), record.number("NumberOfExclusiveWaiters")
    shared = _waiters(session, record.number("SharedWaiters"), SEMAPHORE, shared_count)
    exclusive = _waiters(session, record.number("ExclusiveWaiters"), SYNCHRONIZATION_EVENT, exclusive_count)
    threads = [session.processes.thread(owner.thread) for owner in owners if with_threads and owner.thread]
    nearest = session.symbols.nearest(address)
    return ResourceInfo(
        address=record.address,
        symbol=nearest.text if nearest is not None else "",
        is_exclusive=bool(record.number("Flag") & OWNED_EXCLUSIVE),
        owners=owners,
        contention_count=record.number("ContentionCount"),
        shared_waiter_count=shared_count,
        exclusive_waiter_count=exclusive_count,
        shared_waiters=shared.threads,
        exclusive_waiters=exclusive.threads,
        threads=tuple(threads),
        note=note or shared.note or exclusive.note,
    )


def _owners(session: Session, record: Record) -> tuple[tuple[ResourceOwner, ...], str]:
    """The entry within the resource, then those of the table, whose first entry holds its size."""
    records = session.processes.records
    layout = records.layout("_OWNER_ENTRY")
    if not record.number("ActiveEntries", "ActiveCount"):
        return (), ""
    chained = _chained_owners(session, record.address_of("OwnerEntry"))
    if chained is not None:
        return chained
    found = [_owner(session, records.read("_OWNER_ENTRY", record.address_of("OwnerEntry")))]
    table, note = record.number("OwnerTable"), ""
    try:
        size = records.read("_OWNER_ENTRY", table).number("TableSize") if table else 0
        if size > OWNER_LIMIT:
            note = f"the owner table claims {size} entries; the first {OWNER_LIMIT} are shown"
        places = (table + index * layout.size for index in range(1, min(size, OWNER_LIMIT)))
        found.extend(_owner(session, records.read("_OWNER_ENTRY", place)) for place in places)
    except MemoryReadError as error:
        note = f"the owner table ends early: {error.message}"
    return tuple(owner for owner in found if owner.value), note


def _chained_owners(session: Session, head: int) -> tuple[tuple[ResourceOwner, ...], str] | None:
    """The owners of a FAST_ERESOURCE, and why their list ended early; None where no list head is."""
    layout = session.processes.records.layout(FAST_OWNER, ("ListEntry", "ThreadAddress"))
    memory = session.memory
    try:
        answer = memory.read_pointer(memory.read_pointer(head) + session.pointer_size)
    except MemoryReadError:
        return None
    if layout.types is None or answer != head:
        return None
    links, thread = layout.offset("ListEntry"), layout.offset("ThreadAddress")
    found = walk_list(memory, head, limit=OWNER_LIMIT, around=(links, layout.size))
    owners = (memory.read_pointer(link - links + thread) for link in found)
    return tuple(ResourceOwner(owner, 1, _thread(session, owner)) for owner in owners if owner), found.note


def _owner(session: Session, entry: Record) -> ResourceOwner:
    """An entry; its low bits are no part of the thread's address."""
    value = entry.number("OwnerThread")
    return ResourceOwner(value, entry.bits("OwnerCount", 3, 29), _thread(session, value & ~3) if value else 0)


def _thread(session: Session, address: int) -> int:
    """`address` where a thread is, 0 elsewhere."""
    try:
        return address if session.memory.read_u8(address) & 0x7F == THREAD_OBJECT else 0
    except MemoryReadError:
        return 0


def _waiters(session: Session, address: int, kind: int, count: int) -> _Waiters:
    """Threads whose wait blocks hang on a dispatcher object."""
    if not count:
        return _Waiters(())
    records, memory = session.processes.records, session.memory
    try:
        if not address or memory.read_u8(address) & 0x7F != kind:
            return _Waiters((), HIDDEN_WAITERS)
        block = records.layout("_KWAIT_BLOCK")
        head = address + records.layout("_DISPATCHER_HEADER").offset("WaitListHead")
        links, thread = block.offset("WaitListEntry"), block.offset("Thread")
        found = walk_list(memory, head, limit=WAITER_LIMIT, around=(links, block.size))
        threads = tuple(memory.read_pointer(link - links + thread) for link in found)
    except (MemoryReadError, UnsupportedError) as error:
        return _Waiters((), f"who waits can't be read: {error.message}")
    return _Waiters(threads, found.note)
