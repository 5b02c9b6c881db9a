"""The registers of a stop as a widget: groups as tabs, values that changed since the stop before are marked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from kdnb.results.addresses import format_address

if TYPE_CHECKING:
    from kdnb.results.registers import RegisterSet

__all__ = ["RegistersWidget"]

_HERE = Path(__file__).parent
_SEGMENTS = frozenset(("cs", "ss", "ds", "es", "fs", "gs", "tr", "ldtr", "gdtl", "idtl"))
_FLAGS = frozenset("iopl of df if tf sf zf af pf cf vip vif".split())


class RegistersWidget(anywidget.AnyWidget):
    """Shows one `RegisterSet`; holds plain text only."""

    _esm = _HERE / "registers.js"
    _css = _HERE / "kdnb.css"
    groups = traitlets.Dict().tag(sync=True)
    """Name of the group -> rows of [register, hex digits, changed, tooltip]."""
    foot = traitlets.Unicode().tag(sync=True)

    def __init__(self, value: RegisterSet) -> None:
        super().__init__(groups=groups_of(value), foot=_foot(value))


def groups_of(value: RegisterSet) -> dict[str, list[list[Any]]]:
    """The registers sorted into tabs; empty groups are left out."""
    digits = 8 if value.machine in ("x86", "arm") else 16
    groups: dict[str, list[list[Any]]] = {}
    for name, number in value.values.items():
        group = _group(name)
        width = 1 if group == "flags" else 4 if name in _SEGMENTS else 32 if group == "vector" else digits
        groups.setdefault(group, []).append([name, f"{number:0{width}x}", name in value.changed, f"{number:d}"])
    order = ("general", "segments", "flags", "control", "debug", "vector")
    return {name: groups[name] for name in order if name in groups}


def _group(name: str) -> str:
    if name in _SEGMENTS:
        return "segments"
    if name in _FLAGS:
        return "flags"
    if name[:2] == "cr" or name in ("gdtr", "idtr", "mxcsr"):
        return "control"
    if name[:2] == "dr":
        return "debug"
    if name[:3] in ("xmm", "ymm") or (name[0] in "vq" and name[1:].isdigit()) or name[:2] in ("st", "mm"):
        return "vector"
    return "general"


def _foot(value: RegisterSet) -> str:
    if value.instruction is None:
        return value.symbol
    here = value.instruction
    address = format_address(here.address, 4 if value.machine in ("x86", "arm") else 8)
    return f"{value.symbol}:\n{address} {here.data.hex()}  {here.mnemonic} {here.operands} {here.annotation}".rstrip()
