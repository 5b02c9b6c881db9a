"""Software breakpoints at user addresses, in the memory of the process for which they were set.

WriteBreakPoint goes through whatever page tables the stopped processor has loaded, which at a break-in are seldom
those of that process (the command reference 7.6, "When inserted"). Here the byte is written through the process's own
tables, by physical address, when the target is resumed, and put back when it stops. Processes that share the page
share the breakpoint, as with WriteBreakPoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.debugger.paging import translate
from kdnb.errors import MemoryReadError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.debugger.session import Session

__all__ = ["UserBreakpoints"]

INT3 = b"\xcc"


@dataclass(frozen=True, slots=True)
class _Written:
    physical: int
    original: bytes


class UserBreakpoints:
    """Those that are in the target now."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._written: dict[int, _Written] = {}
        self._lifted: dict[int, _Written] = {}
        """What the last stop found in the target."""

    def __contains__(self, address: object) -> bool:
        return address in self._written

    def __iter__(self) -> Iterator[int]:
        return iter(self._written)

    def insert(self, address: int, process: int) -> bool:
        """Write one; False where the page is not in memory. Raises `MemoryWriteError` where the target refuses."""
        physical = self._physical(address, process)
        if physical is None:
            return False
        memory = self._session.physical
        try:
            original = memory.read(physical, 1)
        except MemoryReadError:
            return False
        memory.write(physical, INT3)
        self._written[address] = _Written(physical, original)
        return True

    def lift(self) -> None:
        """Put back what was there; a page that got another content meanwhile stays as it is."""
        memory = self._session.physical
        for written in self._written.values():
            if memory.read_available(written.physical, 1) == INT3:
                memory.write(written.physical, written.original)
        self._written, self._lifted = {}, self._written

    def original_code(self, address: int, code: bytes) -> bytes:
        """Bytes that were read at `address` before they were lifted, as they are without them."""
        result = bytearray(code)
        for place, written in self._lifted.items():
            if 0 <= place - address < len(code):
                result[place - address : place - address + 1] = written.original
        return bytes(result)

    def forget(self) -> None:
        """The target has begun anew: nothing is in it."""
        self._written, self._lifted = {}, {}

    def _physical(self, address: int, process: int) -> int | None:
        session = self._session
        try:
            return translate(session, address, session.processes.directory_table_base(process)).physical
        except MemoryReadError:
            return None
