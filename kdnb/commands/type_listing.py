"""Types by the patterns of their names: what `dt Pattern*` and `kdnb symbols` list."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kdnb.debugger.type_lookup import TypeLookup, lookup_in
from kdnb.debugger.type_rows import FieldPath, Selection, dump_struct
from kdnb.debugger.typed import NoMemory, TypedReader
from kdnb.errors import UnknownNameError
from kdnb.results.types import EnumInfo, TypeDumps, TypeNames
from kdnb.symbols.types import Enumeration, StructType
from kdnb.symbols.wildcards import has_wildcard

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from kdnb.debugger.session import Session
    from kdnb.debugger.type_lookup import FoundType
    from kdnb.results.base import Result
    from kdnb.symbols.types import TypeTable

__all__ = ["list_types", "type_layout"]

NAME_LIMIT = 1000
LAYOUT_LIMIT = 64
"""Layouts that `-d` shows."""


def type_layout(types: TypeTable, name: str) -> Result:
    """Layout of a type of a PDB (with chosen fields behind its name), or the names that match a pattern."""
    name, *words = name.split() or [""]
    if has_wildcard(name):
        found = types.search(name)
        if not found:
            raise UnknownNameError(f"no type matches {name[:60]}", "* stands for any characters")
        return _names(found, (), 8)
    of = lookup_in(types, name)
    if of is None:
        near = types.near(name)
        hint = f"did you mean {', '.join(near[:3])}?" if near else "*pattern* lists names"
        raise UnknownNameError(f"Symbol {name[:60]} not found.", hint, near)
    if isinstance(of, Enumeration):
        return EnumInfo(name, of.size, of.values)
    paths = tuple(path for word in words if (path := FieldPath.parse(word)) is not None)
    return dump_struct(TypedReader(NoMemory(), 8), name, of, None, Selection(paths))


def list_types(
    session: Session, pattern: str, letters: AbstractSet[str], size: int | None, chosen: Selection
) -> Result:
    """Types and variables whose names match, with a size only those; with `d` layouts, with `v` their sizes."""
    lookup = TypeLookup(session)
    names = lookup.search(pattern)
    sizes: dict[str, int] = {}
    if size is not None or letters & {"d", "v"}:
        found = [one for name in names if (one := lookup.find(name)) is not None]
        kept = [one for one in found if size is None or one.type.size == size]
        if "d" in letters:
            return _layouts(session, kept, chosen)
        sizes = {one.name: one.type.size for one in kept}
        names = list(sizes)
    variables = [] if "t" in letters else lookup.search_variables(pattern)
    variables = [one for one in variables if size is None or one.type.size == size]
    sizes |= {f"{one.module.name}!{one.name}": one.type.size for one in variables}
    if not names and not variables:
        module = pattern.rpartition("!")[0]
        if module and not has_wildcard(module) and session.modules.get(module) is None:
            raise lookup.unknown(pattern)
        raise UnknownNameError(f"no type matches {pattern[:60]}", "* stands for any characters")
    shown = ((variable.address, f"{variable.module.name}!{variable.name}") for variable in variables)
    listed = _names(names, shown, session.pointer_size)
    if "v" not in letters:
        return listed
    head = f"Enumerating symbols matching {pattern}" + (f", Size = 0x{size:x}" if size is not None else "")
    return replace(listed, sizes=sizes, header=head)


def _names(names: list[str], variables: Iterable[tuple[int, str]], address_size: int) -> TypeNames:
    found = tuple(variables)
    left_out = max(len(names) - NAME_LIMIT, 0) + max(len(found) - NAME_LIMIT, 0)
    return TypeNames(tuple(names[:NAME_LIMIT]), left_out, found[:NAME_LIMIT], address_size)


def _layouts(session: Session, found: list[FoundType], chosen: Selection) -> TypeDumps:
    reader = TypedReader(NoMemory(), session.pointer_size)
    dumps = [
        dump_struct(reader, one.name, one.type, None, chosen)
        for one in found[:LAYOUT_LIMIT]
        if isinstance(one.type, StructType)
    ]
    note = f"... {len(found) - LAYOUT_LIMIT} more left out" if len(found) > LAYOUT_LIMIT else ""
    return TypeDumps(tuple(dumps), note)
