"""DR0-3, DR6 and DR7: what they ask for (Intel SDM volume 3, 17.2). Emulating them is `cpu`'s."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["DebugRegisters", "Watch"]

SINGLE_STEP_BIT = 0x4000
DR6_FIXED, DR7_FIXED = 0xFFFF0FF0, 0x400
_EXECUTE, _WRITE, _ACCESS = 0, 1, 3
_LENGTHS = {0: 1, 1: 2, 2: 8, 3: 4}


@dataclass(frozen=True, slots=True)
class Watch:
    """One enabled breakpoint: execution, or a write, or any access to `size` bytes."""

    number: int
    address: int
    size: int
    executes: bool
    reads: bool


@dataclass(slots=True)
class DebugRegisters:
    """The registers of one processor, as KSPECIAL_REGISTERS holds them."""

    addresses: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    dr6: int = DR6_FIXED
    dr7: int = DR7_FIXED

    def watches(self) -> list[Watch]:
        """The enabled ones. Breakpoints on I/O (type 2) don't exist on this board."""
        result = []
        for number, address in enumerate(self.addresses):
            kind = self.dr7 >> (16 + 4 * number) & 3
            if self.dr7 >> (2 * number) & 3 and kind in (_EXECUTE, _WRITE, _ACCESS):
                size = 1 if kind == _EXECUTE else _LENGTHS[self.dr7 >> (18 + 4 * number) & 3]
                aligned = address if kind == _EXECUTE else address & ~(size - 1)
                result.append(Watch(number, aligned, size, kind == _EXECUTE, kind == _ACCESS))
        return result
