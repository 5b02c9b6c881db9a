"""How x86 functions lay out their frames, from a PDB: FPO records and the newer frame data with its programs.

x86 images have no unwind data; the compiler's notes in the PDB say where a function without a frame pointer keeps its
return address (the protocol reference 8.4). Untrusted: programs are bounded, and what is no program is refused.
"""

from __future__ import annotations

import itertools
import re
import struct
from bisect import bisect_right
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from kdnb.errors import SymbolFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["FrameData", "FrameKind", "FrameTable", "run_frame_program"]

_FRAME_DATA = struct.Struct("<6I2HI")
_FPO_DATA = struct.Struct("<3IHBB")
_FUNCTION_START = 4
_MAX_TOKENS = 512
_MAX_NESTING = 64
_MASK = 0xFFFFFFFF
_TOKEN = re.compile(r"[$.]?\w+|[^\s\w]")


class FrameKind(IntEnum):
    """cbFrame of an FPO record."""

    FPO = 0
    TRAP = 1
    TSS = 2
    NON_FPO = 3


@dataclass(frozen=True, slots=True)
class FrameData:
    """What holds from `begin` to `end` (RVAs). Sizes in bytes."""

    begin: int
    end: int
    local_size: int
    parameter_size: int
    saved_size: int
    """Bytes of saved registers."""
    prolog_size: int
    program: str = ""
    """Postfix program that computes the caller's registers; empty in FPO records."""
    is_start: bool = True
    """Whether a function begins here, rather than a later part of its prolog."""
    kind: FrameKind = FrameKind.FPO
    uses_ebp: bool = False
    """FPO records: the function keeps something else in EBP, and has saved it."""

    @property
    def summary(self) -> str:
        """`FPO: [1,0,0]`: words of parameters, words of locals, saved registers; empty for frame data."""
        if self.program:
            return ""
        if self.kind is FrameKind.TSS:
            return "FPO: TaskGate 28:0"  # KGDT_TSS, the task that Windows runs in
        if self.kind is FrameKind.TRAP:
            return f"FPO: [{self.parameter_size // 4},{self.local_size // 4}]"
        if self.kind is FrameKind.NON_FPO:
            return "FPO: [Non-Fpo]"
        return f"FPO: [{self.parameter_size // 4},{self.local_size // 4},{self.saved_size // 4}]"


class FrameTable:
    """All records of one PDB, by RVA; frame data before FPO records, which say less."""

    def __init__(self, frame_data: list[FrameData], fpo: list[FrameData]) -> None:
        self._tables = [sorted(records, key=lambda record: record.begin) for records in (frame_data, fpo)]

    @classmethod
    def parse(cls, frame_data: bytes, fpo: bytes, program_at: Callable[[int], str]) -> FrameTable:
        """From the two streams; `program_at` gives the text at an offset of the PDB's name table."""
        return cls(
            [_frame_data(values, program_at) for values in _FRAME_DATA.iter_unpack(_whole(frame_data, _FRAME_DATA))],
            [_fpo(values) for values in _FPO_DATA.iter_unpack(_whole(fpo, _FPO_DATA))],
        )

    def __len__(self) -> int:
        return sum(map(len, self._tables))

    def __iter__(self) -> Iterator[FrameData]:
        """Frame data by RVA, then FPO records by RVA."""
        return itertools.chain(*self._tables)

    def lookup(self, rva: int) -> FrameData | None:
        """The innermost record around `rva`."""
        return next((found for table in self._tables if (found := _innermost(table, rva))), None)

    def is_trap(self, rva: int) -> bool:
        """Whether the code there is a trap handler's by its FPO record, whatever frame data says beside it."""
        record = _innermost(self._tables[1], rva)
        return record is not None and record.kind is FrameKind.TRAP

    def start_of(self, rva: int) -> FrameData | None:
        """The record of the whole function around `rva`."""
        return next((found for table in self._tables if (found := _innermost(table, rva, starts_only=True))), None)

    def function_at(self, rva: int) -> tuple[int, int] | None:
        """`(begin, end)` of the function around `rva`."""
        record = self.start_of(rva)
        return (record.begin, record.end) if record is not None else None


def _innermost(table: list[FrameData], rva: int, *, starts_only: bool = False) -> FrameData | None:
    index = bisect_right(table, rva, key=lambda record: record.begin) - 1
    for at in range(index, max(index - _MAX_NESTING, -1), -1):
        record = table[at]
        if rva < record.end and (record.is_start or not starts_only):
            return record
    return None


def _whole(data: bytes, record: struct.Struct) -> bytes:
    return data[: len(data) // record.size * record.size]


def _frame_data(values: tuple[int, ...], program_at: Callable[[int], str]) -> FrameData:
    begin, size, local, parameters, _stack, program, prolog, saved, flags = values
    return FrameData(
        begin, begin + size, local, parameters, saved, prolog, program_at(program), bool(flags & _FUNCTION_START)
    )


def _fpo(values: tuple[int, ...]) -> FrameData:
    begin, size, local_words, parameter_words, prolog, bits = values
    return FrameData(
        begin,
        begin + size,
        4 * local_words & _MASK,
        4 * parameter_words,
        4 * (bits & 7),
        prolog,
        kind=FrameKind(bits >> 6),
        uses_ebp=bool(bits & 0x10),
    )


def run_frame_program(text: str, values: Mapping[str, int], read: Callable[[int], int]) -> dict[str, int]:
    """The assignments of a program: `$T0 .raSearch = $eip $T0 ^ = $esp $T0 4 + =`.

    `values` gives `$eip`, `.raSearch` and so on at the start; `read` gives a word of memory. Raises
    `SymbolFileError` for what is no program, and what `read` raises.
    """
    known, assigned = dict(values), {}
    stack: list[int | str] = []

    def take() -> int:
        item = stack.pop()
        return known[item] if isinstance(item, str) else item

    tokens = _TOKEN.findall(text)  # MSVC leaves out some of the spaces
    if len(tokens) > _MAX_TOKENS:
        raise SymbolFileError("a frame program that is too long")
    try:
        for token in tokens:
            if token == "=":
                value, name = take(), stack.pop()
                if not isinstance(name, str):
                    raise SymbolFileError(f"frame program assigns to {name!r}")
                known[name] = assigned[name] = value
            elif token == "^":
                stack.append(read(take()))
            elif token in _OPERATIONS:
                right, left = take(), take()
                stack.append(_OPERATIONS[token](left, right) & _MASK)
            else:
                stack.append(token if token[0] in "$." else int(token) & _MASK)
    except (IndexError, KeyError, ValueError, ZeroDivisionError) as error:
        raise SymbolFileError(f"frame program can't be run: {text[:60]!r}") from error
    return assigned


_OPERATIONS: Mapping[str, Callable[[int, int], int]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left // right,
    "%": lambda left, right: left % right,
    "@": lambda left, right: left // right * right,
}
