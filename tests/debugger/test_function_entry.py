from __future__ import annotations

import struct
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from kdnb.debugger.function_entry import function_entry
from kdnb.errors import SymbolFileError, UsageError
from kdnb.protocol.constants import MachineType
from kdnb.render.text import to_text
from kdnb.symbols.pdb import PdbFile
from kdnb.symbols.pe import PeImage
from kdnb.symbols.table import SymbolTable

if TYPE_CHECKING:
    from tests.windows_files import WindowsFiles


class StoppedWith:
    """What `.fnent` needs of a session: one image of a file at its preferred address."""

    def __init__(self, name: str, data: bytes, pdb: PdbFile | None = None) -> None:
        self.image = PeImage.from_file(data)
        self.machine, self.pointer_size, self.base = MachineType(self.image.machine), 8, self.image.image_base
        table = SymbolTable.from_exports(self.image) if pdb is None else SymbolTable.from_pdb(pdb)
        module = SimpleNamespace(image=self.image, base=self.base, symbols=table)
        self.modules = SimpleNamespace(find=lambda address: module)
        self.symbols = SimpleNamespace(format=self._format)
        self._name, self._table = name, table

    def _format(self, address: int) -> str:
        name, displacement = self._table.nearest(address - self.base) or ("", address - self.base)
        return f"{self._name}!{name}" + (f"+0x{displacement:x}" if displacement else "")

    def entry(self, rva: int) -> str:
        session: Any = self
        return to_text(function_entry(session, self.base + rva))


def test_the_tables_of_a_module_without_symbols_are_shown(msvc: WindowsFiles) -> None:
    session = StoppedWith("msvcp140", msvc.data("msvcp140.dll"))
    lines = session.entry(0x10BA0).splitlines()  # num_put<char>::do_put(double): a string and its destructor
    (handler,) = [line for line in lines if "handler routine" in line]
    assert ", by __CxxFrameHandler4, data at 00000001`8005c" in handler
    assert "    unwind: state 0 -> -1: " in "\n".join(lines)
    assert [line for line in lines if line.startswith("    ip: from ")]


def test_catches_name_the_type_and_where_the_function_goes_on(msvc: WindowsFiles) -> None:
    pdb = PdbFile.open(msvc.path("attach_amd64.pdb"))
    session = StoppedWith("attach_amd64", msvc.data("attach_amd64.dll"), pdb)
    entries = [
        session.entry(procedure.rva) for procedure in pdb.procedures() if session.image.function_at(procedure.rva)
    ]
    catches = [line.strip() for entry in entries for line in entry.splitlines() if line.startswith("    catch: ")]
    assert len(catches) == 2
    for line in catches:
        assert line.startswith("catch: catch(...) at attach_amd64!`")
        assert ", goes on at attach_amd64!" in line


def test_arm64_functions_show_their_handlers_too(msvc: WindowsFiles) -> None:
    session = StoppedWith("vcruntime140", msvc.data("arm64/concrt140.dll"))
    table = session.image.arm64_functions
    begins = [table.entry(index)[0] for index in range(0, len(table), 5)]
    entries = [session.entry(begin) for begin in begins]
    assert sum(", by __CxxFrameHandler3, data at " in entry for entry in entries) > 50
    assert sum("    catch: catch(" in entry for entry in entries) > 3


@pytest.mark.parametrize("name", ["vcruntime140_1.dll", "attach_amd64.dll", "arm64/msvcp140_atomic_wait.dll"])
def test_damaged_images_by_msvc_raise_nothing_but_their_own_errors(msvc: WindowsFiles, name: str) -> None:
    original, random = msvc.data(name), Random(1)
    sound = PeImage.from_file(original)
    arm64 = sound.arm64_functions
    begins = [one.begin for one in sound.function_table] or [arm64.entry(index)[0] for index in range(len(arm64))]
    directories = [sound.directory(index) for index in (1, 3)]
    for _ in range(60):
        data = bytearray(original)
        for _ in range(random.choice([1, 20, 300])):
            place = random.randrange(0x400, len(data) - 4)
            if random.random() < 0.5:  # in the tables that count
                rva, size = random.choice(directories)
                section = sound.section_of(rva)
                assert section is not None
                place = section.file_offset + rva - section.rva + random.randrange(size - 4)
            struct.pack_into("<I", data, place, random.choice([0, 1, 0xFF, 0x1000, 0x7FFFFFFF, 0xFFFFFFFF, place]))
        session = StoppedWith("damaged", bytes(data))
        for begin in begins[:: len(begins) // 20]:
            try:
                assert session.entry(begin)
            except (SymbolFileError, UsageError):
                continue
