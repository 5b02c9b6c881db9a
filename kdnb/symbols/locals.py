"""Local variables and parameters, from the symbol records of a PDB's compilands: what `dv` shows.

Only variables of the function itself, not of functions inlined into it. A variable lives in a register or in memory,
and only in the ranges that the compiler gives; elsewhere it is unavailable. Records are untrusted: short ones are
passed over, and nesting is bounded.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kdnb.symbols.names import printable_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["LocalVariable", "Place", "locals_at"]

_PROCEDURES = (0x110F, 0x1110, 0x1146, 0x1147)
_SCOPES = (*_PROCEDURES, 0x1102, 0x1103, 0x114D, 0x1155, 0x115D)
_END = (0x0006, 0x114E, 0x114F)
_BLOCK, _FRAME = 0x1103, 0x1012
_LOCAL, _REGISTER_RELATIVE, _REGISTER, _FRAME_RELATIVE = 0x113E, 0x1111, 0x1106, 0x110B
_IN_REGISTER, _IN_FRAME, _IN_WHOLE_FRAME, _AT_REGISTER = 0x1141, 0x1142, 0x1144, 0x1145
_OLD_FORMS = (_REGISTER_RELATIVE, _REGISTER, _FRAME_RELATIVE)
_PARAMETER = 0x1
_FRAME_POINTER = 2
"""The two bits of S_FRAMEPROC that mean the frame pointer (EBP), from which S_BPREL32 counts in any case."""
_OPTIMIZED = 0x80
"""Flag of a procedure: S_LOCALs say what optimized code does with variables. MSVC repeats them in the old forms."""
MOST = 4096


@dataclass(frozen=True, slots=True)
class Place:
    """In `register`, or in memory at `register + offset` where `offset` is not None."""

    register: int
    """CodeView's register number; see `register_name`."""
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class LocalVariable:
    name: str
    type_index: int
    is_parameter: bool
    place: Place | None = None
    """None where the variable can't be found at this instruction."""


def locals_at(
    records: bytes, segment: int, offset: int, frame_register: Callable[[int], int]
) -> list[LocalVariable] | None:
    """The variables visible at `segment:offset`, of the compiland whose symbol records these are; None where the
    place is in none of its procedures. `frame_register` maps the two bits of S_FRAMEPROC to a register number.
    """
    procedure = _procedure(records, segment, offset)
    if procedure is None:
        return None
    # MSVC writes S_FRAMEPROC behind the variables that it speaks of.
    flags = next((int.from_bytes(body[22:26], "little") for kind, body in procedure if kind == _FRAME), 0)
    frame = frame_register(flags >> 14 & 3), frame_register(flags >> 16 & 3)
    repeats = bool(procedure[0][1][34] & _OPTIMIZED) and any(kind == _LOCAL for kind, _ in procedure)
    open_scopes: list[bool] = []
    """For each scope around a record, outermost first: whether the place lies in it."""
    found: list[LocalVariable] = []
    for kind, body in procedure:
        if kind in _SCOPES:
            open_scopes.append(_holds(kind, body, segment, offset) and all(open_scopes))
            continue
        if kind in _END:
            open_scopes.pop()
            continue
        if not open_scopes[-1] or len(found) >= MOST or (repeats and kind in _OLD_FORMS):
            continue
        variable = _variable(kind, body, frame_register(_FRAME_POINTER))
        if variable is not None:
            found.append(variable)
        elif found and found[-1].place is None:
            place = _range(kind, body, segment, offset, frame[found[-1].is_parameter])
            if place is not None:
                found[-1] = replace(found[-1], place=place)
    return found


def _procedure(records: bytes, segment: int, offset: int) -> list[tuple[int, bytes]] | None:
    """The records of the procedure around the place, with its own first and what is inside it; without its end."""
    depth, inside = 0, list[tuple[int, bytes]]()
    for kind, body in _records(records):
        if kind in _END:
            depth -= 1
            if depth <= 0 and inside:
                return inside
            depth = max(depth, 0)
        elif kind in _SCOPES:
            depth += 1
            if depth == 1 and inside:
                return inside  # the end of the one before is missing
            if not inside and kind in _PROCEDURES and _holds(kind, body, segment, offset):
                depth = 1
                inside.append((kind, body))
                continue
        if inside:
            inside.append((kind, body))
    return inside or None


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(data):
        size, kind = struct.unpack_from("<HH", data, at)
        if size < 2:
            return
        yield kind, data[at + 4 : at + 2 + size]
        at += 2 + size


def _holds(kind: int, body: bytes, segment: int, offset: int) -> bool:
    if kind in _PROCEDURES and len(body) >= 35:
        size, at, where = int.from_bytes(body[12:16], "little"), *struct.unpack_from("<IH", body, 28)
    elif kind == _BLOCK and len(body) >= 18:
        size, at, where = struct.unpack_from("<IIH", body, 8)
    else:
        return False  # thunks, and functions inlined here
    return bool(where == segment and at <= offset < at + size)


def _variable(kind: int, body: bytes, frame_pointer: int) -> LocalVariable | None:
    if kind == _LOCAL and len(body) > 6:
        of, flags = struct.unpack_from("<IH", body)
        return LocalVariable(_name(body, 6), of, bool(flags & _PARAMETER))
    if kind == _REGISTER_RELATIVE and len(body) > 10:
        offset, of, register = struct.unpack_from("<iIH", body)
        return LocalVariable(_name(body, 10), of, is_parameter=False, place=Place(register, offset))
    if kind == _REGISTER and len(body) > 6:
        of, register = struct.unpack_from("<IH", body)
        return LocalVariable(_name(body, 6), of, is_parameter=False, place=Place(register))
    if kind == _FRAME_RELATIVE and len(body) > 8:
        offset, of = struct.unpack_from("<iI", body)
        return LocalVariable(_name(body, 8), of, is_parameter=offset > 0, place=Place(frame_pointer, offset))
    return None


def _range(kind: int, body: bytes, segment: int, offset: int, frame_register: int) -> Place | None:
    """The place of the variable before this record, where its range holds the instruction."""
    if kind == _IN_WHOLE_FRAME and len(body) >= 4:
        return Place(frame_register, struct.unpack_from("<i", body)[0])
    header = {_IN_REGISTER: 4, _IN_FRAME: 4, _AT_REGISTER: 8}.get(kind)
    if header is None or len(body) < header + 8:
        return None
    start, where, size = struct.unpack_from("<IHH", body, header)
    if where != segment or not start <= offset < start + size:
        return None
    for gap, length in struct.iter_unpack("<HH", body[header + 8 : header + 8 + (len(body) - header - 8) // 4 * 4]):
        if start + gap <= offset < start + gap + length:
            return None
    if kind == _IN_REGISTER:
        return Place(int.from_bytes(body[:2], "little"))
    if kind == _IN_FRAME:
        return Place(frame_register, struct.unpack_from("<i", body)[0])
    register, _flags, distance = struct.unpack_from("<HHi", body)
    return Place(register, distance)


def _name(body: bytes, at: int) -> str:
    return printable_name(body[at:].split(b"\0", 1)[0].decode("utf-8", "backslashreplace"))
