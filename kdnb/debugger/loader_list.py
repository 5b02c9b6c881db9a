"""The loader's lists of images, in the kernel and in a process: the walk that both kinds have in common.

They lie in target memory and are not to be trusted: lengths are bounded, loops end, names are cleaned.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kdnb.debugger.loader_entry import LoaderEntry32, LoaderEntry64
from kdnb.errors import MemoryReadError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.debugger.memory import MemoryCache
    from kdnb.debugger.session import Session

__all__ = ["MAX_MODULES", "MAX_MODULE_SIZE", "LoaderList", "clean", "read_name"]

MAX_MODULES = 4096
MAX_NAME_BYTES = 1024
MAX_MODULE_SIZE = 0x4000_0000


class LoaderList:
    """Entries with their paths from the list head at `head` on; after the walk `note` says why it ended early.

    `links` is where in an entry the list's links lie: an entry is in several lists.
    """

    def __init__(self, session: Session, head: int, links: int = 0) -> None:
        self._session = session
        self._head = head
        self._links = links
        self.note = ""

    def __iter__(self) -> Iterator[tuple[int, LoaderEntry64 | LoaderEntry32, str]]:
        """Address of the entry, its fields, its path."""
        memory = self._session.memory
        layout = LoaderEntry64 if self._session.pointer_size == 8 else LoaderEntry32
        seen: set[int] = set()
        try:
            at = memory.read_pointer(self._head)
            while at not in (self._head, 0):
                if at in seen or len(seen) >= MAX_MODULES:
                    self.note = "the target's module list has a loop"
                    return
                seen.add(at)
                entry = layout.decode(memory.read(at - self._links, layout.SIZE))
                if entry.base and 0 < entry.size <= MAX_MODULE_SIZE:
                    yield at - self._links, entry, self.read_path(entry)
                at = memory.read_pointer(at)
        except MemoryReadError as error:
            self.note = f"the module list ends early: {error.message}"

    def read_path(self, entry: LoaderEntry64 | LoaderEntry32) -> str:
        """Where the image came from, else its file name; cleaned."""
        for buffer, length in ((entry.path_buffer, entry.path_length), (entry.name_buffer, entry.name_length)):
            if name := read_name(self._session.memory, buffer, length):
                return name
        return ""


def read_name(memory: MemoryCache, buffer: int, length: int) -> str:
    """The text of a UNICODE_STRING, cleaned; empty where it can't be read."""
    data = memory.read_available(buffer, min(length, MAX_NAME_BYTES)) if buffer else b""
    return clean(data[: len(data) & ~1].decode("utf-16-le", "replace"))


def clean(text: str) -> str:
    """Untrusted text without control characters, of bounded length."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", "", text)[:MAX_NAME_BYTES]
