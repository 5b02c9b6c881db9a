from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import capstone
import pytest

from kdnb.debugger.unwind import unwind
from kdnb.debugger.unwind_x86 import unwind_x86
from kdnb.protocol.constants import MachineType
from kdnb.symbols.frame_data import FrameData, FrameKind, FrameTable
from kdnb.symbols.pdb import PdbFile
from kdnb.symbols.pe import PeImage
from tests.debugger.emulated_other import BASE, X86, Caller, Emulated
from tests.debugger.explored import IMPORTED, Explored
from tests.debugger.flat_memory import STACK, FlatMemory, HandMadeModule
from tests.symbols.build import build

if TYPE_CHECKING:
    from tests.windows_files import WindowsFiles


def test_x86_follows_the_chain_of_saved_frame_pointers() -> None:
    memory = FlatMemory()
    module = HandMadeModule(memory)
    memory.write_u32(STACK + 0x10, STACK + 0x40, 0x1_1234)
    memory.write_u32(STACK + 0x40, 0, 0)
    registers = {"eip": 0x1_1000, "esp": STACK, "ebp": STACK + 0x10}
    frames, note = unwind(registers, MachineType.I386, memory, module)
    assert [(f.child_sp, f.return_address) for f in frames] == [(STACK + 0x10, 0x1_1234), (STACK + 0x40, 0)]
    assert frames[1].registers["esp"] == STACK + 0x18
    assert note is None


@pytest.mark.parametrize(
    ("code", "at", "skipped"), [("558bec", 0, 0), ("8bff558bec", 0, 0), ("558bec", 1, 4), ("c20800", 0, 0)]
)
def test_x86_before_and_after_a_frame_the_return_address_is_on_top(code: str, at: int, skipped: int) -> None:
    memory = FlatMemory()
    module = HandMadeModule(memory)
    memory.write(0x1_1000, bytes.fromhex(code))
    memory.write_u32(STACK, *([0x5555] if skipped else []), 0x1_1234)
    memory.write_u32(STACK + 0x40, 0, 0)
    registers = {"eip": 0x1_1000 + at, "esp": STACK, "ebp": STACK + 0x40}
    frames, _ = unwind(registers, MachineType.I386, memory, module)
    assert frames[0].return_address == 0x1_1234
    assert frames[1].registers["ebp"] == (0x5555 if skipped else STACK + 0x40)


@pytest.mark.parametrize(("cs", "esp"), [(0x08, STACK + 0x10), (0x1B, 0x7FF0)])
def test_x86_leaves_a_trap_by_its_iret(cs: int, esp: int) -> None:
    memory = FlatMemory()
    module = HandMadeModule(memory)
    memory.write(0x1_1000, bytes.fromhex("5d cf"))  # pop ebp; iretd
    memory.write_u32(STACK, 0x5555, 0x1_1800, cs, 0x246, 0x7FF0)
    registers = {"eip": 0x1_1000, "esp": STACK, "ebp": STACK + 0x40}
    frames, _ = unwind(registers, MachineType.I386, memory, module, 2)
    assert frames[0].trap_frame == STACK + 4 - 0x68
    assert frames[1].exact
    assert [frames[1].registers[name] for name in ("eip", "ebp", "esp")] == [0x1_1800, 0x5555, esp]


def test_x86_takes_what_a_trap_interrupted_from_its_place_while_the_frame_is_built() -> None:
    memory = FlatMemory()
    module = HandMadeModule(memory)
    program = "$T0 .raSearch = $eip $T0 ^ = $esp $T0 4 + = $ebp $T0 8 - ^ ="
    module.frame_table = FrameTable(
        [FrameData(0x1000, 0x1010, 4, 0, 4, 0, program)],
        [FrameData(0x1000, 0x1100, 0, 0, 0, 0, kind=FrameKind.TRAP)],
    )
    memory.write_u32(STACK, 0x5555, 0, 0x1_1800, 8, 0x246)  # EBP, error code; EIP behind no call, CS, flags
    registers = {"eip": 0x1_1008, "esp": STACK, "ebp": STACK + 0x40}
    frames, _ = unwind(registers, MachineType.I386, memory, module, 2)
    assert frames[1].exact
    assert [frames[1].registers[name] for name in ("eip", "ebp", "esp")] == [0x1_1800, 0x5555, STACK + 0x14]
    assert frames[0].trap_frame == STACK + 8 - 0x68


@pytest.mark.parametrize(("cs", "esp"), [(0x08, STACK + 0x40 + 0x74), (0x1B, 0x7FF0)])
def test_x86_goes_through_a_trap_frame_in_the_chain(cs: int, esp: int) -> None:
    memory = FlatMemory()
    module = HandMadeModule(memory)
    frame = bytearray(0x8C)
    for place, value in ((0x08, 0xBADB0D00), (0x60, 0x5555), (0x68, 0x1_1800), (0x6C, cs), (0x74, 0x7FF0)):
        frame[place : place + 4] = value.to_bytes(4, "little")
    memory.write(STACK + 0x40, bytes(frame))
    registers = {"eip": 0x1_1000, "esp": STACK, "ebp": STACK + 0x40}
    frames, _ = unwind(registers, MachineType.I386, memory, module, 2)
    assert frames[0].trap_frame == STACK + 0x40
    assert frames[1].exact
    assert {name: frames[1].registers[name] for name in ("eip", "ebp", "esp")} == {
        "eip": 0x1_1800,
        "ebp": 0x5555,
        "esp": esp,
    }


PROGRAM = Path(__file__).parent / "unwind_programs" / "portable.c"
TARGET = ["--target=i686-pc-windows-msvc", "-g", "-gcodeview", "-ffreestanding", "-fno-stack-protector"]
LINK = (f"/base:{BASE:#x}", "/dynamicbase:no")


@pytest.mark.external("clang", "lld-link")
@pytest.mark.parametrize("options", ["-O0", "-O2", "-Oz", "-O2 -fno-omit-frame-pointer"])
def test_every_instruction_of_an_x86_program_unwinds_to_the_true_chain(tmp_path: Path, options: str) -> None:
    """Functions without frame pointers too: the PDB's frame data says where the return address is."""
    flags = ["-mno-stack-arg-probe", "-mno-sse", *options.split()]
    built = build(tmp_path, [PROGRAM], *flags, entry="Entry", target=TARGET, link_options=LINK)
    pdb = PdbFile.open(built.pdb)
    assert len(pdb.frame_table) > 10
    program = Emulated(X86, built.image.read_bytes(), pdb.frame_table)
    symbols = {public.name: BASE + public.rva for public in pdb.publics()}
    depths: list[int] = []

    def check(registers: dict[str, int], chain: list[Caller]) -> None:
        frames, note = unwind(registers, MachineType.I386, program, program)
        callers = chain[::-1]
        where = f"at {registers['eip'] - BASE:#x}"
        assert [frame.return_address for frame in frames] == [caller.pc for caller in callers], where
        assert note is None
        for frame, caller in zip(frames[1:], callers, strict=False):
            expected = {name: caller.registers[name] for name in X86.nonvolatile}
            assert {name: frame.registers[name] for name in expected} == expected, where
        depths.append(len(chain))

    program.run(symbols["_Entry"], symbols["_TheEnd"], check)
    assert len(depths) > 500
    assert max(depths) >= 8


class MsvcProgram:
    """An x86 program by MSVC with its PDB, whose functions run one by one."""

    _HELPERS = re.compile(r"_*(SEH_prolog4|SEH_epilog4|EH_prolog|EH_epilog|alloca_probe|chkstk)")

    def __init__(self, files: WindowsFiles, name: str, pdb_name: str) -> None:
        pdb = PdbFile.open(files.path(pdb_name))
        image = PeImage.from_file(files.data(name))
        self._names: dict[int, list[str]] = {}
        for public in pdb.publics():
            self._names.setdefault(public.rva, []).append(public.name)
        self.procedures = {one.rva: one for one in pdb.procedures() if one.size}
        self._image, self._imports = image, dict[int, int | None]()
        self._decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_32)
        helpers = [rva for rva, names in self._names.items() if any(map(self._HELPERS.match, names))]
        entered = frozenset(image.image_base + rva for rva in helpers)
        self.machine = Explored(X86, files.data(name), pdb.frame_table, self._popped, entered)
        self.frames = pdb.frame_table
        self._fill_imports()

    def _fill_imports(self) -> None:
        """An address of its own in each slot, of which is known what the function there would pop."""
        for rva, names in self._names.items():
            for imported in filter(None, (re.match(r"__imp_(?:_.*@(\d+)|(.*))$", name) for name in names)):
                address = IMPORTED + 16 * len(self._imports)
                is_method = (imported[2] or "").startswith("?") and not imported[2].endswith("XZ")
                self._imports[address] = None if is_method else int(imported[1] or 0)
                self.machine.uc.mem_write(self.machine.base + rva, address.to_bytes(4, "little"))

    def _popped(self, target: int) -> int | None:
        """By the decorated name, or by the return at the end of the function."""
        if target in self._imports:
            return self._imports[target]
        rva = target - self._image.image_base
        for name in self._names.get(rva, []):
            if sized := re.fullmatch(r"([_@]).*@(\d+)", name):
                return max(int(sized[2]) - (8 if sized[1] == "@" else 0), 0)
        if rva not in self.procedures:
            return None
        code = self._image.read(rva, self.procedures[rva].size or 0)
        returns = (line for line in self._decoder.disasm_lite(code, target) if line[2] == "ret")
        found = next(returns, None)
        return int(found[3] or "0", 0) if found is not None else None

    def call_return(self, rva: int) -> int:
        """The address behind the first call of a procedure."""
        code = self._image.read(rva, self.procedures[rva].size or 0)
        calls = (line for line in self._decoder.disasm_lite(code, rva) if line[2] == "call" and line[1] == 5)
        at, size, _, _ = next(calls)
        return self._image.image_base + at + size


def test_every_instruction_of_x86_functions_by_msvc_has_the_right_return_address(msvc: WindowsFiles) -> None:
    """EBP frames, frames without EBP, aligned frames, exception frames; prologs and epilogs of all of them.

    Saved registers are right as far as MSVC's own records tell of them: where a way ends in a call that doesn't return,
    they forget what was pushed on it.
    """
    program = MsvcProgram(msvc, "attach_x86.dll", "attach_x86.pdb")
    machine = program.machine
    machine.return_behind(
        program.call_return(next(rva for rva, one in program.procedures.items() if one.name == "DoAttach"))
    )
    lost, forgotten = set(), set()
    for rva, procedure in sorted(program.procedures.items()):
        record = program.frames.start_of(rva)
        if machine.base + rva in machine.enters or record is None:
            continue
        for place in machine.ways(rva, [(rva, rva + (procedure.size or 0))], record.prolog_size):
            found = unwind_x86(place.registers, machine, machine, place.exact).registers
            if found["eip"] != place.caller["eip"]:
                lost.add((procedure.name, place.exact))
            elif any(found[name] != place.caller[name] for name in X86.nonvolatile):
                forgotten.add(procedure.name)
    # Its way goes on behind a call that doesn't return, which no program does.
    assert lost <= {("std::_Allocate<8,std::_Default_allocate_traits>", True)}
    assert {name.rpartition("::")[2].partition("<")[0] for name in forgotten} <= {
        "_Construct",
        "_Deallocate",
        "_Reallocate_grow_by",
        "basic_string",
        "allocator",
        "__scrt_initialize_onexit_tables",
        "RunCodeInMemoryInAttachedDll",
        "find_pe_section",
    }
    assert len(machine.met) > 2000
