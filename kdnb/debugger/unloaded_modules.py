"""Drivers that were unloaded: the ring of fifty at MmUnloadedDrivers, which the KDBG block leads to.

It is read when somebody asks (`lm`, a name for an address outside all modules) and kept until a driver is unloaded or
`.reload` reads everything anew. Names and counts are the target's and not to be trusted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.debugger.loader_entry import UnloadedDriver32, UnloadedDriver64
from kdnb.debugger.loader_list import MAX_MODULE_SIZE, read_name
from kdnb.errors import MemoryReadError
from kdnb.results.modules import UnloadedModule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.debugger.session import Session

__all__ = ["UnloadedModules"]

RING_SIZE = 50
"""MI_UNLOADED_DRIVERS."""
_ARRAY, _LAST = "MmUnloadedDrivers", "MmLastUnloadedDriver"


class UnloadedModules:
    """What lies in the ring, the newest first, as WinDbg lists it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._entries: tuple[UnloadedModule, ...] | None = None
        self._notice: object = None
        """The stop at which a driver was about to be unloaded: its entry may come after it."""
        self.note = ""
        """Why the list is not known."""

    def __iter__(self) -> Iterator[UnloadedModule]:
        if self._notice is not None and self._notice is not self._session.change:
            self.invalidate()
        if self._entries is None:
            if self._session.is_running or self._session.version is None:
                return iter(())
            self._entries = tuple(self._read())
        return iter(self._entries)

    def find(self, address: int) -> UnloadedModule | None:
        """The driver that was the last to lie at `address`."""
        address &= self._session.address_mask
        if self._session.address_space.is_user(address):
            return None
        return next((each for each in self if address in each), None)

    def name_at(self, address: int) -> str | None:
        """`<Unloaded_echo.sys>+0x10f0`; None where none was."""
        found = self.find(address)
        return found.text_at(address & self._session.address_mask) if found is not None else None

    def invalidate(self) -> None:
        """Read it again at the next use."""
        self._entries = None
        self._notice = None

    def noticed(self) -> None:
        """A driver is being unloaded at the present stop."""
        self.invalidate()
        self._notice = self._session.change

    def _read(self) -> Iterator[UnloadedModule]:
        memory = self._session.memory
        layout = UnloadedDriver64 if self._session.pointer_size == 8 else UnloadedDriver32
        self.note = ""
        places = self._place(_ARRAY, "mm_unloaded_drivers"), self._place(_LAST, "mm_last_unloaded_driver")
        if not all(places):
            self.note = "the target doesn't say where its list of unloaded modules is"
            return
        try:
            array = memory.read_pointer(places[0])
            if not array:
                return  # made when the first driver is unloaded
            last = memory.read_u32(places[1])
            ring = memory.read_available(array, RING_SIZE * layout.SIZE)
        except MemoryReadError as error:
            self.note = f"the list of unloaded modules can't be read: {error.message}"
            return
        places_in_ring = range(0, len(ring) - layout.SIZE + 1, layout.SIZE)
        entries = [layout.decode(ring[at : at + layout.SIZE]) for at in places_in_ring]
        newest = min(last, len(entries))
        for entry in (*entries[:newest][::-1], *entries[newest:][::-1]):
            if not 0 < entry.end - entry.start <= MAX_MODULE_SIZE:
                continue
            name = read_name(memory, entry.name_buffer, entry.name_length)
            if name:
                yield UnloadedModule(name, entry.start, entry.end, entry.time)

    def _place(self, name: str, field: str) -> int:
        """Address of a variable of the kernel: by its data block, else by symbols that are there already."""
        data = self._session.debugger_data
        address = data.get(field) if data is not None else None
        kernel = self._session.modules.kernel
        if address is None and kernel is not None and kernel.symbol_status != "deferred":
            rva = kernel.symbols.lookup(name)
            address = kernel.base + rva if rva is not None else None
        return (address or 0) & self._session.address_mask
