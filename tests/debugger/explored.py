"""Runs the functions of an image one by one in an emulated CPU, along as many of their ways as can be forced.

For images that can't run as programs, since the system below them is missing: calls are stepped over, and each
branch goes to where the run hasn't been. So every instruction that a way leads to is met with the registers and the
stack that a debugger would see there, and the caller is known: it is the one that was set up.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import capstone
import unicorn
from unicorn import x86_const

from kdnb.errors import MemoryReadError
from kdnb.protocol.constants import MachineType
from kdnb.symbols.pe import PeImage
from tests.debugger.emulated_other import ARM64, X86, Cpu

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kdnb.symbols.frame_data import FrameTable

__all__ = ["ARM64", "IMPORTED", "X64", "X86", "Explored", "Place"]

_GENERAL = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip".split()
_XMM = [f"xmm{number}" for number in range(6, 16)]
X64 = Cpu(
    MachineType.AMD64,
    unicorn.UC_ARCH_X86,
    unicorn.UC_MODE_64,
    (capstone.CS_ARCH_X86, capstone.CS_MODE_64),
    {name: getattr(x86_const, f"UC_X86_REG_{name.upper()}") for name in (*_GENERAL, *_XMM)},
    "rip",
    "rsp",
    ("call",),
    ("ret",),
    ("rbx", "rbp", "rsi", "rdi", "r12", "r13", "r14", "r15", *_XMM),
    True,
)

STACK, STACK_SIZE = 0x7000_0000, 0x40_0000
ARENA, ARENA_SIZE = 0x6000_0000, 0x10_0000
TABLES = 0x6100_0000
RETURN = 0x5555_5550
IMPORTED = 0x5100_0000
_RUNS, _STEPS, _STALE = 10, 600, 120
_MOST_PAGES = 4000
_STOPS = ("int3", "ud2", "hlt", "int", "brk")


@dataclass(frozen=True)
class Place:
    """One instruction that was met. `exact` is false for the place behind a call, seen from what was called."""

    rva: int
    registers: dict[str, int]
    caller: dict[str, int]
    exact: bool


@dataclass(frozen=True)
class _Line:
    kind: str
    mnemonic: str
    operands: str
    size: int
    target: int | None
    stores: bool
    """Whether it stores where more than the stack or frame pointer says."""


class Explored:
    """An image; it is its own memory, module and module lookup."""

    def __init__(
        self,
        cpu: Cpu,
        data: bytes,
        frame_table: FrameTable | None = None,
        popped: Callable[[int], int | None] = lambda target: 0,
        enters: frozenset[int] = frozenset(),
    ) -> None:
        """`enters` are the addresses of helpers that change their caller's frame: they are run. x86: `popped` says
        how many bytes what is called at an address takes from the stack (None: unknown, the way ends there)."""
        self.cpu, self.frame_table, self.popped, self.enters = cpu, frame_table, popped, enters
        file_image = PeImage.from_file(data)
        self.base, self.size = file_image.image_base, file_image.size_of_image
        self.uc = unicorn.Uc(cpu.architecture, cpu.mode)
        self.uc.mem_map(self.base, (self.size + 0xFFF) & ~0xFFF)
        self.uc.mem_write(self.base, file_image.read(0, self.size))
        self.uc.mem_map(STACK, STACK_SIZE)
        self.uc.mem_map(ARENA, ARENA_SIZE)
        if cpu.machine == MachineType.I386:
            self._use_flat_segments()
        self.uc.hook_add(unicorn.UC_HOOK_MEM_UNMAPPED, self._map)
        self.image = PeImage.parse(self.read, self.base)
        self._decoder = capstone.Cs(*cpu.decoder)
        self._decoder.detail = True
        self._lines: dict[int, _Line | None] = {}
        self._random = random.Random(1)
        self._pages = 0
        self._return = RETURN
        self.met: set[int] = set()
        """RVAs of all instructions that were met."""

    def find(self, address: int) -> Explored | None:
        return self if self.base <= address < self.base + self.size else None

    def read(self, address: int, size: int) -> bytes:
        try:
            return bytes(self.uc.mem_read(address, size))
        except unicorn.UcError:
            raise MemoryReadError(address, size) from None

    def registers(self) -> dict[str, int]:
        return {name: self.uc.reg_read(number) for name, number in self.cpu.registers.items()}

    def ways(self, entry: int, ranges: Iterable[tuple[int, int]], prolog: int = 0) -> Iterator[Place]:
        """Each instruction of the function at the RVA `entry` once, as it is met; `ranges` are all its parts, and
        stores through registers are left out behind the first `prolog` bytes: a way that the program could not take
        would write over its own frame."""
        parts = tuple(ranges)
        visited: set[int] = set()
        for run in range(_RUNS):
            before = len(visited)
            yield from self._run(entry, parts, prolog, visited)
            if run > 2 and len(visited) == before:
                break
        self.met |= visited

    def _run(self, entry: int, parts: tuple[tuple[int, int], ...], prolog: int, visited: set[int]) -> Iterator[Place]:
        caller, pc, stale = self._start(), self.base + entry, 0
        for _ in range(_STEPS):
            rva = pc - self.base
            line = self._line(pc) if _inside(rva, parts) else None
            if line is None:
                return
            stale += 1
            if rva not in visited:
                visited.add(rva)
                stale = 0
                yield Place(rva, self.registers() | {self.cpu.pc: pc}, caller, exact=True)
            if stale > _STALE or line.kind == "return" or line.mnemonic in _STOPS:
                return
            behind = pc + line.size
            if line.kind == "call":
                if _inside(behind - self.base, parts) and line.target not in self.enters:
                    yield Place(behind - self.base, self.registers() | {self.cpu.pc: behind}, caller, exact=False)
                following = self._call(pc, line)
            elif line.kind == "jump" and line.target is not None:
                following = self._branch(line, behind, parts, visited)
            elif line.stores and not entry <= rva < entry + prolog:
                following = behind
            else:
                following = self._step(pc, behind, line)
            if following is None:
                return
            pc = following

    def _use_flat_segments(self) -> None:
        """Without descriptors unicorn may fall back to a 16-bit stack."""
        self.uc.mem_map(TABLES, 0x1000)
        flat = 0x00CF_0000_0000_FFFF
        self.uc.mem_write(TABLES, struct.pack("<3Q", 0, flat | 0x9B << 40, flat | 0x93 << 40))
        self.uc.reg_write(x86_const.UC_X86_REG_GDTR, (0, TABLES, 23, 0))
        self.uc.reg_write(x86_const.UC_X86_REG_CS, 8)
        for register in "ss", "ds", "es", "fs":
            self.uc.reg_write(getattr(x86_const, f"UC_X86_REG_{register.upper()}"), 16)

    def return_behind(self, address: int) -> None:
        """The caller is from now on what calls just before `address`: walkers that look for a return address know one
        by the call."""
        self._return = address

    def _start(self) -> dict[str, int]:
        """Registers and a stack with a return address; gives what the caller must be found with."""
        for name, number in self.cpu.registers.items():
            if name not in (self.cpu.sp, self.cpu.pc):
                self.uc.reg_write(number, ARENA + 0x1000 * self._random.randrange(64))
        pointer = 8 if self.cpu.machine != MachineType.I386 else 4
        top = STACK + STACK_SIZE - 0x8000 - 0x100 * self._random.randrange(8)
        self.uc.mem_write(STACK + STACK_SIZE - 0x10000, bytes(0x10000))
        if self.cpu.pushes_return:
            self.uc.mem_write(top - pointer, self._return.to_bytes(pointer, "little"))
            self.uc.reg_write(self.cpu.registers[self.cpu.sp], top - pointer)
        else:
            self.uc.reg_write(self.cpu.registers["lr"], self._return)
            self.uc.reg_write(self.cpu.registers[self.cpu.sp], top)
        values = self.registers()
        return {name: values[name] for name in self.cpu.nonvolatile} | {self.cpu.pc: self._return, self.cpu.sp: top}

    def _call(self, pc: int, line: _Line) -> int | None:
        behind = pc + line.size
        target = line.target
        if self.cpu.machine == MachineType.I386 and target is None:
            target = self._pointed(pc, line)
        if target in self.enters:
            return self._through(pc, behind)
        if self.cpu.machine == MachineType.I386:
            popped = self.popped(target) if target is not None else None
            if popped is None:
                return None
            self._write("esp", self._read("esp") + popped)
            self._write("eax", self._random.choice((0, 1, ARENA + 0x8000)))
        elif self.cpu.machine == MachineType.AMD64:
            probe = self._line(behind)
            if probe is not None and probe.mnemonic == "sub" and probe.operands.startswith("rsp"):
                self._write("rax", self._read("rax") & 0xFFFF)  # __chkstk keeps it
            else:
                self._write("rax", self._random.choice((0, 1, ARENA + 0x8000)))
        else:
            self._write("x0", self._random.choice((0, 1, ARENA + 0x8000)))
            self._write("lr", behind)
        return behind

    def _pointed(self, pc: int, line: _Line) -> int | None:
        """Where a call through a register or memory goes."""
        sp = self._read("esp")
        target = self._step(pc, 0, line)
        self._write("esp", sp)
        return target

    def _through(self, pc: int, behind: int) -> int | None:
        """Run a call up to where it comes back."""
        try:
            self.uc.emu_start(pc, behind, count=5000)
        except unicorn.UcError:
            return None
        return behind if self._read(self.cpu.pc) == behind else None

    def _branch(self, line: _Line, behind: int, parts: tuple[tuple[int, int], ...], visited: set[int]) -> int | None:
        assert line.target is not None
        if line.mnemonic in ("jmp", "b"):
            return line.target
        choices = [at for at in (behind, line.target) if _inside(at - self.base, parts)]
        fresh = [at for at in choices if at - self.base not in visited]
        return self._random.choice(fresh or choices) if choices else None

    def _step(self, pc: int, behind: int, line: _Line) -> int | None:
        try:
            self.uc.emu_start(pc, 0, count=1)
        except unicorn.UcError:
            return None
        if line.mnemonic.startswith("rep"):
            return behind
        following = self._read(self.cpu.pc)
        return following if following != pc else behind

    def _line(self, address: int) -> _Line | None:
        if address not in self._lines:
            found = next(self._decoder.disasm(self.read(address, 15), address, 1), None)
            self._lines[address] = self._describe(found) if found is not None else None
        return self._lines[address]

    def _describe(self, found: capstone.CsInsn) -> _Line:
        kind = ""
        if found.mnemonic in self.cpu.calls:
            kind = "call"
        elif found.mnemonic in self.cpu.returns:
            kind = "return"
        elif found.group(capstone.CS_GRP_JUMP):
            kind = "jump"
        target, stores = None, False
        for operand in found.operands:
            if kind in ("jump", "call") and operand.type == capstone.CS_OP_IMM:
                target = operand.imm & (1 << 64) - 1
        stack = (self.cpu.sp, "rbp", "ebp", "fp", "x29")
        for operand in found.operands:
            if operand.type == capstone.CS_OP_MEM and _writes(found, operand, self.cpu):
                base = found.reg_name(operand.mem.base) if operand.mem.base else ""
                stores = bool(operand.mem.index) or bool(base and base not in stack)
        return _Line(kind, found.mnemonic, found.op_str, found.size, target, stores)

    def _read(self, name: str) -> int:
        return int(self.uc.reg_read(self.cpu.registers[name]))

    def _write(self, name: str, value: int) -> None:
        self.uc.reg_write(self.cpu.registers[name], value)

    def _map(self, uc: unicorn.Uc, _access: int, address: int, size: int, _value: int, _data: object) -> bool:
        """Whatever a wild pointer leads to is there, up to a limit."""
        self._pages += 1
        try:
            uc.mem_map(address & ~0xFFF, 0x2000 if (address & 0xFFF) + size > 0x1000 else 0x1000)
        except unicorn.UcError:
            return False
        return self._pages < _MOST_PAGES


def _inside(rva: int, parts: tuple[tuple[int, int], ...]) -> bool:
    return any(begin <= rva < end for begin, end in parts)


def _writes(found: capstone.CsInsn, operand: object, cpu: Cpu) -> bool:
    if cpu.machine == MachineType.ARM64:
        return found.mnemonic.startswith("st")
    return bool(operand.access & capstone.CS_AC_WRITE)  # type: ignore[attr-defined]  # capstone leaves it unannotated
