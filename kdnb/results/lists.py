"""What commands gave for each of several things (`!list`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.results.base import Result

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ForEach"]


@dataclass(frozen=True, slots=True, repr=False)
class ForEach(Result):
    """What commands gave for each element."""

    results: tuple[Result, ...]
    addresses: tuple[int, ...] = ()
    """The things, where they are addresses."""
    note: str = ""
    """Why some were left out."""

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    def __getitem__(self, index: int) -> Result:
        return self.results[index]
