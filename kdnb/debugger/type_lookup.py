"""Types and typed variables by name, over all modules.

`module!_NAME` is looked up in that module; a bare `_NAME` in the kernel first, then in modules whose symbols are
loaded already, so that no name waits for every symbol file. The leading underscore may be left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.errors import SymbolFileError, UnknownNameError, UnsupportedError
from kdnb.symbols.types import Enumeration, StructType
from kdnb.symbols.wildcards import compile_wildcard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.debugger.modules import Module
    from kdnb.debugger.session import Session
    from kdnb.symbols.pdb import Variable
    from kdnb.symbols.types import FieldType, TypeTable

__all__ = ["FoundType", "FoundVariable", "TypeLookup", "lookup_in"]


@dataclass(frozen=True, slots=True)
class FoundType:
    """A struct, union or enum, and the module whose PDB has it."""

    module: Module
    type: StructType | Enumeration

    @property
    def name(self) -> str:
        """`module!type`."""
        return f"{self.module.name}!{self.type.name}"


@dataclass(frozen=True, slots=True)
class FoundVariable:
    """A variable whose type the PDB knows."""

    module: Module
    name: str
    """Without the module."""
    address: int
    type: FieldType


class TypeLookup:
    """Finds types in the PDBs of a session's modules."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def find(self, name: str) -> FoundType | None:
        """The type `module!NAME` or `NAME`; None when there is none."""
        _, _, bare = name.rpartition("!")
        for module in self._modules(name):
            types = module.types
            found = lookup_in(types, bare) if types is not None else None
            if found is not None:
                return FoundType(module, found)
        return None

    def typedef(self, name: str) -> FieldType | None:
        """What a typedef `module!NAME` or `NAME` of a PDB stands for; None when there is none."""
        _, _, bare = name.rpartition("!")
        for module in self._modules(name):
            index = module.pdb.typedef(bare) if module.pdb is not None else None
            types = module.types
            if index is not None and types is not None:
                return types.type_at(index)
        return None

    def require(self, name: str) -> FoundType:
        """Like `find`, but what is missing is said: the module, its PDB, or the name (with near ones)."""
        found = self.find(name)
        if found is None:
            raise self.unknown(name)
        return found

    def require_struct(self, name: str) -> tuple[Module, StructType]:
        """A struct, class or union."""
        found = self.require(name)
        if not isinstance(found.type, StructType):
            raise UnknownNameError(f"{found.name} is an enum, not a struct", f"dt {found.name} shows its values")
        return found.module, found.type

    def unknown(self, name: str) -> UnknownNameError | UnsupportedError:
        """The error for a type that `find` doesn't find."""
        module_name, separator, bare = name.rpartition("!")
        modules = self._session.modules
        module = modules.get(module_name if separator else "nt")
        if module is None:
            return UnknownNameError(f"there is no module {module_name[:60] or 'nt'}", "lm lists the modules")
        types = module.types
        if types is None:
            note = f": {module.symbol_note}" if module.symbol_note else ""
            return UnsupportedError(f"no types are known for {module.name}{note}", ".sympath names folders with PDBs")
        near = [f"{module.name}!{found}" for found in types.near(bare)]
        hint = f"did you mean {', '.join(near[:3])}?" if near else f"dt {module.name}!*pattern* lists names"
        return UnknownNameError(f"Symbol {name[:60] if separator else f'nt!{bare[:60]}'} not found.", hint, near)

    def search(self, pattern: str) -> list[str]:
        """`module!type` of all types that match; the module may be a pattern too."""
        _, _, bare = pattern.rpartition("!")
        found: list[str] = []
        for module in self._modules(pattern):
            types = module.types
            found += [f"{module.name}!{name}" for name in types.search(bare)] if types is not None else []
        return found

    # --- variables ------------------------------------------------------------------------------

    def variable(self, name: str) -> FoundVariable | None:
        """The variable `module!NAME` or `NAME`, where a PDB knows its type."""
        _, _, bare = name.rpartition("!")
        for module in self._modules(name):
            variable = module.pdb.variable(bare) if module.pdb is not None else None
            found = _typed(module, variable) if variable is not None else None
            if found is not None:
                return found
        return None

    def variable_at(self, address: int) -> FoundVariable | None:
        """The variable that begins at `address`."""
        module = self._session.modules.find(address)
        if module is None or module.pdb is None:
            return None
        rva = (address & self._session.address_mask) - module.base
        variable = next((one for one in module.pdb.variables if one.rva == rva), None)
        return _typed(module, variable) if variable is not None else None

    def search_variables(self, pattern: str) -> list[FoundVariable]:
        """Variables with known types whose names match, in address order."""
        _, _, bare = pattern.rpartition("!")
        matches = compile_wildcard(bare).fullmatch
        found = [
            typed
            for module in self._modules(pattern)
            if module.pdb is not None
            for variable in module.pdb.variables
            if matches(variable.name) and (typed := _typed(module, variable)) is not None
        ]
        return sorted(found, key=lambda variable: variable.address)

    def _modules(self, name: str) -> Iterator[Module]:
        """The modules in which a name is looked up."""
        module_name, separator, _ = name.rpartition("!")
        modules = self._session.modules
        if not separator:
            kernel = modules.kernel
            if kernel is not None:
                yield kernel
            yield from (m for m in modules if m is not kernel and m.symbol_status != "deferred")
            return
        module = modules.get(module_name)
        if module is not None:
            yield module
            return
        matches = compile_wildcard(module_name).fullmatch
        for module in modules:
            if matches(module.name):
                self._session.require_stopped()  # sees a cancel
                yield module


def lookup_in(types: TypeTable, name: str) -> StructType | Enumeration | None:
    """The type of that name in one PDB, which may be written without its leading underscore."""
    name = name.removeprefix("struct ").removeprefix("union ").removeprefix("enum ").strip()
    return types.lookup(name) or types.lookup(f"_{name}")


def _typed(module: Module, variable: Variable) -> FoundVariable | None:
    try:
        types = module.types
    except SymbolFileError:
        return None
    if types is None:
        return None
    return FoundVariable(module, variable.name, module.base + variable.rva, types.type_at(variable.type_index))
