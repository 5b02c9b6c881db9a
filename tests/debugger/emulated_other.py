"""Runs x86 and ARM64 images in an emulated CPU and knows the true call chain at every instruction.

As `emulated` does for x64: the chain is kept from the calls and returns that are executed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import capstone
import unicorn
from unicorn import arm64_const, x86_const

from kdnb.errors import MemoryReadError
from kdnb.protocol.constants import MachineType
from kdnb.symbols.pe import PeImage

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.symbols.frame_data import FrameTable

BASE = 0x4000_0000
STACK, STACK_SIZE = 0x1000_0000, 0x20_0000


@dataclass(frozen=True)
class Cpu:
    """What differs between the machines."""

    machine: MachineType
    architecture: int
    mode: int
    decoder: tuple[int, int]
    registers: dict[str, int]
    pc: str
    sp: str
    calls: tuple[str, ...]
    returns: tuple[str, ...]
    nonvolatile: tuple[str, ...]
    pushes_return: bool


X86 = Cpu(
    MachineType.I386,
    unicorn.UC_ARCH_X86,
    unicorn.UC_MODE_32,
    (capstone.CS_ARCH_X86, capstone.CS_MODE_32),
    {n: getattr(x86_const, f"UC_X86_REG_{n.upper()}") for n in "eax ebx ecx edx esi edi ebp esp eip".split()},
    "eip",
    "esp",
    ("call",),
    ("ret",),
    ("ebx", "esi", "edi", "ebp"),
    True,
)
ARM64 = Cpu(
    MachineType.ARM64,
    unicorn.UC_ARCH_ARM64,
    unicorn.UC_MODE_ARM,
    (capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM),
    {f"x{n}": getattr(arm64_const, f"UC_ARM64_REG_X{n}") for n in range(29)}
    | {"fp": arm64_const.UC_ARM64_REG_X29, "lr": arm64_const.UC_ARM64_REG_X30}
    | {n: getattr(arm64_const, f"UC_ARM64_REG_{n.upper()}") for n in ("sp", "pc")}
    | {f"v{n}": getattr(arm64_const, f"UC_ARM64_REG_Q{n}") for n in range(8, 16)},
    "pc",
    "sp",
    ("bl", "blr"),
    ("ret",),
    (*(f"x{n}" for n in range(19, 29)), "fp"),
    False,
)


@dataclass(frozen=True)
class Caller:
    """What the callee must leave behind."""

    pc: int
    registers: dict[str, int] = field(default_factory=dict)


class Emulated:
    """A program with one image; it is its own memory, module and module lookup."""

    def __init__(self, cpu: Cpu, data: bytes, frame_table: FrameTable | None = None) -> None:
        self.cpu, self.base, self.frame_table = cpu, BASE, frame_table
        file_image = PeImage.from_file(data)
        assert file_image.image_base == BASE
        self.size = file_image.size_of_image
        self.uc = unicorn.Uc(cpu.architecture, cpu.mode)
        self.uc.mem_map(BASE, (self.size + 0xFFF) & ~0xFFF)
        self.uc.mem_write(BASE, file_image.read(0, self.size))
        self.uc.mem_map(STACK, STACK_SIZE)
        self.image = PeImage.parse(self.read, BASE)

    def read(self, address: int, size: int) -> bytes:
        try:
            return bytes(self.uc.mem_read(address, size))
        except unicorn.UcError:
            raise MemoryReadError(address, size) from None

    def find(self, address: int) -> Emulated | None:
        return self if self.base <= address < self.base + self.size else None

    def registers(self) -> dict[str, int]:
        return {name: self.uc.reg_read(number) for name, number in self.cpu.registers.items()}

    def run(self, entry: int, end: int, check: Callable[[dict[str, int], list[Caller]], None]) -> None:
        """Run from `entry` to `end`; `check` sees the registers and the callers, outermost first."""
        decoder = capstone.Cs(*self.cpu.decoder)
        chain = [Caller(0)]
        before: tuple[str, int, dict[str, int]] = ("", 0, {})

        def hook(uc: unicorn.Uc, address: int, size: int, _: object) -> None:
            nonlocal before
            mnemonic, behind, registers = before
            if mnemonic in self.cpu.calls:
                chain.append(Caller(behind, registers))
            elif mnemonic in self.cpu.returns:
                chain.pop()
            current = self.registers() | {self.cpu.pc: address}
            if address == end:
                uc.emu_stop()
                return
            check(current, chain)
            before = (next(decoder.disasm_lite(self.read(address, size), address))[2], address + size, current)

        self.uc.reg_write(self.cpu.registers[self.cpu.sp], STACK + STACK_SIZE - 0x108)
        if not self.cpu.pushes_return:
            self.uc.reg_write(self.cpu.registers["lr"], 0)
        handle = self.uc.hook_add(unicorn.UC_HOOK_CODE, hook)
        self.uc.emu_start(entry, 0, count=200_000)
        self.uc.hook_del(handle)
