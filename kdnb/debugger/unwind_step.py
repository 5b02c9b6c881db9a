"""One step of a stack walk, as the walkers of each machine return it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kdnb.results.memory import MemoryReader
    from kdnb.symbols.frame_data import FrameTable
    from kdnb.symbols.pe import PeImage
    from kdnb.symbols.unwind_info import RuntimeFunction

__all__ = ["CodeModule", "ModuleLookup", "UnwindStep", "read_integer"]


class CodeModule(Protocol):
    """A loaded image as the walkers need it."""

    @property
    def base(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def image(self) -> PeImage | None:
        """The image in target memory; None where its headers can't be read."""
        ...

    @property
    def frame_table(self) -> FrameTable | None:
        """x86: the PDB's notes on frames; None without a PDB."""
        ...


class ModuleLookup(Protocol):
    """Finds the module around an address."""

    def find(self, address: int) -> CodeModule | None: ...


@dataclass(frozen=True, slots=True)
class UnwindStep:
    """The caller's registers, and how they were found."""

    registers: Mapping[str, int]
    function: RuntimeFunction | None = None
    """Entry of the function that was left, as RVAs."""
    frame_pointer: int = 0
    """Base of the frame that was left, for display (x86: ChildEBP)."""
    trap_frame: int | None = None
    """Where the processor's frame lies, when one was left: the caller was interrupted, its PC is exact."""
    warning: str = ""
    saved: Mapping[str, int] = field(default_factory=dict)
    """Where the restored registers were saved: name to address."""
    parameter_size: int = 0
    """x86: bytes of arguments of the function that was left, on top of its caller's frame."""
    frame_summary: str = ""
    """x86: what kv says of the frame, `FPO: [1,0,0]`."""


def read_integer(memory: MemoryReader, address: int, size: int = 8) -> int:
    """An unsigned little-endian integer; addresses wrap at 64 bits. Raises `MemoryReadError`."""
    return int.from_bytes(memory.read(address & 0xFFFFFFFFFFFFFFFF, size), "little")
