"""What is recorded of a function for stack walks and exceptions: `.fnent`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kdnb.results.base import Result, TableResult, plain

__all__ = ["ExceptionHandler", "FunctionEntry", "HandlerLine", "UnwindCodeLine", "UnwindRecord"]


@dataclass(frozen=True, slots=True)
class UnwindCodeLine:
    """One unwind code. `words` is its name with its operands."""

    slot: int
    """Number of its first slot."""
    prolog_offset: int
    op: int
    info: int
    words: str


@dataclass(frozen=True, slots=True)
class HandlerLine:
    """One row of a handler's table: a guarded range, a state, a catch."""

    kind: str
    """`scope`, `unwind`, `try`, `catch`, `ip`, or `frame` and `part` of some C++ functions."""
    words: str


@dataclass(frozen=True, slots=True, repr=False)
class ExceptionHandler(Result):
    """The language handler and, where its form is known, its decoded table."""

    address: int
    symbol: str
    data: int
    """Address of the handler's own data."""
    lines: tuple[HandlerLine, ...] = ()
    routine: str = ""
    """The known routine that reads the data, where the handler has no name of its own or only leads to it."""
    problem: str = ""
    """Why the table couldn't be decoded."""


@dataclass(frozen=True, slots=True, repr=False)
class UnwindRecord(Result):
    """One UNWIND_INFO; a chained one follows its first."""

    address: int
    size: int
    version: int
    flags: int
    prolog_size: int
    code_slots: int
    frame_register: str
    frame_offset: int
    codes: tuple[UnwindCodeLine, ...]
    handler: ExceptionHandler | None = None


@dataclass(frozen=True, slots=True, repr=False)
class FunctionEntry(TableResult):
    """The function table's entry for an address, with its unwind records."""

    address: int
    symbol: str
    next_address: int | None
    next_symbol: str
    begin: int
    """RVAs, as they stand in the table."""
    end: int
    unwind: int
    module_base: int
    address_size: int
    records: tuple[UnwindRecord, ...]
    details: tuple[str, ...] = ()
    """Machines without UNWIND_INFO: their data in words, line by line."""
    handler: ExceptionHandler | None = None
    """ARM64: the handler; an `UnwindRecord` has its own."""

    def rows(self) -> list[dict[str, Any]]:
        return [plain(code) for record in self.records for code in record.codes]
