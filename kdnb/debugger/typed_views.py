"""Types and structs for scripts: `kd.types`, `kd.struct()`, `kd.list()`. Usable from any thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kdnb.debugger.structs import Source, walk_structs
from kdnb.debugger.type_lookup import TypeLookup
from kdnb.debugger.type_rows import Selection, dump_struct
from kdnb.debugger.typed import NoMemory, TypedReader
from kdnb.debugger.views import COMPLETIONS, address_of, checked_key
from kdnb.results.types import EnumInfo
from kdnb.symbols.types import Enumeration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.debugger.engine import Engine
    from kdnb.debugger.structs import Struct, StructList
    from kdnb.results.types import TypeDump

__all__ = ["TypesView", "list_at", "struct_at"]


class TypesView:
    """Types by name: `types["nt!_EPROCESS"].offset("UniqueProcessId")`, `types.search("nt!_KP*")`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __getitem__(self, name: str) -> TypeDump | EnumInfo:
        """The layout of a struct (`fields`, `size`, `offset()`), or an enum's values."""

        def job() -> TypeDump | EnumInfo:
            session = self._engine.session
            found = TypeLookup(session).require(checked_key(name, str, what="type"))
            if isinstance(found.type, Enumeration):
                return EnumInfo(found.name, found.type.size, found.type.values)
            reader = TypedReader(NoMemory(), session.pointer_size)
            return dump_struct(reader, found.name, found.type, None, Selection())

        return self._engine.call(job)

    def __contains__(self, name: object) -> bool:
        session = self._engine.session
        return isinstance(name, str) and self._engine.call(lambda: TypeLookup(session).find(name) is not None)

    def __iter__(self) -> Iterator[str]:
        """Every `module!type` there is; symbols of all modules are loaded for it."""
        return iter(self.search("*!*"))

    def search(self, pattern: str) -> list[str]:
        """`module!type` of the types that match a pattern with WinDbg's wildcards."""
        return self._engine.call(lambda: TypeLookup(self._engine.session).search(pattern))

    def _ipython_key_completions_(self) -> list[str]:
        kernel = self._engine.session.modules.kernel
        if kernel is None or kernel.symbol_status == "deferred":
            return []  # completion never waits for symbols
        return self.search("nt!*")[:COMPLETIONS]

    def __repr__(self) -> str:
        return '<types: types["nt!_EPROCESS"], types.search("nt!_KP*")>'


def struct_at(engine: Engine, name: str, address: int | str) -> Struct:
    """The struct of that type at an address or expression; read now, in one piece."""

    def job() -> Any:
        session = engine.session
        session.require_stopped()
        _, of = TypeLookup(session).require_struct(name)
        source = Source(engine)
        made = source.struct(of, address_of(session, address))
        if of.size and not bytes(made):
            session.memory.read(made.address, 1)  # says what can't be read
        return made

    made: Struct = engine.call(job)
    return made


def list_at(engine: Engine, head: int | str, type_name: str, link: str) -> StructList:
    """The structs of the list whose head is at an address or expression."""

    def job() -> Any:
        session = engine.session
        session.require_stopped()
        return walk_structs(Source(engine), address_of(session, head), type_name, link)

    made: StructList = engine.call(job)
    return made
