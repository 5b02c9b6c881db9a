"""What stands behind an unwind record for its language handler: the scope table of `__C_specific_handler`, and the
function information of C++ (`__CxxFrameHandler3`, and the compressed form of `__CxxFrameHandler4`).

Layouts from public compiler and runtime sources. All numbers are untrusted: counts are bounded, and what can't be
read raises `SymbolFileError`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.errors import SymbolFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.symbols.reader import ReadMemory

__all__ = [
    "CatchHandler",
    "CxxFunction",
    "IpState",
    "ScopeEntry",
    "TryBlock",
    "UnwindStep",
    "read_cxx_function",
    "read_cxx_function4",
    "read_scope_table",
]

MOST = 4096
"""Entries of one table: far more than any function has."""

_MAGIC = (0x19930520, 0x19930521, 0x19930522)
FILTER_EXECUTES = 1
"""Filter of `__except (EXCEPTION_EXECUTE_HANDLER)`: a constant instead of a function."""


@dataclass(frozen=True, slots=True)
class ScopeEntry:
    """A guarded range of code; all four are RVAs."""

    begin: int
    end: int
    handler: int
    """Filter function, 1 for a filter that is always true, or the `__finally` function."""
    target: int
    """Code of the `__except` block; 0 for `__finally`."""

    @property
    def is_finally(self) -> bool:
        return self.target == 0


@dataclass(frozen=True, slots=True)
class UnwindStep:
    """One state: which it leads to when it is unwound, and what is called then (an RVA, 0 for nothing)."""

    to_state: int
    action: int
    kind: int = 0
    """`__CxxFrameHandler4` only: how the action gets its object."""


@dataclass(frozen=True, slots=True)
class CatchHandler:
    """A `catch`: flags, RVA of the type descriptor (0: `catch (...)`), offset of the object, RVA of the code."""

    flags: int
    type_descriptor: int
    object_offset: int
    code: int
    continuations: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TryBlock:
    """The states of a `try` and of its catches, from first to last."""

    low: int
    high: int
    catch_high: int
    handlers: tuple[CatchHandler, ...]


@dataclass(frozen=True, slots=True)
class IpState:
    """From this RVA on the function is in this state; -1 means no object and no `try`."""

    ip: int
    state: int


@dataclass(frozen=True, slots=True)
class CxxFunction:
    """FuncInfo, of either version."""

    version: int
    """The magic number (version 3), or 4."""
    unwind_map: tuple[UnwindStep, ...]
    try_map: tuple[TryBlock, ...]
    ip_map: tuple[IpState, ...]
    flags: int = 0
    is_catch: bool = False
    frame: int | None = None
    """Bytes: where the state is kept (version 3), or a catch block's pointer to its function's frame (version 4)."""
    segments: tuple[tuple[int, int], ...] = ()
    """Version 4, functions in several parts: RVAs of each part and its IP map; `ip_map` is that of one part."""


def read_scope_table(read: ReadMemory, rva: int) -> tuple[ScopeEntry, ...]:
    """The SCOPE_TABLE at `rva`."""
    count = _count(_u32(read, rva))
    return tuple(ScopeEntry(*values) for values in struct.iter_unpack("<4I", _exactly(read, rva + 4, 16 * count)))


def read_cxx_function(read: ReadMemory, rva: int) -> CxxFunction:
    """The FuncInfo at `rva` (x64: all addresses in it are RVAs)."""
    values = struct.unpack("<IiIIIIIi", _exactly(read, rva, 32))
    magic, states, unwind_map, tries, try_map, ips, ip_map, frame = values
    if magic & 0x1FFFFFFF not in _MAGIC:
        raise SymbolFileError(f"no C++ function information: its magic number is {magic:#x}")
    steps = struct.iter_unpack("<iI", _exactly(read, unwind_map, 8 * _count(states)))
    blocks = struct.iter_unpack("<iiiiI", _exactly(read, try_map, 20 * _count(tries)))
    places = struct.iter_unpack("<Ii", _exactly(read, ip_map, 8 * _count(ips)))
    flags = _u32(read, rva + 36) if magic & 0x1FFFFFFF >= 0x19930522 else 0
    return CxxFunction(
        magic,
        tuple(UnwindStep(*step) for step in steps),
        tuple(
            TryBlock(low, high, last, tuple(_catches(read, handlers, count)))
            for low, high, last, count, handlers in blocks
        ),
        tuple(IpState(*place) for place in places),
        flags,
        frame=frame,
    )


def _catches(read: ReadMemory, rva: int, count: int) -> Iterator[CatchHandler]:
    data = _exactly(read, rva, 20 * _count(count))
    for flags, descriptor, offset, code, _frame in struct.iter_unpack("<IIiII", data):
        yield CatchHandler(flags, descriptor, offset, code)


# --- __CxxFrameHandler4 -----------------------------------------------------------------------------


class _Packed:
    """Numbers of one to five bytes, the low bits of the first of which say how many there are."""

    def __init__(self, read: ReadMemory, rva: int) -> None:
        self._read, self._rva = read, rva

    def byte(self) -> int:
        self._rva += 1
        return _exactly(self._read, self._rva - 1, 1)[0]

    def rva(self) -> int:
        self._rva += 4
        return _u32(self._read, self._rva - 4)

    def number(self) -> int:
        first = self.byte()
        if first & 15 == 15:
            return self.rva()
        extra = {0: 0, 1: 1, 3: 2, 7: 3}[first & 7 if first & 3 == 3 else first & 1]
        value = first
        for index in range(extra):
            value |= self.byte() << 8 * (index + 1)
        return value >> (extra + 1)


def read_cxx_function4(read: ReadMemory, rva: int, function_begin: int, part_begin: int | None = None) -> CxxFunction:
    """The FuncInfo4 at `rva` of the function that begins at the RVA `function_begin`; where it lies in several parts,
    with the IP map of the part that begins at `part_begin`."""
    at = _Packed(read, rva)
    header = at.byte()
    is_catch, separated = bool(header & 1), bool(header & 2)
    if header & 4:
        at.number()  # basic block transformation flags
    unwind_map = tuple(_steps4(_Packed(read, at.rva()))) if header & 8 else ()
    try_map = tuple(_tries4(read, _Packed(read, at.rva()), function_begin)) if header & 16 else ()
    ip_map_rva = at.rva()
    segments: tuple[tuple[int, int], ...] = ()
    frame = at.number() if is_catch else None
    map_begin = function_begin
    if separated:
        segments = tuple(_segments(_Packed(read, ip_map_rva)))
        map_begin = function_begin if part_begin is None else part_begin
        ip_map_rva = dict(segments).get(map_begin, 0)
    ip_map = tuple(_states4(_Packed(read, ip_map_rva), map_begin)) if ip_map_rva else ()
    return CxxFunction(4, unwind_map, try_map, ip_map, header, is_catch, frame, segments)


def _segments(at: _Packed) -> Iterator[tuple[int, int]]:
    for _ in range(_count(at.number())):
        yield at.rva(), at.rva()


def _steps4(at: _Packed) -> Iterator[UnwindStep]:
    """Each entry tells by how many bytes of the table back its next state lies; turned into state numbers here."""
    starts: dict[int, int] = {}
    for state in range(_count(at.number())):
        start = at._rva
        starts[start] = state
        packed = at.number()
        kind, back = packed & 3, packed >> 2
        action = at.rva() if kind else 0
        if kind in (1, 2):
            at.number()  # place of the object
        yield UnwindStep(starts.get(start - back, -1) if back else -1, action, kind)


def _tries4(read: ReadMemory, at: _Packed, function_begin: int) -> Iterator[TryBlock]:
    for _ in range(_count(at.number())):
        low, high, last, handlers = at.number(), at.number(), at.number(), at.rva()
        yield TryBlock(low, high, last, tuple(_catches4(_Packed(read, handlers), function_begin)))


def _catches4(at: _Packed, function_begin: int) -> Iterator[CatchHandler]:
    for _ in range(_count(at.number())):
        header = at.byte()
        flags = at.number() if header & 1 else 0
        descriptor = at.rva() if header & 2 else 0
        offset = at.number() if header & 4 else 0
        code = at.rva()
        is_rva, count = bool(header & 8), header >> 4 & 3
        continuations = tuple(at.rva() if is_rva else function_begin + at.number() for _ in range(min(count, 2)))
        yield CatchHandler(flags, descriptor, offset, code, continuations)


def _states4(at: _Packed, function_begin: int) -> Iterator[IpState]:
    ip = function_begin
    for _ in range(_count(at.number())):
        ip += at.number()
        yield IpState(ip, at.number() - 1)


# --- reading ----------------------------------------------------------------------------------------


def _count(count: int) -> int:
    if not 0 <= count <= MOST:
        raise SymbolFileError(f"an exception table of {count} entries")
    return count


def _u32(read: ReadMemory, rva: int) -> int:
    return int.from_bytes(_exactly(read, rva, 4), "little")


def _exactly(read: ReadMemory, rva: int, size: int) -> bytes:
    data = read(rva, size) if size else b""
    if len(data) != size:
        raise SymbolFileError("exception data cut short")
    return data
