"""Which language handler a function names in its unwind data, and so what its own data mean.

A handler is known by its name, or by what it leads to: an image without symbols has a jump to the import
`__CxxFrameHandler4`, or a copy of `__GSHandlerCheck_EH4`, which calls that jump behind its check of the stack cookie.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from kdnb.errors import SymbolFileError
from kdnb.symbols.imports import import_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kdnb.symbols.pe import PeImage

__all__ = ["HandlerData", "handler_routine"]

_MOST_CODE = 0x200
_THUNK = 0x10
"""Bytes looked at where no function is recorded: a jump through the import table has at most 12."""
_ARM64 = 0xAA64


class HandlerData(Enum):
    """What lies behind the handler's RVA."""

    SCOPE_TABLE = auto()
    CXX3 = auto()
    """RVA of a FuncInfo."""
    CXX4 = auto()
    """RVA of a FuncInfo4."""


_KNOWN = {
    "__C_specific_handler": HandlerData.SCOPE_TABLE,
    "_C_specific_handler": HandlerData.SCOPE_TABLE,
    "__C_specific_handler_noexcept": HandlerData.SCOPE_TABLE,
    "__GSHandlerCheck_SEH": HandlerData.SCOPE_TABLE,
    "__GSHandlerCheck_SEH_noexcept": HandlerData.SCOPE_TABLE,
    "__CxxFrameHandler": HandlerData.CXX3,
    "__CxxFrameHandler2": HandlerData.CXX3,
    "__CxxFrameHandler3": HandlerData.CXX3,
    "__GSHandlerCheck_EH": HandlerData.CXX3,
    "__CxxFrameHandler4": HandlerData.CXX4,
    "__GSHandlerCheck_EH4": HandlerData.CXX4,
}


def handler_routine(
    image: PeImage, rva: int, names_at: Callable[[int], Iterable[str]]
) -> tuple[str, HandlerData] | None:
    """The known routine that the handler at `rva` is or leads to, and the form of its data; None for others.

    `names_at` gives the names of the image's own symbols exactly at an RVA.
    """
    return _routine(image, rva, names_at, depth=2)


def _routine(
    image: PeImage, rva: int, names_at: Callable[[int], Iterable[str]], depth: int
) -> tuple[str, HandlerData] | None:
    for name in names_at(rva):
        if name in _KNOWN:
            return name, _KNOWN[name]
    if not depth:
        return None
    try:
        function = image.function_at(rva)
        size = min(function[1] - rva, _MOST_CODE) if function is not None else _THUNK
        code = image.read(rva, size)
    except SymbolFileError:
        return None
    slots, targets = (_arm64_ways if image.machine == _ARM64 else _x64_ways)(code, rva)
    for slot in slots:
        name = import_name(image, slot)
        if name in _KNOWN:
            return name, _KNOWN[name]
    outside = (target for target in targets if not rva <= target < rva + size and _is_code(image, target))
    return next((found for target in outside if (found := _routine(image, target, names_at, depth - 1))), None)


def _is_code(image: PeImage, rva: int) -> bool:
    section = image.section_of(rva)
    return section is not None and section.is_code


def _x64_ways(code: bytes, rva: int) -> tuple[list[int], list[int]]:
    """RVAs of the pointers that `code` may call or jump through, and of what it may call or jump to.

    Bytes that only look like a call do no harm: they lead to no known name.
    """
    slots, targets = [], []
    for at in range(len(code) - 4):
        distance = int.from_bytes(code[at + 1 : at + 5], "little", signed=True)
        if code[at] in (0xE8, 0xE9):
            targets.append(rva + at + 5 + distance)
        elif code[at] == 0xFF and code[at + 1] in (0x15, 0x25) and at + 6 <= len(code):
            slots.append(rva + at + 6 + int.from_bytes(code[at + 2 : at + 6], "little", signed=True))
    return slots, targets


def _arm64_ways(code: bytes, rva: int) -> tuple[list[int], list[int]]:
    pages: dict[int, int] = {}
    slots, targets = [], []
    for at, word in _words(code):
        if word & 0x9F000000 == 0x90000000:  # adrp
            distance = _signed((word >> 5 & 0x7FFFF) << 2 | word >> 29 & 3, 21) << 12
            pages[word & 31] = (rva + at & ~0xFFF) + distance
        elif word & 0xFFC00000 == 0xF9400000 and word >> 5 & 31 in pages:  # ldr of a pointer
            slots.append(pages[word >> 5 & 31] + 8 * (word >> 10 & 0xFFF))
        elif word & 0x7C000000 == 0x14000000:  # b, bl
            targets.append(rva + at + 4 * _signed(word & 0x3FFFFFF, 26))
    return slots, targets


def _words(code: bytes) -> Iterator[tuple[int, int]]:
    for at in range(0, len(code) - 3, 4):
        yield at, int.from_bytes(code[at : at + 4], "little")


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value
