"""Epilogs of x64 functions, recognised by their instructions (the protocol reference 8.3).

Only these forms are legal in an epilog, so a match is certain; anything else is the body.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.symbols.unwind_info import GENERAL_REGISTERS

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_EPILOG", "Epilog", "decode_epilog"]

MAX_EPILOG = 64
"""Bytes to read at most: a stack adjustment of 8, fifteen pops of 2, a jump of 7."""


@dataclass(frozen=True, slots=True)
class Epilog:
    """What is left of an epilog, from some instruction of it on."""

    adjust: int = 0
    """Bytes added to the base before the pops."""
    base: str = "rsp"
    """Register that the stack pointer is set from."""
    pops: tuple[str, ...] = ()


def decode_epilog(
    code: bytes, address: int, leaves: Callable[[int], bool], frame_register: str = "", *, adjusted: bool = False
) -> Epilog | None:
    """The epilog whose next instruction is at the start of `code`, or None in a function's body.

    `leaves` says whether a jump to an address goes out of the function, as a tail jump must. With `adjusted`
    (version 2 epilogs) the stack pointer has its final place already.
    """
    base, adjust, at = ("rsp", 0, 0) if adjusted else _decode_adjustment(code, frame_register)
    pops: list[str] = []
    while at < len(code):
        prefixed = code[at] & 0xF8 == 0x40  # REX without W; only B matters to a pop
        opcode = code[at + prefixed : at + prefixed + 1]
        if not opcode or opcode[0] & 0xF8 != 0x58:
            break
        pops.append(GENERAL_REGISTERS[(opcode[0] & 7) + (8 if prefixed and code[at] & 1 else 0)])
        at += 1 + prefixed
    return Epilog(adjust, base, tuple(pops)) if _ends_function(code, at, address, leaves) else None


def _decode_adjustment(code: bytes, frame_register: str) -> tuple[str, int, int]:
    """(base register, bytes added, length) of `add rsp, imm` or `lea rsp, [frame + disp]`; length 0 for neither."""
    if code[:3] == b"\x48\x83\xc4" and len(code) >= 4:
        return "rsp", _signed(code[3:4]), 4
    if code[:3] == b"\x48\x81\xc4" and len(code) >= 7:
        return "rsp", _signed(code[3:7]), 7
    if not frame_register or len(code) < 4 or code[0] & 0xFE != 0x48 or code[1] != 0x8D:
        return "rsp", 0, 0
    mode, register, source = code[2] >> 6, code[2] >> 3 & 7, (code[2] & 7) + 8 * (code[0] & 1)
    at = 3
    if source & 7 == 4:  # r12 needs a SIB byte that says "no index"
        if code[at] != 0x24:
            return "rsp", 0, 0
        at += 1
    size = {0: 0, 1: 1, 2: 4}.get(mode)
    if register != 4 or size is None or GENERAL_REGISTERS[source] != frame_register or len(code) < at + size:
        return "rsp", 0, 0
    return frame_register, _signed(code[at : at + size]), at + size


def _ends_function(code: bytes, at: int, address: int, leaves: Callable[[int], bool]) -> bool:
    """Whether the instruction at `at` ends a function: a return, or a jump out of it."""
    rest = code[at : at + 7]
    if rest[:1] in (b"\xc3", b"\xc2") or rest[:2] == b"\xf3\xc3":
        return True
    if rest[:1] == b"\xeb" and len(rest) >= 2:
        return leaves(address + at + 2 + _signed(rest[1:2]))
    if rest[:1] == b"\xe9" and len(rest) >= 5:
        return leaves(address + at + 5 + _signed(rest[1:5]))
    # `jmp [rip+x]`, with or without REX.W, and `jmp reg` or `jmp [mem]` with REX.W: the linker's and the
    # compiler's forms of an indirect tail call. An indirect jump inside a function has no REX.W.
    if rest[:2] == b"\xff\x25" or rest[:3] == b"\x48\xff\x25":
        return True
    return len(rest) >= 3 and rest[0] & 0xF8 == 0x48 and rest[1] == 0xFF and rest[2] >> 3 & 7 == 4


def _signed(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)
