"""Memory as the `d*` commands show it, and the one interface through which everything reads memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from kdnb.results.base import Result, TableResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kdnb.results.addresses import Segment

__all__ = [
    "MemoryBlocks",
    "MemoryDifference",
    "MemoryDifferences",
    "MemoryDump",
    "MemoryReader",
    "MemoryWritten",
    "PointerRow",
    "PointerTable",
    "StringDump",
    "StringRow",
]


class MemoryReader(Protocol):
    """Anything that memory can be read from."""

    def read(self, address: int, size: int) -> bytes:
        """Exactly `size` bytes; `MemoryReadError` (with `partial`) at a hole."""


@dataclass(frozen=True, slots=True, repr=False)
class MemoryDump(TableResult):
    """A block of memory in units of 1, 2, 4 or 8 bytes (`db dw dd dq dp dc df dD dyb dyd`).

    `data` ends at the first hole; `size` bytes were asked for, what is beyond `data` shows as `??`.
    """

    command: str
    """The format: `db`, `dd`, `dyb`, ..."""
    address: int
    data: bytes
    size: int
    unit: int
    columns: int
    address_size: int
    ascii: bool = False
    physical: bool = False
    segment: Segment | None = None
    """In which the address was given, and is shown; `address` is linear."""

    def __bytes__(self) -> bytes:
        return self.data

    def __getitem__(self, index: int) -> int:
        return self.numbers[index]

    @property
    def numbers(self) -> list[int]:
        """The readable units as unsigned numbers."""
        end = len(self.data) - len(self.data) % self.unit
        return [int.from_bytes(self.data[at : at + self.unit], "little") for at in range(0, end, self.unit)]

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"address": self.address + index * self.unit, "value": value} for index, value in enumerate(self.numbers)
        ]

    def to_dict(self) -> dict[str, Any]:
        return {"command": self.command, "address": self.address, "size": self.size, "data": self.data}


@dataclass(frozen=True, slots=True)
class PointerRow:
    """One line of `dps`, `dpp`, `dpu`, ..."""

    address: int
    value: int | None
    """None where the memory can't be read."""
    symbol: str = ""
    text: str | None = None
    """String found behind the pointer (`dpa`, `dpu`)."""
    target: int | None = None
    """Pointer found behind the pointer (`dpp`)."""


@dataclass(frozen=True, slots=True, repr=False)
class PointerTable(TableResult):
    """Memory as pointers with what they mean (`dds dqs dps dda dpu dpp ...`)."""

    command: str
    entries: tuple[PointerRow, ...]
    unit: int
    address_size: int
    columns: int = 1
    segment: Segment | None = None

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"address": e.address, "value": e.value, "symbol": e.symbol, "text": e.text, "target": e.target}
            for e in self.entries
        ]


@dataclass(frozen=True, slots=True)
class StringRow:
    """One line of `da` or `du`."""

    address: int
    text: str


@dataclass(frozen=True, slots=True, repr=False)
class StringDump(TableResult):
    """A string in memory (`da du ds dS`); `text` is all of it."""

    command: str
    address: int
    lines: tuple[StringRow, ...]
    address_size: int
    readable: bool = True

    @property
    def text(self) -> str:
        return "".join(line.text for line in self.lines)

    def rows(self) -> list[dict[str, Any]]:
        return [{"address": line.address, "text": line.text} for line in self.lines]


@dataclass(frozen=True, slots=True, repr=False)
class MemoryWritten(Result):
    """What an `e*` command changed; shows as nothing, as in WinDbg."""

    address: int
    before: bytes
    after: bytes
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, repr=False)
class MemoryBlocks(TableResult):
    """Several short blocks of memory: hits of a search (`s`), elements of a list (`dl`)."""

    blocks: tuple[MemoryDump, ...]
    addresses_only: bool = False
    """Show nothing but the addresses (`s -[1]`)."""

    def __len__(self) -> int:
        return len(self.blocks)

    def __iter__(self) -> Iterator[MemoryDump]:
        return iter(self.blocks)

    def __getitem__(self, index: int) -> MemoryDump:
        return self.blocks[index]

    def rows(self) -> list[dict[str, Any]]:
        return [{"address": block.address, "data": block.data} for block in self.blocks]


@dataclass(frozen=True, slots=True)
class MemoryDifference:
    """One byte that differs between two ranges (`c`)."""

    address: int
    other: int
    value: int
    other_value: int


@dataclass(frozen=True, slots=True, repr=False)
class MemoryDifferences(TableResult):
    """What `c` found; `total` counts those beyond the first 1024 too."""

    differences: tuple[MemoryDifference, ...]
    total: int
    address_size: int

    def __len__(self) -> int:
        return self.total

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"address": d.address, "value": d.value, "other": d.other, "other_value": d.other_value}
            for d in self.differences
        ]
