"""PDB files: identity, names with addresses, source lines. A thin face over purepdb, whose objects stay in here.

A file is parsed no further than what is asked for; every parser failure becomes a `SymbolFileError`.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from kdnb.errors import SymbolFileError
from kdnb.symbols.frame_data import FrameTable
from kdnb.symbols.locals import LocalVariable, locals_at
from kdnb.symbols.names import printable_name, undecorate, undecorate_cplusplus
from kdnb.symbols.table import Symbol
from kdnb.symbols.types import TypeTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kdnb.symbols.pe import CodeView

__all__ = ["PdbFile", "PublicSymbol", "SourceLine", "Variable"]


@dataclass(frozen=True, slots=True)
class PublicSymbol:
    """A public symbol: the names that a stripped PDB keeps too."""

    rva: int
    name: str
    is_function: bool


@dataclass(frozen=True, slots=True)
class SourceLine:
    """The first address of a source line."""

    rva: int
    file: str
    """Path as the compiler wrote it: untrusted."""
    line: int


@dataclass(frozen=True, slots=True)
class Variable:
    """A global or file-static variable and the index of its type in `PdbFile.types`."""

    rva: int
    name: str
    type_index: int


@contextmanager
def _as_symbol_file_error(name: str) -> Iterator[None]:
    from purepdb import PdbError

    try:
        yield
    # purepdb raises its own error for damage it knows, and the others for damage it doesn't.
    except (PdbError, ValueError, EOFError, IndexError, KeyError, OverflowError, struct.error) as error:
        raise SymbolFileError(f"{name}: not a readable PDB file ({error})", "check the file") from error
    except OSError as error:
        raise SymbolFileError(f"{name}: {error.strerror or error}", "check the path") from error


FPO_SLOT, FRAME_DATA_SLOT = 0, 9
"""Places of stream numbers in the optional debug header."""
TYPE_STREAM = 2
"""Number of the stream of type records (TPI), fixed by the format."""


class PdbFile:
    """An open PDB."""

    def __init__(self, data: bytes, name: str = "PDB") -> None:
        from purepdb import PDB

        self.name = name
        with _as_symbol_file_error(name):
            self._pdb = PDB.from_bytes(data)
            info = self._pdb.info()
        self.guid = UUID(bytes_le=bytes(info.guid)).hex.upper()
        """32 uppercase hex digits, as in `CodeView.guid`."""
        self.age = int(self._pdb.dbi.age)
        """Age of the debug information, which the image repeats; the file's own age counts all its writers."""
        self._file_age = int(info.age)

    @classmethod
    def open(cls, source: str | Path | bytes) -> PdbFile:
        """A PDB from its path or its bytes; raises `SymbolFileError`."""
        if isinstance(source, bytes):
            return cls(source)
        path = Path(source)
        with _as_symbol_file_error(str(path)):
            data = path.read_bytes()
        return cls(data, str(path))

    @property
    def key(self) -> str:
        """GUID and age as a symbol store names its folders."""
        return f"{self.guid}{self.age:X}"

    def belongs_to(self, codeview: CodeView) -> bool:
        """Whether this is the PDB of the image with that record."""
        return self.guid == codeview.guid and codeview.age in (self.age, self._file_age)

    @cached_property
    def types(self) -> TypeTable:
        """The type stream; raises `SymbolFileError` where the PDB has none (public PDBs of drivers)."""
        with _as_symbol_file_error(self.name):
            stream = self._pdb.msf.read_stream(TYPE_STREAM)
        return TypeTable(stream)

    def publics(self) -> list[PublicSymbol]:
        """Public symbols that lie in the image."""
        with _as_symbol_file_error(self.name):
            return [
                PublicSymbol(rva, printable_name(public.name), public.is_function)
                for public in self._pdb.public_symbols()
                if (rva := self._pdb.to_rva(public.segment, public.offset)) is not None
            ]

    def procedures(self) -> list[Symbol]:
        """Procedures with their sizes; none in a stripped PDB."""
        with _as_symbol_file_error(self.name):
            return [
                Symbol(rva, printable_name(procedure.name), procedure.code_size, True)
                for procedure in self._pdb.module_procs()
                if (rva := self._pdb.to_rva(procedure.segment, procedure.offset)) is not None
            ]

    @cached_property
    def _procedure_types(self) -> dict[int, int]:
        with _as_symbol_file_error(self.name):
            return {
                rva: int(procedure.type_index)
                for procedure in self._pdb.module_procs()
                if (rva := self._pdb.to_rva(procedure.segment, procedure.offset)) is not None
            }

    def procedure_type(self, rva: int) -> int | None:
        """Type index of the procedure that begins at an RVA; None where none is known."""
        return self._procedure_types.get(rva)

    @cached_property
    def variables(self) -> tuple[Variable, ...]:
        """Global and file-static variables; none in a stripped PDB."""
        with _as_symbol_file_error(self.name):
            return tuple(
                Variable(rva, printable_name(item.name), int(item.type_index))
                for item in self._pdb.data_symbols()
                if item.name  # MSVC has some without
                and (rva := self._pdb.to_rva(item.segment, item.offset)) is not None
            )

    @cached_property
    def _variables_by_name(self) -> dict[str, Variable]:
        return {variable.name.lower(): variable for variable in reversed(self.variables)}

    def variable(self, name: str) -> Variable | None:
        """The variable of that name, any case."""
        return self._variables_by_name.get(name.lower())

    @cached_property
    def _typedefs(self) -> dict[str, int]:
        with _as_symbol_file_error(self.name):
            return {item.name.lower(): int(item.type_index) for item in self._pdb.udts()}

    def typedef(self, name: str) -> int | None:
        """Type index of the name that a typedef gives to a type, any case."""
        return self._typedefs.get(name.lower())

    def symbols(self) -> list[Symbol]:
        """Procedures, variables and publics, whose C++ names lose their decoration; a public adds nothing where the
        same name has that address already."""
        data = (Symbol(variable.rva, variable.name, None, False) for variable in self.variables)
        found = {(symbol.rva, symbol.name): symbol for symbol in (*data, *self.procedures())}
        is_x86 = self._pdb.dbi.machine == 0x14C
        for public in self.publics():
            plain = undecorate(public.name) if is_x86 else public.name
            name = undecorate_cplusplus(plain)
            found.setdefault((public.rva, name), Symbol(public.rva, name, None, public.is_function))
        return list(found.values())

    def locals_at(self, rva: int, frame_register: Callable[[int], int]) -> list[LocalVariable] | None:
        """The variables visible at `rva`; None where no procedure is recorded there. See `locals.locals_at`."""
        with _as_symbol_file_error(self.name):
            starts = [(start, number) for number in range(1, 97) if (start := self._pdb.to_rva(number, 0)) is not None]
            below = [(start, number) for start, number in starts if start <= rva]
            if not below:
                return None
            start, segment = max(below)
            compiland = self._pdb.module_of(segment, rva - start)
            if compiland is None:
                return None
            records = self._pdb.module_symbol_bytes(compiland)
        return locals_at(records, segment, rva - start, frame_register)

    @cached_property
    def frame_table(self) -> FrameTable:
        """x86: FPO records and frame data; empty where the PDB has none."""
        with _as_symbol_file_error(self.name):
            names = self._pdb.string_table()
            streams = [self._pdb.dbi.dbg_stream(slot) for slot in (FRAME_DATA_SLOT, FPO_SLOT)]
            frame_data, fpo = (
                self._pdb.msf.read_stream(number) if self._pdb.msf.is_valid_stream(number) else b""
                for number in streams
            )
            return FrameTable.parse(frame_data, fpo, lambda at: str(names.get(at)) if names is not None else "")

    @cached_property
    def _lines(self) -> list[SourceLine]:
        with _as_symbol_file_error(self.name):
            lines = [
                SourceLine(line.rva, printable_name(line.file), line.line)
                for line in self._pdb.lines()  # type: ignore[no-untyped-call]  # purepdb leaves it unannotated
                if line.rva is not None and line.is_source
            ]
        return sorted(lines, key=lambda line: line.rva)

    def lines(self) -> list[SourceLine]:
        """All source lines, by RVA. Read once: a large PDB takes a second."""
        return list(self._lines)

    def line_address(self, file: str, line: int) -> int | None:
        """RVA of a source line, or of the next one of that file that has code; `file` is the end of its path."""
        wanted = file.replace("\\", "/").lower()
        known = (one for one in self._lines if one.line >= line)
        found = (one for one in known if f"/{one.file}".replace("\\", "/").lower().endswith(f"/{wanted}"))
        best = min(found, key=lambda one: (one.line, one.rva), default=None)
        return best.rva if best is not None else None

    def line_at(self, rva: int) -> SourceLine | None:
        """The source line whose code holds `rva`, as far as the start of lines tells."""
        index = bisect_right(self._lines, rva, key=lambda line: line.rva) - 1
        return self._lines[index] if index >= 0 else None
