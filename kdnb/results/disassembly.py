"""Instructions, as `u`, `ub` and the last line of `r` show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kdnb.results.base import TableResult, plain

__all__ = ["Call", "CallList", "Disassembly", "FunctionCode", "Instruction"]


@dataclass(frozen=True, slots=True, repr=False)
class Instruction(TableResult):
    """One instruction. `data` is empty where memory could not be read."""

    address: int
    data: bytes
    mnemonic: str
    operands: str
    """MASM text; symbols and `(address)` already in it."""
    label: str = ""
    """`module!name` when a symbol starts a new function here, or `module!name+0x12` at the head of a listing."""
    annotation: str = ""
    """Effective address and value, or `[br=1]`; only at the current instruction."""
    target: int | None = None
    """Address that a direct call or jump goes to."""
    is_call: bool = False
    is_return: bool = False
    is_jump: bool = False
    encoding: str = ""
    """How the bytes are shown where not one by one: ARM64 instructions are words."""
    breakpoint: int | None = None
    """Number of the debugger's own breakpoint at this address."""

    def rows(self) -> list[dict[str, Any]]:
        return [self.to_dict()]

    @property
    def size(self) -> int:
        return len(self.data)


@dataclass(frozen=True, slots=True, repr=False)
class Disassembly(TableResult):
    """A run of instructions."""

    instructions: tuple[Instruction, ...]
    address_size: int
    """Bytes of an address of the target: 4 or 8."""
    note: str = ""
    """Why the listing ends early: `Memory access error in 'u ...'`."""
    with_bytes: bool = True
    """Whether the bytes of the code are shown (`.asm`)."""

    def rows(self) -> list[dict[str, Any]]:
        return [plain(instruction) for instruction in self.instructions]


@dataclass(frozen=True, slots=True, repr=False)
class FunctionCode(TableResult):
    """A whole function (`uf`): its basic blocks, in address order."""

    blocks: tuple[tuple[Instruction, ...], ...]
    address_size: int
    with_bytes: bool = True
    with_count: bool = False
    """Whether the number of instructions is shown (`/i`)."""

    @property
    def instructions(self) -> tuple[Instruction, ...]:
        """All of them, one after the other."""
        return tuple(instruction for block in self.blocks for instruction in block)

    def rows(self) -> list[dict[str, Any]]:
        return [plain(instruction) for instruction in self.instructions]


@dataclass(frozen=True, slots=True)
class Call:
    """One call in a function; `target` is None where a register or memory says where it goes."""

    address: int
    symbol: str
    target: int | None
    target_symbol: str
    """The callee, or the operand of an indirect call."""


@dataclass(frozen=True, slots=True, repr=False)
class CallList(TableResult):
    """The calls that a function makes (`uf /c`)."""

    address: int
    symbol: str
    calls: tuple[Call, ...]
    address_size: int

    def rows(self) -> list[dict[str, Any]]:
        return [plain(call) for call in self.calls]
