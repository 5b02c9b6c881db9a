"""The kernel's counts of pages, wherever a build keeps them.

Since Windows 10 they are in the part of the system partition (`nt!MiSystemPartition`) that public PDBs call visible;
before, they were global variables, to which the KDBG block points. A counter that nothing gives is left out and named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.errors import KdnbError, MemoryReadError, UnsupportedError
from kdnb.results.memory_usage import MemoryCounter, MemoryUsage, PagingFile, ProcessCommit

if TYPE_CHECKING:
    from kdnb.debugger.kernel_records import Record
    from kdnb.debugger.session import Session

__all__ = ["memory_usage"]

PAGE_SIZE = 4096
PAGING_FILE_LIMIT = 16
"""MAX_PAGE_FILES of public sources."""


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a counter may be: a field of MI_VISIBLE_PARTITION, a field of KDBG that points to it, a global's name."""

    name: str
    field: str
    block: str = ""
    symbol: str = ""
    in_bytes: bool = False


_COUNTERS = (
    _Source("Physical Memory", "NumberOfPhysicalPages", "mm_number_of_physical_pages", "MmNumberOfPhysicalPages"),
    _Source("Available Pages", "AvailablePages", "mm_available_pages", "MmAvailablePages"),
    _Source("ResAvail Pages", "ResidentAvailablePages", "mm_resident_available_pages", "MmResidentAvailablePages"),
    _Source("Modified Pages", "ModifiedPageListHead.Total"),
    _Source("Modified No Write Pages", "ModifiedNoWritePageListHead.Total"),
    _Source(
        "NonPagedPool Max", "", "mm_maximum_non_paged_pool_in_bytes", "MmMaximumNonPagedPoolInBytes", in_bytes=True
    ),
    _Source("PagedPool Maximum", "", "mm_size_of_paged_pool_in_bytes", "MmSizeOfPagedPoolInBytes", in_bytes=True),
    _Source("Shared Commit", "SharedCommit", "mm_shared_commit", "MmSharedCommit"),
    _Source("Committed pages", "TotalCommittedPages", "mm_total_committed_pages", "MmTotalCommittedPages"),
    _Source("Commit limit", "TotalCommitLimit", "mm_total_commit_limit", "MmTotalCommitLimit"),
)
_FILE_FIELDS = ("Size", "FreeSpace", "MinimumSize", "MaximumSize", "PageFileName")


def memory_usage(session: Session, *, with_processes: bool = True) -> MemoryUsage:
    """The counts at the present stop."""
    partition = _partition(session)
    counters: list[MemoryCounter] = []
    missing: list[str] = []
    for source in _COUNTERS:
        value = _value(session, partition, source)
        if value is None:
            missing.append(source.name)
        else:
            counters.append(MemoryCounter(source.name, value // PAGE_SIZE if source.in_bytes else value))
    files, note = _paging_files(session, partition)
    processes, broken = _processes(session) if with_processes else ((), "")
    return MemoryUsage(tuple(counters), files, processes, PAGE_SIZE, tuple(missing), note or broken)


def _processes(session: Session) -> tuple[tuple[ProcessCommit, ...], str]:
    """What each process committed, the most first, and why the list ended early."""
    found: list[ProcessCommit] = []
    try:
        addresses, note = session.processes.addresses()
    except UnsupportedError as error:
        return (), f"the processes are not known: {error}"
    for address in addresses:
        session.require_stopped()  # sees a cancel
        record = session.processes.records.read("_EPROCESS", address, ["CommitCharge", "SharedCommitCharge"])
        commit = record.get("CommitCharge")
        if commit is not None:
            process = session.processes.describe(address)
            found.append(ProcessCommit(address, process.pid, process.image, commit, record.get("SharedCommitCharge")))
    return tuple(sorted(found, key=lambda each: -each.commit)), note


def _partition(session: Session) -> Record | None:
    """The visible part of the system partition; None in builds that have none, and without types.

    It is read by itself: the partition before it is some 16 KB long in Windows 11.
    """
    place, records = session.symbols.lookup("nt!MiSystemPartition"), session.processes.records
    within = records.layout("_MI_PARTITION", ["Vp"]).fields.get("Vp")
    if place is None or within is None:
        return None
    paths = [source.field for source in _COUNTERS if source.field]
    try:
        return records.read("_MI_VISIBLE_PARTITION", place + within[0], [*paths, "NumberOfPagingFiles", "PagingFile"])
    except KdnbError:
        session.require_stopped()  # a cancel ends the command
        return None


def _value(session: Session, partition: Record | None, source: _Source) -> int | None:
    if partition is not None and source.field and (value := partition.get(source.field)) is not None:
        return value
    block = session.debugger_data
    place = block.get(source.block) if block is not None and source.block else None
    if place is None and source.symbol:
        place = session.symbols.lookup(f"nt!{source.symbol}")
    try:
        return session.memory.read_pointer(place) if place is not None else None
    except MemoryReadError:
        return None


def _paging_files(session: Session, partition: Record | None) -> tuple[tuple[PagingFile, ...], str]:
    """The paging files of the partition, and why the list ended early."""
    if partition is None:
        return (), ""
    count, size = partition.number("NumberOfPagingFiles"), session.pointer_size
    pointers = partition.bytes("PagingFile")
    found: list[PagingFile] = []
    note = f"the kernel claims {count} paging files" if count > PAGING_FILE_LIMIT else ""
    for index in range(min(count, PAGING_FILE_LIMIT, len(pointers) // size)):
        address = int.from_bytes(pointers[index * size : (index + 1) * size], "little")
        try:
            record = session.processes.records.read("_MMPAGING_FILE", address, _FILE_FIELDS)
        except MemoryReadError as error:
            return tuple(found), f"the paging files end early: {error.message}"
        current, free, minimum, maximum = (record.number(name) for name in _FILE_FIELDS[:4])
        name = session.processes.records.string(record, "PageFileName")
        found.append(PagingFile(name, current, free, minimum, maximum))
    return tuple(found), note
