"""Where the processors of a stopped target stand, as `~` shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kdnb.results.base import TableResult, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ProcessorState", "ProcessorStates"]


@dataclass(frozen=True, slots=True)
class ProcessorState:
    """One processor."""

    number: int
    is_current: bool
    instruction_pointer: int
    symbol: str


@dataclass(frozen=True, slots=True, repr=False)
class ProcessorStates(TableResult):
    """The processors, by number."""

    processors: tuple[ProcessorState, ...]
    address_size: int

    def __len__(self) -> int:
        return len(self.processors)

    def __iter__(self) -> Iterator[ProcessorState]:
        return iter(self.processors)

    def __getitem__(self, index: int) -> ProcessorState:
        return self.processors[index]

    def rows(self) -> list[dict[str, Any]]:
        return [plain(processor) for processor in self.processors]
