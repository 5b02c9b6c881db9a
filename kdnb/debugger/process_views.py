"""Processes and threads as a script holds them: `kd.processes["notepad.exe"].read(address, size)`.

Collections ask the target at each access; an item is a picture of the stop at which it was taken, and reading memory
through it asks whether that stop still lasts.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from kdnb.debugger.address_space import ProcessMemory
from kdnb.debugger.handles import Handles
from kdnb.debugger.memory import MemoryCache
from kdnb.debugger.typed_views import struct_at
from kdnb.debugger.views import MemoryVerbs, checked_key, shown
from kdnb.errors import StaleError, UnknownNameError
from kdnb.results.processes import ProcessInfo, ProcessList, ThreadInfo, ThreadList

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas

    from kdnb.debugger.engine import Engine
    from kdnb.debugger.structs import Struct
    from kdnb.results.handles import HandleList
    from kdnb.results.stack import Stack

__all__ = ["Process", "ProcessesView", "Thread", "ThreadsView"]

WAITS, STACK = 2, 4


class _Item:
    """A value of one stop, with the way back to the target. Its fields are attributes."""

    __slots__ = ("_change", "_engine", "_info")
    _info: ProcessInfo | ThreadInfo

    def __init__(self, engine: Engine, info: ProcessInfo | ThreadInfo) -> None:
        self._engine = engine
        self._info = info
        self._change = engine.session.change

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._info, name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(field.name for field in fields(self._info))]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Item) and self._info == other._info

    def __hash__(self) -> int:
        return hash(self._info.address)

    def __repr__(self) -> str:
        return repr(self._info)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return self._info._repr_mimebundle_(include, exclude)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings."""
        return self._info.to_dict()

    def _require_current(self) -> None:
        self._engine.session.require_stopped()
        if self._engine.session.change is not self._change:
            raise StaleError("this was taken at an earlier stop", "ask again at the present one")


class Thread(_Item):
    """One thread. Fields as in `ThreadInfo`: `tid`, `state_name`, `wait_reason`, `start_symbol`, ..."""

    __slots__ = ()

    @property
    def struct(self) -> Struct:
        """Its ETHREAD, typed."""
        return struct_at(self._engine, "nt!_ETHREAD", self._info.address)

    @property
    def stack(self) -> Stack | None:
        """Its call stack; None where it can't be walked."""

        def job() -> Stack | None:
            self._require_current()
            return self._engine.session.processes.thread(self._info.address, WAITS | STACK).stack

        return self._engine.call(job)


class Process(_Item, MemoryVerbs):
    """One process. Fields as in `ProcessInfo`: `pid`, `image`, `peb`, `directory_table_base`, ...

    The memory verbs (`read`, `read_u64`, `write`, ...) see memory as this process does, through its own page tables.
    """

    __slots__ = ()

    @property
    def struct(self) -> Struct:
        """Its EPROCESS, typed: `kd.processes["notepad.exe"].struct.Pcb`."""
        return struct_at(self._engine, "nt!_EPROCESS", self._info.address)

    def _space(self) -> MemoryCache:
        self._require_current()
        session = self._engine.session
        memory = ProcessMemory(session, session.processes.directory_table_base(self._info.address))
        return MemoryCache(memory.read_available, memory.write_available, session.require_stopped, session.pointer_size)

    @property
    def handles(self) -> HandleList:
        """Its handles, with type and name of what they stand for; `.df` is a row a handle."""

        def job() -> HandleList:
            self._require_current()
            session = self._engine.session
            return Handles(session).of_process(session.processes.describe(self._info.address))

        return self._engine.call(job)

    @property
    def threads(self) -> list[Thread]:
        """Its threads."""

        def job() -> tuple[ThreadInfo, ...]:
            self._require_current()
            return self._engine.session.processes.describe(self._info.address, WAITS).threads

        return [Thread(self._engine, info) for info in self._engine.call(job)]


class ProcessesView:
    """All processes: iterate, or index by image name, id or EPROCESS."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __getitem__(self, key: str | int) -> Process:
        processes = self._engine.session.processes
        checked_key(key, str, int, what="process")
        return Process(self._engine, self._engine.call(lambda: processes.describe(processes.find(key))))

    def __iter__(self) -> Iterator[Process]:
        return (Process(self._engine, info) for info in self.listing())

    def __len__(self) -> int:
        return len(self._engine.call(self._engine.session.processes.addresses)[0])

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, (str, int)):
            return key in list(self)
        try:
            self[key]
        except KeyError:
            return False
        return True

    def listing(self) -> ProcessList:
        """All of them as one value."""
        return self._engine.call(self._engine.session.processes.listing)

    @property
    def df(self) -> pandas.DataFrame:
        """One row a process."""
        return self.listing().df

    def to_dict(self) -> dict[str, Any]:
        return self.listing().to_dict()

    def _ipython_key_completions_(self) -> list[str]:
        return [] if self._engine.session.is_running else list(dict.fromkeys(info.image for info in self.listing()))

    def __repr__(self) -> str:
        return shown(lambda: repr(self.listing()), "processes")


class ThreadsView:
    """The threads of all processes: iterate, or index by id or ETHREAD."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __getitem__(self, key: int) -> Thread:
        checked_key(key, int, what="thread's id or ETHREAD")
        for info in self.listing():
            if key in (info.tid, info.address):
                return Thread(self._engine, info)
        raise UnknownNameError(f"there is no thread {key} ({key:#x})", "kd.threads lists them")

    def __iter__(self) -> Iterator[Thread]:
        return (Thread(self._engine, info) for info in self.listing())

    def __len__(self) -> int:
        return len(self.listing())

    def __contains__(self, key: object) -> bool:
        return any(key in (info.tid, info.address) for info in self.listing()) or key in list(self)

    def _ipython_key_completions_(self) -> list[int]:
        return [] if self._engine.session.is_running else [info.tid for info in self.listing()]

    def listing(self) -> ThreadList:
        """All of them as one value."""

        def job() -> ThreadList:
            processes = self._engine.session.processes.listing(flags=WAITS)
            return ThreadList(tuple(thread for process in processes for thread in process.threads), processes.note)

        return self._engine.call(job)

    @property
    def df(self) -> pandas.DataFrame:
        """One row a thread."""
        return self.listing().df

    def to_dict(self) -> dict[str, Any]:
        return self.listing().to_dict()

    def __repr__(self) -> str:
        return shown(lambda: repr(self.listing()), "threads")
