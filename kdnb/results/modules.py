"""Modules and symbols, as `lm`, `x` and `ln` show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kdnb.errors import UnknownNameError
from kdnb.results.base import Result, TableResult

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ModuleInfo", "ModuleList", "NearestSymbols", "SymbolInfo", "SymbolList", "UnloadedModule"]


@dataclass(frozen=True, slots=True, repr=False)
class ModuleInfo(Result):
    """One loaded image. `end` is exclusive."""

    name: str
    """Module name as commands use it: `nt`, `disk`."""
    start: int
    end: int
    image_name: str
    image_path: str = ""
    symbol_status: str = "deferred"
    """`deferred`, `pdb symbols`, `private pdb symbols`, `export symbols`, `no symbols`."""
    symbol_file: str = ""
    timestamp: int | None = None
    checksum: int | None = None
    pdb_name: str = ""
    pdb_guid: str = ""
    pdb_age: int | None = None
    is_reproducible: bool = False
    """Its linker put a hash where the time stamp was."""

    @property
    def base(self) -> int:
        """The same as `start`."""
        return self.start

    @property
    def size(self) -> int:
        """Bytes of the image in memory."""
        return self.end - self.start


@dataclass(frozen=True, slots=True, repr=False)
class UnloadedModule(Result):
    """An image that is no longer there, as the target remembers it. `end` is exclusive."""

    name: str
    """File name: `echo.sys`."""
    start: int
    end: int
    time: int = 0
    """When it was unloaded: FILETIME, 100 ns since 1601."""

    @property
    def size(self) -> int:
        """Bytes that the image had in memory."""
        return self.end - self.start

    def __contains__(self, address: object) -> bool:
        return isinstance(address, int) and self.start <= address < self.end

    def text_at(self, address: int) -> str:
        """An address in it, as WinDbg names it: `<Unloaded_echo.sys>+0x10f0`."""
        behind = f"+{address - self.start:#x}" if address > self.start else ""
        return f"<Unloaded_{self.name}>{behind}"


@dataclass(frozen=True, slots=True, repr=False)
class ModuleList(TableResult):
    """Loaded modules, in `unloaded` those that were once, the newest first; `verbose` is `lmv`."""

    modules: tuple[ModuleInfo, ...]
    address_size: int
    verbose: bool = False
    options: str = ""
    unloaded: tuple[UnloadedModule, ...] = ()

    def __len__(self) -> int:
        return len(self.modules)

    def __iter__(self) -> Iterator[ModuleInfo]:
        return iter(self.modules)

    def __getitem__(self, key: int | str) -> ModuleInfo:
        if isinstance(key, int):
            return self.modules[key]
        for module in self.modules:
            if module.name.lower() == key.lower():
                return module
        raise UnknownNameError(f"there is no module {key[:60]} in this list")

    def rows(self) -> list[dict[str, Any]]:
        return [module.to_dict() for module in self.modules]


@dataclass(frozen=True, slots=True, repr=False)
class SymbolInfo(Result):
    """One symbol: `name` is `module!symbol`."""

    address: int
    name: str
    displacement: int = 0
    details: str = ""
    """What stands behind the name: ` (<no parameter info>)`, ` = <no type information>`."""
    size: int | None = None
    """Bytes of code or data, where the PDB says so."""
    kind: str = ""
    """`func`, `global`, or empty where the source doesn't tell."""
    type: str = ""
    """C's words, where the PDB has the type."""
    is_private: bool = False
    """Private symbols know it, not only its public name."""

    @property
    def text(self) -> str:
        return f"{self.name}+{self.displacement:#x}" if self.displacement else self.name


@dataclass(frozen=True, slots=True, repr=False)
class SymbolList(TableResult):
    """Symbols that match a pattern (`x`), in address order; `left_out` more were cut off."""

    symbols: tuple[SymbolInfo, ...]
    address_size: int
    left_out: int = 0
    letters: str = ""
    """Options that change the layout: `0 1 2 t v p`."""

    def __len__(self) -> int:
        return len(self.symbols)

    def __iter__(self) -> Iterator[SymbolInfo]:
        return iter(self.symbols)

    def __getitem__(self, index: int) -> SymbolInfo:
        return self.symbols[index]

    def rows(self) -> list[dict[str, Any]]:
        return [symbol.to_dict() for symbol in self.symbols]


@dataclass(frozen=True, slots=True, repr=False)
class NearestSymbols(Result):
    """What lies around an address (`ln`): the symbol at or before it, and the next one."""

    address: int
    address_size: int
    before: SymbolInfo | None = None
    after: SymbolInfo | None = None
    exact: tuple[SymbolInfo, ...] = ()
    source: str = ""
    """`file.c(120)+0x3`, where the PDB has lines; a path as the compiler wrote it."""
