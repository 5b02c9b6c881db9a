"""Which page tables turn user addresses into memory: those of the stopped processor, or of a chosen process.

KD reads through whatever the stopped processor has loaded. Another process's user memory is therefore reached by
walking its page tables with physical reads (the protocol reference 6.5). Kernel addresses are the same everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.debugger.paging import translate
from kdnb.errors import MemoryReadError, MemoryWriteError

if TYPE_CHECKING:
    from kdnb.debugger.session import Session
    from kdnb.target.base import Change

__all__ = ["AddressSpace", "ProcessMemory"]

PAGE_SIZE = 0x1000


class ProcessMemory:
    """Memory as one process sees it, page by page through its page tables."""

    def __init__(self, session: Session, directory: int) -> None:
        self._session = session
        self._directory = directory

    def read_available(self, address: int, size: int) -> bytes:
        """The bytes up to the first page that is not there."""
        parts: list[bytes] = []
        for at, count in _pages(address, size):
            self._session.require_stopped()  # sees a cancel
            physical = self._physical(at)
            part = self._session.physical.read_available(physical, count) if physical is not None else b""
            parts.append(part)
            if len(part) < count:
                break
        return b"".join(parts)

    def write_available(self, address: int, data: bytes) -> int:
        """Write up to the first page that is not there; how much went in."""
        self._session.memory.invalidate()  # other addresses may mean the same pages
        done = 0
        for at, count in _pages(address, len(data)):
            physical = self._physical(at)
            if physical is None:
                break
            try:
                self._session.physical.write(physical, data[done : done + count])
            except MemoryWriteError:
                break
            done += count
        return done

    def _physical(self, address: int) -> int | None:
        try:
            return translate(self._session, address & self._session.address_mask, self._directory).physical
        except MemoryReadError:
            return None


class AddressSpace:
    """The session's virtual memory: what `session.memory` caches."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._process: int | None = None
        self._memory: ProcessMemory | None = None
        self._change: Change | None = None
        self._current: tuple[Change | None, int] = (None, 0)

    def is_user(self, address: int) -> bool:
        """Whether an address lies in the half that each process has for itself."""
        return not (address & self._session.address_mask) >> (8 * self._session.pointer_size - 1)

    def seen(self) -> int:
        """EPROCESS whose user memory is seen: the chosen one, or the one in which the target stopped."""
        change = self._session.change
        if self.process is None and self._current[0] is not change:
            self._current = change, self._session.processes.current()
        return self.process or self._current[1]

    @property
    def process(self) -> int | None:
        """EPROCESS whose user memory is seen; None for that of the stopped processor."""
        return self._process if self._change is not None and self._change is self._session.change else None

    def choose(self, process: int | None) -> None:
        """See the user memory of `process` until the target runs; None goes back."""
        session = self._session
        session.require_stopped()
        memory = None
        if process is not None:
            memory = ProcessMemory(session, session.processes.directory_table_base(process))
        self._process, self._memory, self._change = process, memory, session.change
        session.memory.invalidate()

    def read(self, address: int, size: int) -> bytes:
        """The bytes up to the first hole."""
        memory = self._chosen(address)
        return memory.read_available(address, size) if memory else self._session.target.read_virtual(address, size)

    def write(self, address: int, data: bytes) -> int:
        """Write; how much went in."""
        memory = self._chosen(address)
        return memory.write_available(address, data) if memory else self._session.target.write_virtual(address, data)

    def is_direct(self, address: int) -> bool:
        """Whether the target itself sees the same memory at this address."""
        return self._chosen(address) is None

    def _chosen(self, address: int) -> ProcessMemory | None:
        """Page tables to walk for this address, where the processor's won't do."""
        return self._memory if self.process is not None and self.is_user(address) else None


def _pages(address: int, size: int) -> list[tuple[int, int]]:
    """The range cut at page borders: (address, bytes)."""
    pieces = []
    while size > 0:
        count = min(size, PAGE_SIZE - address % PAGE_SIZE)
        pieces.append((address, count))
        address, size = address + count, size - count
    return pieces
