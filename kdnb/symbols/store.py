"""Where symbol files lie on this host: WinDbg's symbol path, over plain folders and symbol stores.

`srv*cache*url` names stores: folders are searched, servers are asked through a `Fetch` that the caller gives (without
one nothing here opens a connection). Names from targets are checked before they become part of a path, and a file is
taken only when its GUID and age are the image's.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kdnb.errors import SymbolFileError
from kdnb.symbols.cabinet import expand
from kdnb.symbols.pdb import PdbFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kdnb.symbols.pe import CodeView

__all__ = ["DEFAULT_STORE", "Fetcher", "PathElement", "PdbSearch", "SymbolPath", "read_file", "safe_name"]

DEFAULT_STORE = Path("~/.kdnb/symbols")
"""The folder meant by an empty place in `srv**url` (WinDbg: its own `sym` folder)."""

_UNSAFE = re.compile(r'[\x00-\x1f<>:"|?*/\\]')
_MAX_NAME = 255
_MAX_POINTER = 4096
_NOT_FOUND = ": not found"
# Names that Windows gives to devices whatever the folder and extension.
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def safe_name(untrusted: str) -> str | None:
    """The file name at the end of a path that a target sent, or None where it can't be one.

    Both kinds of separators end a folder: the path was written by a linker on any system.
    """
    name = re.split(r"[/\\]", untrusted)[-1]
    if not name or len(name) > _MAX_NAME or _UNSAFE.search(name) or _DEVICES.match(name):
        return None
    return None if name.strip(". ") != name else name


class Fetcher(Protocol):
    """How a server is asked (`download.Downloader.fetch`)."""

    def __call__(
        self, server: str, name: str, key: str, store: Path, check: Callable[[bytes], PdbFile], /
    ) -> tuple[PdbFile, Path]:
        """The PDB from `server`, written into `store` in store layout once `check` has accepted its bytes.

        Raises `SymbolFileError` with what was wrong, `Cancelled` when the user stops it.
        """


@dataclass(frozen=True, slots=True)
class PathElement:
    """One element of a symbol path: a plain folder, or a chain of stores."""

    text: str
    folders: tuple[Path, ...]
    """Folders to search; stores first hand their cache."""
    servers: tuple[str, ...] = ()
    """Addresses that are asked when no folder has the file."""
    is_store: bool = False
    is_cache: bool = False
    """`cache*FOLDER`: what later elements download is put there."""


@dataclass(frozen=True, slots=True)
class PdbSearch:
    """What came of looking for a PDB: the open file, if one belongs to the image, and what was tried."""

    pdb: PdbFile | None
    path: Path | None = None
    tried: tuple[str, ...] = ()
    """One line per file or folder looked at, with the reason why it was not taken."""
    mismatch: bool = False
    """A PDB of the right name but another build was there."""

    @property
    def reason(self) -> str:
        """Why there is none, in one line: the most telling of what was tried."""
        telling = [line for line in self.tried if not line.endswith(_NOT_FOUND)]
        return (telling or [*self.tried, "no symbol path is set"])[0]


@dataclass(frozen=True, slots=True)
class SymbolPath:
    """A symbol path, element by element."""

    elements: tuple[PathElement, ...] = ()

    @classmethod
    def parse(cls, text: str) -> SymbolPath:
        """`a;srv*cache*url;...` as WinDbg writes it. Never fails: what can't be a folder finds nothing."""
        return cls(tuple(_parse_element(part.strip()) for part in text.split(";") if part.strip()))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> SymbolPath:
        """The path in `_NT_ALT_SYMBOL_PATH` and `_NT_SYMBOL_PATH`; empty without them."""
        names = ("_NT_ALT_SYMBOL_PATH", "_NT_SYMBOL_PATH")
        return cls.parse(";".join(environment.get(name, "") for name in names))

    def __str__(self) -> str:
        return ";".join(element.text for element in self.elements)

    def __add__(self, other: SymbolPath) -> SymbolPath:
        """For `.sympath+`."""
        return SymbolPath(self.elements + other.elements)

    def candidates(self, pdb_name: str, key: str) -> Iterator[Path]:
        """Where the file may lie, in order; `pdb_name` may be a whole untrusted path, only its end is used."""
        name = _checked(pdb_name, key)
        for element in self.elements if name is not None else ():
            yield from _candidates(element, name or "", key)

    def open_pdb(
        self,
        codeview: CodeView,
        *,
        fetch: Fetcher | None = None,
        accept_mismatch: bool = False,
        between: Callable[[], None] = lambda: None,
    ) -> PdbSearch:
        """The PDB of the image with that record; damaged and foreign files are passed over and said.

        Servers are asked through `fetch`, in their place of the path. With `accept_mismatch` a PDB of another build
        is taken where none fits. Raises nothing but `Cancelled`, and what `between` raises, which is called now and
        then while a file is unpacked.
        """
        name = _checked(codeview.pdb_name, codeview.key)
        if name is None:
            return PdbSearch(None, tried=("the image names a PDB that can't be a file name",))
        search = _Search(codeview, name, accept_mismatch, between)
        cache: Path | None = None
        for element in self.elements:
            if element.is_cache:
                cache = element.folders[0]
            if search.in_folders(element) or (fetch is not None and search.on_servers(element, fetch, cache)):
                break
        return search.result()


class _Search:
    """One search for a PDB, and what came of it so far."""

    def __init__(self, codeview: CodeView, name: str, accept_mismatch: bool, between: Callable[[], None]) -> None:
        self._codeview = codeview
        self._between = between
        self._name = name
        self._accept_mismatch = accept_mismatch
        self._tried: list[str] = []
        self._found: tuple[PdbFile, Path] | None = None
        self._foreign: tuple[PdbFile, Path] | None = None
        self._mismatch = False

    def in_folders(self, element: PathElement) -> bool:
        for path in _candidates(element, self._name, self._codeview.key):
            try:
                data = read_file(path)
                if data is None:
                    self._tried.append(f"{path}{_NOT_FOUND}")
                    continue
                self._found = self._check(data, str(path)), path
                return True
            except _ForeignError as error:
                self._foreign = self._foreign or (error.pdb, path)
                self._mismatch = True
                self._tried.append(error.message)
            except SymbolFileError as error:
                self._tried.append(error.message)
        return False

    def on_servers(self, element: PathElement, fetch: Fetcher, cache: Path | None) -> bool:
        has_own = element.folders != (_folder(""),)
        store = element.folders[0] if has_own or cache is None else cache
        for server in element.servers:
            try:
                self._found = fetch(server, self._name, self._codeview.key, store, partial(self._check, where=server))
                return True
            except SymbolFileError as error:
                self._mismatch |= isinstance(error, _ForeignError)
                self._tried.append(error.message)
        return False

    def _check(self, data: bytes, where: str) -> PdbFile:
        pdb = PdbFile(expand(data, where, self._between), where)
        if pdb.belongs_to(self._codeview):
            return pdb
        raise _ForeignError(pdb, f"{where}: mismatched PDB, {pdb.key} instead of {self._codeview.key}")

    def result(self) -> PdbSearch:
        found = self._found or (self._foreign if self._accept_mismatch else None)
        pdb, path = found or (None, None)
        return PdbSearch(pdb, path, tuple(self._tried), self._found is None and self._mismatch)


class _ForeignError(SymbolFileError):
    """A PDB of another build."""

    def __init__(self, pdb: PdbFile, message: str) -> None:
        super().__init__(message)
        self.pdb = pdb


def _checked(pdb_name: str, key: str) -> str | None:
    name = safe_name(pdb_name)
    return name if name is not None and re.fullmatch(r"[0-9A-Fa-f]{1,64}", key) else None


def _candidates(element: PathElement, name: str, key: str) -> Iterator[Path]:
    for folder in element.folders:
        if not element.is_store:
            yield folder / name
            yield folder / "symbols" / name
            yield folder / Path(name).suffix[1:] / name
        # Plain folders are looked at as stores too: WinDbg does the same for a folder that is one.
        for spelling in dict.fromkeys((key, key.upper(), key.lower())):
            yield folder / name / spelling / name


def read_file(path: Path) -> bytes | None:
    """The bytes of a file, of its compressed form beside it, or of what a `file.ptr` beside it points to."""
    for source in (path, path.with_name(path.name[:-1] + "_"), path.with_name("file.ptr")):
        if not _is_file(source):
            continue
        try:
            if source.name == "file.ptr":
                kind, _, target = source.read_text("utf-8", "replace")[:_MAX_POINTER].strip().partition(":")
                if kind.upper() != "PATH" or not _is_file(Path(target)):
                    raise SymbolFileError(f"{source}: points to {target[:200]!r}, which isn't there")
                source = Path(target)  # noqa: PLW2901  # the user's own store says that the file lies there
            return source.read_bytes()
        except OSError as error:
            raise SymbolFileError(f"{source}: {error.strerror or error}") from error
    return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # names too long for the file system, no right to look
        return False


def _parse_element(text: str) -> PathElement:
    head, *rest = text.split("*")
    kind = head.lower()
    if kind == "cache":
        return PathElement(text, (_folder(rest[0].strip() if rest else ""),), is_store=True, is_cache=True)
    if kind not in ("srv", "symsrv") or not rest:
        return PathElement(text, (_folder(text),))
    if kind == "symsrv":
        rest = rest[1:]  # the server's DLL
    stores = [part.strip() for part in rest]
    servers = tuple(part for part in stores if _is_address(part))
    folders = tuple(_folder(part) for part in stores if not _is_address(part))
    return PathElement(text, folders or (_folder(""),), servers, is_store=True)


def _is_address(text: str) -> bool:
    return re.match(r"[a-z][a-z0-9+.-]+://", text, re.IGNORECASE) is not None


def _folder(text: str) -> Path:
    try:
        return (Path(text) if text else DEFAULT_STORE).expanduser()
    except RuntimeError:  # `~` of a user that doesn't exist
        return Path(text)
