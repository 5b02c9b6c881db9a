from __future__ import annotations

import struct
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import capstone
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
from kdnb.symbols.handlers import HandlerData, handler_routine
from kdnb.symbols.pdb import PdbFile
from kdnb.symbols.pe import PeImage
from tests.symbols.build import build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.symbols.unwind_info import RuntimeFunction
    from tests.windows_files import WindowsFiles

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


class Tables:
    """All handlers' tables of an image by MSVC, and which bytes they are made of."""

    def __init__(self, files: WindowsFiles, name: str) -> None:
        self.image = PeImage.from_file(files.data(name))
        pdb = files.path(name).with_suffix(".pdb")
        self.names: dict[int, list[str]] = {}
        for symbol in PdbFile.open(pdb).symbols() if pdb.exists() else ():
            self.names.setdefault(symbol.rva, []).append(symbol.name)
        self.starts = {function.begin for function in self.image.function_table}
        self.used: set[int] = set()
        self._decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)

    def read(self, rva: int, size: int) -> bytes:
        self.used.update(range(rva, rva + size))
        return self.image.read(rva, size)

    def handled(self) -> Iterator[tuple[RuntimeFunction, HandlerData, int]]:
        """Function, form and RVA of the data of each handler that is known; the bytes of all unwind data are used."""
        known = {}
        for function in self.image.function_table:
            info = self.image.unwind_info(function.unwind)
            data = function.unwind + info.size
            self.used.update(range(function.unwind, data))
            if info.handler is None:
                continue
            if info.handler not in known:
                known[info.handler] = handler_routine(self.image, info.handler, lambda rva: self.names.get(rva, ()))
            found = known[info.handler]
            if found is not None:
                yield function, found[1], data
                is_table = found[1] is HandlerData.SCOPE_TABLE
                data += 4 + (16 * int.from_bytes(self.image.read(data, 4), "little") if is_table else 0)
            # Without names: a copy of a cookie check is a function of the image, a jump through an import is none.
            named = self.names.get(info.handler, [])
            if any("GSHandlerCheck" in name for name in named) or (not self.names and info.handler in self.starts):
                self.cookie(data)

    def cookie(self, data: int) -> None:
        """GS_HANDLER_DATA: a place, and two more numbers where bit 2 says so."""
        place = int.from_bytes(self.read(data, 4), "little")
        self.used.update(range(data, data + (12 if place & 4 else 4)))

    def is_code_to_call(self, rva: int) -> bool:
        """A function or funclet, or one of a few instructions that jumps to a destructor."""
        if rva in self.starts:
            return True
        section = self.image.section_of(rva)
        code = self.image.read(rva, 32) if section is not None and section.is_code else b""
        mnemonics = [line[2] for line in self._decoder.disasm_lite(code, rva, 5)]
        return "jmp" in mnemonics and set(mnemonics[: mnemonics.index("jmp")]) <= {"lea", "mov", "add", "sub"}


def _check(tables: Tables, function: RuntimeFunction, found: CxxFunction) -> None:
    """What must hold of any C++ function's tables."""
    where, states = f"{function.begin:#x}", len(found.unwind_map)
    assert [step.to_state for step in found.unwind_map if not -1 <= step.to_state < states] == [], where
    for state, step in enumerate(found.unwind_map):
        assert step.to_state < state, where  # unwinding leads outwards, so it ends
        if step.action and step.kind in (0, 3):
            assert tables.is_code_to_call(step.action), f"{where}: {step.action:#x}"
        elif step.action:
            section = tables.image.section_of(step.action)
            assert section is not None, where
            assert section.is_code, where
    for block in found.try_map:
        assert 0 <= block.low <= block.high < block.catch_high < states, where
        assert block.handlers, where
        for handler in block.handlers:
            assert handler.code in tables.starts, where
            assert not handler.type_descriptor or tables.image.string_at(handler.type_descriptor + 16)[0] == "."
            assert all(function.begin <= at < function.end for at in handler.continuations), where
    places = [place.ip for place in found.ip_map]
    assert places == sorted(places), where
    assert all(-1 <= place.state < max(states, 1) for place in found.ip_map), where
    if found.version == 4:
        assert all(function.begin <= ip <= function.end for ip in places), where


@pytest.mark.parametrize(
    ("name", "least"),
    [("inject_dll_amd64.exe", 40), ("msvcp140.dll", 500), ("vcamp140.dll", 600), ("msvcp140_2.dll", 70)],
)
def test_every_cxx_table_by_msvc_holds_together_and_no_byte_is_left_over(
    msvc: WindowsFiles, name: str, least: int
) -> None:
    """A reader that took a field for another would soon be off by a byte, in one of thousands of states."""
    tables = Tables(msvc, name)
    count, catch_blocks, has_old = 0, 0, False
    for function, form, data in tables.handled():
        if form is HandlerData.SCOPE_TABLE:
            for entry in read_scope_table(tables.read, data):
                assert function.begin <= entry.begin <= entry.end <= function.end
                assert entry.handler == 1 or entry.handler in tables.starts
                assert entry.is_finally or function.begin <= entry.target < function.end
            continue
        place = int.from_bytes(tables.read(data, 4), "little")
        if form is HandlerData.CXX3:
            _check(tables, function, read_cxx_function(tables.image.read, place))
            has_old = True
            continue
        found = read_cxx_function4(tables.read, place, function.begin)
        _check(tables, function, found)
        count += 1
        catch_blocks += found.is_catch
    assert count >= least
    assert catch_blocks
    if has_old:
        return  # version 3 keeps its tables elsewhere, among other constants
    begin = min(tables.used)
    unread = [rva for rva in range(begin, max(tables.used)) if rva not in tables.used]
    assert {tables.image.read(rva, 1) for rva in unread} <= {b"\0"}  # nothing but padding
    assert len(unread) < len(tables.used) // 50


def test_a_function_in_several_parts_has_an_ip_map_for_each() -> None:
    """Built by hand; no image at hand has one."""
    parts = _number(2) + struct.pack("<IIII", 0x1000, 0x200, 0x8000, 0x300)
    first = _number(1) + _number(4) + _number(1)
    second = _number(1) + _number(2) + _number(2)
    data = bytearray(0x400)
    for at, part in ((0, bytes([2]) + struct.pack("<I", 0x100)), (0x100, parts), (0x200, first), (0x300, second)):
        data[at : at + len(part)] = part

    def read(rva: int, size: int) -> bytes:
        return bytes(data[rva : rva + size])

    assert read_cxx_function4(read, 0, 0x1000).ip_map == (IpState(0x1004, 0),)
    cold = read_cxx_function4(read, 0, 0x1000, 0x8000)
    assert cold.ip_map == (IpState(0x8002, 1),)
    assert cold.segments == ((0x1000, 0x200), (0x8000, 0x300))
