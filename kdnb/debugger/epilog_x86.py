"""Epilogs of x86 functions, recognised by their instructions.

Unlike on x64 nothing obliges a compiler to these forms, but what matches surely does what it says: the instructions
are carried out up to the return. The way out of a trap is such an epilog too; it ends with `iretd`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.debugger.unwind_step import read_integer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kdnb.results.memory import MemoryReader

__all__ = ["run_epilog"]

_RETURN, _INTERRUPT_RETURN = (b"\xc3", b"\xc2"), b"\xcf"

_MASK = 0xFFFFFFFF
_REGISTERS = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")


def run_epilog(
    code: bytes,
    address: int,
    registers: Mapping[str, int],
    memory: MemoryReader,
    bounds: tuple[int, int] | None = None,
) -> tuple[dict[str, int], bool] | None:
    """The registers at the return of the epilog that `code` begins with, and whether that is an `iretd`.

    None in a function's body. A jump out of `bounds` (the function's addresses) is a tail call; without bounds no jump
    is taken for one. Raises `MemoryReadError`.
    """
    if not _is_epilog(code, address, bounds):
        return None
    values, at = dict(registers), 0
    while size := _size(code, at):
        _execute(code, at, values, memory)
        at += size
    return values, code[at : at + 1] == _INTERRUPT_RETURN


def _is_epilog(code: bytes, address: int, bounds: tuple[int, int] | None) -> bool:
    at = 0
    while size := _size(code, at):
        at += size
    if code[at : at + 1] in (*_RETURN, _INTERRUPT_RETURN):
        return True
    target = None
    if code[at : at + 1] == b"\xe9" and len(code) >= at + 5:
        target = address + at + 5 + _signed(code[at + 1 : at + 5])
    elif code[at : at + 1] == b"\xeb" and len(code) >= at + 2:
        target = address + at + 2 + _signed(code[at + 1 : at + 2])
    elif code[at : at + 2] == b"\xff\x25":
        return bounds is not None
    return target is not None and bounds is not None and not bounds[0] < target & _MASK < bounds[1]


def _size(code: bytes, at: int) -> int:
    """Bytes of an instruction that only takes a frame down; 0 for any other."""
    first, two = code[at : at + 1], code[at : at + 2]
    if first and ((0x58 <= first[0] <= 0x5F and first[0] != 0x5C) or first[0] == 0xC9):
        return 1  # pop, leave
    if two in (b"\x8b\xe5", b"\x89\xec"):
        return 2  # mov esp, ebp
    for opcode, size in ((b"\x83\xc4", 3), (b"\x8d\x65", 3), (b"\x81\xc4", 6), (b"\x8d\xa5", 6)):
        if two == opcode and len(code) >= at + size:
            return size  # add esp, n; lea esp, [ebp + n]
    return 0


def _execute(code: bytes, at: int, values: dict[str, int], memory: MemoryReader) -> None:
    first, two = code[at], code[at : at + 2]
    if first == 0xC9:
        values["esp"] = values["ebp"]
        _pop("ebp", values, memory)
    elif 0x58 <= first <= 0x5F:
        _pop(_REGISTERS[first & 7], values, memory)
    elif two in (b"\x8b\xe5", b"\x89\xec"):
        values["esp"] = values["ebp"]
    else:
        size = 1 if two in (b"\x83\xc4", b"\x8d\x65") else 4
        base = "esp" if two in (b"\x83\xc4", b"\x81\xc4") else "ebp"
        values["esp"] = (values[base] + _signed(code[at + 2 : at + 2 + size])) & _MASK


def _pop(register: str, values: dict[str, int], memory: MemoryReader) -> None:
    values[register] = read_integer(memory, values["esp"], 4)
    values["esp"] = (values["esp"] + 4) & _MASK


def _signed(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)
