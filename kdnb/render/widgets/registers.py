"""The registers of a stop as a widget: groups as tabs, values that changed since the stop before are marked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from kdnb.render.lines import printable
from kdnb.render.text_registers import register_foot

if TYPE_CHECKING:
    from kdnb.results.registers import RegisterSet

__all__ = ["RegistersWidget", "group_of", "rank"]

_HERE = Path(__file__).parent
_SEGMENTS = frozenset(("cs", "ss", "ds", "es", "fs", "gs", "tr", "ldtr", "gdtl", "idtl"))
_ORDER = (
    "rax rbx rcx rdx rsi rdi rip rsp rbp r8 r9 r10 r11 r12 r13 r14 r15 efl "
    "eax ebx ecx edx esi edi eip esp ebp cs ss ds es fs gs"
).split()
"""WinDbg's order; what is not in it comes behind, as it stands."""
_NARROW = frozenset(("efl", "mxcsr", "fpcw", "fpsw", "fptw", "psr", "cpsr"))
_MASKS = {0x3: "general", 0x40: "vector", 0x80: "control", 0x100: "control", 0x20: "debug", 0x8: "segments", 0x4: "x87"}
"""Bits of `rM` and what they ask for, the first that is asked for first."""
_FLAGS = frozenset("iopl of df if tf sf zf af pf cf vip vif".split())


class RegistersWidget(anywidget.AnyWidget):
    """Shows one `RegisterSet`; holds plain text only."""

    _esm = _HERE / "registers.js"
    _css = _HERE / "kdnb.css"
    groups = traitlets.Dict().tag(sync=True)
    """Name of the group -> rows of [register, hex digits, changed, tooltip]."""
    first = traitlets.Unicode().tag(sync=True)
    """The group that is open at first."""
    head = traitlets.Unicode().tag(sync=True)
    foot = traitlets.Unicode().tag(sync=True)

    def __init__(self, value: RegisterSet) -> None:
        groups = groups_of(value)
        asked = (name for bit, name in _MASKS.items() if value.mask & bit and name in groups)
        super().__init__(
            groups=groups,
            first=next(asked, "general"),
            head=printable(value.heading),
            foot=printable("\n".join(register_foot(value))),
        )


def groups_of(value: RegisterSet) -> dict[str, list[list[Any]]]:
    """The registers sorted into tabs; empty groups are left out."""
    digits = 8 if value.machine in ("x86", "arm") else 16
    groups: dict[str, list[list[Any]]] = {}
    for name in sorted(value.values, key=rank):
        number = value.values[name]
        group = group_of(name)
        width = 1 if group == "flags" else 4 if name in _SEGMENTS else 32 if group == "vector" else digits
        width = min(width, 8) if name in _NARROW else width
        groups.setdefault(group, []).append([name, f"{number:0{width}x}", name in value.changed, f"{number:d}"])
    order = ("general", "segments", "flags", "control", "debug", "x87", "vector")
    return {name: groups[name] for name in order if name in groups}


def rank(name: str) -> int:
    """Place of a register in a list."""
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


def group_of(name: str) -> str:
    """The tab that a register belongs to."""
    if name in _SEGMENTS:
        return "segments"
    if name in _FLAGS:
        return "flags"
    if name.startswith(("cr", "xcr", "msr_", "gs_", "fs_")) or name in ("gdtr", "idtr", "mxcsr"):
        return "control"
    if name[:2] == "dr":
        return "debug"
    if name[:2] in ("fp", "st", "mm") and name != "fp":
        return "x87"
    if name[:3] in ("xmm", "ymm") or (name[0] in "vq" and name[1:].isdigit()):
        return "vector"
    return "general"
