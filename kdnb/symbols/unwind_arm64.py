"""ARM64 unwind data as values: packed entries and full records become one list of codes (the protocol reference 8.5).

A packed entry stands for a canonical prolog; it is written out as the codes that a full record would have, so that
the walker knows one form only. Everything is untrusted and bounded by its field widths.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from kdnb.errors import SymbolFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.symbols.reader import ReadMemory

__all__ = ["Arm64Code", "Arm64Epilog", "Arm64Function", "Arm64FunctionTable", "Arm64Op"]

ENTRY_SIZE = 8
_MAX_TABLE = 0x1000000
_MAX_EPILOGS = 0x10000
LR, FP = 30, 29


class Arm64Op(Enum):
    """What undoing a code does."""

    ALLOC = auto()
    SAVE = auto()
    SAVE_NEXT = auto()
    SET_FP = auto()
    ADD_FP = auto()
    NOP = auto()
    END = auto()
    END_CHAINED = auto()
    SIGN_LR = auto()
    MACHINE_FRAME = auto()
    CONTEXT = auto()
    CLEAR_UNWOUND = auto()
    """clear_unwound_to_call: says something of the caller's PC, and undoes nothing."""
    CUSTOM = auto()
    """Another code for a frame of its own (E8 to EF), whose layout is not public: a walk can't go on through it."""
    UNKNOWN = auto()
    """Reserved: a walk can't go on through it."""


@dataclass(frozen=True, slots=True)
class Arm64Code:
    """One unwind code; it stands for one instruction unless `is_instruction` says otherwise."""

    op: Arm64Op
    amount: int = 0
    """Bytes: allocated (ALLOC), subtracted from the frame pointer (ADD_FP), or added after a load (SAVE)."""
    registers: tuple[str, ...] = ()
    """SAVE: one or two registers, `x19`, `lr`, `d8`."""
    offset: int = 0
    """SAVE: of the first register from the stack pointer."""

    @property
    def is_instruction(self) -> bool:
        return self.op not in _NO_INSTRUCTION

    @property
    def is_end(self) -> bool:
        return self.op in (Arm64Op.END, Arm64Op.END_CHAINED)


_NO_INSTRUCTION = frozenset(
    (
        Arm64Op.END,
        Arm64Op.END_CHAINED,
        Arm64Op.MACHINE_FRAME,
        Arm64Op.CONTEXT,
        Arm64Op.CLEAR_UNWOUND,
        Arm64Op.CUSTOM,
    )
)


@dataclass(frozen=True, slots=True)
class Arm64Epilog:
    """An epilog: where it begins in the function, in bytes, and its codes in the order they run."""

    start: int
    codes: tuple[Arm64Code, ...]

    @property
    def size(self) -> int:
        """Bytes, with the return behind the codes."""
        return 4 * (sum(code.is_instruction for code in self.codes) + 1)


@dataclass(frozen=True, slots=True)
class Arm64Function:
    """One function or fragment. `codes` undo the whole prolog, its last instruction first."""

    begin: int
    length: int
    unwind: int
    """The second word of the entry, as it stands."""
    codes: tuple[Arm64Code, ...]
    epilogs: tuple[Arm64Epilog, ...] = ()
    handler: int | None = None
    """RVA of the language handler."""
    handler_data: int = 0
    """RVA of what follows for it."""

    @property
    def end(self) -> int:
        return self.begin + self.length

    @property
    def prolog_instructions(self) -> int:
        """Instructions of its own prolog: what stands behind an END_CHAINED belongs to its parent."""
        count = 0
        for code in self.codes:
            if code.is_end:
                break
            count += code.is_instruction
        return count


class Arm64FunctionTable:
    """The sorted function table of one ARM64 image; `read` takes RVAs."""

    def __init__(self, read: ReadMemory, rva: int, size: int) -> None:
        self._read = read
        self._rva = rva
        self._count = min(size, _MAX_TABLE) // ENTRY_SIZE
        self._entries: dict[int, tuple[int, int]] = {}
        self._functions: dict[int, Arm64Function] = {}

    def __len__(self) -> int:
        return self._count

    def entry(self, index: int) -> tuple[int, int]:
        """(begin RVA, unwind word) of an entry."""
        if index not in self._entries:
            data = self._read(self._rva + ENTRY_SIZE * index, ENTRY_SIZE)
            if len(data) != ENTRY_SIZE:
                raise SymbolFileError("function table entry cut short")
            self._entries[index] = struct.unpack("<II", data)
        return self._entries[index]

    def lookup(self, rva: int) -> Arm64Function | None:
        """The function around `rva`, with its codes; raises `SymbolFileError` for data that can't be read."""
        low, high = 0, self._count
        while low < high:
            middle = (low + high) // 2
            if self.entry(middle)[0] <= rva:
                low = middle + 1
            else:
                high = middle
        if low == 0:
            return None
        begin, word = self.entry(low - 1)
        if begin not in self._functions:
            self._functions[begin] = self._parse(begin, word)
        function = self._functions[begin]
        return function if rva < function.end else None

    def _parse(self, begin: int, word: int) -> Arm64Function:
        if word & 3 == 0:
            return _full(begin, word, self._read)
        if word & 3 == 3:
            raise SymbolFileError(f"function table entry of the reserved form {word:#x}")
        return _packed(begin, word)


# --- packed ------------------------------------------------------------------------------------------


def _packed(begin: int, word: int) -> Arm64Function:
    length = 4 * (word >> 2 & 0x7FF)
    homes = bool(word >> 20 & 1)
    prolog = (*_canonical_prolog(word, homes), Arm64Code(Arm64Op.END))
    if word & 3 == 2:  # a fragment: the prolog ran elsewhere, the epilog comes elsewhere
        return Arm64Function(begin, length, word, (Arm64Code(Arm64Op.END_CHAINED), *prolog))
    codes = [code for code in prolog if code.op not in (Arm64Op.SET_FP, Arm64Op.NOP, Arm64Op.END)]
    epilog = Arm64Epilog(0, tuple(codes))
    placed = Arm64Epilog(max(length - epilog.size, 0), epilog.codes)
    return Arm64Function(begin, length, word, prolog, (placed,))


def _canonical_prolog(word: int, homes: bool) -> Iterator[Arm64Code]:
    """The codes of a packed entry, the last instruction of the prolog first."""
    floats = (word >> 13 & 7) + 1 if word >> 13 & 7 else 0
    integers, chain, frame = word >> 16 & 15, word >> 21 & 3, 16 * (word >> 23 & 0x1FF)
    integer_size = 8 * integers + (8 if chain == 1 else 0)
    saved = (integer_size + 8 * floats + 64 * homes + 15) & ~15
    local = frame - saved
    if chain in (2, 3):
        yield Arm64Code(Arm64Op.SET_FP)
        yield Arm64Code(Arm64Op.SAVE, local if local <= 512 else 0, ("fp", "lr"))
    if chain not in (2, 3) or local > 512:
        if local > 4080:
            yield Arm64Code(Arm64Op.ALLOC, local - 4080)
        if local > 0:
            yield Arm64Code(Arm64Op.ALLOC, min(local, 4080))
    if homes:
        yield from [Arm64Code(Arm64Op.NOP)] * 4
    saves = [(tuple(f"x{19 + n}" for n in range(at, min(at + 2, integers))), 8 * at) for at in range(0, integers, 2)]
    if chain == 1 and integers % 2:
        registers, offset = saves[-1]
        saves[-1] = ((*registers, "lr"), offset)
    elif chain == 1:
        saves.append((("lr",), integer_size - 8))
    saves += [
        (tuple(f"d{8 + n}" for n in range(at, min(at + 2, floats))), integer_size + 8 * at)
        for at in range(0, floats, 2)
    ]
    if homes and not saves:
        yield Arm64Code(Arm64Op.ALLOC, saved)  # the homing stores came with the allocation
    for registers, offset in reversed(saves):
        yield Arm64Code(Arm64Op.SAVE, saved if offset == 0 else 0, registers, offset)
    if chain == 2:
        yield Arm64Code(Arm64Op.SIGN_LR)


# --- full records ------------------------------------------------------------------------------------


def _full(begin: int, rva: int, read: ReadMemory) -> Arm64Function:
    word = _u32(read, rva)
    length, version = 4 * (word & 0x3FFFF), word >> 18 & 3
    if version:
        raise SymbolFileError(f"ARM64 unwind record of version {version}; 0 is known")
    has_handler, single = bool(word >> 20 & 1), bool(word >> 21 & 1)
    count, words, at = word >> 22 & 0x1F, word >> 27, rva + 4
    if not count and not words:
        extended = _u32(read, at)
        count, words, at = extended & 0xFFFF, extended >> 16 & 0xFF, at + 4
    scopes: tuple[int, ...] = ()
    if not single and count:
        scopes = struct.unpack(f"<{min(count, _MAX_EPILOGS)}I", _exactly(read, at, 4 * count))
        at += 4 * count
    data = _exactly(read, at, 4 * words)
    handler = _u32(read, at + 4 * words) if has_handler else None
    epilogs = []
    if single:
        codes = _until_end(data, count)
        size = Arm64Epilog(0, codes).size
        epilogs.append(Arm64Epilog(max(length - size, 0), codes))
    epilogs += [Arm64Epilog(4 * (scope & 0x3FFFF), _until_end(data, scope >> 22)) for scope in scopes]
    return Arm64Function(begin, length, rva, tuple(_decode(data, 0)), tuple(epilogs), handler, at + 4 * words + 4)


def _until_end(data: bytes, index: int) -> tuple[Arm64Code, ...]:
    codes = []
    for code in _decode(data, index):
        if code.is_end:
            break
        codes.append(code)
    return tuple(codes)


def _decode(data: bytes, at: int) -> Iterator[Arm64Code]:
    """The codes from `at` on, through END."""
    while at < len(data):
        size = _code_size(data[at])
        if at + size > len(data):
            raise SymbolFileError("ARM64 unwind codes cut short")
        code = _decode_one(int.from_bytes(data[at : at + size], "big"), data[at])
        yield code
        if code.op is Arm64Op.END:
            return
        at += size


def _code_size(first: int) -> int:
    if first < 0xC0:
        return 1
    if first < 0xE0:
        return 2
    return {0xE0: 4, 0xE2: 2, 0xE7: 3, 0xF8: 2, 0xF9: 3, 0xFA: 4, 0xFB: 5}.get(first, 1)


def _x(number: int) -> str:
    return {FP: "fp", LR: "lr"}.get(number, f"x{number}")


def _save(first: int, count: int, offset: int, amount: int, bank: str = "x") -> Arm64Code:
    names = tuple(_x(first + n) if bank == "x" else f"{bank}{first + n}" for n in range(count))
    return Arm64Code(Arm64Op.SAVE, amount, names, offset)


def _decode_one(value: int, first: int) -> Arm64Code:
    """One code; `value` holds its bytes, big-endian."""
    low6, low5 = value & 0x3F, value & 0x1F
    wide = value >> 6 & 15  # register number that spans both bytes
    if first < 0x20:
        return Arm64Code(Arm64Op.ALLOC, 16 * low5)
    if first < 0x40:
        return _save(19, 2, 0, 8 * low5)
    if first < 0x80:
        return _save(FP, 2, 8 * low6, 0)
    if first < 0xC0:
        return _save(FP, 2, 0, 8 * (low6 + 1))
    if first < 0xC8:
        return Arm64Code(Arm64Op.ALLOC, 16 * (value & 0x7FF))
    if first < 0xD0:
        return _save(19 + wide, 2, *((0, 8 * (low6 + 1)) if first >= 0xCC else (8 * low6, 0)))
    if first < 0xD4:
        return _save(19 + wide, 1, 8 * low6, 0)
    if first < 0xD6:
        return _save(19 + (value >> 5 & 15), 1, 0, 8 * (low5 + 1))
    if first < 0xD8:
        return Arm64Code(Arm64Op.SAVE, 0, (_x(19 + 2 * (value >> 6 & 7)), "lr"), 8 * low6)
    if first < 0xDC:
        return _save(8 + (wide & 7), 2, *((0, 8 * (low6 + 1)) if first >= 0xDA else (8 * low6, 0)), "d")
    if first < 0xDE:
        return _save(8 + (wide & 7), 1, 8 * low6, 0, "d")
    if first == 0xDE:
        return _save(8 + (value >> 5 & 7), 1, 0, 8 * (low5 + 1), "d")
    return _decode_special(value, first)


_PLAIN = {
    0xE1: Arm64Op.SET_FP, 0xE3: Arm64Op.NOP, 0xE4: Arm64Op.END, 0xE5: Arm64Op.END_CHAINED, 0xE6: Arm64Op.SAVE_NEXT,
    0xE9: Arm64Op.MACHINE_FRAME, 0xEA: Arm64Op.CONTEXT, 0xEC: Arm64Op.CLEAR_UNWOUND, 0xFC: Arm64Op.SIGN_LR,
    **dict.fromkeys((0xE8, 0xEB, 0xED, 0xEE, 0xEF), Arm64Op.CUSTOM),
}  # fmt: skip


def _decode_special(value: int, first: int) -> Arm64Code:
    if first == 0xE0:
        return Arm64Code(Arm64Op.ALLOC, 16 * (value & 0xFFFFFF))
    if first == 0xE2:
        return Arm64Code(Arm64Op.ADD_FP, 8 * (value & 0xFF))
    if first == 0xE7:
        bank = {0: "x", 1: "d", 2: "q"}.get(value >> 6 & 3)
        if bank is None or value >> 15 & 1:
            return Arm64Code(Arm64Op.UNKNOWN)
        pair, before = value >> 14 & 1, value >> 13 & 1
        unit = 16 if pair or before or bank == "q" else 8
        offset = unit * (value & 0x3F)
        place = (0, offset + unit) if before else (offset, 0)
        return _save(value >> 8 & 0x1F, 1 + pair, *place, bank)
    return Arm64Code(_PLAIN.get(first, Arm64Op.UNKNOWN))


def _u32(read: ReadMemory, rva: int) -> int:
    return int.from_bytes(_exactly(read, rva, 4), "little")


def _exactly(read: ReadMemory, rva: int, size: int) -> bytes:
    data = read(rva, size) if size else b""
    if len(data) != size:
        raise SymbolFileError("ARM64 unwind record cut short")
    return data
