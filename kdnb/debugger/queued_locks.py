"""Queued spin locks: each processor has an entry for each lock, and those who wait form a chain of entries.

An entry is KSPIN_LOCK_QUEUE: Next, and the address of the lock, whose two low bits say "waits" and "owns" (wdm.h).
KPCR.LockArray of x64 leads to a processor's entries, KPRCB.LockQueue by the kernel's types on x86.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.errors import UnsupportedError
from kdnb.protocol.constants import MachineType
from kdnb.results.queued_locks import QueuedLock, QueuedLocks
from kdnb.symbols.types import StructType

if TYPE_CHECKING:
    from kdnb.debugger.session import Session

__all__ = ["queued_locks"]

WAITS, OWNS = 1, 2
_LOCK_ARRAY = 0x28
"""KPCR.LockArray of x64, the same in every build (wdm.h)."""
_NAMES = (
    "KE   - Dispatcher", "KE   - Unused Spare", "MM   - PFN", "MM   - System Space", "CC   - Vacb", "CC   - Master",
    "EX   - NonPagedPool", "IO   - Cancel", "EX   - WorkQueue", "IO   - Vpb", "IO   - Database", "IO   - Completion",
    "NTFS - Struct", "AFD  - WorkQueue", "CC   - Bcb", "MM   - MM NonPagedPool", "KE   - Unused Spare",
)  # fmt: skip
"""KSPIN_LOCK_QUEUE_NUMBER; Windows 8 and later have spares where the dispatcher's and memory's locks were."""
_SPARE_SINCE_8, _WINDOWS_8 = (0, 1, 2, 3, 8, 15), 9200


def queued_locks(session: Session) -> QueuedLocks:
    """Every lock at the present stop. Raises `UnsupportedError` where the entries can't be found."""
    size = session.pointer_size
    arrays, entries = [], []
    for processor in range(session.processor_count):
        array = _array(session, processor)
        data = session.memory.read(array, len(_NAMES) * 2 * size)
        words = [int.from_bytes(data[at : at + size], "little") for at in range(0, len(data), size)]
        arrays.append(array)
        entries.append(list(zip(words[::2], words[1::2], strict=True)))
    locks = []
    for number in range(len(_NAMES)):
        places = [array + number * 2 * size for array in arrays]
        states = _states(places, [each[number] for each in entries])
        locks.append(QueuedLock(number, _name(session, number), states))
    return QueuedLocks(tuple(locks), session.processor_count)


def _array(session: Session, processor: int) -> int:
    """Address of a processor's entries."""
    if session.machine == MachineType.AMD64:
        address = session.memory.read_pointer(session.processes.pcr(processor) + _LOCK_ARRAY)
        if not address:
            raise UnsupportedError(
                "KPCR.LockArray is NULL: the kernel has not started this processor", "let it boot on"
            )
        return address
    kernel = session.modules.kernel
    types = kernel.types if kernel is not None else None
    prcb = types.lookup("_KPRCB") if types is not None else None
    field = prcb.field("LockQueue") if isinstance(prcb, StructType) else None
    if field is None:
        raise UnsupportedError("where KPRCB.LockQueue lies in this build is not known", "give its PDBs with .sympath")
    return session.processes.prcb(processor) + field.offset


def _states(places: list[int], entries: list[tuple[int, int]]) -> tuple[str, ...]:
    """What each processor is to one lock."""
    states = [""] * len(entries)
    owners = [processor for processor, (_, lock) in enumerate(entries) if lock & OWNS]
    waiting = [processor for processor, (_, lock) in enumerate(entries) if lock & WAITS]
    if len(owners) != 1:
        for processor in owners + waiting:
            states[processor] = "C"
        return tuple(states)
    at, order = owners[0], 0
    states[at] = "O"
    while following := entries[at][0]:
        behind = places.index(following) if following in places else None
        if behind is None or states[behind] or behind not in waiting:
            states[at] = "C"
            break
        at, order = behind, order + 1
        states[at] = str(order)
    for processor in waiting:  # on its way into the chain: it waits already, and its predecessor doesn't know yet
        if not states[processor]:
            order += 1
            states[processor] = str(order)
    return tuple(states)


def _name(session: Session, number: int) -> str:
    build = session.version.minor if session.version is not None else 0
    return "KE   - Unused Spare" if build >= _WINDOWS_8 and number in _SPARE_SINCE_8 else _NAMES[number]
