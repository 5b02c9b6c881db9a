"""Memory APIs: virtual, physical, search, fill, query (protocol reference 3.3 and 3.9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.protocol.constants import FillFlags, QueryFlags, Status
from kdnb.simulator.stub_halt import Halt, Outcome, refuse, reply

if TYPE_CHECKING:
    from kdnb.protocol.messages.manipulate import Manipulate
    from kdnb.protocol.messages.memory import MemoryBody
    from kdnb.protocol.messages.search import FillBody, QueryMemoryBody, SearchBody
    from kdnb.protocol.wire import Structure

LARGEST_SWEEP = 0x400_0000
"""64 MiB: more than the machine has, so that a search or fill over 2^64 bytes ends."""

_PAGE = 0x1000
_SPACE_PROCESS, _SPACE_KERNEL = 0, 2
_EVERYTHING = QueryFlags.READ | QueryFlags.WRITE | QueryFlags.EXECUTE


def read_virtual_memory(halt: Halt, request: Manipulate, body: MemoryBody) -> Outcome:
    size = min(body.transfer_count, halt.largest_read)
    data = halt.machine.read_virtual(halt.chosen(request), body.address, size)
    return _read_reply(request, data, size)


def write_virtual_memory(halt: Halt, request: Manipulate, body: MemoryBody) -> Outcome:
    data = request.data[: body.transfer_count]
    written = halt.machine.write_virtual(halt.chosen(request), body.address, data)
    return _write_reply(request, written, body.transfer_count)


def read_physical_memory(halt: Halt, request: Manipulate, body: MemoryBody) -> Outcome:
    size = min(body.transfer_count, halt.largest_read)
    return _read_reply(request, halt.machine.read_physical(body.address, size), size)


def write_physical_memory(halt: Halt, request: Manipulate, body: MemoryBody) -> Outcome:
    data = request.data[: body.transfer_count]
    written = halt.machine.write_physical(body.address, data)
    return _write_reply(request, written, body.transfer_count)


def search_memory(halt: Halt, request: Manipulate, body: SearchBody) -> Outcome:
    """The first match in the range. A hole ends the search (a guess: no source says)."""
    pattern = request.data[: body.pattern_length]
    if not pattern or len(pattern) < body.pattern_length:
        return refuse(request, Status.INVALID_PARAMETER)
    processor, start = halt.chosen(request), body.address
    left = min(body.length, LARGEST_SWEEP)
    window, window_start = b"", start
    while left:
        address = window_start + len(window)
        size = min(left, _PAGE - address % _PAGE)
        chunk = halt.machine.read_virtual(processor, address, size)
        window += chunk
        at = window.find(pattern)
        if at >= 0:
            return reply(request, address=window_start + at)
        if len(chunk) < size:
            break
        left -= size
        keep = min(len(window), len(pattern) - 1)
        window_start += len(window) - keep
        window = window[len(window) - keep :]
    return refuse(request, Status.NO_MORE_ENTRIES)


def fill_memory(halt: Halt, request: Manipulate, body: FillBody) -> Outcome:
    pattern = request.data[: body.pattern_length]
    if not pattern or body.flags not in (FillFlags.VIRTUAL, FillFlags.PHYSICAL):
        return refuse(request, Status.INVALID_PARAMETER)
    size = min(body.length, LARGEST_SWEEP)
    data = (pattern * (size // len(pattern) + 1))[:size]
    if body.flags == FillFlags.VIRTUAL:
        written = halt.machine.write_virtual(halt.chosen(request), body.address, data)
    else:
        written = halt.machine.write_physical(body.address, data)
    return reply(request, Status.SUCCESS if written == size else Status.UNSUCCESSFUL, length=written)


def query_memory(halt: Halt, request: Manipulate, body: QueryMemoryBody) -> Outcome:
    """Kernel or process space; all flags, as a real kernel answers for its own addresses."""
    if body.address_space != 0:
        return refuse(request, Status.INVALID_PARAMETER)
    architecture = halt.machine.architecture
    kernel = architecture.truncate(body.address) >> (8 * architecture.pointer_size - 1)
    space = _SPACE_KERNEL if kernel else _SPACE_PROCESS
    return reply(request, address_space=space, flags=int(_EVERYTHING))


def check_low_memory(halt: Halt, request: Manipulate, body: Structure) -> Outcome:
    """A kernel that wasn't booted with /nolowmem has nothing to check and is content."""
    return reply(request)


def _read_reply(request: Manipulate, data: bytes, wanted: int) -> Outcome:
    status = Status.SUCCESS if len(data) == wanted else Status.UNSUCCESSFUL
    return reply(request, status, data, actual=len(data))


def _write_reply(request: Manipulate, written: int, wanted: int) -> Outcome:
    status = Status.SUCCESS if written == wanted else Status.UNSUCCESSFUL
    return reply(request, status, actual=written)
