"""The target's own table of software breakpoints, and the five APIs that change it.

protocol reference 3.5: 32 entries, handles 1..32; an address that isn't mapped is *owed* and written once
its page is there; on every stop the entries within the reported instruction stream are given up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kdnb.protocol.constants import MAX_BREAKPOINTS, Status
from kdnb.protocol.messages.breakpoints import BreakpointEntry
from kdnb.simulator.stub_halt import Halt, Outcome, refuse, reply

if TYPE_CHECKING:
    from kdnb.protocol.messages.breakpoints import (
        BreakpointBody,
        BreakpointExBody,
        CustomBreakpointBody,
        RestoreBreakpointBody,
    )
    from kdnb.protocol.messages.manipulate import Manipulate
    from kdnb.simulator.machine import Machine

INT3 = b"\xcc"


@dataclass(slots=True)
class _Entry:
    address: int
    opcode: bytes
    original: bytes | None
    """What the opcode replaced; None while the breakpoint is owed."""
    physical: int | None = None
    """Where a user address lies: the processor may see another process when the breakpoint is taken out."""


class BreakpointTable:
    """32 breakpoints in the machine's memory, numbered from 1."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._entries: dict[int, _Entry] = {}

    def write(self, processor: int, address: int, opcode: bytes = INT3) -> int:
        """Set a breakpoint; its handle, or 0 if the table is full or has one at this address."""
        address = self._machine.architecture.truncate(address)
        free = next((handle for handle in range(1, MAX_BREAKPOINTS + 1) if handle not in self._entries), 0)
        if not free or any(entry.address == address for entry in self._entries.values()):
            return 0
        entry = _Entry(address, opcode, None)
        self._insert(processor, entry)
        self._entries[free] = entry
        return free

    def restore(self, processor: int, handle: int) -> bool:
        """Take a breakpoint out; False for a handle that isn't in use."""
        entry = self._entries.pop(handle, None)
        if entry is None:
            return False
        if entry.original is not None:
            self._put_back(processor, entry, entry.original)
        return True

    def give_up_within(self, processor: int, address: int, size: int) -> None:
        """Take out what lies in `[address, address + size)`: done before each stop is reported."""
        for handle, entry in list(self._entries.items()):
            if address <= entry.address < address + size:
                self.restore(processor, handle)

    def insert_owed(self, processor: int) -> None:
        """Try again for the breakpoints whose page was missing."""
        for entry in self._entries.values():
            if entry.original is None:
                self._insert(processor, entry)

    def forget(self) -> None:
        """The machine was reset: its memory is new, so nothing is to be put back."""
        self._entries.clear()

    def _put_back(self, processor: int, entry: _Entry, original: bytes) -> None:
        if entry.physical is None:
            self._machine.write_virtual(processor, entry.address, original)
        elif self._machine.read_physical(entry.physical, len(entry.opcode)) == entry.opcode:
            self._machine.write_physical(entry.physical, original)

    def _insert(self, processor: int, entry: _Entry) -> None:
        original = self._machine.read_virtual(processor, entry.address, len(entry.opcode))
        if len(original) < len(entry.opcode):
            return
        if self._machine.write_virtual(processor, entry.address, entry.opcode) == len(entry.opcode):
            entry.original = original
            if self._machine.architecture.is_user(entry.address):
                entry.physical = self._machine.physical_address(processor, entry.address)


def write_breakpoint(halt: Halt, request: Manipulate, body: BreakpointBody) -> Outcome:
    handle = halt.breakpoints.write(halt.chosen(request), body.address)
    return reply(request, Status.SUCCESS if handle else Status.UNSUCCESSFUL, handle=handle)


def restore_breakpoint(halt: Halt, request: Manipulate, body: RestoreBreakpointBody) -> Outcome:
    if halt.breakpoints.restore(halt.chosen(request), body.handle):
        return reply(request)
    return refuse(request)


def write_breakpoint_ex(halt: Halt, request: Manipulate, body: BreakpointExBody) -> Outcome:
    """Entries with a handle are removed first, then those with an address are set."""
    entries = [entry for entry in request.entries if isinstance(entry, BreakpointEntry)]
    if body.count > MAX_BREAKPOINTS or len(entries) < body.count:
        return refuse(request)
    processor, table = halt.chosen(request), halt.breakpoints
    done = [table.restore(processor, entry.handle) for entry in entries if entry.handle]
    handles = [table.write(processor, entry.address) if entry.address else 0 for entry in entries]
    done += [bool(handle) for handle, entry in zip(handles, entries, strict=True) if entry.address]
    data = b"".join(replace(entry, handle=handle).encode() for handle, entry in zip(handles, entries, strict=True))
    return reply(request, Status.SUCCESS if all(done) else Status.UNSUCCESSFUL, data)


def restore_breakpoint_ex(halt: Halt, request: Manipulate, body: BreakpointExBody) -> Outcome:
    entries = request.entries
    if body.count > MAX_BREAKPOINTS or len(entries) < body.count:
        return refuse(request)
    done = [halt.breakpoints.restore(halt.chosen(request), entry.handle) for entry in entries]
    return reply(request, Status.SUCCESS if all(done) else Status.UNSUCCESSFUL, request.data)


def write_custom_breakpoint(halt: Halt, request: Manipulate, body: CustomBreakpointBody) -> Outcome:
    """A breakpoint with an opcode of the host's choice (protocol reference 3.5, 3161)."""
    size = body.instruction_size
    if not 1 <= size <= 8 or (body.alignment and body.address % body.alignment):
        return refuse(request)
    opcode = body.instruction.to_bytes(8, "little")[:size]
    handle = halt.breakpoints.write(halt.chosen(request), body.address, opcode)
    return reply(request, Status.SUCCESS if handle else Status.UNSUCCESSFUL, handle=handle)
