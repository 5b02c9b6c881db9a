"""Files for the target: the host's side of FILE_IO, with the map of `.kdfiles` (the protocol reference 4.2).

A target may ask its debugger for files by name, to replace drivers as they load. Only names in the map are served,
only for reading, and only files that really lie below a folder that the user allowed: links are followed before
that is judged. Everything else is refused as WinDbg refuses it, with C000000F.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kdnb.errors import UsageError
from kdnb.protocol.constants import FILE_IO_SIZE, MAX_PAYLOAD, FileIoApi, Status
from kdnb.protocol.messages.file_io import CloseFileBody, CreateFileBody, FileTransferBody

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kdnb.protocol.messages.file_io import FileIo

__all__ = ["FileServed", "FileService"]

FILES_OPEN = 16
"""What a kernel uses at most."""
NAME_LIMIT = 512
FILE_OPEN = 1
LARGEST_FILE = 0x1000_0000
READ_LIMIT = MAX_PAYLOAD - FILE_IO_SIZE
MAP_LIMIT = 1 << 16
_READ_ACCESS = 0x120089 | 0x80000000
"""FILE_GENERIC_READ, GENERIC_READ: what asks for more wants to write."""


@dataclass(frozen=True, slots=True)
class FileServed:
    """A file that the target asked for: `path` is None where it was refused."""

    name: str
    path: Path | None
    size: int = 0


@dataclass(slots=True)
class FileService:
    """The map and the open files of one session. `told` hears of every file that a target asks for."""

    folders: list[Path] = field(default_factory=list)
    """Files below these may be served; the user names them."""
    told: Callable[[FileServed], object] = lambda _: None
    _map: dict[str, tuple[str, Path]] = field(default_factory=dict)
    """Folded target name -> the name as written, and the host's file."""
    _open: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Handle of the target -> descriptor and size."""
    _next: int = 1

    # --- the map --------------------------------------------------------------------------------

    def allow(self, folder: str | os.PathLike[str]) -> None:
        """Serve files below this folder, where the map names them. Raises UsageError when there is no such folder."""
        path = Path(folder).expanduser()
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError) as error:
            raise UsageError(f"{str(folder)[:200]} can't be allowed: {error}", "name a folder that is there") from error
        if not real.is_dir():
            raise UsageError(f"{str(folder)[:200]} is no folder", "name the folder that the files lie in")
        if real not in self.folders:
            self.folders.append(real)

    def add(self, old: str, new: str | os.PathLike[str]) -> None:
        """Give the target the host's file `new` for `old`: a whole path of the target's, or a file name alone."""
        if not old or len(old) > NAME_LIMIT:
            raise UsageError(
                "a target's name has 1 to 512 characters", r".kdfiles -m \SystemRoot\system32\x.sys new.sys"
            )
        path = Path(new).expanduser()
        if self._allowed(path) is None:
            raise UsageError(
                f"{str(new)[:200]} doesn't lie below an allowed folder", "allow its folder first: .kdfiles -a FOLDER"
            )
        self._map[old.lower()] = (old, path)

    def clear(self) -> None:
        """Forget the map; the allowed folders stay."""
        self._map.clear()

    def __iter__(self) -> Iterator[tuple[str, Path]]:
        return iter(self._map.values())

    def __len__(self) -> int:
        return len(self._map)

    def load(self, text: str) -> None:
        """Read a map file's text: `map`, old name, new name on three lines, again and again."""
        if len(text) > MAP_LIMIT:
            raise UsageError("the map is longer than 64 KB", "is it a .kdfiles map?")
        lines = [line.strip() for line in text.splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
        if len(lines) % 3 or any(lines[at].lower() != "map" for at in range(0, len(lines), 3)):
            raise UsageError("that is no .kdfiles map", "three lines each: map, the target's name, the file here")
        for at in range(0, len(lines), 3):
            self.add(lines[at + 1], lines[at + 2])

    def text(self) -> str:
        """The map as a map file."""
        return "".join(f"map\n{old}\n{new}\n" for old, new in self)

    def _allowed(self, path: Path) -> Path | None:
        """The real file behind `path`, if it lies below an allowed folder."""
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            return None
        return real if any(real.is_relative_to(folder) for folder in self.folders) else None

    def _find(self, name: str) -> Path | None:
        folded = name.lower()
        entry = self._map.get(folded) or self._map.get(folded.replace("/", "\\").rsplit("\\", 1)[-1])
        return self._allowed(entry[1]) if entry is not None else None

    # --- answering ------------------------------------------------------------------------------

    def answer(self, request: FileIo) -> FileIo:
        """The reply to a request of the target; never raises for what it asks."""
        body = request.body
        if isinstance(body, CreateFileBody):
            return self._create(request, body)
        if isinstance(body, FileTransferBody) and request.api == FileIoApi.ReadFile:
            return self._read(request, body)
        if isinstance(body, CloseFileBody):
            return self._close(request, body)
        return replace(request, status=int(Status.UNSUCCESSFUL), data=b"")

    def _create(self, request: FileIo, body: CreateFileBody) -> FileIo:
        name = (request.file_name or "")[:NAME_LIMIT]
        path = self._find(name)
        reads_only = body.create_disposition == FILE_OPEN and not body.desired_access & ~_READ_ACCESS
        opened = _open(path) if path is not None and reads_only and len(self._open) < FILES_OPEN else None
        if opened is None:
            self.told(FileServed(name, None))
            return replace(request, status=int(Status.NO_SUCH_FILE))
        handle, self._next = self._next, self._next + 1
        self._open[handle] = opened
        self.told(FileServed(name, path, opened[1]))
        return replace(request, status=0, body=replace(body, handle=handle, length=opened[1]), data=b"")

    def _read(self, request: FileIo, body: FileTransferBody) -> FileIo:
        descriptor, size = self._open.get(body.handle, (-1, 0))
        data = b""
        if descriptor >= 0 and body.offset < size:
            try:
                data = _read_at(descriptor, min(body.length, READ_LIMIT), body.offset)
            except OSError:
                data = b""
        status = 0 if data or (descriptor >= 0 and body.length == 0) else int(Status.UNSUCCESSFUL)
        return replace(request, status=status, body=replace(body, length=len(data)), data=data)

    def _close(self, request: FileIo, body: CloseFileBody) -> FileIo:
        opened = self._open.pop(body.handle, None)
        if opened is not None:
            os.close(opened[0])
        return replace(request, status=0 if opened is not None else int(Status.UNSUCCESSFUL), data=b"")

    def close_all(self) -> None:
        """The target restarted, or the session ends: it will not close what it opened."""
        for descriptor, _ in self._open.values():
            os.close(descriptor)
        self._open.clear()


def _open(path: Path) -> tuple[int, int] | None:
    """Descriptor and size of a plain file; None where it can't be served. No link is followed here."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError:
        return None
    state = os.fstat(descriptor)
    if not stat.S_ISREG(state.st_mode) or state.st_size >= LARGEST_FILE:
        os.close(descriptor)
        return None
    return descriptor, state.st_size


def _read_at(descriptor: int, size: int, offset: int) -> bytes:
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, size)
