"""x64 unwind data as values: function tables, unwind records and their codes.

Layouts are those of the protocol reference 8.1; nothing here follows a stack. Everything comes from a
target or a file and is untrusted: counts are bounded by their field widths, and short data raise `SymbolFileError`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, overload

from kdnb.errors import SymbolFileError

if TYPE_CHECKING:
    from kdnb.symbols.reader import ReadMemory

__all__ = ["FunctionTable", "RuntimeFunction", "UnwindCode", "UnwindFlags", "UnwindInfo", "UnwindOp"]

_CHUNK = 0x200 * 12  # entries of the function table read at once: a page and a half
_MAX_TABLE = 0x1000000  # 1.4 million functions; ntoskrnl has about 40,000
_MAX_INDIRECTIONS = 4

GENERAL_REGISTERS = (
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
)  # fmt: skip
"""Register names by the number that unwind codes and instructions use."""


@dataclass(frozen=True, slots=True)
class RuntimeFunction:
    """RUNTIME_FUNCTION: one function or fragment; all three are RVAs, `end` is exclusive."""

    begin: int
    end: int
    unwind: int
    """RVA of the UNWIND_INFO; bit 0 set: of another RUNTIME_FUNCTION."""

    SIZE = 12

    @classmethod
    def parse(cls, data: bytes, offset: int = 0) -> RuntimeFunction:
        try:
            return cls(*struct.unpack_from("<III", data, offset))
        except struct.error:
            raise SymbolFileError("function table entry cut short") from None

    def __contains__(self, rva: object) -> bool:
        return isinstance(rva, int) and self.begin <= rva < self.end


class UnwindFlags(IntFlag):
    """Flags of UNWIND_INFO."""

    NONE = 0
    EXCEPTION_HANDLER = 1
    TERMINATION_HANDLER = 2
    CHAINED = 4


class UnwindOp(IntEnum):
    """Unwind operations. 6 is EPILOG in version 2 and an old SAVE_XMM in version 1."""

    PUSH_NONVOL = 0
    ALLOC_LARGE = 1
    ALLOC_SMALL = 2
    SET_FPREG = 3
    SAVE_NONVOL = 4
    SAVE_NONVOL_FAR = 5
    EPILOG = 6
    SPARE = 7
    SAVE_XMM128 = 8
    SAVE_XMM128_FAR = 9
    PUSH_MACHFRAME = 10


@dataclass(frozen=True, slots=True)
class UnwindCode:
    """One unwind code with its operand slots taken in."""

    prolog_offset: int
    """Offset in the prolog of the end of the instruction; EPILOG uses the byte otherwise."""
    op: int
    """An `UnwindOp`; other numbers are kept as they came."""
    info: int
    operand: int = 0
    """Bytes allocated, or offset of the save slot from the frame base; already scaled."""
    slots: int = 1

    @property
    def name(self) -> str:
        try:
            return UnwindOp(self.op).name
        except ValueError:
            return f"OP_{self.op}"

    @property
    def register(self) -> str:
        """The register that `info` names, for the codes that save one; else empty."""
        if self.op in (UnwindOp.PUSH_NONVOL, UnwindOp.SAVE_NONVOL, UnwindOp.SAVE_NONVOL_FAR):
            return GENERAL_REGISTERS[self.info]
        if self.op in (UnwindOp.SAVE_XMM128, UnwindOp.SAVE_XMM128_FAR):
            return f"xmm{self.info}"
        return ""


@dataclass(frozen=True, slots=True)
class UnwindInfo:
    """UNWIND_INFO with its codes, in stored order (the last instruction of the prolog first)."""

    version: int
    flags: UnwindFlags
    prolog_size: int
    frame_register: str
    """Empty where the function has none."""
    frame_offset: int
    """Bytes, already scaled by 16."""
    codes: tuple[UnwindCode, ...]
    chained: RuntimeFunction | None = None
    handler: int | None = None
    """RVA of the language handler."""
    size: int = 0
    """Bytes of the record up to the handler's own data."""

    HEADER_SIZE = 4

    @staticmethod
    def full_size(header: bytes) -> int:
        """Bytes to read for a whole record, from its first four."""
        count = header[2]
        return 4 + 2 * (count + (count & 1)) + _tail_size(UnwindFlags(header[0] >> 3 & 7))

    @classmethod
    def parse(cls, data: bytes) -> UnwindInfo:
        """The record at the start of `data`. Raises `SymbolFileError` for short data and unknown versions."""
        if len(data) < cls.HEADER_SIZE or len(data) < cls.full_size(data):
            raise SymbolFileError("unwind information cut short")
        version, flags = data[0] & 7, UnwindFlags(data[0] >> 3 & 7)
        if version not in (1, 2):
            raise SymbolFileError(f"unwind information of version {version}; 1 and 2 are known")
        count = data[2]
        codes = tuple(_parse_codes(data[4 : 4 + 2 * count], version))
        tail = 4 + 2 * (count + (count & 1))
        chained = RuntimeFunction.parse(data, tail) if flags & UnwindFlags.CHAINED else None
        has_handler = chained is None and flags
        return cls(
            version=version,
            flags=flags,
            prolog_size=data[1],
            frame_register=GENERAL_REGISTERS[data[3] & 15] if data[3] & 15 else "",
            frame_offset=(data[3] >> 4) * 16,
            codes=codes,
            chained=chained,
            handler=struct.unpack_from("<I", data, tail)[0] if has_handler else None,
            size=cls.full_size(data),
        )

    @property
    def frame_register_offset(self) -> int | None:
        """Prolog offset from which the frame register holds; None without SET_FPREG."""
        return next((code.prolog_offset for code in self.codes if code.op == UnwindOp.SET_FPREG), None)

    def epilogs(self, function: RuntimeFunction) -> list[tuple[int, int]]:
        """Version 2 epilogs of `function` as RVA ranges; version 1 records none.

        The first EPILOG code holds the size of each epilog, and in bit 0 of its info whether one ends at the
        function's end; the others hold distances from the end (0 is padding). One slot each.
        """
        marks = [code for code in self.codes if self.version == 2 and code.op == UnwindOp.EPILOG]
        if not marks:
            return []
        size = marks[0].prolog_offset
        distances = [size] if marks[0].info & 1 else []
        distances += [mark.prolog_offset | mark.info << 8 for mark in marks[1:]]
        starts = [function.end - distance for distance in distances if distance]
        return [(start, start + size) for start in starts]


def _tail_size(flags: UnwindFlags) -> int:
    if flags & UnwindFlags.CHAINED:
        return RuntimeFunction.SIZE
    return 4 if flags else 0


def _parse_codes(data: bytes, version: int) -> Iterator[UnwindCode]:
    at = 0
    while at < len(data):
        offset, packed = data[at], data[at + 1]
        op, info = packed & 15, packed >> 4
        slots = _slot_count(op, info, version)
        if at + 2 * slots > len(data):
            raise SymbolFileError(f"unwind code {op} needs {slots} slots, fewer are left")
        near = int.from_bytes(data[at + 2 : at + 4], "little")
        far = int.from_bytes(data[at + 2 : at + 6], "little")
        yield UnwindCode(offset, op, info, _operand(op, info, near, far), slots)
        at += 2 * slots


def _slot_count(op: int, info: int, version: int) -> int:
    if op == UnwindOp.ALLOC_LARGE:
        return 3 if info else 2
    if op in (UnwindOp.SAVE_NONVOL, UnwindOp.SAVE_XMM128):
        return 2
    if op in (UnwindOp.SAVE_NONVOL_FAR, UnwindOp.SAVE_XMM128_FAR):
        return 3
    # The old XMM saves of version 1; their second version has EPILOG and nothing at 7.
    if op == UnwindOp.EPILOG:
        return 2 if version == 1 else 1
    if op == UnwindOp.SPARE:
        return 3
    return 1


def _operand(op: int, info: int, near: int, far: int) -> int:
    if op == UnwindOp.ALLOC_SMALL:
        return info * 8 + 8
    if op == UnwindOp.ALLOC_LARGE:
        return far if info else near * 8
    if op == UnwindOp.SAVE_NONVOL:
        return near * 8
    if op == UnwindOp.SAVE_XMM128:
        return near * 16
    if op in (UnwindOp.SAVE_NONVOL_FAR, UnwindOp.SAVE_XMM128_FAR):
        return far
    return 0


class FunctionTable(Sequence[RuntimeFunction]):
    """The sorted RUNTIME_FUNCTIONs of one image, read in pieces as look-ups need them.

    `read` takes RVAs. A look-up in a table of 40,000 entries touches about ten pieces, so a slow line
    doesn't have to carry the whole table first.
    """

    def __init__(self, read: ReadMemory, rva: int, size: int) -> None:
        self._read = read
        self._rva = rva
        self._count = min(size, _MAX_TABLE) // RuntimeFunction.SIZE
        self._chunks: dict[int, bytes] = {}

    @classmethod
    def from_bytes(cls, data: bytes) -> FunctionTable:
        """A table that is there already."""
        return cls(lambda rva, size: data[rva : rva + size], 0, len(data))

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> RuntimeFunction: ...
    @overload
    def __getitem__(self, index: slice) -> list[RuntimeFunction]: ...
    def __getitem__(self, index: int | slice) -> RuntimeFunction | list[RuntimeFunction]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._count))]
        if not -self._count <= index < self._count:
            raise IndexError(index)
        chunk, offset = divmod(index % self._count * RuntimeFunction.SIZE, _CHUNK)
        if chunk not in self._chunks:
            size = min(_CHUNK, self._count * RuntimeFunction.SIZE - chunk * _CHUNK)
            try:
                self._chunks[chunk] = self._read(self._rva + chunk * _CHUNK, size)
            except SymbolFileError:
                # A part of the piece is paged out; perhaps not this entry.
                return RuntimeFunction.parse(self._read(self._rva + chunk * _CHUNK + offset, RuntimeFunction.SIZE))
        return RuntimeFunction.parse(self._chunks[chunk], offset)

    def lookup(self, rva: int) -> RuntimeFunction | None:
        """The entry whose range holds `rva`, as stored; `resolve` follows its indirection bit."""
        low, high = 0, self._count
        while low < high:
            middle = (low + high) // 2
            function = self[middle]
            if rva < function.begin:
                high = middle
            elif rva >= function.end:
                low = middle + 1
            else:
                return function
        return None

    def resolve(self, function: RuntimeFunction) -> RuntimeFunction:
        """The entry to use in place of `function` where its unwind field points to another entry."""
        for _ in range(_MAX_INDIRECTIONS):
            if not function.unwind & 1:
                return function
            function = RuntimeFunction.parse(self._read(function.unwind & ~1, RuntimeFunction.SIZE))
        raise SymbolFileError("function table entries that point to each other")
