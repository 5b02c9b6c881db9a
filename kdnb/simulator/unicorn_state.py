"""What unicorn keeps to itself: a fault's error code, the fault it believes to be in delivery, the privilege level.

Faults are delivered by this package, so unicorn never learns that one is over and would turn the next into a double
fault; nor does a write to CS change the level. All three lie in a saved context, at offsets that depend on unicorn's
build: they are found once, by provoking two faults and a change of rings on scratch processors.
"""

from __future__ import annotations

import ctypes
import struct
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kdnb.errors import MissingExtraError, UnsupportedError
from kdnb.simulator.memory import LONG_MODE, PAGE, PageTables, PhysicalMemory

if TYPE_CHECKING:
    from kdnb.simulator.memory import Paging

__all__ = ["VECTORS_WITH_ERROR_CODE", "load_unicorn", "new_unicorn", "set_privilege", "take_error_code"]

VECTORS_WITH_ERROR_CODE = frozenset({8, 10, 11, 12, 13, 14, 17})

_PAGE_FAULT = 14
_NONE = b"\xff\xff\xff\xff"
_STORE = b"\x48\xa3" + bytes(8)  # mov [0], rax
_RETURN = b"\x48\xcf"  # iretq
_USER_CODE, _USER_DATA = 0x33, 0x2B
_SCRATCH = 0x8000  # physical
_DESCRIPTORS = (0, 0, 0x00209B0000000000, 0x00CF93000000FFFF, 0, 0x00CFF3000000FFFF, 0x0020FB0000000000)


@dataclass(frozen=True, slots=True)
class _Offsets:
    in_delivery: int
    error_code: int
    privilege: int


def load_unicorn() -> tuple[Any, Any]:
    """The package and its x86 constants. Raises `MissingExtraError`."""
    try:
        return import_module("unicorn"), import_module("unicorn.x86_const")
    except ImportError:
        raise MissingExtraError("the simulated machine needs unicorn", "pip install 'kdnb[sim]'") from None


def new_unicorn(memory: PhysicalMemory, root: int, paging: Paging = LONG_MODE) -> Any:
    """A processor in long or protected mode with paging on, looking at `memory` through the tables at `root`."""
    unicorn, x86 = load_unicorn()
    long_mode = paging is LONG_MODE
    uc = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64 if long_mode else unicorn.UC_MODE_32)
    uc.mem_map_ptr(0, memory.size, unicorn.UC_PROT_ALL, memory.host_address)
    if long_mode:
        uc.msr_write(0xC0000080, 0xD01)  # EFER: syscall, long mode enabled and active, no-execute
    uc.reg_write(x86.UC_X86_REG_CR3, root)
    uc.reg_write(x86.UC_X86_REG_CR4, 0x6A0 if long_mode else 0x690)  # PAE or 4 MiB pages, PGE, SSE
    uc.reg_write(x86.UC_X86_REG_CR0, 0x80010033)
    uc.ctl_exits_enabled(True)  # with no exits given: else each run ends with a fetch at its end address, and its fault
    return uc


def take_error_code(uc: Any) -> int:
    """The error code of the fault just reported; unicorn's note that it is in delivery is wiped."""
    offsets = _offsets()
    context = uc.context_save()
    code = int(struct.unpack("<I", _context_bytes(context)[offsets.error_code : offsets.error_code + 4])[0])
    ctypes.memmove(_context_address(context) + offsets.in_delivery, _NONE, 4)
    uc.context_restore(context)
    return code


def set_privilege(uc: Any, level: int) -> None:
    """The level in which the processor goes on; the selectors are the caller's."""
    at = _offsets().privilege
    context = uc.context_save()
    flags = _context_bytes(context)[at] & ~3 | level
    ctypes.memmove(_context_address(context) + at, bytes([flags]), 1)
    uc.context_restore(context)


@cache
def _offsets() -> _Offsets:
    in_delivery, error_code = _fault_offsets()
    return _Offsets(in_delivery, error_code, _privilege_offset())


def _privilege_offset() -> int:
    """Of the word whose low bits are 0 in the kernel and 3 behind a return to user mode."""
    uc, memory, _vectors = _scratch(_RETURN)
    memory.write(_SCRATCH + 0x100, struct.pack("<7Q", *_DESCRIPTORS))
    memory.write(_SCRATCH + 0x200, struct.pack("<5Q", PAGE, _USER_CODE, 2, PAGE, _USER_DATA))
    x86 = load_unicorn()[1]
    uc.reg_write(x86.UC_X86_REG_GDTR, (0, PAGE + 0x100, 8 * len(_DESCRIPTORS) - 1, 0))
    uc.reg_write(x86.UC_X86_REG_RSP, PAGE + 0x200)
    before, after = _run(uc)
    words = range(0, len(before) - 3, 4)
    return _only([i for i in words if before[i] & 3 == 0 and after[i : i + 4] == _raised(before[i : i + 4])])


def _fault_offsets() -> tuple[int, int]:
    uc, _memory, vectors = _scratch(b"\x90" + _STORE)
    before, after = _run(uc)
    words = range(0, len(before) - 3, 4)
    delivery = [i for i in words if (before[i : i + 4], after[i : i + 4]) == (_NONE, _word(_PAGE_FAULT))]
    codes = [i for i in words if (before[i : i + 4], after[i : i + 4]) == (_word(0), _word(2))]
    return _only(delivery if vectors == [_PAGE_FAULT] else []), _only(codes)


def _scratch(code: bytes) -> tuple[Any, PhysicalMemory, list[int]]:
    """A processor with `code` at the second page, its memory, and the vectors that it will raise."""
    memory = PhysicalMemory(0x10000)
    tables = PageTables(memory, 0x1000, 0x2000)
    tables.map(PAGE, _SCRATCH, PAGE, executable=True)
    memory.write(_SCRATCH, code)
    uc = new_unicorn(memory, tables.root)
    vectors: list[int] = []

    def on_interrupt(_uc: Any, vector: int, _data: object) -> None:
        vectors.append(vector)
        uc.emu_stop()

    uc.hook_add(load_unicorn()[0].UC_HOOK_INTR, on_interrupt)
    return uc, memory, vectors


def _run(uc: Any) -> tuple[bytes, bytes]:
    """Contexts before and after it ran into its first fault."""
    before = _context_bytes(uc.context_save())
    uc.emu_start(PAGE, 0)
    return before, _context_bytes(uc.context_save())


def _only(places: list[int]) -> int:
    if len(places) != 1:
        raise UnsupportedError("this unicorn keeps its state in a way kdnb doesn't know", "install unicorn 2.1.4")
    return places[0]


def _raised(word: bytes) -> bytes:
    return bytes([word[0] | 3]) + word[1:]


def _word(value: int) -> bytes:
    return struct.pack("<I", value)


def _context_address(context: Any) -> int:
    return int(ctypes.cast(context.context, ctypes.c_void_p).value or 0)


def _context_bytes(context: Any) -> bytes:
    return ctypes.string_at(_context_address(context), context.size)
