from __future__ import annotations

from pathlib import Path

import pytest

from kdnb.debugger.unwind import unwind
from kdnb.protocol.constants import MachineType
from kdnb.symbols.frame_data import FrameData, FrameKind, FrameTable
from kdnb.symbols.pdb import PdbFile
from tests.debugger.emulated_other import BASE, X86, Caller, Emulated
from tests.debugger.flat_memory import STACK, FlatMemory, HandMadeModule
from tests.symbols.build import build


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
