"""Complete memory dumps of x64 targets: the header, and which pages belong into the file.

The layout is DUMP_HEADER64 as dump readers publish it (a header of two pages, then every page of the runs of physical
memory, in order); that of the tests is kdmp-parser. Nothing here writes a file.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.debugger.shared_data import SHARED_DATA
from kdnb.debugger.stops import bugcheck_parameters
from kdnb.errors import MemoryReadError, UnsupportedError
from kdnb.protocol.constants import MachineType

if TYPE_CHECKING:
    from kdnb.debugger.session import Session

__all__ = ["HEADER_SIZE", "PAGE_SIZE", "Run", "dump_header", "memory_runs"]

HEADER_SIZE = 0x2000
PAGE_SIZE = 0x1000
MAX_RUNS = 42
"""Runs for which the header has room."""
MAX_PAGES = 1 << 36
FULL_DUMP = 1
_EXCEPTION_PARAMETERS = 15


@dataclass(frozen=True, slots=True)
class Run:
    """Pages of physical memory in a row."""

    first: int
    """Page frame number."""
    count: int


def memory_runs(session: Session) -> tuple[Run, ...]:
    """The physical memory that the system uses: by MmPhysicalMemoryBlock, or as far as page counts leave no doubt."""
    block = session.debugger_data
    if session.machine != MachineType.AMD64 or block is None:
        raise UnsupportedError("only x64 targets with a debugger data block can be dumped", ".writemem, kd.read")

    def value(name: str) -> int:
        address = block.get(name)
        return session.memory.read_pointer(address) if address else 0

    descriptor = value("mm_physical_memory_block")
    if descriptor:
        count, pages = struct.unpack("<I4xQ", session.memory.read(descriptor, 16))
        if not 0 < count <= MAX_RUNS or not 0 < pages <= MAX_PAGES:
            raise UnsupportedError(f"MmPhysicalMemoryBlock is damaged: {count} runs, {pages} pages")
        words = struct.unpack(f"<{2 * count}Q", session.memory.read(descriptor + 16, 16 * count))
        runs = tuple(Run(first, length) for first, length in zip(words[::2], words[1::2], strict=True))
        if sum(run.count for run in runs) != pages or any(run.first >> 40 for run in runs):
            raise UnsupportedError("MmPhysicalMemoryBlock is damaged: its runs don't add up")
        return runs
    highest, pages = value("mm_highest_physical_page"), value("mm_number_of_physical_pages")
    if not 0 < pages <= highest + 1 <= MAX_PAGES or highest + 1 - pages > 1:
        raise UnsupportedError("the target doesn't say which physical memory it has", ".writemem, kd.physical.read")
    return (Run(highest + 1 - pages, pages),)


def dump_header(session: Session, runs: tuple[Run, ...]) -> bytes:
    """DUMP_HEADER64 for the present stop, as the current processor sees it."""
    version, block = session.version, session.debugger_data
    assert version is not None
    assert block is not None
    code, *parameters = bugcheck_parameters(session) or (0, 0, 0, 0, 0)
    pages = sum(run.count for run in runs)
    header = bytearray(HEADER_SIZE)
    struct.pack_into(
        "<4s4sII4QIII4x4Q",
        header,
        0,
        b"PAGE",
        b"DU64",
        version.major,
        version.minor,
        session.registers.get("cr3"),
        _pointer(session, block.get("mm_pfn_database")),
        version.loaded_module_list & session.address_mask,
        block.get("ps_active_process_head") or 0,
        version.machine,
        session.processor_count,
        code,
        *parameters,
    )
    struct.pack_into("<QI4xQ", header, 0x80, block.address, len(runs), pages)
    for index, run in enumerate(runs):
        struct.pack_into("<QQ", header, 0x98 + 16 * index, run.first, run.count)
    context = session.registers.context().encode()
    header[0x348 : 0x348 + len(context)] = context
    header[0xF00:0xF98] = _exception(session)
    system_time, uptime = _times(session)
    struct.pack_into("<I4xQQ", header, 0xF98, FULL_DUMP, HEADER_SIZE + pages * PAGE_SIZE, system_time)
    struct.pack_into("<Q", header, 0x1030, uptime)
    return bytes(header)


def _pointer(session: Session, address: int | None) -> int:
    try:
        return session.memory.read_pointer(address) if address else 0
    except MemoryReadError:
        return 0


def _exception(session: Session) -> bytes:
    """EXCEPTION_RECORD64 of the last stop."""
    stop = session.last_stop
    if stop is None:
        return bytes(0x98)
    parameters = [*stop.parameters, *[0] * _EXCEPTION_PARAMETERS][:_EXCEPTION_PARAMETERS]
    count = min(len(stop.parameters), _EXCEPTION_PARAMETERS)
    return struct.pack("<IIQQI4x15Q", stop.code, 0, 0, stop.address, count, *parameters)


def _times(session: Session) -> tuple[int, int]:
    """System time and uptime, by the page that the kernel shares with all processes."""
    data = session.memory.read_available(SHARED_DATA[8], 0x1C)
    if len(data) < 0x1C:
        return 0, 0
    return struct.unpack_from("<Q", data, 0x14)[0], struct.unpack_from("<Q", data, 0x08)[0]
