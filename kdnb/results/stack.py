"""Stack traces, as the `k` commands show them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kdnb.results.base import Result, TableResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kdnb.results.locals import Local
    from kdnb.results.registers import RegisterSet

__all__ = ["Frame", "FrameRegisters", "Stack"]


@dataclass(frozen=True, slots=True, repr=False)
class Frame(Result):
    """One call on the stack, innermost first. Addresses are numbers."""

    number: int
    child_sp: int
    """Stack pointer in this frame (x64), or ChildEBP (x86)."""
    return_address: int
    instruction_pointer: int
    symbol: str
    """`module!name+0x1c`, or the address where there is no module."""
    module: str = ""
    arguments: tuple[int, ...] = ()
    """The home space (x64) or the three stack words (x86); on x64 seldom the true arguments."""
    registers: Mapping[str, int] = field(default_factory=dict)
    """Registers as far as the unwinder knows them in this frame."""
    trap_frame: int | None = None
    source: str = ""
    """`file @ line`, where the PDB knows it."""
    frame_summary: str = ""
    """x86: what the PDB notes of the frame, `FPO: [1,0,0]`."""
    warning: str = ""
    """Line shown before this frame: why the following frames may be wrong."""
    is_guess: bool = False
    """Found by looking through the stack for return addresses, since nothing said where the caller is."""
    parameters: tuple[Local, ...] = ()
    """Typed parameters, where they were asked for (`kp`) and the PDB has them."""
    function_entry: tuple[int, int, int] | None = None
    """RUNTIME_FUNCTION as addresses: begin, end, unwind info."""


@dataclass(frozen=True, slots=True, repr=False)
class FrameRegisters(Result):
    """A frame with all its registers (`.frame /r`)."""

    frame: Frame
    registers: RegisterSet


@dataclass(frozen=True, slots=True, repr=False)
class Stack(TableResult):
    """A stack trace. Indexing, `len` and iteration give frames."""

    frames: tuple[Frame, ...]
    machine: str
    processor: int
    address_size: int
    columns: str = "k"
    """The command that asked: `k`, `kb`, `kn`, `kv`, `kc`, `kf`, ..."""
    note: str = ""
    """Why the walk ended early, if it did."""
    heading: str = ""
    """Line shown first: whose registers the walk began with, where these are not the processor's."""

    def __len__(self) -> int:
        return len(self.frames)

    def __iter__(self) -> Iterator[Frame]:
        return iter(self.frames)

    def __getitem__(self, index: int) -> Frame:
        return self.frames[index]

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "frame": f.number,
                "child_sp": f.child_sp,
                "return_address": f.return_address,
                "instruction_pointer": f.instruction_pointer,
                "symbol": f.symbol,
                "module": f.module,
                "is_guess": f.is_guess,
            }
            for f in self.frames
        ]
