from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdnb.errors import MemoryReadError, SymbolFileError
from kdnb.symbols.pdb import PdbFile
from kdnb.symbols.pe import PeImage
from tests.debugger.flat_memory import pe_headers

if TYPE_CHECKING:
    from pathlib import Path

    from tests.symbols.build import Built

pefile = pytest.importorskip("pefile")

BASE = 0xFFFFF801_2345_0000


class CountingMemory:
    """An image in memory, with the number of reads and what they took."""

    def __init__(self, data: bytes, hole: int | None = None) -> None:
        self.data, self.hole = data, len(data) if hole is None else hole
        self.reads: list[tuple[int, int]] = []

    def read(self, address: int, size: int) -> bytes:
        rva = address - BASE
        self.reads.append((rva, size))
        result = self.data[rva : min(rva + size, self.hole)]
        if len(result) < size:
            raise MemoryReadError(address, size, result)
        return result


def in_memory(path: Path) -> bytes:
    image = pefile.PE(str(path))
    return bytes(image.get_memory_mapped_image()).ljust(image.OPTIONAL_HEADER.SizeOfImage, b"\0")


def check_against_pefile(image: PeImage, path: Path) -> None:
    truth = pefile.PE(str(path))
    assert image.machine == truth.FILE_HEADER.Machine
    assert image.timestamp == truth.FILE_HEADER.TimeDateStamp
    assert image.checksum == truth.OPTIONAL_HEADER.CheckSum
    assert image.size_of_image == truth.OPTIONAL_HEADER.SizeOfImage
    assert image.entry_point == truth.OPTIONAL_HEADER.AddressOfEntryPoint
    assert image.image_base == truth.OPTIONAL_HEADER.ImageBase
    assert [(s.rva, s.virtual_size, s.file_offset) for s in image.sections] == [
        (s.VirtualAddress, s.Misc_VirtualSize, s.PointerToRawData) for s in truth.sections
    ]
    symbols = truth.DIRECTORY_ENTRY_EXPORT.symbols
    expected = {
        (s.address, s.name.decode() if s.name else f"Ordinal{s.ordinal}") for s in symbols if s.forwarder is None
    }
    assert set(image.exports()) == expected
    debug = next(entry.entry for entry in truth.DIRECTORY_ENTRY_DEBUG if entry.struct.Type == 2)
    assert image.codeview is not None
    assert image.codeview.key == debug.Signature_String.upper()
    assert image.codeview.pdb_name == debug.PdbFileName.rstrip(b"\0").decode()


def test_an_x64_file_reads_as_pefile_reads_it(built: Built) -> None:
    image = PeImage.from_file(built.image.read_bytes())
    check_against_pefile(image, built.image)
    names = {name for _, name in image.exports()}
    assert {"Add", "add_lower", "counter", "Ordinal40"} <= names
    assert "Forwarded" not in names


def test_an_x86_file_reads_as_pefile_reads_it(built_x86: Built) -> None:
    image = PeImage.from_file(built_x86.image.read_bytes())
    check_against_pefile(image, built_x86.image)
    assert not image.is_64bit
    assert len(image.function_table) == 0


@pytest.mark.parametrize("name", ["ntoskrnl.exe", "disk.sys", "ntfs.sys", "buggy.sys"])
def test_the_simulated_machines_own_images_read_as_pefile_reads_them(repository: Path, name: str) -> None:
    path = repository / "kdnb" / "simulator" / "guest" / "images" / name
    image = PeImage.from_file(path.read_bytes())
    truth = pefile.PE(str(path))
    entries = [e.struct for e in truth.DIRECTORY_ENTRY_EXCEPTION]
    assert [(f.begin, f.end) for f in image.function_table] == [(e.BeginAddress, e.EndAddress) for e in entries]
    assert len(image.function_table) > 1
    exports = getattr(truth, "DIRECTORY_ENTRY_EXPORT", None)
    assert len(image.exports()) == (len(exports.symbols) if exports else 0)
    pdb = PdbFile.open(path.with_name(image.codeview.pdb_name if image.codeview else ""))
    assert image.codeview is not None
    assert pdb.belongs_to(image.codeview)


def test_an_image_in_memory_reads_like_its_file_in_few_reads(built: Built) -> None:
    memory = CountingMemory(in_memory(built.image))
    image = PeImage.parse(memory.read, BASE)
    assert memory.reads == [(0, 0x1000)]
    check_against_pefile(image, built.image)
    assert len(memory.reads) <= 4


def test_function_table_and_unwind_data_agree_with_pefile(built: Built) -> None:
    image = PeImage.parse(CountingMemory(in_memory(built.image)).read, BASE)
    truth = pefile.PE(str(built.image)).DIRECTORY_ENTRY_EXCEPTION
    assert [(f.begin, f.end, f.unwind) for f in image.function_table] == [
        (e.struct.BeginAddress, e.struct.EndAddress, e.struct.UnwindData) for e in truth
    ]
    for entry in truth:
        info = image.unwind_info(entry.struct.UnwindData)
        assert (info.version, info.prolog_size) == (entry.unwindinfo.Version, entry.unwindinfo.SizeOfProlog)
        assert sum(code.slots for code in info.codes) == entry.unwindinfo.CountOfCodes
        assert image.function_at(entry.struct.BeginAddress) == (entry.struct.BeginAddress, entry.struct.EndAddress)


def test_paged_out_parts_are_said_and_the_rest_stays_usable(built: Built) -> None:
    image = PeImage.parse(CountingMemory(in_memory(built.image), hole=0x1000).read, BASE)
    assert image.sections[0].name == ".text"
    assert image.codeview is None
    with pytest.raises(SymbolFileError, match="can't be read"):
        image.exports()


@pytest.mark.parametrize(
    "data",
    [b"", b"MZ", b"MZ" + bytes(0x3E), b"MZ" + bytes(0x3A) + b"\xf0\xff\xff\xff", b"\x7fELF" + bytes(100)],
)
def test_garbage_is_one_clear_error(data: bytes) -> None:
    with pytest.raises(SymbolFileError, match="no PE image"):
        PeImage.from_file(data)


def test_an_unknown_machine_is_named() -> None:
    with pytest.raises(SymbolFileError, match="0x1234"):
        PeImage.from_file(pe_headers(machine=0x1234))


@given(st.data())
def test_damaged_images_raise_nothing_but_symbol_file_errors(data: st.DataObject) -> None:
    image_bytes = bytearray(pe_headers(size_of_image=0x2000) + bytes(0x1E00))
    struct.pack_into("<8I", image_bytes, 0x98 + 112, 0x1000, 0x800, 0, 0, 0, 0, 0x1800, 0x60)
    struct.pack_into("<2I", image_bytes, 0x98 + 112 + 48, 0x1900, 28)
    image_bytes[0x1000:0x1100] = data.draw(st.binary(min_size=0x100, max_size=0x100))
    image_bytes[0x1900:0x1920] = data.draw(st.binary(min_size=0x20, max_size=0x20))
    for _ in range(data.draw(st.integers(0, 4))):
        image_bytes[data.draw(st.integers(0, 0x1FF))] = data.draw(st.integers(0, 255))
    for make in (PeImage.from_file, lambda raw: PeImage.parse(CountingMemory(raw).read, BASE)):
        try:
            image = make(bytes(image_bytes))
            _ = image.codeview
            image.function_at(0x1010)
            assert len(image.exports()) <= 0x20000
        except SymbolFileError:
            pass
