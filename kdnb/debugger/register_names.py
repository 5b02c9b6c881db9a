"""Names of registers that are parts of others: sub-registers and flags. Data, and the arithmetic on them."""

from __future__ import annotations

from dataclasses import dataclass

from kdnb.protocol.constants import MachineType

__all__ = ["ALIASES", "FLAGS", "HIDDEN", "Part", "part_of", "parts", "program_counter", "stack_pointer"]


@dataclass(frozen=True, slots=True)
class Part:
    """`size` bits of `register` from bit `shift` on."""

    register: str
    shift: int
    size: int

    def extract(self, whole: int) -> int:
        return whole >> self.shift & ((1 << self.size) - 1)

    def insert(self, whole: int, value: int) -> int:
        """`whole` with this part replaced; the rest stays, as in WinDbg."""
        mask = ((1 << self.size) - 1) << self.shift
        return whole & ~mask | value << self.shift & mask


FLAGS = {
    "cf": Part("efl", 0, 1),
    "pf": Part("efl", 2, 1),
    "af": Part("efl", 4, 1),
    "zf": Part("efl", 6, 1),
    "sf": Part("efl", 7, 1),
    "tf": Part("efl", 8, 1),
    "if": Part("efl", 9, 1),
    "df": Part("efl", 10, 1),
    "of": Part("efl", 11, 1),
    "iopl": Part("efl", 12, 2),
    "vif": Part("efl", 19, 1),
    "vip": Part("efl", 20, 1),
}

ALIASES = {"eflags": "efl", "rflags": "efl"}

HIDDEN = ("p1_home", "p2_home", "p3_home", "p4_home", "p5_home", "p6_home", "context_flags", "cr0_npx_state")
"""Fields of CONTEXT that are no registers, besides those that begin with one of `HIDDEN_PREFIXES`."""
HIDDEN_PREFIXES = ("fp_", "vector_", "last_", "debug_control")


def _amd64() -> dict[str, Part]:
    found: dict[str, Part] = {}
    for letter in "abcd":
        whole = f"r{letter}x"
        found |= {f"e{letter}x": Part(whole, 0, 32), f"{letter}x": Part(whole, 0, 16)}
        found |= {f"{letter}l": Part(whole, 0, 8), f"{letter}h": Part(whole, 8, 8)}
    for name in ("si", "di", "bp", "sp"):
        whole = f"r{name}"
        found |= {f"e{name}": Part(whole, 0, 32), name: Part(whole, 0, 16), f"{name}l": Part(whole, 0, 8)}
    found |= {"eip": Part("rip", 0, 32), "ip": Part("rip", 0, 16)}
    for number in range(8, 16):
        whole = f"r{number}"
        found |= {f"{whole}d": Part(whole, 0, 32), f"{whole}w": Part(whole, 0, 16), f"{whole}b": Part(whole, 0, 8)}
    return found


def _x86() -> dict[str, Part]:
    found: dict[str, Part] = {}
    for letter in "abcd":
        whole = f"e{letter}x"
        found |= {f"{letter}x": Part(whole, 0, 16), f"{letter}l": Part(whole, 0, 8), f"{letter}h": Part(whole, 8, 8)}
    return found | {name: Part(f"e{name}", 0, 16) for name in ("si", "di", "bp", "sp", "ip")}


_PARTS = {MachineType.AMD64: _amd64() | FLAGS, MachineType.I386: _x86() | FLAGS}


def parts(machine: MachineType) -> dict[str, Part]:
    """All names of parts on a machine."""
    return _PARTS.get(machine, {})


def part_of(machine: MachineType, name: str) -> Part | None:
    return parts(machine).get(name)


def program_counter(machine: MachineType) -> str:
    return {MachineType.AMD64: "rip", MachineType.I386: "eip"}.get(machine, "pc")


def stack_pointer(machine: MachineType) -> str:
    return {MachineType.AMD64: "rsp", MachineType.I386: "esp"}.get(machine, "sp")
