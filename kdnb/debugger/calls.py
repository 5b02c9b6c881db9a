"""The rarer requests of the protocol as session calls, each with what to do where a target doesn't offer it.

Small targets implement the first dozen of the requests only (the protocol reference 3.2) and some say so in a print
of their own each time: a refused request that can be replaced is not made again until the target restarts. What is
known to bring targets down is sent only by the call that is named after it, never as a first try of another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.debugger.memory import LEAST_READ
from kdnb.errors import MemoryReadError, RequestFailed, UnsupportedError
from kdnb.protocol.constants import Api, FillFlags, Status
from kdnb.protocol.messages.breakpoints import (
    InternalBreakpointBody,
    SetInternalBreakpointBody,
    SpecialCallBody,
    SpecialCallsBody,
)
from kdnb.protocol.messages.execution import EmptyBody, PageInBody
from kdnb.protocol.messages.io import BusDataBody, IoBody, IoExtendedBody
from kdnb.protocol.messages.memory import MemoryBody
from kdnb.protocol.messages.search import FillBody, QueryMemoryBody, SearchBody

if TYPE_CHECKING:
    from kdnb.debugger.session import Session
    from kdnb.protocol.wire import Structure

__all__ = ["CACHE_FLAGS", "Calls"]

PCI_CONFIGURATION = 4
CACHE_FLAGS = {"c": 1, "uc": 2, "wc": 3}
"""Of physical requests (3.3): cached, uncached, write combined."""
PIECE = 0x400
"""Bytes of a request whose size no target has been asked about: fits KDNET as well."""
MARK = 32
MARK_VALUES = 10
"""Bytes by which a search proves that it has come to the end of its range, and how many different values must be among
them: rarely are such bytes the same as others before them."""
_UNKNOWN = (Status.UNSUCCESSFUL, Status.NOT_IMPLEMENTED)


class Calls:
    """Requests of one session. All raise `RequestFailed` with one line where a target says no."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._refused: set[Api] = set()

    def forget(self) -> None:
        """Another target may be there now: every request is worth a try again."""
        self._refused.clear()

    def _ask(self, api: Api, body: Structure, data: bytes = b"") -> tuple[Structure, bytes]:
        self._session.require_stopped()
        reply = self._session.target.request(api, body, data)
        return reply.body, reply.data

    def _offers(self, api: Api) -> bool:
        return api not in self._refused

    def _was_refused(self, api: Api, error: RequestFailed) -> bool:
        """Note that a target doesn't know a request. False where it failed for another reason."""
        if error.status in _UNKNOWN:
            self._refused.add(api)
        return error.status in _UNKNOWN

    # --- memory ---------------------------------------------------------------------------------

    def read_physical(self, address: int, size: int, cache: int = 0) -> bytes:
        """Physical memory up to the first hole, past the session's cache, with the caching attribute given."""
        parts = b""
        while len(parts) < size:
            count = min(PIECE, size - len(parts))
            try:
                body, data = self._ask(Api.ReadPhysicalMemory, MemoryBody(address + len(parts), count, cache))
            except RequestFailed:
                break
            assert isinstance(body, MemoryBody)
            parts += data[: min(body.actual, count)]
            if not body.actual:
                break
        return parts

    def write_physical(self, address: int, data: bytes, cache: int = 0) -> int:
        """How many bytes went in."""
        self._session.require_writable()
        done = 0
        while done < len(data):
            piece = data[done : done + PIECE]
            try:
                body, _ = self._ask(Api.WritePhysicalMemory, MemoryBody(address + done, len(piece), cache), piece)
            except RequestFailed:
                break
            assert isinstance(body, MemoryBody)
            done += min(body.actual, len(piece))
            if body.actual < len(piece):
                break
        self._session.physical.invalidate()
        self._session.memory.invalidate()  # the same page may be mapped
        return done

    def fill(self, address: int, size: int, pattern: bytes, *, physical: bool = False) -> int:
        """Repeat `pattern` over `size` bytes: by FillMemory, by writes where the target doesn't know it.

        Gives the number of bytes filled.
        """
        session = self._session
        session.require_writable()
        memory = session.physical if physical else session.memory
        direct = physical or session.address_space.is_direct(address)
        if direct and self._offers(Api.FillMemory) and len(pattern) <= PIECE:
            flags = FillFlags.PHYSICAL if physical else FillFlags.VIRTUAL
            try:
                start = address if physical else self._signed(address)
                body, _ = self._ask(Api.FillMemory, FillBody(start, size, int(flags), len(pattern)), pattern)
            except RequestFailed as error:
                self._was_refused(Api.FillMemory, error)
            else:
                session.physical.invalidate()
                session.memory.invalidate()
                assert isinstance(body, FillBody)
                return min(body.length, size)
        memory.write(address, (pattern * (size // len(pattern) + 1))[:size])
        return size

    def search(self, address: int, length: int, pattern: bytes) -> int | None:
        """Where the target itself finds `pattern` first; None where it doesn't. A hole may end its search.

        Raises RequestFailed where the target doesn't search: `s` reads and searches here.
        """
        try:
            body, _ = self._ask(Api.SearchMemory, SearchBody(self._signed(address), length, len(pattern)), pattern)
        except RequestFailed as error:
            if error.status == Status.NO_MORE_ENTRIES:
                return None
            raise
        assert isinstance(body, SearchBody)
        return body.address & self._session.address_mask

    def rules_out(self, address: int, length: int, pattern: bytes) -> bool:
        """Whether the target has searched the whole range, and `pattern` is not in it: three requests at most.

        No source says whether a hole ends a target's search. So its "not found" counts only where the same search
        finds a mark at its place: some bytes of the range's last half page, which is read first.
        """
        session = self._session
        direct = session.address_space.is_direct(address)
        if not direct or not self._offers(Api.SearchMemory) or not 0 < len(pattern) <= PIECE:
            return False
        end = address + length
        last = (end - 1) & -LEAST_READ
        block = session.memory.read_available(last, end - last)
        if len(block) < end - last:
            return False
        at = max(range(0, len(block), MARK), key=lambda at: len(set(block[at : at + MARK])))
        mark = block[at : at + MARK]
        if len(set(mark)) < MARK_VALUES:
            return False
        try:
            return self.search(address, length, pattern) is None and self.search(address, length, mark) == last + at
        except RequestFailed as error:
            self._was_refused(Api.SearchMemory, error)
            return False

    def _signed(self, address: int) -> int:
        """As it goes over the wire: 32-bit addresses sign-extended (2.1)."""
        mask = self._session.address_mask
        return address | ~mask & 0xFFFFFFFF_FFFFFFFF if address & (mask + 1 >> 1) else address

    def query_memory(self, address: int) -> tuple[int, int] | None:
        """Address space (0 process, 1 session, 2 kernel) and flags (1 read, 2 write, 4 execute); None: no answer.

        Real kernels say what kind of address it is, not whether its page is there (3.9).
        """
        if not self._offers(Api.QueryMemory):
            return None
        try:
            body, _ = self._ask(Api.QueryMemory, QueryMemoryBody(address))
        except RequestFailed as error:
            self._was_refused(Api.QueryMemory, error)
            return None
        assert isinstance(body, QueryMemoryBody)
        return body.address_space, body.flags

    def page_in(self, address: int) -> None:
        """Bring a page in (3151): obsolete, refused by every target since XP."""
        self._session.require_writable()
        self._ask(Api.PageIn, PageInBody(address))
        self._session.drop_caches()

    def check_low_memory(self) -> None:
        """Have the target look whether memory below 4 GB was touched (3159); some stop in a nested break instead."""
        self._ask(Api.CheckLowMemory, EmptyBody())

    # --- ports and buses ------------------------------------------------------------------------

    def read_port(self, port: int, size: int) -> int:
        """A value from an I/O port; by the extended form where the plain one isn't there."""
        try:
            body, _ = self._ask(Api.ReadIoSpace, IoBody(port, size, 0))
        except RequestFailed as error:
            if error.status not in _UNKNOWN:
                raise
            body, _ = self._ask(Api.ReadIoSpaceExtended, IoExtendedBody(size, 1, 0, 1, port))
        assert isinstance(body, IoBody | IoExtendedBody)
        return body.value & ((1 << 8 * size) - 1)

    def write_port(self, port: int, size: int, value: int) -> None:
        """Write to an I/O port, in the same way."""
        self._session.require_writable()
        try:
            self._ask(Api.WriteIoSpace, IoBody(port, size, value))
        except RequestFailed as error:
            if error.status not in _UNKNOWN:
                raise
            self._ask(Api.WriteIoSpaceExtended, IoExtendedBody(size, 1, 0, 1, port, value))

    def read_bus(self, bus: int, slot: int, offset: int, length: int) -> bytes:
        """PCI configuration space (3157). `slot`: device in bits 0-4, function in bits 5-7.

        Refused here while the target boots: a real one crashed by it before its bus drivers were there.
        """
        if self.is_booting():
            raise UnsupportedError(
                "bus data can't be asked for while the target boots: it can crash by that", "let it run a little: g"
            )
        body, data = self._ask(Api.GetBusData, BusDataBody(PCI_CONFIGURATION, bus, slot, offset, length))
        assert isinstance(body, BusDataBody)
        return data[: min(body.length, length)]

    def write_bus(self, bus: int, slot: int, offset: int, data: bytes) -> None:
        """Write PCI configuration space (3158)."""
        self._session.require_writable()
        if self.is_booting():
            raise UnsupportedError("bus data can't be written while the target boots", "let it run a little: g")
        self._ask(Api.SetBusData, BusDataBody(PCI_CONFIGURATION, bus, slot, offset, len(data)), data)

    def is_booting(self) -> bool:
        """No process is on the system's list yet (or nothing is known of the list): a guess at how far it is."""
        session = self._session
        block = session.debugger_data
        head = block.get("ps_active_process_head") if block is not None else None
        if head is None:
            return True
        try:
            return session.memory.read_pointer(head & session.address_mask) in (0, head & session.address_mask)
        except MemoryReadError:
            return True

    # --- counting breakpoints of old (3.9) ------------------------------------------------------

    def special_calls(self) -> tuple[int, ...]:
        """Addresses that QuerySpecialCalls gives; only old x86 kernels answer."""
        body, data = self._ask(Api.QuerySpecialCalls, SpecialCallsBody())
        assert isinstance(body, SpecialCallsBody)
        count = min(body.count, len(data) // 8)
        return tuple(int.from_bytes(data[8 * at : 8 * at + 8], "little") for at in range(count))

    def set_special_call(self, address: int) -> None:
        """No reply comes: done once it is acknowledged."""
        self._tell(Api.SetSpecialCall, SpecialCallBody(address))

    def clear_special_calls(self) -> None:
        self._tell(Api.ClearSpecialCalls, EmptyBody())

    def set_internal_breakpoint(self, address: int, flags: int = 1) -> None:
        """A breakpoint at which the target only counts. Flags: 1 count only, 2 delete, 4 suspended."""
        self._tell(Api.SetInternalBreakPoint, SetInternalBreakpointBody(address, flags))

    def internal_breakpoint(self, address: int) -> InternalBreakpointBody:
        """What was counted; current kernels refuse."""
        body, _ = self._ask(Api.GetInternalBreakPoint, InternalBreakpointBody(address))
        assert isinstance(body, InternalBreakpointBody)
        return body

    def clear_internal_breakpoints(self) -> None:
        self._tell(Api.ClearAllInternalBreakpoints, EmptyBody())

    def _tell(self, api: Api, body: Structure) -> None:
        """A request without a reply, after which the target is still stopped."""
        session = self._session
        session.require_stopped()
        session.require_writable("the target's own breakpoints would change")
        session.target.tell(api, body, session.current_processor)
