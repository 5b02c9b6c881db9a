"""Registers of one processor at one stop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kdnb.results.base import TableResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kdnb.results.disassembly import Instruction

__all__ = ["RegisterSet", "RegisterValues", "order"]

_FIRST = {
    "amd64": "rax rbx rcx rdx rsi rdi rip rsp rbp r8 r9 r10 r11 r12 r13 r14 r15 efl cs ss ds es fs gs",
    "x86": "eax ebx ecx edx esi edi eip esp ebp efl cs ss ds es fs gs",
}
"""In the order of `r`; all others follow in the order of the machine's records."""


def order(machine: str) -> Callable[[str], int]:
    """A sort key for register names: those that `r` shows come first, as it shows them."""
    places = {name: place for place, name in enumerate(_FIRST.get(machine, "").split())}
    return lambda name: places.get(name, len(places))


@dataclass(frozen=True, slots=True, repr=False)
class RegisterSet(TableResult):
    """All registers of a processor, as `r` shows them. `set.rip` and `set["rip"]` give numbers."""

    machine: str
    """`amd64`, `x86`, `arm64` or `arm`."""
    processor: int
    values: Mapping[str, int]
    """Register name in lower case -> value."""
    changed: frozenset[str] = frozenset()
    """Names whose value differs from the stop before."""
    symbol: str = ""
    """`module!name+0x1c` of the instruction pointer."""
    instruction: Instruction | None = None
    mask: int = 0
    """Which groups to show (WinDbg's `rM` bits); 0 is the default set."""
    heading: str = ""
    """Lines shown first: `Last set context:`, or what these registers lack."""

    def __getattr__(self, name: str) -> int:
        try:
            return object.__getattribute__(self, "values")[name.lower()]  # type: ignore[no-any-return]  # untyped attribute access
        except KeyError:
            raise AttributeError(f"no register {name!r} on {self.machine}") from None

    def __getitem__(self, name: str) -> int:
        return self.values[name.lower()]

    def __dir__(self) -> list[str]:
        return [*object.__dir__(self), *self.values]  # super() knows the class before slots were added

    def rows(self) -> list[dict[str, Any]]:
        names = sorted(self.values, key=order(self.machine))
        return [{"register": name, "value": self.values[name], "changed": name in self.changed} for name in names]

    def to_dict(self) -> dict[str, Any]:
        return {"machine": self.machine, "processor": self.processor, **self.values}


@dataclass(frozen=True, slots=True, repr=False)
class RegisterValues(TableResult):
    """A few registers by name, as `r rax, rbx` shows them."""

    values: Mapping[str, int]
    widths: Mapping[str, int]
    """Hex digits shown for each name (1 for a flag)."""
    types: Mapping[str, str] = field(default_factory=dict)
    """`uw` and the like for those that are shown in pieces (`r rax:uw`), the highest first."""

    def __getitem__(self, name: str) -> int:
        return self.values[name.lower()]

    def __int__(self) -> int:
        (value,) = self.values.values()
        return value

    def rows(self) -> list[dict[str, Any]]:
        return [{"register": name, "value": value} for name, value in self.values.items()]
