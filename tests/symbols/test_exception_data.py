from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdnb.errors import SymbolFileError
from kdnb.symbols.exception_data import (
    CatchHandler,
    CxxFunction,
    IpState,
    TryBlock,
    UnwindStep,
    read_cxx_function,
    read_cxx_function4,
    read_scope_table,
)
from kdnb.symbols.pdb import PdbFile
from kdnb.symbols.pe import PeImage
from tests.symbols.build import build

PROGRAMS = Path(__file__).parent / "exception_programs"


class Program:
    """A built image with names for its RVAs."""

    def __init__(self, folder: Path, source: str) -> None:
        options = ["-O1", "-fno-inline"]
        if source.endswith(".cpp"):
            target = folder / "catches.obj"
            flags = [
                "--target=x86_64-pc-windows-msvc",
                "-g",
                "-gcodeview",
                "-fexceptions",
                "-fcxx-exceptions",
                *options,
            ]
            subprocess.run(["clang", *flags, "-c", str(PROGRAMS / source), "-o", str(target)], check=True)
            image, pdb = folder / "program.dll", folder / "program.pdb"
            link = ["lld-link", "/debug", "/dll", "/subsystem:native", "/nodefaultlib", "/entry:Entry"]
            subprocess.run([*link, f"/out:{image}", f"/pdb:{pdb}", str(target)], check=True)
        else:
            built = build(folder, [PROGRAMS / source], *options)
            image, pdb = built.image, built.pdb
        self.image = PeImage.from_file(image.read_bytes())
        self.symbols = PdbFile.open(pdb).symbols()
        self.exports = {name: rva for rva, name in self.image.exports()}

    def data(self, function: str) -> tuple[int, int]:
        """RVA of a function, and of its handler's data."""
        begin = self.exports[function]
        entry = self.image.function_table.lookup(begin)
        assert entry is not None
        info = self.image.unwind_info(entry.unwind)
        assert info.handler is not None
        return begin, entry.unwind + info.size

    def cxx(self, function: str) -> CxxFunction:
        _, data = self.data(function)
        return read_cxx_function(self.image.read, int.from_bytes(self.image.read(data, 4), "little"))

    def names(self, rva: int) -> set[str]:
        return {symbol.name for symbol in self.symbols if symbol.rva == rva}


@pytest.mark.external("clang", "lld-link")
def test_the_scope_table_of_each_kind_of_guard(tmp_path: Path) -> None:
    program = Program(tmp_path, "scopes.c")
    begin, data = program.data("Always")
    (always,) = read_scope_table(program.image.read, data)
    assert always.handler == 1
    assert begin < always.begin < always.end <= always.target
    (filtered,) = read_scope_table(program.image.read, program.data("Filtered")[1])
    assert any("filt" in name for name in program.names(filtered.handler))
    assert not filtered.is_finally
    (last,) = read_scope_table(program.image.read, program.data("Finally")[1])
    assert last.is_finally
    funclet = program.image.function_table.lookup(last.handler)
    assert funclet is not None
    assert funclet.begin == last.handler  # clang puts a funclet of its own before the block
    assert len(read_scope_table(program.image.read, program.data("Nested")[1])) >= 2


@pytest.mark.external("clang", "lld-link")
def test_catches_destructors_and_states_of_a_cpp_function(tmp_path: Path) -> None:
    program = Program(tmp_path, "catches.cpp")
    found = program.cxx("Catches")
    (block,) = found.try_map
    by_reference, everything = block.handlers
    assert by_reference.flags & 8  # reference
    assert by_reference.type_descriptor
    assert everything.type_descriptor == 0
    assert by_reference.code != everything.code
    assert block.low <= block.high < block.catch_high < len(found.unwind_map)
    assert sum(step.action != 0 for step in found.unwind_map) == 2  # two destructors
    assert all(-1 <= step.to_state < len(found.unwind_map) for step in found.unwind_map)
    assert [place.ip for place in found.ip_map] == sorted(place.ip for place in found.ip_map)
    assert {place.state for place in found.ip_map} <= set(range(-1, len(found.unwind_map)))
    assert program.cxx("Unwinds").try_map == ()


def _number(value: int) -> bytes:
    """A number as FuncInfo4 packs it, by its definition: marker bits below, value above."""
    for size, marker in ((1, 0), (2, 1), (3, 3), (4, 7)):
        if value < 1 << 7 * size:
            return (value << size | marker).to_bytes(size, "little")
    return b"\x0f" + struct.pack("<I", value)


def test_compressed_function_information() -> None:
    """Built by hand after public descriptions of the format; clang writes version 3 only."""
    unwind = _number(3)
    unwind += _number(0 << 2)  # state 0 -> -1, nothing
    second = _number(1 << 2 | 1) + struct.pack("<I", 0x5000) + _number(0x40)  # state 1 -> 0, destructor
    unwind += second
    unwind += _number(len(second) << 2 | 3) + struct.pack("<I", 0x5100)  # state 2 -> 1, function
    handlers = _number(1) + bytes([0x1 | 0x2 | 0x4 | 1 << 4]) + _number(8) + struct.pack("<I", 0x6000)
    handlers += _number(0x28) + struct.pack("<I", 0x7000) + _number(0x55)
    tries = _number(1) + _number(0) + _number(1) + _number(200) + struct.pack("<I", 0x300)
    states = _number(3) + _number(0) + _number(0) + _number(0x10) + _number(1) + _number(20000) + _number(2)
    header = bytes([0x8 | 0x10]) + struct.pack("<III", 0x100, 0x200, 0x400)
    data = bytearray(0x500)
    for at, part in ((0, header), (0x100, unwind), (0x200, tries), (0x300, handlers), (0x400, states)):
        data[at : at + len(part)] = part
    found = read_cxx_function4(lambda rva, size: bytes(data[rva : rva + size]), 0, 0x1000)
    assert found.unwind_map == (UnwindStep(-1, 0, 0), UnwindStep(0, 0x5000, 1), UnwindStep(1, 0x5100, 3))
    assert found.try_map == (TryBlock(0, 1, 200, (CatchHandler(8, 0x6000, 0x28, 0x7000, (0x1055,)),)),)
    assert found.ip_map == (IpState(0x1000, -1), IpState(0x1010, 0), IpState(0x1010 + 20000, 1))
    assert not found.is_catch


@given(st.binary(max_size=200))
def test_no_exception_data_breaks_the_readers(data: bytes) -> None:
    def read(rva: int, size: int) -> bytes:
        return data[rva : rva + size]

    for reader in (read_scope_table, read_cxx_function, lambda r, at: read_cxx_function4(r, at, 0x1000)):
        try:
            reader(read, 0)
        except SymbolFileError:
            continue


def test_absurd_counts_are_refused() -> None:
    data = struct.pack("<I", 0x7FFFFFFF)
    with pytest.raises(SymbolFileError, match="entries"):
        read_scope_table(lambda rva, size: data[rva : rva + size], 0)
