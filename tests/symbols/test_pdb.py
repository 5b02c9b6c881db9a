from __future__ import annotations

import contextlib
import re
import struct
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdnb.errors import SymbolFileError
from kdnb.simulator import guest
from kdnb.symbols.pdb import PdbFile
from kdnb.symbols.pe import PeImage
from kdnb.symbols.table import SymbolTable
from kdnb.symbols.types import StructType

if TYPE_CHECKING:
    from random import Random

    from tests.symbols.build import Built
    from tests.windows_files import WindowsFiles


def pdbutil(path: Path, *options: str) -> str:
    return subprocess.run(
        ["llvm-pdbutil", "dump", *options, str(path)], check=True, capture_output=True, text=True
    ).stdout


def test_a_pdb_belongs_to_its_own_image_and_to_no_other(built: Built, built_x86: Built) -> None:
    pdb = PdbFile.open(built.pdb)
    codeview = PeImage.from_file(built.image.read_bytes()).codeview
    other = PeImage.from_file(built_x86.image.read_bytes()).codeview
    assert codeview is not None
    assert other is not None
    assert pdb.key == codeview.key
    assert pdb.belongs_to(codeview)
    assert not pdb.belongs_to(other)


@pytest.mark.external("llvm-pdbutil")
def test_publics_are_those_that_llvm_pdbutil_shows(built: Built) -> None:
    listing = pdbutil(built.pdb, "-publics")
    entries = re.findall(r"S_PUB32 \[size = \d+\] `(.+?)`\s+flags = (.+?), addr = (\d+):(\d+)", listing)
    sections = PeImage.from_file(built.image.read_bytes()).sections
    expected = {(sections[int(s) - 1].rva + int(o), name, "function" in flags) for name, flags, s, o in entries}
    assert expected
    assert {(p.rva, p.name, p.is_function) for p in PdbFile.open(built.pdb).publics()} == expected


@pytest.mark.external("llvm-pdbutil")
@pytest.mark.parametrize("name", ["inject_dll_amd64", "inject_dll_x86"])
def test_names_by_msvc_are_those_that_llvm_pdbutil_shows(msvc: WindowsFiles, name: str) -> None:
    path = msvc.path(f"{name}.pdb")
    pdb, sections = PdbFile.open(path), PeImage.from_file(msvc.data(f"{name}.exe")).sections

    def place(segment: str, offset: str) -> int:
        return sections[int(segment) - 1].rva + int(offset)

    rows = re.findall(
        r"S_PUB32 \[size = \d+\] `\x7f?(.+?)`\s+flags = (.+?), addr = (\d+):(\d+)", pdbutil(path, "-publics")
    )
    expected = {(place(s, o), name, "function" in flags) for name, flags, s, o in rows if 0 < int(s) <= len(sections)}
    assert {(p.rva, p.name.removeprefix("."), p.is_function) for p in pdb.publics()} == expected
    symbols = pdbutil(path, "-symbols")
    rows = re.findall(r"S_[GL]PROC32 \[size = \d+\] `(.+?)`\n.*, addr = (\d+):(\d+), code size = (\d+)", symbols)
    assert {(p.rva, p.name, p.size) for p in pdb.procedures()} == {(place(s, o), n, int(z)) for n, s, o, z in rows}
    rows = re.findall(
        r"S_[GL]DATA32 \[size = \d+\] `(.+?)`\n.*, addr = (\d+):(\d+)", symbols + pdbutil(path, "-globals")
    )
    assert {(v.rva, v.name) for v in pdb.variables} == {
        (place(s, o), n) for n, s, o in rows if 0 < int(s) <= len(sections)
    }


@pytest.mark.external("llvm-pdbutil")
def test_lines_by_msvc_are_those_that_llvm_pdbutil_shows(msvc: WindowsFiles) -> None:
    path = msvc.path("attach_amd64.pdb")
    sections = PeImage.from_file(msvc.data("attach_amd64.dll")).sections
    expected, segment = set(), 0
    for line in pdbutil(path, "-l").splitlines():
        if head := re.match(r"\s+(\d{4}):\w{8}-\w{8}, line/addr entries", line):
            segment = int(head[1])
        elif re.fullmatch(r"(?:\s+(?:\d+|ASI|NSI)\s+[0-9A-F]{8}\s*!?)+\s*", line):
            for number, offset in re.findall(r"(\d+)\s+([0-9A-F]{8})\b", line):
                expected.add((sections[segment - 1].rva + int(offset, 16), int(number)))
    found = {(line.rva, line.line) for line in PdbFile.open(path).lines()}
    assert len(expected) > 1000
    assert found == expected


def test_procedures_have_sizes_and_statics_have_names(built: Built) -> None:
    pdb = PdbFile.open(built.pdb)
    sizes = {symbol.name: symbol.size for symbol in pdb.procedures()}
    assert {"Add", "add_lower", "hidden", "Entry"} == set(sizes)
    assert all(size is not None and size > 0 for size in sizes.values())
    assert {"counter", "hidden_value"} <= {symbol.name for symbol in pdb.variables}


def test_names_of_pdb_and_exports_agree_about_addresses(built: Built) -> None:
    image = PeImage.from_file(built.image.read_bytes())
    table = SymbolTable.from_pdb(PdbFile.open(built.pdb))
    for rva, name in image.exports():
        assert name.startswith("Ordinal") or table.lookup(name) == rva


def test_x86_names_lose_their_decoration(built_x86: Built) -> None:
    table = SymbolTable.from_pdb(PdbFile.open(built_x86.pdb))
    assert table.lookup("Add") is not None
    assert table.lookup("_Add") is None


def test_lines_name_the_source_of_an_address(built: Built) -> None:
    pdb = PdbFile.open(built.pdb)
    start = SymbolTable.from_pdb(pdb).lookup("Add")
    assert start is not None
    line = pdb.line_at(start)
    assert line is not None
    assert line.file.endswith("program.c")
    assert line.line == 5
    assert pdb.line_at(0) is None


def test_a_source_line_has_an_address(built: Built) -> None:
    pdb = PdbFile.open(built.pdb)
    start = SymbolTable.from_pdb(pdb).lookup("Add")
    assert pdb.line_address("program.c", 5) == pdb.line_address("PROGRAM.C", 5) == start
    assert pdb.line_address("gram.c", 5) is None
    assert pdb.line_address("program.c", 9999) is None


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SymbolFileError, match="No such file"):
        PdbFile.open(tmp_path / "absent.pdb")


@pytest.mark.parametrize("data", [b"", b"Microsoft C/C++ MSF 7.00\r\n\x1aDS\0\0\0", b"MZ" + bytes(4096)])
def test_what_is_no_pdb_is_refused(data: bytes) -> None:
    with pytest.raises(SymbolFileError, match="not a readable PDB"):
        PdbFile.open(data)


def test_damaged_pdbs_raise_nothing_but_symbol_file_errors(built: Built) -> None:
    original = built.pdb.read_bytes()

    @given(st.lists(st.tuples(st.integers(0, len(original) - 1), st.integers(0, 255)), max_size=30), st.integers(0, 3))
    def damage(changes: list[tuple[int, int]], cut: int) -> None:
        data = bytearray(original)
        for at, value in changes:
            data[at] = value
        try:
            pdb = PdbFile.open(bytes(data[: len(data) >> cut]))
            SymbolTable.from_pdb(pdb)
            pdb.lines()
        except SymbolFileError:
            pass

    damage()


IMAGES = sorted((Path(guest.__file__).parent / "images").rglob("*.pdb"))


def read_all(data: bytes) -> list[str]:
    """Every name that a PDB gives, by every way to ask for them."""
    pdb = PdbFile.open(data)
    names = [symbol.name for symbol in SymbolTable.from_pdb(pdb).search("*")]
    names += [line.file for line in pdb.lines()]
    for rva in (0x1000, 0x1234, 0x2345):
        pdb.line_at(rva)
        pdb.frame_table.lookup(rva)
        names += [variable.name for variable in pdb.locals_at(rva, lambda _: 0) or ()]
    pdb.typedef("ULONG")
    for name in pdb.types.search("*"):
        names.append(name)
        found = pdb.types.lookup(name)
        names += [field.name for field in found.fields] if isinstance(found, StructType) else []
    return names


@given(st.sampled_from(IMAGES), st.randoms(use_true_random=False))
def test_damaged_guest_pdbs_raise_nothing_else_in_any_part(path: Path, random: Random) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(random.choice([1, 2, 5, 40])):
        at = random.choice([random.randrange(len(data) - 4), random.randrange(len(data) // 4096) * 4096]) & ~3
        value = random.choice([0, 1, 0x7FFF, 0x8000, 0x1000 + random.randrange(600), 0x7FFFFFFF, 0xFFFFFFFF])
        form, mask = random.choice([("<I", 0xFFFFFFFF), ("<H", 0xFFFF)])
        struct.pack_into(form, data, at, value & mask)
    with contextlib.suppress(SymbolFileError):
        assert all(name.isprintable() for name in read_all(bytes(data)))


def test_damaged_pdbs_by_msvc_raise_nothing_else_in_any_part(msvc: WindowsFiles) -> None:
    original = msvc.data("run_code_on_dllmain_x86.pdb")

    @settings(max_examples=25)
    @given(st.randoms(use_true_random=False))
    def damage(random: Random) -> None:
        data = bytearray(original)
        for _ in range(random.choice([1, 5, 40, 400])):
            at = random.randrange(len(data) - 4)
            struct.pack_into("<I", data, at, random.choice([0, 0x7FFF, 0x8000, 0x7FFFFFFF, 0xFFFFFFFF, at]))
        with contextlib.suppress(SymbolFileError):
            assert all(name.isprintable() for name in read_all(bytes(data)))

    damage()


def test_names_that_would_steer_a_terminal_are_made_printable() -> None:
    data = next(path for path in IMAGES if path.name == "ntkrnlmp.pdb").read_bytes()
    hostile = data.replace(b"_EPROCESS", b"_E\nRO\x1bESS").replace(b"KeBugCheckEx", b"Ke\x1bugCheck\rx")
    assert hostile != data
    names = read_all(hostile)
    assert {"_E.RO.ESS", "Ke.ugCheck.x"} <= set(names)
    assert all(name.isprintable() for name in names)
