"""Processes, the current process and thread, and a processor's control regions.

What the KDBG block gives needs no symbols; lists of processes need the fields that `kernel_records` finds.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from kdnb.debugger.handles import TABLE_PATHS, handle_count
from kdnb.debugger.kernel_records import Records
from kdnb.debugger.lists import walk_list
from kdnb.debugger.loader_list import clean
from kdnb.debugger.security import FAST_REFERENCES
from kdnb.debugger.threads import describe_thread, threads_of
from kdnb.errors import MemoryReadError, RequestFailed, UnknownNameError, UnsupportedError
from kdnb.protocol.constants import MachineType
from kdnb.results.processes import ProcessInfo, ProcessList, ProcessorInfo, ThreadInfo
from kdnb.symbols.types import Pointer, StructType

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.debugger.kernel_records import Record
    from kdnb.debugger.session import Session

__all__ = ["Processes"]

PCR_SELECTOR, PRCB_SELECTOR = 0, 1
"""Control space of 64-bit targets (the protocol reference 3.7)."""
PROCESS_OBJECT = 3
"""Type in a dispatcher header (6.5)."""
PROCESS_LIMIT = 8192
PID_LIMIT = 0x0100_0000
"""A number below it is an id, not an address."""
_DETAILS = (
    ("VadRoot", "VadRoot.Root"), ("VadRoot", "VadRoot.BalancedRoot.RightChild"), ("DeviceMap", "DeviceMap"),
    ("Token", "Token"), ("UserTime", "Pcb.UserTime"), ("KernelTime", "Pcb.KernelTime"), ("VirtualSize", "VirtualSize"),
    ("PeakVirtualSize", "PeakVirtualSize"), ("BasePriority", "Pcb.BasePriority"), ("PriorityClass", "PriorityClass"),
    ("CommitCharge", "CommitCharge"), ("ActiveThreads", "ActiveThreads"),
)  # fmt: skip
"""Rows of flag 1: words and fields. Rows that the build doesn't have are left out."""
_COUNTED = ("DeviceMap", "Token")
"""What is an EX_FAST_REF, the device map since Windows 11: the low bits count references."""
_SESSION_ID = 8
"""Of the session's id in the struct to which EPROCESS.Session points, in every public PDB before Windows 11 24H2."""
_PATHS = (*(path for _, path in _DETAILS), "ObjectTable", "Session", "ActiveProcessLinks", "ThreadListHead")


class Processes:
    """The target's processes. Without the data each answer says what is missing."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.records = Records(session)
        """Layouts of the kernel's structs."""
        self.on_processors: tuple[object, dict[int, int]] | None = None
        """Of which stop, and the threads that run at it, by their processor."""

    def current_thread(self) -> int:
        """KTHREAD of the current processor."""
        change = self._session.change
        self._session.require_stopped()
        assert change is not None
        return change.thread & self._session.address_mask

    def current(self) -> int:
        """EPROCESS to which the current thread belongs."""
        return self._session.memory.read_pointer(self.current_thread() + self._field("offset_kthread_apc_process"))

    # --- lists ----------------------------------------------------------------------------------

    def listing(self, name: str = "", flags: int = 0) -> ProcessList:
        """All processes, or those with an image name (any case; WinDbg cuts both to 15 characters)."""
        addresses, note = self.addresses()
        found = []
        for address in addresses:
            self._session.require_stopped()  # sees a cancel
            record = self.record(address)
            if not name or _image(record).lower() == name.lower()[:15]:
                found.append(self._describe(record, flags))
        return ProcessList(tuple(found), is_dump=not name, note=note)

    def addresses(self) -> tuple[list[int], str]:
        """EPROCESS of each process, and why the list ended early. Each is read as a whole when the walk reaches it."""
        layout = self.records.layout("_EPROCESS", _PATHS)
        links = layout.offset("ActiveProcessLinks")
        head = self._field("ps_active_process_head")
        found = walk_list(self._session.memory, head, limit=PROCESS_LIMIT, around=(links, layout.size))
        return [link - links for link in found], found.note

    def find(self, key: int | str) -> int:
        """EPROCESS by address, id or image name; the first of several. `UnknownNameError` where there is none."""
        if isinstance(key, int) and key >= PID_LIMIT:
            return key
        names: list[str] = []
        for address in self.addresses()[0]:
            record = self.record(address)
            matches = record.number("UniqueProcessId") == key if isinstance(key, int) else _same(record, key)
            if matches:
                return address
            names.append(_image(record))
        if isinstance(key, int):
            raise UnknownNameError(f"there is no process {key:#x} ({key})", "!process 0 0 lists them")
        near = difflib.get_close_matches(key.lower(), names, 3)
        hint = f"did you mean {', '.join(near)}?" if near else "!process 0 0 lists them"
        raise UnknownNameError(f"there is no process called {clean(key)[:40]}", hint, near)

    def describe(self, address: int, flags: int = 0) -> ProcessInfo:
        """One process; `UnknownNameError` when there is none at `address`."""
        record = self.record(address)
        if record.number("Pcb.Header.Type") & 0x7F != PROCESS_OBJECT:
            raise UnknownNameError(f"{address:x} is no process: its header's type is not 3", "!process 0 0 lists them")
        return self._describe(record, flags)

    def record(self, address: int) -> Record:
        """EPROCESS in one read."""
        return self.records.read("_EPROCESS", address, _PATHS)

    def _describe(self, record: Record, flags: int) -> ProcessInfo:
        size = self._session.pointer_size
        threads, note = threads_of(self._session, record, flags) if flags & 6 else ((), "")
        table = record.number("ObjectTable")
        return ProcessInfo(
            address=record.address,
            pid=record.number("UniqueProcessId"),
            parent_pid=record.number("InheritedFromUniqueProcessId"),
            image=_image(record),
            directory_table_base=record.number("Pcb.DirectoryTableBase"),
            peb=record.number("Peb"),
            object_table=table,
            handle_count=self._handle_count(table) if table else 0,
            session_id=self._session_id(record),
            active_threads=record.get("ActiveThreads"),
            address_size=size,
            details=tuple(
                (word, value & ~FAST_REFERENCES[size] if word in _COUNTED else value)
                for word, path in _DETAILS
                if flags & 1 and (value := record.get(path)) is not None
            ),
            flags=flags,
            threads=threads,
            note=note,
        )

    def _handle_count(self, table: int) -> int:
        try:
            return handle_count(self._session, self.records.read("_HANDLE_TABLE", table, TABLE_PATHS))
        except MemoryReadError:
            return 0

    def _session_id(self, record: Record) -> int | None:
        """By the type to which EPROCESS.Session points: MM_SESSION_SPACE, in Windows 11 24H2 PSP_SESSION_SPACE."""
        address, types = record.number("Session"), record.layout.types
        if not address:
            return None
        field = types.field("Session") if types is not None else None
        target = field.type.target if field is not None and isinstance(field.type, Pointer) else None
        offset = _SESSION_ID
        if isinstance(target, StructType):
            known = target.field("SessionId")
            if known is None and target.name != "_MM_SESSION_SPACE":
                return None
            offset = known.offset if known is not None else offset
        try:
            return self._session.memory.read_u32(address + offset)
        except MemoryReadError:
            return None

    # --- threads --------------------------------------------------------------------------------

    def thread(self, address: int, flags: int = 6) -> ThreadInfo:
        """One thread; `UnknownNameError` when there is none at `address`."""
        return describe_thread(self._session, address, flags)

    def processors(self) -> tuple[ProcessorInfo, ...]:
        """Every processor with its present, next and idle thread, which lie side by side in KPRCB."""
        session = self._session
        offset, size = self._field("offset_prcb_current_thread"), session.pointer_size
        found = []
        for number in range(session.processor_count):
            prcb = self.prcb(number)
            data = session.memory.read(prcb + offset, 3 * size)
            current, following, idle = (int.from_bytes(data[at : at + size], "little") for at in (0, size, 2 * size))
            found.append(
                ProcessorInfo(
                    number,
                    prcb,
                    current,
                    following,
                    idle,
                    self._priority(current),
                    self._priority(following),
                )
            )
        return tuple(found)

    def _priority(self, thread: int) -> int | None:
        try:
            return self.thread(thread, 0).priority if thread else None
        except (UnknownNameError, MemoryReadError):
            return None

    def running_thread(self, processor: int) -> int:
        """KTHREAD on a processor."""
        if processor == self._session.current_processor:
            return self.current_thread()
        return self._session.memory.read_pointer(self.prcb(processor) + self._field("offset_prcb_current_thread"))

    # --- the current ones -----------------------------------------------------------------------

    def teb(self) -> int:
        return self._session.memory.read_pointer(self.current_thread() + self._field("offset_kthread_teb"))

    def peb(self, process: int | None = None) -> int:
        """PEB of a process, the current one without an address; 0 where it has none."""
        start = self.current() if process is None else process
        return self._session.memory.read_pointer(start + self._field("offset_eprocess_peb"))

    def directory_table_base(self, process: int) -> int:
        """Physical address of a process's page tables."""
        return self._session.memory.read_pointer(process + self._field("offset_eprocess_directory_table_base"))

    def prcb(self, processor: int | None = None) -> int:
        """KPRCB of a processor."""
        number = self._session.current_processor if processor is None else processor
        return self._block(number, PRCB_SELECTOR, self._listed_prcb)

    def pcr(self, processor: int | None = None) -> int:
        """KPCR of a processor."""
        number = self._session.current_processor if processor is None else processor
        return self._block(
            number, PCR_SELECTOR, lambda number: self._listed_prcb(number) - self._field("offset_pcr_contained_prcb")
        )

    def _block(self, number: int, selector: int, listed: Callable[[int], int]) -> int:
        """By control space, which x86 doesn't have for it and small targets refuse; else as the kernel lists it."""
        session = self._session
        if session.machine == MachineType.I386:
            return listed(number)
        try:
            return int.from_bytes(session.target.read_control_space(number, selector, 8), "little")
        except RequestFailed as refused:
            try:
                return listed(number)
            except (UnsupportedError, MemoryReadError):
                raise refused from None

    def _listed_prcb(self, number: int) -> int:
        session = self._session
        return session.memory.read_pointer(self._field("ki_processor_block") + number * session.pointer_size)

    def _field(self, name: str) -> int:
        block = self._session.debugger_data
        value = block.get(name) if block is not None else None
        if value is None:
            raise UnsupportedError(
                f"the target's data block doesn't give {name}", "it is not initialised yet, or of another version"
            )
        return value & self._session.address_mask


def _image(record: Record) -> str:
    return clean(record.bytes("ImageFileName").split(b"\0", 1)[0].decode("latin-1"))


def _same(record: Record, name: str) -> bool:
    return _image(record).lower() == name.lower()[:15]
