"""The symbols of one image, found by address, by name and by pattern."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from kdnb.symbols.names import undecorate_cplusplus
from kdnb.symbols.wildcards import compile_wildcard, has_wildcard

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kdnb.symbols.pdb import PdbFile
    from kdnb.symbols.pe import PeImage

__all__ = ["EMPTY_TABLE", "Symbol", "SymbolTable"]


@dataclass(frozen=True, slots=True)
class Symbol:
    """A name at an RVA."""

    rva: int
    name: str
    size: int | None = None
    """Bytes of code, where the source knows; only PDB procedures do."""
    is_function: bool | None = None
    """None where the source doesn't tell (exports)."""


class SymbolTable:
    """Symbols of one image. Names match in either case; several names may share an RVA."""

    def __init__(self, symbols: Iterable[Symbol | tuple[int, str]] = (), source: str = "no symbols") -> None:
        """`source` is the status word of `lm`: `pdb symbols`, `export symbols` or `no symbols`."""
        entries = (item if isinstance(item, Symbol) else Symbol(*item) for item in symbols)
        self._symbols = sorted(entries, key=_preference)
        self._rvas = [symbol.rva for symbol in self._symbols]
        self.source = source

    @classmethod
    def from_exports(cls, image: PeImage) -> SymbolTable:
        """The image's exported names, without the decoration of C++; raises `SymbolFileError` when the export
        directory can't be read."""
        exports = [(rva, undecorate_cplusplus(name)) for rva, name in image.exports()]
        return cls(exports, "export symbols" if exports else "no symbols")

    @classmethod
    def from_pdb(cls, pdb: PdbFile) -> SymbolTable:
        """Procedures and publics of a PDB."""
        return cls(pdb.symbols(), "pdb symbols")

    def __len__(self) -> int:
        return len(self._symbols)

    def __iter__(self) -> Iterator[Symbol]:
        """All symbols, by RVA."""
        return iter(self._symbols)

    def nearest(self, rva: int) -> tuple[str, int] | None:
        """Name and displacement of the last symbol at or below `rva`; None before the first one."""
        symbol = self.nearest_symbol(rva)
        return (symbol.name, rva - symbol.rva) if symbol else None

    def nearest_symbol(self, rva: int) -> Symbol | None:
        """The symbol whose name `nearest` gives: the preferred one of its RVA."""
        index = bisect_right(self._rvas, rva) - 1
        if index < 0:
            return None
        return self.at(self._rvas[index])[0]

    def at(self, rva: int) -> list[Symbol]:
        """All symbols exactly at `rva`, the preferred name first."""
        end = start = bisect_right(self._rvas, rva - 1)
        while end < len(self._rvas) and self._rvas[end] == rva:
            end += 1
        return self._symbols[start:end]

    def next_symbol(self, rva: int) -> Symbol | None:
        """The first symbol above `rva`, for `ln`."""
        index = bisect_right(self._rvas, rva)
        return self._symbols[index] if index < len(self._symbols) else None

    def lookup(self, name: str) -> int | None:
        """RVA of `name`; the same spelling wins over one that differs in case."""
        found = self._by_name.get(name.lower(), ())
        exact = next((symbol for symbol in found if symbol.name == name), None)
        if exact is None and found:
            exact = found[0]
        return exact.rva if exact else None

    def search(self, pattern: str) -> list[Symbol]:
        """Symbols whose name matches WinDbg's wildcards, by RVA."""
        if not has_wildcard(pattern) and not pattern.startswith("_"):
            return sorted(self._by_name.get(pattern.lower(), ()), key=_preference)
        matches = compile_wildcard(pattern, symbols=True).fullmatch
        return [symbol for symbol in self._symbols if matches(symbol.name)]

    @cached_property
    def _by_name(self) -> dict[str, list[Symbol]]:
        names: dict[str, list[Symbol]] = {}
        for symbol in self._symbols:
            names.setdefault(symbol.name.lower(), []).append(symbol)
        return names


def _preference(symbol: Symbol) -> tuple[int, bool, bool, str]:
    """Order of symbols: by RVA; at one RVA a procedure first, then plain names before decorated ones."""
    return symbol.rva, symbol.size is None, symbol.name[:1] in "?_@", symbol.name


EMPTY_TABLE = SymbolTable()
"""The table of an image without any symbols."""
