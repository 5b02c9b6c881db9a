"""Images: those of PsLoadedModuleList and of the process that is seen, load and unload notices, what each is.

Image headers and symbols are read when somebody asks for them.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from kdnb.debugger.image_reader import ImageReader
from kdnb.debugger.loader_list import LoaderList, clean
from kdnb.debugger.unloaded_modules import UnloadedModules
from kdnb.debugger.user_modules import UserModules
from kdnb.errors import MemoryReadError, SymbolFileError, UnknownNameError
from kdnb.protocol.constants import MachineType
from kdnb.results.modules import ModuleInfo
from kdnb.symbols.pe import PeImage
from kdnb.symbols.table import SymbolTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.debugger.loader_entry import LoaderEntry32, LoaderEntry64
    from kdnb.debugger.session import Session
    from kdnb.results.modules import UnloadedModule
    from kdnb.symbols.frame_data import FrameTable
    from kdnb.symbols.pdb import PdbFile
    from kdnb.symbols.store import PdbSearch
    from kdnb.symbols.types import TypeTable

__all__ = ["Module", "ModuleTable"]

KERNEL_NAMES = frozenset(("ntoskrnl", "ntkrnlmp", "ntkrnlpa", "ntkrpamp"))
"""What the kernel's file and PDB are called; all of them mean `nt`."""
CHEAP_EXPORTS = 0x4000
"""Bytes of an export directory that are read without having been asked for (a second on a serial line)."""


class Module:
    """One image. Addresses are without sign extension; `image` is given where it doesn't lie in memory."""

    def __init__(
        self,
        session: Session,
        name: str,
        base: int,
        size: int,
        path: str = "",
        checksum: int = 0,
        image: PeImage | None = None,
    ) -> None:
        self._session = session
        self.name = name
        self.base = base
        self.size = size
        self.path = path
        self.checksum = checksum
        self.symbol_file = ""
        self.symbol_note = ""
        """Why there are no better symbols."""
        self._image = image
        self._image_missing_at = -1
        self._symbols: SymbolTable | None = None
        self._cheap: SymbolTable | None = None
        self._search: PdbSearch | None = None
        self._asked_servers = False
        self._types: TypeTable | None = None
        self._typeless = False
        self.is_unloaded = False
        """It is no longer there, but its symbols are (`.reload /unl`)."""
        self.accept_mismatch = False
        """Take a PDB of another build where there is none that fits (`.reload /i`)."""

    def __repr__(self) -> str:
        return f"<module {self.name} {self.base:#x}..{self.end:#x}>"

    @property
    def end(self) -> int:
        """First address behind the image."""
        return self.base + self.size

    @property
    def image_name(self) -> str:
        """File name at the end of the path; untrusted."""
        return re.split(r"[\\/]", self.path)[-1] or self.name

    def __contains__(self, address: object) -> bool:
        return isinstance(address, int) and self.base <= address < self.end

    @property
    def image(self) -> PeImage | None:
        """The image as it lies in target memory; None where its headers can't be read (tried again at each stop)."""
        if self._image is None and not self.is_unloaded and self._image_missing_at != self._session.sequence:
            self._session.require_stopped()
            try:
                self._image = PeImage.parse(ImageReader(self._session.memory).read, self.base)
            except (SymbolFileError, MemoryReadError) as error:
                self._image_missing_at = self._session.sequence
                self.symbol_note = error.message
        return self._image

    @property
    def symbols(self) -> SymbolTable:
        """The best symbols there are: those of the PDB, else the image's exports; loaded at the first use."""
        if self._symbols is None:
            self._symbols = self._from_pdb() or self._cheap or self._from_exports()
        return self._symbols

    @property
    def cheap_symbols(self) -> SymbolTable | None:
        """The symbols, unless getting them means a download or a long read from the target."""
        if self._symbols is None and self._cheap is None:
            table = self._from_pdb(download=False)
            image = self.image
            if table is None and image is not None:
                directories = image.directories
                if directories and directories[0][1] <= CHEAP_EXPORTS:
                    table = self._from_exports()
            if self._search is not None and self._search.pdb is None and self._session.symbols.has_servers:
                self._cheap = table  # a server may have better ones: whoever asks for all symbols gets them
            else:
                self._symbols = table
        return self._symbols or self._cheap

    @property
    def local_pdb(self) -> PdbFile | None:
        """The image's PDB if it is known already or lies in a folder: no server is asked."""
        return self._find_pdb(download=False)

    @property
    def pdb(self) -> PdbFile | None:
        """The image's PDB, looked for at the first use: in folders, and on servers where the symbol path has any."""
        return self._find_pdb(download=True)

    def _find_pdb(self, *, download: bool) -> PdbFile | None:
        """Each place is asked once, until the symbol path changes."""
        search = self._search
        if search is not None and (search.pdb is not None or self._asked_servers or not download):
            return search.pdb
        image = self.image
        if image is None or image.codeview is None:
            self.symbol_note = self.symbol_note or "the image doesn't name a PDB"
            return None
        self._asked_servers = download
        search = self._search = self._session.symbols.open_pdb(
            image.codeview, download=download, accept_mismatch=self.accept_mismatch
        )
        if search.pdb is None:
            self.symbol_note = search.reason
        else:
            self.symbol_note = "mismatched PDB, loaded all the same" if search.mismatch else ""
            self.symbol_file = str(search.path or "")
        return search.pdb

    @property
    def tried(self) -> tuple[str, ...]:
        """Where its PDB was looked for, and why each place had none (`!sym noisy`)."""
        return self._search.tried if self._search is not None else ()

    def _from_pdb(self, *, download: bool = True) -> SymbolTable | None:
        pdb = self._find_pdb(download=download)
        if pdb is None:
            return None
        try:
            return SymbolTable.from_pdb(pdb)
        except SymbolFileError as error:
            self.symbol_note = error.message
            return None

    def _from_exports(self) -> SymbolTable:
        image = self.image
        if image is None:
            return SymbolTable()
        try:
            return SymbolTable.from_exports(image)
        except (SymbolFileError, MemoryReadError) as error:
            self.symbol_note = error.message
            return SymbolTable()

    @property
    def types(self) -> TypeTable | None:
        """The types in the image's PDB; None where no PDB is found or it has no types."""
        if self._types is None and not self._typeless:
            pdb = self.pdb
            try:
                self._types = pdb.types if pdb is not None else None
            except SymbolFileError as error:
                self._typeless = True
                self.symbol_note = error.message
        return self._types

    @property
    def frame_table(self) -> FrameTable | None:
        """x86: what the PDB notes of frames, for stack walks; None for other machines and without a PDB."""
        if self._session.machine != MachineType.I386 or self.pdb is None:
            return None
        return self.pdb.frame_table

    def forget_symbols(self) -> None:
        """The symbol path has changed: look again at the next use."""
        self._symbols = self._cheap = self._types = self._search = None
        self._asked_servers = self._typeless = False
        self.symbol_file = self.symbol_note = ""

    @property
    def symbol_status(self) -> str:
        """Status word of `lm`."""
        return "deferred" if self._symbols is None else self._symbols.source

    def info(self, *, headers: bool = False) -> ModuleInfo:
        """The module as a value; `headers` adds what stands in the image's headers (`lmv`)."""
        image = self.image if headers else self._image
        codeview = image.codeview if image is not None and headers else None
        return ModuleInfo(
            name=self.name,
            start=self.base,
            end=self.end,
            image_name=self.image_name,
            image_path=self.path,
            symbol_status=self.symbol_status,
            symbol_file=self.symbol_file,
            timestamp=image.timestamp if image else None,
            checksum=image.checksum if image else self.checksum or None,
            pdb_name=codeview.pdb_name if codeview else "",
            pdb_guid=codeview.guid if codeview else "",
            pdb_age=codeview.age if codeview else None,
            is_reproducible=headers and image is not None and image.is_reproducible,
        )


class ModuleTable:
    """All loaded images, in the target's load order, the kernel's first. Keys are names (in either case) or numbers.

    Behind them come those that were unloaded and whose symbols `.reload /unl` has found.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._modules: list[Module] = []
        self._user = UserModules(session)
        self._gone: list[Module] = []
        self.remembered = UnloadedModules(session)
        """What the target says was unloaded."""
        self.note = ""
        """Why the list may not be whole."""

    def __iter__(self) -> Iterator[Module]:
        return iter((*self._modules, *self._user.visible(), *self._gone))

    def __len__(self) -> int:
        return len(self._modules) + len(self._user.visible()) + len(self._gone)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __getitem__(self, key: str | int) -> Module:
        if isinstance(key, int):
            modules = list(self)
            if not -len(modules) <= key < len(modules):
                raise UnknownNameError(f"there is no module number {key}", "modules.find(ADDRESS) asks by address")
            return modules[key]
        module = self.get(key)
        if module is None:
            near = difflib.get_close_matches(key.lower(), [m.name.lower() for m in self], 3)
            hint = f"did you mean {', '.join(near)}?" if near else "lm lists the modules"
            raise UnknownNameError(f"there is no module {key[:60]}", hint, near)
        return module

    def get(self, name: str) -> Module | None:
        """The module of that name; `nt` is always the kernel, and file names do as well, with and without extension."""
        wanted = name.lower()
        named = next((module for module in self if module.name.lower() == wanted), None)
        files = ((module, module.image_name) for module in self)
        found = named or next((m for m, file in files if wanted in (_module_name(file).lower(), file.lower())), None)
        return self.kernel if found is None and wanted in KERNEL_NAMES else found

    def find(self, address: int) -> Module | None:
        """The module around `address`, which may be sign-extended."""
        address &= self._session.address_mask
        if self._session.address_space.is_user(address):
            return next((module for module in self._user.visible() if address in module), None)
        return next((module for module in (*self._modules, *self._gone) if address in module), None)

    def is_code(self, address: int) -> bool:
        """Whether it lies in a section of an image that may be executed."""
        module = self.find(address)
        section = module.image.section_of(address - module.base) if module and module.image else None
        return section is not None and section.is_code

    @property
    def kernel(self) -> Module | None:
        return self.get("nt")

    # --- filling --------------------------------------------------------------------------------

    def clear(self) -> None:
        self._modules.clear()
        self._gone.clear()
        self._user.clear()
        self.remembered.invalidate()
        self.note = ""

    def load_user(self) -> str:
        """Read the images of the process that is seen; gives why the list may not be whole.

        Raises `UnsupportedError` for a process without user mode.
        """

        def make(path: str, entry: LoaderEntry64 | LoaderEntry32, taken: list[str]) -> Module:
            taken = [*taken, *(module.name.lower() for module in self._modules)]
            return Module(self._session, self._free_name(path, entry.base, taken), entry.base, entry.size, path)

        return self._user.load(make)

    @property
    def user(self) -> list[Module]:
        """Those of the process that is seen, as far as they were read."""
        return self._user.visible()

    def forget_symbols(self) -> None:
        """The symbol path has changed: look again at the next use, for the images of all processes."""
        for module in (*self._modules, *self._user.all(), *self._gone):
            module.forget_symbols()

    def reload(self) -> None:
        """Walk the target's list; images that are still there keep their symbols."""
        known = {(module.base, module.size, module.path): module for module in self._modules}
        found: list[Module] = []
        self.note = ""
        kernel_list = self._kernel_list()
        for _, entry, path in kernel_list or ():
            key = (entry.base, entry.size, path)
            module = known.get(key)
            if module is None:
                name = self._free_name(path, entry.base, [m.name.lower() for m in found])
                module = Module(self._session, name, entry.base, entry.size, path, entry.checksum)
            found.append(module)
        if kernel_list is not None:
            self.note = kernel_list.note
        if not found:
            found = self._kernel_only()
        self._modules = found
        self.remembered.invalidate()
        for module in found:
            self._make_room(module)

    def _kernel_list(self) -> LoaderList | None:
        version = self._session.version
        if version is None or not version.loaded_module_list:
            self.note = "the target gives no module list"
            return None
        return LoaderList(self._session, version.loaded_module_list & self._session.address_mask)

    def _kernel_only(self) -> list[Module]:
        """Without a list: the kernel alone, by the base that GetVersion gives."""
        version = self._session.version
        if version is None or not version.kernel_base:
            return []
        base = version.kernel_base & self._session.address_mask
        kept = [module for module in self._modules if module.name == "nt" and module.base == base]
        module = kept[0] if kept else Module(self._session, "nt", base, 0x1000, "nt")
        if module.image is None:
            return []
        module.size = module.image.size_of_image
        return [module]

    def _free_name(self, path: str, base: int, taken: list[str]) -> str:
        version = self._session.version
        if version is not None and base == version.kernel_base & self._session.address_mask:
            return "nt"
        name = _module_name(re.split(r"[\\/]", path)[-1]) or f"image{base:x}"
        return f"{name}_{base:x}" if name.lower() in taken or name.lower() == "nt" else name

    def loaded(self, path: str, base: int, size: int, checksum: int = 0) -> Module:
        """A load notice: the image is new even where another one lay before."""
        base &= self._session.address_mask
        self._modules = [module for module in self._modules if module.base != base]
        path = clean(path)
        name = self._free_name(path, base, [module.name.lower() for module in self._modules])
        module = Module(self._session, name, base, max(size, 1), path, checksum)
        self._modules.append(module)
        self._make_room(module)
        return module

    def unloaded(self, base: int) -> Module | None:
        """An unload notice; gives the module that went."""
        module = next((m for m in self._modules if m.base == base & self._session.address_mask), None)
        if module is not None:
            self._modules.remove(module)
        self.remembered.noticed()
        return module

    # --- those that were unloaded -----------------------------------------------------------------

    def bring_back(self, gone: UnloadedModule, image: PeImage) -> Module | None:
        """The symbols of an image that was unloaded count again; None where another one lies there now."""
        known = next((m for m in self._gone if (m.base, m.end, m.path) == (gone.start, gone.end, gone.name)), None)
        if known is not None:
            return known
        if any(module.base < gone.end and gone.start < module.end for module in (*self._modules, *self._gone)):
            return None
        name = self._free_name(gone.name, gone.start, [module.name.lower() for module in self])
        module = Module(self._session, name, gone.start, gone.size, gone.name, image.checksum, image)
        module.is_unloaded = True
        self._gone.append(module)
        return module

    def forget_gone(self, module: Module) -> None:
        """No longer (`.reload /u`)."""
        self._gone = [each for each in self._gone if each is not module]

    def _make_room(self, module: Module) -> None:
        """What is loaded takes the place of what was unloaded there."""
        self._gone = [each for each in self._gone if each.end <= module.base or module.end <= each.base]


def _module_name(file_name: str) -> str:
    """`ntfs` for `Ntfs.sys`: what commands can use as a name."""
    stem = file_name.rsplit(".", 1)[0] or file_name
    return re.sub(r"[^A-Za-z0-9_$?@]", "_", stem)[:64]
