"""Handle tables: up to three levels of pages, whose entries hold object headers in a packed form.

Since Windows 8 an entry keeps the middle bits of the header's address (ObjectPointerBits), before it a pointer with
attributes in its low bits; both are in public PDBs. The table of process and thread ids has the same form, but leads to
bodies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.debugger.kernel_records import Record
from kdnb.debugger.objects import Objects
from kdnb.errors import KdnbError, MemoryReadError, UnknownNameError, UnsupportedError
from kdnb.results.handles import HandleInfo, HandleList

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.debugger.session import Session
    from kdnb.results.processes import ProcessInfo

__all__ = ["TABLE_PATHS", "Handles", "handle_count"]

PAGE = 0x1000
HANDLE_STEP = 4
LEVEL_MASK, MOST_LEVELS = 3, 2
LEAF_LIMIT = 4096
"""Pages of entries that are read of one table: a million handles."""
FREE_LIST_LIMIT = 256
"""One free list for each processor."""
KERNEL_HANDLES = {8: 0xFFFF_FFFF_8000_0000, 4: 0x8000_0000}
"""Bits that are set in handles of the kernel's own table."""
ATTRIBUTE_BITS = 7
TABLE_PATHS = ("TableCode", "NextHandleNeedingPool", "FreeLists", "HandleCount")
_ENTRY_PATHS = ("Object", "Value", "GrantedAccess", "LowValue", "ObjectPointerBits", "GrantedAccessBits", "Attributes")


@dataclass(frozen=True, slots=True)
class _Table:
    address: int
    code: int
    """Without the level."""
    level: int
    end: int
    """The first handle value for which there is no entry."""
    count: int
    holds_bodies: bool = False


class Handles:
    """The handle tables of a session's target."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._records = session.processes.records
        self._objects = Objects(session)

    def of_process(
        self, process: ProcessInfo, *, type_name: str = "", details: bool = False, free: bool = False
    ) -> HandleList:
        """All handles of a process, or those to objects of one type; with `free` also unused entries."""
        if not process.object_table:
            return HandleList(process, 0, 0, (), process.address_size, "the process has no handle table")
        try:
            table = self._table(process.object_table)
        except MemoryReadError as error:
            note = f"the handle table can't be read: {error.message}"
            return HandleList(process, process.object_table, 0, (), process.address_size, note)
        described, note = self._all(table, details=details, free=free)
        found = tuple(each for each in described if not type_name or each.type.lower() == type_name.lower())
        return HandleList(process, table.address, table.count, found, process.address_size, note)

    def one(self, process: ProcessInfo, handle: int, *, details: bool = False) -> HandleList:
        """One handle of a process; those of the kernel's own table count wherever they are asked for."""
        kernel = KERNEL_HANDLES[self._session.pointer_size]
        if handle & kernel == kernel:
            processes = self._session.processes
            handle, process = handle & ~kernel, processes.describe(processes.find(4))
        table = self._table(process.object_table) if process.object_table else None
        if table is None or handle >= table.end or handle % _span(self._entry_size) == 0:
            raise UnknownNameError(f"Invalid handle: {handle:#x}", "!handle 0 1 lists those that there are")
        described = self._describe(table, handle, self._entry(table, handle & ~3), details=details)
        return HandleList(process, table.address, table.count, (described,), process.address_size)

    def by_id(self, number: int, *, details: bool = False) -> HandleList:
        """The entry of a process or thread id in the kernel's table of ids, all of them for 0."""
        block, session = self._session.debugger_data, self._session
        place = block.get("psp_cid_table") if block is not None else None
        place = place or session.symbols.lookup("nt!PspCidTable")
        if place is None:
            raise UnsupportedError("nt!PspCidTable is not known", "give the kernel's PDB with .sympath")
        table = self._table(session.memory.read_pointer(place), holds_bodies=True)
        if number and number >= table.end:
            raise UnknownNameError(f"Invalid process or thread id: {number:#x}", "!handle 0 21 lists them")
        if not number:
            described, note = self._all(table, details=details)
            return HandleList(None, table.address, table.count, tuple(described), session.pointer_size, note)
        one = self._describe(table, number, self._entry(table, number & ~3), details=details)
        return HandleList(None, table.address, table.count, (one,), session.pointer_size)

    def _all(self, table: _Table, *, details: bool, free: bool = False) -> tuple[list[HandleInfo], str]:
        """The used entries of a table, with `free` all of them, and why it ended early."""
        found: list[HandleInfo] = []
        try:
            for handle, record in self._entries(table):
                described = self._describe(table, handle, record, details=details)
                if free or not described.is_free:
                    found.append(described)
        except (MemoryReadError, UnsupportedError) as error:
            return found, f"the table ends early: {error.message}"
        return found, ""

    # --- tables ---------------------------------------------------------------------------------

    @property
    def _entry_size(self) -> int:
        return max(self._records.layout("_HANDLE_TABLE_ENTRY", _ENTRY_PATHS).size, self._session.pointer_size)

    def _table(self, address: int, *, holds_bodies: bool = False) -> _Table:
        for name in ("TableCode", "NextHandleNeedingPool"):
            self._records.layout("_HANDLE_TABLE", TABLE_PATHS).offset(name)  # says what is missing
        record = self._records.read("_HANDLE_TABLE", address, TABLE_PATHS)
        code = record.number("TableCode")
        return _Table(
            address=record.address,
            code=code & ~LEVEL_MASK,
            level=code & LEVEL_MASK,
            end=record.number("NextHandleNeedingPool"),
            count=handle_count(self._session, record),
            holds_bodies=holds_bodies,
        )

    def _entries(self, table: _Table) -> Iterator[tuple[int, Record]]:
        """Every entry with its handle value, page by page."""
        layout, size = self._records.layout("_HANDLE_TABLE_ENTRY", _ENTRY_PATHS), self._entry_size
        step = _span(size)
        seen: set[int] = set()
        for start in range(0, table.end, step):
            self._session.require_stopped()  # sees a cancel
            leaf = self._leaf(table, start // step)
            if leaf in seen:
                raise UnsupportedError(f"the handle table is damaged: it has the page {leaf:#x} twice")
            if len(seen) == LEAF_LIMIT:
                raise UnsupportedError(f"cut after {LEAF_LIMIT} pages")
            seen.add(leaf)
            data = self._session.memory.read_available(leaf, PAGE)
            for index in range(1, PAGE // size):  # the first of a page is no handle
                piece = data[index * size : (index + 1) * size]
                if len(piece) < size:
                    raise MemoryReadError(leaf, PAGE, data)
                yield start + index * HANDLE_STEP, Record(layout, leaf + index * size, piece)

    def _entry(self, table: _Table, handle: int) -> Record:
        size = self._entry_size
        leaf = self._leaf(table, handle // _span(size))
        return self._records.read("_HANDLE_TABLE_ENTRY", leaf + handle // HANDLE_STEP % (PAGE // size) * size)

    def _leaf(self, table: _Table, number: int) -> int:
        """Address of a page of entries, down the levels."""
        if table.level > MOST_LEVELS:
            raise UnsupportedError(f"the handle table at {table.address:x} claims {table.level} levels above its pages")
        pointers, at = PAGE // self._session.pointer_size, table.code
        for level in range(table.level - 1, -1, -1):
            index = number // pointers**level % pointers
            at = self._session.memory.read_pointer(at + index * self._session.pointer_size)
        return at

    # --- entries --------------------------------------------------------------------------------

    def _describe(self, table: _Table, handle: int, record: Record, *, details: bool) -> HandleInfo:
        address, attributes = self._object(record)
        access = record.number("GrantedAccess") if "GrantedAccess" in record.layout.fields else 0
        if not access:
            access = record.bits("GrantedAccessBits", 0, 25)
        if not address:
            return HandleInfo(handle, record.address, 0, 0, 0, "", "")
        body = address
        type_name = name = note = ""
        described = None
        try:
            if not table.holds_bodies:
                body += self._records.layout("_OBJECT_HEADER").offset("Body")
            described = self._objects.describe(body, contents=False)
            type_name, name = described.type, self._name(body, described.type) or described.name
        except KdnbError as error:
            self._session.require_stopped()  # a cancel ends the command
            note = f"the object can't be read: {error.message}"
        shown = described if details else None
        return HandleInfo(
            handle, record.address, body & self._session.address_mask, access, attributes, type_name, name, shown, note
        )

    def _object(self, record: Record) -> tuple[int, int]:
        """Address in an entry and the handle's attributes; 0 for a free one."""
        if not record.number("LowValue", "Value", "Object"):
            return 0, 0
        if "ObjectPointerBits" not in record.layout.fields:
            value = record.number("Object", "Value")
            return value & ~ATTRIBUTE_BITS, value & ATTRIBUTE_BITS
        if self._session.pointer_size == 4:
            bits = record.bits("ObjectPointerBits", 3, 29)
            return bits << 3, record.bits("Attributes", 1, 2) << 1
        bits = record.bits("ObjectPointerBits", 20, 44) << 4
        return bits | (0xFFFF_0000_0000_0000 if bits >> 47 else 0), record.bits("Attributes", 17, 3)

    def _name(self, body: int, type_name: str) -> str:
        """Words for what has no name in the namespace."""
        processes = self._session.processes
        if type_name == "Process":
            process = processes.describe(body)
            return f"{process.image} ({process.pid:x})"
        if type_name == "Thread":
            thread = processes.thread(body, 0)
            return f"{thread.image} ({thread.pid:x}.{thread.tid:x})"
        return ""


def _span(entry_size: int) -> int:
    """Handle values that one page of entries covers."""
    return PAGE // entry_size * HANDLE_STEP


def handle_count(session: Session, table: Record) -> int:
    """Open handles of a HANDLE_TABLE: one number until Windows 7, since then one in each of its free lists."""
    plain = table.get("HandleCount")
    if plain is not None:
        return plain
    records = session.processes.records
    layout = records.layout("_HANDLE_TABLE_FREE_LIST", ["HandleCount"])
    place, count = layout.fields.get("HandleCount"), 0
    start = table.layout.fields.get("FreeLists")
    if place is None or start is None:
        return 0
    lists = _free_lists(session)
    data = session.memory.read_available(table.address + start[0], lists * layout.size)
    for at in range(place[0], len(data), layout.size):
        count += int.from_bytes(data[at : at + 4], "little", signed=True)
    return max(count, 0)


def _free_lists(session: Session) -> int:
    """How many free lists each table has; 1 where the kernel doesn't say."""
    place = session.symbols.lookup("nt!ExpFreeListCount")
    try:
        number = session.memory.read_u32(place) if place is not None else 1
    except MemoryReadError:
        number = 1
    return number if 1 <= number <= FREE_LIST_LIMIT else 1
