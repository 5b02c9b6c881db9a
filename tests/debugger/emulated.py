"""Runs a built image in an emulated CPU and knows the true call chain at every instruction.

The chain is kept beside the program, from the calls and returns it executes; nothing of it comes from unwind data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import capstone
import unicorn
from unicorn import x86_const

from kdnb.errors import MemoryReadError
from kdnb.symbols.pe import PeImage

if TYPE_CHECKING:
    from collections.abc import Callable

BASE = 0x1_8000_0000
STACK, STACK_SIZE = 0x7000_0000, 0x40_0000
GENERAL = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip".split()
XMM = [f"xmm{number}" for number in range(6, 16)]
NONVOLATILE = ["rbx", "rbp", "rsi", "rdi", "r12", "r13", "r14", "r15", "rsp", *XMM]


@dataclass(frozen=True)
class Caller:
    """What the callee must leave behind: where it returns to, and the registers then."""

    rip: int
    registers: dict[str, int]
    is_trap: bool = False


class Program:
    """A program with one image; it is its own memory, module and module lookup."""

    frame_table = None

    def __init__(self, data: bytes) -> None:
        self.base = BASE
        file_image = PeImage.from_file(data)
        self.size = file_image.size_of_image
        self.uc = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
        self.uc.mem_map(BASE, (self.size + 0xFFF) & ~0xFFF)
        self.uc.mem_write(BASE, file_image.read(0, self.size))
        self.uc.mem_map(STACK, STACK_SIZE)
        self.image = PeImage.parse(self.read, BASE)
        self.code = [
            (BASE + section.rva, BASE + section.rva + section.virtual_size)
            for section in self.image.sections
            if section.is_code
        ]

    def read(self, address: int, size: int) -> bytes:
        try:
            return bytes(self.uc.mem_read(address, size))
        except unicorn.UcError:
            raise MemoryReadError(address, size) from None

    def find(self, address: int) -> Program | None:
        return self if self.base <= address < self.base + self.size else None

    def registers(self) -> dict[str, int]:
        names = [*GENERAL, *XMM]
        return {name: self.uc.reg_read(getattr(x86_const, f"UC_X86_REG_{name.upper()}")) for name in names}

    def run(self, entry: int, symbols: dict[str, int], check: Callable[[dict[str, int], list[Caller]], None]) -> None:
        """Run from `entry` to `TheEnd`; `check` sees the registers and the callers, outermost first."""
        decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
        chain = [Caller(0, {})]
        before: tuple[str, int, dict[str, int]] = ("", 0, {})
        pushing = False

        def hook(uc: unicorn.Uc, address: int, size: int, _: object) -> None:
            nonlocal before, pushing
            mnemonic, end, registers = before
            if mnemonic == "call":
                chain.append(Caller(end, registers))
            elif mnemonic == "ret":
                chain.pop()
            current = self.registers()
            if address == symbols["trap_push"]:
                chain.append(Caller(symbols["trap_resume"], current, is_trap=True))
                pushing = True
            elif address == symbols["trap_handler"]:
                pushing = False
            elif address == symbols["trap_leave"]:
                pushing = True
            elif address == symbols["trap_resume"]:
                chain.pop()
                pushing = False
            if not pushing:
                check(current, chain)
            if address == symbols["TheEnd"]:
                uc.emu_stop()
            before = (next(decoder.disasm_lite(self.read(address, size), address))[2], address + size, current)

        top = STACK + STACK_SIZE - 0x108
        self.uc.reg_write(x86_const.UC_X86_REG_RSP, top)
        handle = self.uc.hook_add(unicorn.UC_HOOK_CODE, hook)
        self.uc.emu_start(entry, 0, count=200_000)
        self.uc.hook_del(handle)
