"""Local variables, as `dv` shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kdnb.results.base import TableResult, plain

__all__ = ["Local", "LocalList"]


@dataclass(frozen=True, slots=True)
class Local:
    """A variable or parameter of a function."""

    name: str
    type: str
    value: str
    """As dt words it; `<value unavailable>` where the compiler has it nowhere at this instruction."""
    is_parameter: bool
    place: str
    """`@rbx`, `@rsp+0x0028`."""
    address: int | None = None
    """Where it lies in memory; None for registers."""
    size: int = 0
    """Bytes of its type."""


@dataclass(frozen=True, slots=True, repr=False)
class LocalList(TableResult):
    """The variables of one frame."""

    variables: tuple[Local, ...]
    symbol: str
    """The frame's instruction."""
    address_size: int
    options: str = ""
    """Letters of what is shown besides: i kind, t type, v address, V place; f leaves values out."""

    def rows(self) -> list[dict[str, Any]]:
        return [plain(variable) for variable in self.variables]
