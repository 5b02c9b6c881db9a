"""Text of `r` and `rM` (the command reference, 3.1 and 3.2).

Parity letters are the true ones (PF=1 is `pe`); WinDbg's x64 display turns them round.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from kdnb.render.lines import lines
from kdnb.render.text_disassembly import instruction_line
from kdnb.render.text_floating import float80_words, mmx_lines, x87_lines
from kdnb.results.registers import RegisterSet, RegisterValues

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["DEFAULT_MASK", "flags_text", "register_foot"]

_FLAGS = ((11, "nv", "ov"), (10, "up", "dn"), (9, "di", "ei"), (7, "pl", "ng"), (6, "nz", "zr"), (4, "na", "ac"))
_FLAGS_END = ((2, "po", "pe"), (0, "nc", "cy"))

_INTEGER = {
    "amd64": ("rax rbx rcx", "rdx rsi rdi", "rip rsp rbp", "r8 r9 r10", "r11 r12 r13", "r14 r15"),
    "x86": ("eax ebx ecx edx esi edi", "eip esp ebp"),
    "arm64": (
        *(" ".join(f"x{number}" for number in range(at, at + 4)) for at in range(0, 28, 4)),
        "x28 fp lr sp",
    ),
    "arm": ("r0 r1 r2 r3", "r4 r5 r6 r7", "r8 r9 r10 r11", "r12 sp lr pc"),
}
_GROUPS: dict[int, dict[str, tuple[str, ...]]] = {
    0x20: {"amd64": ("dr0 dr1 dr2", "dr3 dr6 dr7"), "x86": ("dr0 dr1 dr2", "dr3 dr6 dr7 cr4")},
    0x80: {"amd64": ("cr0 cr2 cr3", "cr4 cr8"), "x86": ("cr0 cr2 cr3",)},
}
DEFAULT_MASK = {"amd64": 0xA, "x86": 0x9, "arm64": 0x2, "arm": 0x1}
"""What `rm` is at the start: integer state, and segments where there are any."""


def flags_text(flags: int) -> str:
    """The flags register in words, `nv up ei pl zr na pe nc`."""
    return " ".join(words[flags >> bit & 1] for bit, *words in (*_FLAGS, *_FLAGS_END))


def register_foot(value: RegisterSet) -> Iterator[str]:
    """What stands below the numbers where they are drawn: the flags in words, the place, the instruction."""
    flags = value.values.get("efl")
    if flags is not None:
        yield f"iopl={flags >> 12 & 3:x}  {flags_text(flags)}"
    if value.symbol:
        yield f"{value.symbol}:"
    if value.instruction is not None:
        yield instruction_line(value.instruction, 4 if value.machine in ("x86", "arm") else 8)


@lines.register(RegisterSet)
def _set(value: RegisterSet) -> Iterator[str]:
    machine, values = value.machine, value.values
    if value.heading:
        yield from value.heading.split("\n")
    mask = value.mask or DEFAULT_MASK.get(machine, 2)
    digits = 16 if machine in ("amd64", "arm64") else 8
    if mask & 3:
        yield from _integer(machine, values, digits)
    if mask & 8 and machine in ("amd64", "x86"):
        yield from _segments(values)
    for bit, layouts in _GROUPS.items():
        if mask & bit:
            yield from _rows(layouts.get(machine, ()), values, digits)
    if mask & 0x100:
        yield from _descriptors(values, digits)
    if mask & 0x4:
        yield from x87_lines(values)
    if mask & 0x10:
        yield from mmx_lines(values)
    if mask & 0x40:
        yield from _vectors(values)
    if mask & 0x800:
        yield from (f"{name}={number:032x}" for name, number in values.items() if name.startswith("xmm"))
    if value.symbol:
        yield f"{value.symbol}:"
    if value.instruction is not None:
        yield instruction_line(value.instruction, digits // 2)


def _rows(layout: Sequence[str], values: Mapping[str, int], digits: int) -> Iterator[str]:
    for row in layout:
        cells = [f"{name:>3}={values[name]:0{digits}x}" for name in row.split() if name in values]
        if cells:
            yield " ".join(cells)


def _integer(machine: str, values: Mapping[str, int], digits: int) -> Iterator[str]:
    rows = list(_rows(_INTEGER.get(machine, ()), values, digits))
    flags = values.get("efl", values.get("eflags", 0))
    state = f"iopl={flags >> 12 & 3:x}         {flags_text(flags)}"
    if machine == "amd64":
        yield from rows
        yield state
    elif machine == "x86":
        yield from rows[:-1]
        yield from (f"{row} {state}" for row in rows[-1:])
    else:
        yield from rows
        status = values.get("cpsr", values.get("psr", 0))
        counter = f" pc={values.get('pc', 0):0{digits}x} " if machine == "arm64" else ""
        letters = "".join(
            letter if status >> bit & 1 else "-" for letter, bit in zip("NZCV", (31, 30, 29, 28), strict=True)
        )
        level = f" EL{status >> 2 & 3}" if machine == "arm64" else ""
        yield f"{counter}psr={status:08x} {letters}{level}"


def _segments(values: Mapping[str, int]) -> Iterator[str]:
    cells = "  ".join(f"{name}={values.get(name, 0):04x}" for name in ("cs", "ss", "ds", "es", "fs", "gs"))
    yield f"{cells}             efl={values.get('efl', values.get('eflags', 0)):08x}"


def _descriptors(values: Mapping[str, int], digits: int) -> Iterator[str]:
    if "gdtr" not in values:
        return
    get = values.get
    yield (
        f"gdtr={get('gdtr', 0):0{digits}x}   gdtl={get('gdtl', 0):04x} idtr={get('idtr', 0):0{digits}x}   "
        f"idtl={get('idtl', 0):04x} tr={get('tr', 0):04x}  ldtr={get('ldtr', 0):04x}"
    )


def _vectors(values: Mapping[str, int]) -> Iterator[str]:
    """Vector registers as four floats, the highest first."""
    for name, number in values.items():
        if name.startswith("xmm"):
            floats = struct.unpack("<4f", number.to_bytes(16, "little"))
            yield f"{name}=" + " ".join(f"{single:g}" for single in reversed(floats))


@lines.register(RegisterValues)
def _values(value: RegisterValues) -> Iterator[str]:
    if value.values:
        yield " ".join(f"{name}={_value(value, name, number)}" for name, number in value.values.items())


# fmt: off
_PIECES = {
    "ib": ("b", "d"), "iw": ("h", "d"), "id": ("i", "d"), "iq": ("q", "d"),
    "ub": ("B", "02x"), "uw": ("H", "04x"), "ud": ("I", "08x"), "uq": ("Q", "016x"),
    "f": ("f", "g"), "d": ("d", "g"),
}
# fmt: on
"""Type -> how a piece is read and shown."""


def _value(value: RegisterValues, name: str, number: int) -> str:
    """In hex, or in the pieces that a type cuts it into."""
    digits = value.widths.get(name, 16)
    kind = value.types.get(name, "").lstrip("0123456789")
    wanted = value.types.get(name, "").removesuffix(kind)
    if not kind and re.fullmatch(r"st[0-7]", name):
        return float80_words(number)
    if kind not in _PIECES:
        return f"{number:0{digits}x}"
    code, form = _PIECES[kind]
    size = struct.calcsize(code)
    count = max(1, min(digits // (2 * size), int(wanted or digits)))
    pieces = struct.unpack(f"<{count}{code}", number.to_bytes(32, "little")[: count * size])
    return " ".join(f"{piece:{form}}" for piece in reversed(pieces))
