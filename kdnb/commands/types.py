"""`dt`: types and typed memory (the command reference, 7.2)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.debugger.typed import TypedReader
from kdnb.errors import UnknownNameError, UnsupportedError
from kdnb.results.types import TypeDump, TypeNames
from kdnb.results.values import Text
from kdnb.symbols.types import Enumeration, StructType
from kdnb.symbols.wildcards import compile_wildcard, has_wildcard

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result
    from kdnb.symbols.types import TypeTable

NAME_LIMIT = 1000


class _NoMemory:
    """What a layout without a target is read from."""

    def read(self, address: int, size: int) -> bytes:
        return b""


def type_layout(types: TypeTable, name: str) -> Result:
    """Layout of a type of a PDB, or the names that match a pattern."""
    if has_wildcard(name):
        return _names(types, name, "")
    return _layout(TypedReader(_NoMemory(), 8, lambda address: None), name, _lookup(types, name, name))


def _names(types: TypeTable, pattern: str, prefix: str) -> TypeNames:
    found = types.search(pattern)
    if not found:
        raise UnknownNameError(f"no type matches {pattern[:60]}", "* stands for any characters")
    return TypeNames(tuple(prefix + name for name in found[:NAME_LIMIT]), max(len(found) - NAME_LIMIT, 0))


def _lookup(types: TypeTable, name: str, shown: str) -> StructType | Enumeration:
    """The type of that name, which may be written without its leading underscore."""
    found = types.lookup(name) or types.lookup(f"_{name}")
    if found is None:
        near = types.near(name)
        hint = f"did you mean {', '.join(near[:3])}?" if near else "dt module!*pattern* lists names"
        raise UnknownNameError(f"Symbol {shown[:60]} not found.", hint, near)
    return found


def _layout(reader: TypedReader, name: str, of: StructType | Enumeration) -> Result:
    if isinstance(of, Enumeration):
        rows = [f"   {word} = 0n{value}" for value, word in of.values.items()]
        return Text("\n".join([f"Enum {name}", *rows]))
    return reader.layout(name, of)


@command(
    "dt",
    summary="Show the layout of a type, or what lies at an address as that type.",
    syntax="dt [Module!]Type [Field ...] [Address]\ndt [Module!]Pattern*",
    details="Fields are chosen by name, or by the beginning of one with * behind it. Types come from a PDB with type "
    "information; without a module the kernel's are meant.",
    examples=("dt nt!_LIST_ENTRY", "dt nt!_LIST_ENTRY nt!PsLoadedModuleList", "dt nt!_KP*"),
)
def display_type(session: Session, arguments: Arguments) -> Result:
    """A layout, a struct in memory, or names of types."""
    module_name, separator, name = arguments.word().rpartition("!")
    module = session.modules.get(module_name if separator else "nt")
    types = module.types if module is not None else None
    if module is None or types is None:
        note = f": {module.symbol_note}" if module is not None and module.symbol_note else ""
        raise UnsupportedError(
            f"no types are known for {module_name or 'nt'}{note}", ".sympath names folders with PDBs"
        )
    full = f"{module.name}!{name}"
    if has_wildcard(name):
        return _names(types, name, f"{module.name}!")
    of = _lookup(types, name, full)
    reader = TypedReader(session.memory, session.pointer_size, session.symbols.name_at)
    fields = _fields(arguments, of)
    if arguments.at_end or isinstance(of, Enumeration):
        shown = _layout(reader, full, of)
    else:
        shown = reader.dump(full, of, arguments.expression() & session.address_mask)
    return _only(shown, fields) if isinstance(shown, TypeDump) else shown


def _fields(arguments: Arguments, of: StructType | Enumeration) -> list[str]:
    """The field names before the address: words that are, or begin, names of fields."""
    known = [field.name for field in of.fields] if isinstance(of, StructType) else []
    wanted: list[str] = []
    while (found := re.match(r"[A-Za-z_]\w*\*?(?=\s|$)", arguments.rest)) is not None:
        matches = compile_wildcard(found[0]).fullmatch
        if not any(matches(name) for name in known):
            break
        wanted.append(arguments.word())
    return wanted


def _only(shown: TypeDump, wanted: list[str]) -> TypeDump:
    if not wanted:
        return shown
    patterns = [compile_wildcard(name) for name in wanted]
    return replace(shown, fields=tuple(f for f in shown.fields if any(p.fullmatch(f.name) for p in patterns)))
