from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from kdnb.commands.run import execute
from kdnb.debugger.disassembly import disassemble
from kdnb.debugger.function_flow import function_blocks
from kdnb.errors import CommandError, MemoryReadError
from kdnb.protocol.constants import MachineType
from kdnb.render.text import to_text
from kdnb.results.disassembly import CallList, FunctionCode
from kdnb.symbols.pdb import PdbFile
from kdnb.symbols.pe import PeImage
from tests.debugger.explored import X64, X86, Explored

if TYPE_CHECKING:
    from kdnb.debugger.session import Session
    from kdnb.results.disassembly import Instruction
    from tests.windows_files import WindowsFiles


def test_blocks_of_every_kernel_function_are_whole_and_inside_it(session: Session) -> None:
    """Each block ends where another begins, jumps lead to beginnings, and nothing but padding is left out."""
    kernel = session.modules["nt"]
    image = kernel.image
    assert image is not None
    jumps = 0
    for function in image.function_table[::3]:
        begin, end = kernel.base + function.begin, kernel.base + function.end
        blocks = function_blocks(session, begin)
        starts = {block[0].address for block in blocks}
        code = [instruction for block in blocks for instruction in block]
        assert all(first.address + first.size <= second.address for first, second in pairwise(code))
        assert all(begin <= one.address < end for one in code)
        for one in code:
            if one.is_jump and one.target is not None and begin <= one.target < end:
                assert one.target in starts
                jumps += 1
        missed = end - begin - sum(one.size for one in code)
        assert missed < 32, hex(begin)
        assert all(block[0].label for block in blocks)
    assert jumps > 20


def test_a_place_inside_gives_the_whole_function(session: Session) -> None:
    start = session.evaluate("nt!KeClockInterruptNotify")
    assert function_blocks(session, start + 0x20) == function_blocks(session, start)


def test_uf_shows_blocks_with_blank_lines_and_their_labels(session: Session) -> None:
    (code,) = execute(session, "uf nt!KdCheckForDebugBreak")
    assert isinstance(code, FunctionCode)
    parts = to_text(code).split("\n\n")
    assert len(parts) == len(code.blocks) > 1
    assert parts[0].startswith("nt!KdCheckForDebugBreak:\n")
    assert all(part.startswith("nt!KdCheckForDebugBreak+0x") for part in parts[1:])


def test_uf_c_lists_the_calls(session: Session) -> None:
    (calls,) = execute(session, "uf /c nt!KdCheckForDebugBreak")
    assert isinstance(calls, CallList)
    lines = to_text(calls).split("\n")
    assert lines[0] == f"nt!KdCheckForDebugBreak ({session.evaluate('nt!KdCheckForDebugBreak'):x})".replace(
        "fffff800", "fffff800`"
    )
    assert any(line.startswith("    call to nt!DbgBreakPointWithStatus (") for line in lines)


def test_without_code_uf_says_so(session: Session) -> None:
    with pytest.raises(CommandError, match="No code found, aborting"):
        execute(session, "uf 1000")


def test_breakpoints_are_marked(session: Session) -> None:
    execute(session, "bp nt!KeBugCheckEx")
    assert "; breakpoint 0" in to_text(execute(session, "u nt!KeBugCheckEx L2")[0]).split("\n")[1]
    assert "; breakpoint 0" in to_text(execute(session, "uf nt!KeBugCheckEx")[0])


class StoppedAt:
    """What `uf` needs of a session, with one image of a file at its preferred address."""

    def __init__(self, files: WindowsFiles, name: str) -> None:
        self.pe = PeImage.from_file(files.data(name))
        self.machine = MachineType(self.pe.machine)
        pdb = PdbFile.open(files.path(name).with_suffix(".pdb"))
        self.procedures = [one for one in pdb.procedures() if one.size]
        self.module = Module(self.pe, pdb)
        self.modules = SimpleNamespace(find=lambda address: self.module if address in self.module else None)
        self.memory = self
        self.symbols = SimpleNamespace(name_at=lambda address: f"{address:x}", nearest=lambda address: None)

    def read(self, address: int, size: int) -> bytes:
        data = self.read_available(address, size)
        if len(data) < size:
            raise MemoryReadError(address, size, data)
        return data

    def read_available(self, address: int, size: int) -> bytes:
        rva = address - self.module.base
        return self.pe.read(rva, max(min(size, self.pe.size_of_image - rva), 0)) if rva >= 0 else b""

    def require_stopped(self) -> None:
        pass

    def disassemble(self, address: int, count: int) -> tuple[Instruction, ...]:
        return disassemble(self, address, count, self.machine, lambda _: None)

    def has_bounds(self, rva: int) -> bool:
        """Whether unwind data or frame data say where the function ends."""
        frames = self.module.frame_table
        return (frames.function_at(rva) if frames is not None else self.pe.function_at(rva)) is not None

    def blocks(self, rva: int) -> tuple[tuple[Instruction, ...], ...]:
        session: Any = self
        return function_blocks(session, self.module.base + rva)


class Module:
    def __init__(self, image: PeImage, pdb: PdbFile) -> None:
        self.image, self.base = image, image.image_base
        self.frame_table = pdb.frame_table if image.machine == MachineType.I386 else None

    def __contains__(self, address: object) -> bool:
        return isinstance(address, int) and self.base <= address < self.base + self.image.size_of_image


@pytest.mark.parametrize(
    ("name", "step"), [("inject_dll_amd64.exe", 16), ("inject_dll_x86.exe", 16), ("attach_x86.dll", 3)]
)
def test_functions_by_msvc_consist_of_the_instructions_that_run_in_them(
    msvc: WindowsFiles, name: str, step: int
) -> None:
    """Whatever is reached in an emulated CPU is an instruction of the function; instructions don't overlap."""
    session = StoppedAt(msvc, name)
    program = Explored(X64 if session.machine == MachineType.AMD64 else X86, msvc.data(name))
    for procedure in session.procedures[::step]:
        if not session.has_bounds(procedure.rva):
            continue
        code = [instruction for block in session.blocks(procedure.rva) for instruction in block]
        assert all(first.address + first.size <= second.address for first, second in pairwise(code)), procedure
        starts = {instruction.address - program.base for instruction in code}
        run = program.ways(procedure.rva, [(procedure.rva, procedure.rva + (procedure.size or 0))])
        met = {place.rva for place in run if place.exact}
        assert met <= starts, f"{procedure.name}: {sorted(map(hex, met - starts))}"


@pytest.mark.parametrize(
    ("name", "place", "tables"),
    [
        ("inject_dll_x86.exe", 0x8100, [(0x8154, 4), (0x8200, 4)]),  # memmove: tables between its instructions
        ("attach_x86.dll", 0x11B4, [(0x12DC, 4)]),
        ("inject_dll_amd64.exe", 0xEEB0, [(0xF1C4, 3), (0xF200, 3), (0xF240, 3)]),  # in three parts, tables at the end
    ],
)
def test_jump_tables_in_code_are_followed_and_left_out(
    msvc: WindowsFiles, name: str, place: int, tables: list[tuple[int, int]]
) -> None:
    session = StoppedAt(msvc, name)
    blocks = session.blocks(place)
    code = [instruction for block in blocks for instruction in block]
    leaders = {block[0].address for block in blocks}
    base = session.module.base
    for rva, count in tables:
        for at in range(rva, rva + 4 * count, 4):
            assert not any(one.address - base < at + 4 and at < one.address - base + one.size for one in code)
            entry = int.from_bytes(session.read(base + at, 4), "little")
            assert (entry if session.machine == MachineType.I386 else base + entry) in leaders
