"""Images of user mode: those that the loader's lists in a process's PEB name.

They are read when somebody asks (`.reload /user`, `.process /r`) and belong to the process: they are seen while it is
the one whose user memory is seen. Offsets in PEB and PEB_LDR_DATA are the same in all versions (public headers).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.debugger.loader_list import LoaderList
from kdnb.errors import KdnbError, MemoryReadError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.debugger.loader_entry import LoaderEntry32, LoaderEntry64
    from kdnb.debugger.modules import Module
    from kdnb.debugger.session import Session

__all__ = ["UserModules", "loader_lists"]

MAX_PROCESSES = 64
"""Processes whose lists are kept; the one read longest ago goes first."""
_PEB_LDR = {8: 0x18, 4: 0xC}
_LOAD_ORDER = {8: 0x10, 4: 0xC}
_NO_PEB = "the process has no user mode part", "choose another: .process /p PROCESS"


def loader_lists(session: Session) -> int:
    """Address of PEB_LDR_DATA of the process that is seen. Raises `UnsupportedError` where it has none (yet)."""
    peb = session.processes.peb(session.address_space.seen())
    if not peb:
        raise UnsupportedError(*_NO_PEB)
    try:
        lists = session.memory.read_pointer(peb + _PEB_LDR[session.pointer_size])
    except MemoryReadError as error:
        raise UnsupportedError(f"PEB is paged out or damaged: {error.message}", "let the target run on") from error
    if not lists:
        raise UnsupportedError("the process has not loaded its images: PEB.Ldr is NULL", "let the target run on")
    return lists


class UserModules:
    """The lists that were read, by their process. Only those of the process that is seen show."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lists: dict[tuple[int, int], list[Module]] = {}
        """By EPROCESS and PEB: another process may come to lie where one was."""

    def visible(self) -> list[Module]:
        """Those of the process that is seen; none while the target runs."""
        if not self._lists or self._session.is_running:
            return []
        try:
            return self._lists.get(self._key(), [])
        except KdnbError:
            return []

    def _key(self) -> tuple[int, int]:
        process = self._session.address_space.seen()
        return process, self._session.processes.peb(process)

    def load(self, make: Callable[[str, LoaderEntry64 | LoaderEntry32, list[str]], Module]) -> str:
        """Read the list of the process that is seen; gives why it may not be whole.

        `make` gives a module by its path, entry and the names that are taken. What was known of an image stays.
        """
        session = self._session
        key, lists = self._key(), loader_lists(session)
        known = {(m.base, m.size, m.path): m for modules in self._lists.values() for m in modules}
        found: list[Module] = []
        walk = LoaderList(session, lists + _LOAD_ORDER[session.pointer_size])
        for _, entry, path in walk:
            if not session.address_space.is_user(entry.base):
                continue
            module = known.get((entry.base, entry.size, path))
            found.append(module or make(path, entry, [each.name.lower() for each in found]))
        self._lists.pop(key, None)
        self._lists[key] = found
        while len(self._lists) > MAX_PROCESSES:
            del self._lists[next(iter(self._lists))]
        return walk.note

    def all(self) -> list[Module]:
        """Those of all processes."""
        return list({id(module): module for modules in self._lists.values() for module in modules}.values())

    def clear(self) -> None:
        self._lists.clear()
