"""What `!analyze` finds out about a bug check or an exception."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.results.base import Result

if TYPE_CHECKING:
    from kdnb.results.disassembly import Instruction
    from kdnb.results.stack import Stack

__all__ = ["Analysis"]


@dataclass(frozen=True, slots=True, repr=False)
class Analysis(Result):
    """A triage. Fields that can't be known are empty, and `unknown` says why."""

    code: int
    """Bug check code; 0 where the target is stopped by something else."""
    name: str
    explanation: str
    parameters: tuple[int, ...]
    meanings: tuple[str, ...]
    """What each parameter means; shorter than `parameters` where that is not known."""
    address_size: int
    stack: Stack
    """From the fault where that is known, else from where the processor stands."""
    verbose: bool = True
    exception_code: int = 0
    trap_frame: int | None = None
    exception_record: int | None = None
    context_record: int | None = None
    task: int | None = None
    """x86: selector of the TSS that a double fault left the registers in."""
    faulting_address: int | None = None
    """Memory that was touched wrongly."""
    access: str = ""
    """`read`, `write` or `execute`."""
    faulting_ip: int | None = None
    faulting_symbol: str = ""
    faulting_instruction: Instruction | None = None
    irql: int | None = None
    process_name: str = ""
    symbol: str = ""
    """The frame to look at first: the first one outside the kernel."""
    module: str = ""
    image: str = ""
    bucket: str = ""
    stack_command: str = ""
    unknown: tuple[str, ...] = ()
