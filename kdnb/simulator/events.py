"""What a machine tells its debugger stub: one value for each thing that happened.

After a `Trap` or `LoadSymbols` the machine stands still until `Machine.resume`, after a `Prompt` or `FileWanted` until
`Machine.answer`; the others need nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FileWanted", "LoadSymbols", "MachineEvent", "Print", "Prompt", "Rebooted", "Shutdown", "Trap"]


@dataclass(frozen=True, slots=True)
class Trap:
    """An exception that the guest reports. For a breakpoint `address` and the context's Rip are those of the int3."""

    processor: int
    code: int
    address: int
    parameters: tuple[int, ...] = ()
    first_chance: bool = True


@dataclass(frozen=True, slots=True)
class Print:
    """Text of DbgPrint."""

    processor: int
    text: bytes


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question of DbgPrompt; at most `max_length` bytes of answer fit."""

    processor: int
    text: bytes
    max_length: int


@dataclass(frozen=True, slots=True)
class FileWanted:
    """A driver is about to be loaded: has the debugger a file for it? At most `max_length` bytes of it fit."""

    processor: int
    path: bytes
    max_length: int


@dataclass(frozen=True, slots=True)
class LoadSymbols:
    """An image was loaded, or unloaded. `process_id` -1 is the system."""

    processor: int
    path: bytes
    base: int
    size: int
    checksum: int
    process_id: int = -1
    unload: bool = False


@dataclass(frozen=True, slots=True)
class Rebooted:
    """The machine was reset by its own guest and begins to boot."""


@dataclass(frozen=True, slots=True)
class Shutdown:
    """The guest switched the machine off."""


MachineEvent = Trap | Print | Prompt | FileWanted | LoadSymbols | Rebooted | Shutdown
