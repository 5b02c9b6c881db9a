"""The records that hold a processor's registers for a debugger, by machine: `contexts`, `contexts_x86`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from kdnb.simulator import contexts, contexts_x86
from kdnb.simulator.architecture import AMD64

if TYPE_CHECKING:
    from kdnb.simulator.architecture import Architecture
    from kdnb.simulator.cpu import Processor

__all__ = ["RegisterForms", "SavedFrames", "forms_of"]


@dataclass(frozen=True, slots=True)
class SavedFrames:
    """Addresses of the frames in which the guest keeps an exception's registers; x86 has only the first."""

    trap_frame: int
    exception_frame: int


class RegisterForms(Protocol):
    """What a machine's module offers."""

    KNOWN_MSRS: frozenset[int]

    def read_context(self, processor: Processor, frames: SavedFrames | None) -> bytes: ...

    def write_context(self, processor: Processor, data: bytes, frames: SavedFrames | None) -> None: ...

    def set_trap_flag(self, processor: Processor, frames: SavedFrames | None, on: bool) -> None: ...

    def read_special(self, processor: Processor) -> bytes: ...

    def write_special(self, processor: Processor, data: bytes) -> None: ...


def forms_of(architecture: Architecture) -> RegisterForms:
    """The module of this machine."""
    return contexts if architecture is AMD64 else contexts_x86
