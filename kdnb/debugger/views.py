"""What a script holds of a session: collections that iterate, index and complete, usable from any thread.

Each access is one call of the engine; nothing here caches, so a view is never stale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from kdnb.debugger.memory import MemoryCache
from kdnb.errors import ExpressionError, KdnbError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kdnb.debugger.engine import Engine
    from kdnb.debugger.session import Session
    from kdnb.results.breakpoints import BreakpointInfo
    from kdnb.results.events import Stop
    from kdnb.results.modules import ModuleInfo, SymbolInfo, UnloadedModule
    from kdnb.results.registers import RegisterSet

__all__ = [
    "BreakpointsView",
    "MemoryVerbs",
    "MemoryView",
    "ModulesView",
    "RegistersView",
    "SymbolsView",
    "address_of",
    "checked_key",
    "shown",
]

T = TypeVar("T")
Key = TypeVar("Key")

COMPLETIONS = 1000
ALL_SYMBOLS = 1 << 20
"""Names that iterating gives at most; a kernel has some 60000."""


def address_of(session: Session, where: int | str) -> int:
    """The address that a script names by number or expression, without sign extension. Raises outside of 64 bits."""
    value = session.evaluate(where) if isinstance(where, str) else where
    if not 0 <= value < 1 << 64:
        raise ExpressionError(f"{value:#x} is no address", "addresses are 0 to 2**64-1")
    return value & session.address_mask


def checked_key(key: Key, *types: type, what: str) -> Key:
    """A key that a user gave, if it can be one at all: `UnknownNameError` for any other object."""
    if not isinstance(key, types):
        raise UnknownNameError(f"{key!r} is no {what}"[:120])
    return key


def shown(text: Callable[[], str], what: str) -> str:
    """A collection's repr; it never raises, whatever state the target is in."""
    try:
        return text()
    except KdnbError as error:
        return f"<{what}: {error}>"


class MemoryVerbs:
    """Reading and writing one address space. Addresses are numbers or expressions: `read("nt!KeTickCount", 8)`."""

    __slots__ = ()
    _engine: Engine

    def _space(self) -> MemoryCache:
        """The memory meant; asked by whoever has the engine's place."""
        raise NotImplementedError(type(self).__name__)

    def read(self, address: int | str, size: int) -> bytes:
        """Exactly `size` bytes; `MemoryReadError` with `partial` at a hole."""
        return self._at(address, MemoryCache.read, size)

    def read_u8(self, address: int | str) -> int:
        return self._at(address, MemoryCache.read_u8)

    def read_u16(self, address: int | str) -> int:
        return self._at(address, MemoryCache.read_u16)

    def read_u32(self, address: int | str) -> int:
        return self._at(address, MemoryCache.read_u32)

    def read_u64(self, address: int | str) -> int:
        return self._at(address, MemoryCache.read_u64)

    def read_pointer(self, address: int | str) -> int:
        """A pointer of the target: 4 or 8 bytes."""
        return self._at(address, MemoryCache.read_pointer)

    def read_string(self, address: int | str, limit: int = 1024, *, wide: bool = False) -> str:
        """The text up to its NUL or `limit` characters; UTF-16 with `wide`."""

        def verb(memory: MemoryCache, at: int) -> str:
            return memory.read_string(at, limit, wide=wide)

        return self._at(address, verb)

    def write(self, address: int | str, data: bytes) -> None:
        """Write all of `data`; `MemoryWriteError` says how much went in."""
        self._engine.session.require_writable("memory would change")
        given = bytes(memoryview(data))  # bytes(5) would be five zeros
        self._engine.call(self._carry_out, address, MemoryCache.write, given)

    def _at(self, where: int | str, verb: Callable[..., T], *arguments: Any) -> T:
        """Something that only reads."""
        return cast("T", self._engine.call(self._carry_out, where, verb, *arguments))

    def _carry_out(self, where: int | str, verb: Callable[..., T], *arguments: Any) -> T:
        return verb(self._space(), address_of(self._engine.session, where), *arguments)


class MemoryView(MemoryVerbs):
    """An address space of the session."""

    def __init__(self, engine: Engine, memory: MemoryCache) -> None:
        self._engine = engine
        self._memory = memory

    def _space(self) -> MemoryCache:
        return self._memory

    def _at(self, where: int | str, verb: Callable[..., T], *arguments: Any) -> T:
        if isinstance(where, str):  # it may need symbols, and symbols a server
            return super()._at(where, verb, *arguments)
        return cast("T", self._engine.look(self._carry_out, where, verb, *arguments))


class _UnknownRegister(UnknownNameError, AttributeError):
    """As an attribute, so that `hasattr` works."""


class RegistersView:
    """Registers of the current processor: `registers.rip`, `registers["eax"]`, and assignment to either."""

    _engine: Engine

    def __init__(self, engine: Engine) -> None:
        object.__setattr__(self, "_engine", engine)

    def __getitem__(self, name: str) -> int:
        return self._engine.look(self._engine.session.registers.get, checked_key(name, str, what="register"))

    def __setitem__(self, name: str, value: int) -> None:
        """Negative numbers are two's complement; what doesn't fit the register is an error."""
        registers = self._engine.session.registers

        def job() -> None:
            bits = registers.width(checked_key(name, str, what="register"))
            if not -(1 << (bits - 1)) <= value < 1 << bits:
                raise ExpressionError(f"{value:#x} doesn't fit {name}", f"it has {bits} bits")
            registers.set(name, value)

        self._engine.call(job)

    def __getattr__(self, name: str) -> int:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except UnknownNameError as error:
            raise _UnknownRegister(error.message, error.hint, error.near) from None

    def __setattr__(self, name: str, value: int) -> None:
        self[name] = value

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def keys(self) -> list[str]:
        """All names; `dict(kd.registers)` reads them all."""
        return self._engine.call(self._engine.session.registers.names)

    def __len__(self) -> int:
        return len(self.keys())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._engine.session.registers.has(name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self]

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def snapshot(self, processor: int | None = None) -> RegisterSet:
        """All of them as a value."""
        return self._engine.call(self._engine.session.registers.snapshot, processor)

    def __repr__(self) -> str:
        return shown(lambda: repr(self.snapshot()), "registers")


class ModulesView:
    """Loaded modules by name or number; `nt` is the kernel."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __getitem__(self, key: str | int) -> ModuleInfo:
        modules = self._engine.session.modules
        checked_key(key, str, int, what="module")
        return self._engine.call(modules[key].info)

    def __iter__(self) -> Iterator[ModuleInfo]:
        return iter(self._engine.call(lambda: [module.info() for module in self._engine.session.modules]))

    def __len__(self) -> int:
        return len(self._engine.session.modules)

    def __contains__(self, key: object) -> bool:
        return key in self._engine.session.modules or key in list(self)

    def find(self, address: int | str) -> ModuleInfo | None:
        """The module around an address or expression."""

        def job() -> ModuleInfo | None:
            module = self._engine.session.modules.find(address_of(self._engine.session, address))
            return module.info() if module is not None else None

        return self._engine.call(job)

    @property
    def unloaded(self) -> list[UnloadedModule]:
        """Drivers that were unloaded, as far as the target remembers them, the newest first."""
        return self._engine.call(lambda: list(self._engine.session.modules.remembered))

    def _ipython_key_completions_(self) -> list[str]:
        return [module.name for module in self._engine.session.modules]

    def __repr__(self) -> str:
        return f"<{len(self)} modules: {', '.join(self._ipython_key_completions_()[:20])}>"


class SymbolsView:
    """Names and addresses: `symbols["nt!KeBugCheckEx"]`, `symbols.nearest(address)`, `symbols.search("nt!Ke*")`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __getitem__(self, name: str) -> int:
        def job() -> int:
            address = self._engine.session.symbols.lookup(checked_key(name, str, what="symbol"))
            if address is None:
                near = self._engine.session.symbols.near(name)
                hint = f"did you mean {', '.join(near[:3])}?" if near else ""
                raise UnknownNameError(f"Couldn't resolve error at '{name}'", hint, near)
            return address

        return self._engine.call(job)

    def __iter__(self) -> Iterator[str]:
        """Every `module!name` there is, module by module; symbols of all modules are loaded for it."""
        return (symbol.name for symbol in self.search("*!*", ALL_SYMBOLS))

    def __contains__(self, name: object) -> bool:
        lookup = self._engine.session.symbols.lookup
        return isinstance(name, str) and self._engine.call(lookup, name) is not None

    def nearest(self, address: int | str) -> str:
        """The address, or the value of an expression, as `module!name+0x10`."""
        session = self._engine.session
        return self._engine.call(lambda: session.symbols.format(address_of(session, address)))

    def search(self, pattern: str, limit: int = 10000) -> list[SymbolInfo]:
        """Symbols that match a pattern with WinDbg's wildcards."""
        from kdnb.results.modules import SymbolInfo

        found = self._engine.call(self._engine.session.symbols.search, pattern, limit)
        return [SymbolInfo(address, name) for address, name in found]

    def _ipython_key_completions_(self) -> list[str]:
        kernel = self._engine.session.modules.kernel
        if kernel is None or kernel.symbol_status == "deferred":
            return []  # completion never waits for symbols
        return [symbol.name for symbol in self.search("nt!*", COMPLETIONS)]

    def __repr__(self) -> str:
        return '<symbols: symbols["nt!KeBugCheckEx"], symbols.search("nt!Ke*")>'

    @property
    def path(self) -> str:
        """The symbol path; assign a text to change it."""
        return str(self._engine.session.symbols.path)

    @path.setter
    def path(self, text: str) -> None:
        self._engine.call(self._engine.session.symbols.set_path, text)


class BreakpointsView:
    """The breakpoint table; items are values that say how a breakpoint was when asked."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(
        self,
        where: int | str,
        *,
        when: Callable[[Stop], object] | None = None,
        passes: int = 1,
        command: str | None = None,
        kind: str = "software",
        size: int = 1,
        one_shot: bool = False,
    ) -> BreakpointInfo:
        """A breakpoint at an address or expression. `when(stop)` is asked at each hit, on the engine's thread."""
        table = self._engine.session.breakpoints

        def job() -> BreakpointInfo:
            self._engine.session.require_stopped()
            checked_key(where, str, int, what="address or expression")
            added = table.add(where, when=when, passes=passes, command=command, kind=kind, size=size, one_shot=one_shot)
            return table.info(added)

        return self._engine.call(job)

    def remove(self, breakpoint: BreakpointInfo | int) -> None:
        self._change(self._engine.session.breakpoints.remove, breakpoint)

    def clear(self) -> None:
        """Remove all."""
        for breakpoint in self:
            self.remove(breakpoint)

    def enable(self, breakpoint: BreakpointInfo | int) -> None:
        self._change(self._engine.session.breakpoints.enable, breakpoint)

    def disable(self, breakpoint: BreakpointInfo | int) -> None:
        self._change(self._engine.session.breakpoints.disable, breakpoint)

    def _change(self, verb: Callable[..., Any], breakpoint: BreakpointInfo | int) -> None:
        self._engine.call(verb, breakpoint if isinstance(breakpoint, int) else breakpoint.number)

    def __iter__(self) -> Iterator[BreakpointInfo]:
        return iter(self._engine.call(self._engine.session.breakpoints.listing))

    def __len__(self) -> int:
        return len(self._engine.session.breakpoints)

    def __getitem__(self, number: int) -> BreakpointInfo:
        for breakpoint in self:
            if breakpoint.number == number:
                return breakpoint
        raise UnknownNameError(f"there is no breakpoint {number}", "bl lists them")

    def __contains__(self, breakpoint: object) -> bool:
        """By number, or by a value of whatever age."""
        return getattr(breakpoint, "number", breakpoint) in self._ipython_key_completions_()

    def _ipython_key_completions_(self) -> list[int]:
        return [breakpoint.number for breakpoint in self._engine.session.breakpoints]

    def __repr__(self) -> str:
        if not len(self):
            return "<no breakpoints>"
        return shown(lambda: repr(self._engine.call(self._engine.session.breakpoints.listing)), "breakpoints")
