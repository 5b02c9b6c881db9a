"""Names for addresses and addresses for names, over all modules.

A module's symbols are loaded when one of its names or addresses is asked for; a bare name is only looked up
in the kernel and in modules whose symbols are there already, so that no name waits for every symbol file.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from kdnb.errors import MemoryReadError, SymbolFileError
from kdnb.results.addresses import format_address
from kdnb.symbols.download import Downloader
from kdnb.symbols.store import SymbolPath
from kdnb.symbols.wildcards import compile_wildcard, has_wildcard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kdnb.debugger.modules import Module
    from kdnb.debugger.session import Session
    from kdnb.results.disassembly import Instruction
    from kdnb.symbols.pe import CodeView
    from kdnb.symbols.store import PdbSearch
    from kdnb.symbols.table import SymbolTable

__all__ = ["Nearest", "Symbols"]

NEAR_CANDIDATES = 20000
"""Names that are compared when one was mistyped: a second at most."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """The symbol at or below an address, in the same module. `name` is empty where the module has none."""

    module: Module
    name: str
    displacement: int

    @property
    def text(self) -> str:
        full = f"{self.module.name}!{self.name}" if self.name else self.module.name
        return f"{full}+{self.displacement:#x}" if self.displacement else full


class Symbols:
    """The resolver of a session."""

    def __init__(self, session: Session, path: str = "") -> None:
        self._session = session
        self.path = SymbolPath.parse(path)
        self.on_progress: Callable[[str, int, int | None], None] | None = None
        """Called while a file is downloaded: address, bytes so far, bytes in all where the server says so."""
        self._downloader = Downloader(session.cancel_requested, self._tell)

    def open_pdb(self, codeview: CodeView, *, download: bool, accept_mismatch: bool = False) -> PdbSearch:
        """The PDB of an image, by the symbol path; with `download` servers are asked too. Sees a cancel."""
        fetch = self._downloader.fetch if download and self.has_servers else None
        return self.path.open_pdb(
            codeview, fetch=fetch, accept_mismatch=accept_mismatch, between=self._downloader.check_cancel
        )

    def retry_servers(self) -> None:
        """Ask servers again that couldn't be reached (`.reload /f`)."""
        self._downloader.unreachable.clear()

    def _tell(self, address: str, done: int, total: int | None) -> None:
        if self.on_progress is not None:
            self.on_progress(address, done, total)

    @property
    def has_servers(self) -> bool:
        """Whether the symbol path names servers, so that looking for a PDB may take long."""
        return any(element.servers for element in self.path.elements)

    def set_path(self, text: str) -> None:
        """Another symbol path (`.sympath`); symbols are looked for anew at their next use."""
        self.path = SymbolPath.parse(text)
        self.retry_servers()
        self._session.modules.forget_symbols()

    # --- names to addresses ---------------------------------------------------------------------

    def lookup(self, name: str) -> int | None:
        """Address of `module!name`, `name` or a module; None when unknown."""
        module_name, separator, symbol = name.partition("!")
        if not separator:
            return self._lookup_bare(name)
        module = self._session.modules.get(module_name)
        if module is None:
            return None
        rva = module.symbols.lookup(symbol)
        return None if rva is None else module.base + rva

    def _lookup_bare(self, name: str) -> int | None:
        module = self._session.modules.get(name)
        if module is not None:
            return module.base
        for module, table in self._ready():
            rva = table.lookup(name)
            if rva is not None:
                return module.base + rva
        return None

    def _ready(self) -> Iterator[tuple[Module, SymbolTable]]:
        """The kernel, and every module whose symbols are loaded."""
        for module in self._session.modules:
            if module.name == "nt" or module.symbol_status != "deferred":
                yield module, module.symbols

    def near(self, name: str, count: int = 5) -> list[str]:
        """Known names close to a mistyped one, best first."""
        module_name, separator, symbol = name.rpartition("!")
        modules = self._session.modules
        if separator and module_name.lower() not in ("", *(m.name.lower() for m in modules)):
            close = difflib.get_close_matches(module_name.lower(), [m.name.lower() for m in modules], count)
            return [f"{match}!{symbol}" for match in close]
        if separator:
            module = modules.get(module_name)
            tables = [(module, module.symbols)] if module else []
        else:
            tables = list(self._ready())
        names = {s.name.lower(): f"{m.name}!{s.name}" for m, table in tables for s in islice(table, NEAR_CANDIDATES)}
        return [names[match] for match in difflib.get_close_matches(symbol.lower(), list(names), count, 0.7)]

    def search(self, pattern: str, limit: int | None = None, *, cheap: bool = False) -> list[tuple[int, str]]:
        """`(address, "mod!name")` of what matches `mod!pattern` with WinDbg's wildcards, in address order.

        `cheap` looks only at symbols that come without a download or a long read.
        """
        module_pattern, separator, symbol_pattern = pattern.partition("!")
        if not separator:
            module_pattern, symbol_pattern = "", pattern
        found: list[tuple[int, str]] = []
        for module, table in self._matching(module_pattern, cheap=cheap):
            for symbol in table.search(symbol_pattern or "*"):
                found.append((module.base + symbol.rva, f"{module.name}!{symbol.name}"))
                if limit is not None and len(found) >= limit:
                    return found
        return sorted(found)

    def _matching(self, pattern: str, *, cheap: bool) -> Iterator[tuple[Module, SymbolTable]]:
        if not pattern:
            yield from self._ready()
            return
        modules = self._session.modules
        if has_wildcard(pattern):
            matches = compile_wildcard(pattern)
            chosen = [module for module in modules if matches.fullmatch(module.name)]
        else:
            chosen = [module for module in [modules.get(pattern)] if module is not None]
        for module in chosen:
            self._session.require_stopped()
            table = module.cheap_symbols if cheap else module.symbols
            if table is not None:
                yield module, table

    def source_line(self, module_name: str, file: str, line: int) -> int | None:
        """First address of a source line, or of the next one that has code; `file` is the end of its path."""
        modules = [self._session.modules.get(module_name)] if module_name else [m for m, _ in self._ready()]
        for module in modules:
            pdb = module.pdb if module is not None else None
            rva = pdb.line_address(file, line) if pdb is not None else None
            if module is not None and rva is not None:
                return module.base + rva
        return None

    # --- addresses to names ---------------------------------------------------------------------

    def nearest(self, address: int, *, cheap: bool = False) -> Nearest | None:
        """What lies at or below `address`; None outside all modules. `cheap` avoids long reads from the target."""
        address &= self._session.address_mask
        module = self._session.modules.find(address)
        if module is None:
            return None
        rva = address - module.base
        table = module.cheap_symbols if cheap else module.symbols
        hit = table.nearest(rva) if table is not None else None
        return Nearest(module, *hit) if hit is not None else Nearest(module, "", rva)

    def name_at(self, address: int) -> str | None:
        """`nt!X+0x10`, `drv+0x1c`, `<Unloaded_drv.sys>+0x1c`, or None outside all modules."""
        nearest = self.nearest(address)
        return nearest.text if nearest is not None else self._session.modules.remembered.name_at(address)

    def format(self, address: int, *, cheap: bool = False) -> str:
        """The address as a name, or as a number where there is no module."""
        nearest = self.nearest(address, cheap=cheap)
        name = nearest.text if nearest is not None else self._session.modules.remembered.name_at(address)
        if name is not None:
            return name
        return "0x" + format_address(address & self._session.address_mask, self._session.pointer_size)

    def function_start(self, address: int) -> int | None:
        """First address of the function around `address`, by the image's function table."""
        module = self._session.modules.find(address)
        if module is None or module.image is None:
            return None
        try:
            function = module.image.function_at(address - module.base)
        except (SymbolFileError, MemoryReadError):
            return None
        return module.base + function[0] if function is not None else None

    def mark(self, instructions: Iterable[Instruction]) -> tuple[Instruction, ...]:
        """Instructions with the numbers of our breakpoints."""
        numbers = {b.address: b.number for b in self._session.breakpoints if b.enabled and not b.is_hardware}
        if not numbers:
            return tuple(instructions)
        return tuple(replace(one, breakpoint=numbers.get(one.address)) for one in instructions)
