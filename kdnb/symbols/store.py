"""Where symbol files lie on this host: WinDbg's symbol path, over plain folders and symbol stores.

`srv*cache*url` names stores, of which folders are searched and addresses of servers are only kept: nothing
here opens a connection. Names from targets are checked before they become part of a path.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kdnb.errors import SymbolFileError
from kdnb.symbols.pdb import PdbFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kdnb.symbols.pe import CodeView

__all__ = ["DEFAULT_STORE", "PathElement", "PdbSearch", "SymbolPath", "safe_name"]

DEFAULT_STORE = Path("~/.kdnb/symbols")
"""The folder meant by an empty place in `srv**url` (WinDbg: its own `sym` folder)."""

_UNSAFE = re.compile(r'[\x00-\x1f<>:"|?*/\\]')
_MAX_NAME = 255
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


@dataclass(frozen=True, slots=True)
class PathElement:
    """One element of a symbol path: a plain folder, or a chain of stores."""

    text: str
    folders: tuple[Path, ...]
    """Folders to search; stores first hand their cache."""
    servers: tuple[str, ...] = ()
    """Addresses that would be asked; not used yet."""
    is_store: bool = False


@dataclass(frozen=True, slots=True)
class PdbSearch:
    """What came of looking for a PDB: the open file, if one belongs to the image, and what was tried."""

    pdb: PdbFile | None
    path: Path | None = None
    tried: tuple[str, ...] = ()
    """One line per file or folder looked at, with the reason why it was not taken."""
    mismatch: bool = False
    """A PDB of the right name but another build was there."""


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
        name = safe_name(pdb_name)
        if name is None or not re.fullmatch(r"[0-9A-Fa-f]{1,64}", key):
            return
        for element in self.elements:
            for folder in element.folders:
                if not element.is_store:
                    yield folder / name
                    yield folder / "symbols" / name
                    yield folder / Path(name).suffix[1:] / name
                # Plain folders are looked at as stores too: WinDbg does the same for a folder that is one.
                for spelling in dict.fromkeys((key, key.upper(), key.lower())):
                    yield folder / name / spelling / name

    def find_pdb(self, pdb_name: str, key: str) -> Path | None:
        """The first file there is, whatever it holds; `open_pdb` checks that it belongs."""
        return next((path for path in self.candidates(pdb_name, key) if _is_file(path)), None)

    def open_pdb(self, codeview: CodeView) -> PdbSearch:
        """The PDB of the image with that record. Never raises: damaged and foreign files are passed over and said."""
        if safe_name(codeview.pdb_name) is None:
            return PdbSearch(None, tried=("the image names a PDB that can't be a file name",))
        tried: list[str] = []
        mismatch = False
        for path in self.candidates(codeview.pdb_name, codeview.key):
            if not _is_file(path):
                tried.append(f"{path}: not found")
                continue
            try:
                pdb = PdbFile.open(path)
            except SymbolFileError as error:
                tried.append(str(error))
                continue
            if pdb.belongs_to(codeview):
                return PdbSearch(pdb, path, tuple(tried))
            mismatch = True
            tried.append(f"{path}: mismatched PDB, {pdb.key} instead of {codeview.key}")
        return PdbSearch(None, None, tuple(tried), mismatch)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # names too long for the file system, no right to look
        return False


def _parse_element(text: str) -> PathElement:
    head, *rest = text.split("*")
    kind = head.lower()
    if kind == "cache":
        return PathElement(text, tuple(_folder(part) for part in rest[:1]), is_store=True)
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
