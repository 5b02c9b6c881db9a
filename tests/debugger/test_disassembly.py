from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdnb.debugger.disassembly import annotation, disassemble, disassemble_before, instruction_size
from kdnb.errors import MemoryReadError, UnsupportedError
from kdnb.protocol.constants import MachineType
from kdnb.symbols.pe import PeImage
from tests.debugger.flat_memory import FlatMemory
from tests.symbols.build import build

BASE = 0xFFFFF801_0BF91A3D
AMD64, I386 = MachineType.AMD64, MachineType.I386
NAMES = {BASE: "Echo!EchoEvtIoRead", 0xFFFFF801_0BF92FE8: "Echo!_imp_Foo", 0xFFFFF803_59E0B2D0: "nt!DbgBreakPoint"}


def symbolize(address: int) -> str | None:
    if address in NAMES:
        return NAMES[address]
    return f"Echo!EchoEvtIoRead+{address - BASE:#x}" if BASE < address < BASE + 0x200 else None


def test_a_listing_reads_like_windbgs() -> None:
    """The instructions of the command reference 7.5 at their own addresses."""
    code = bytes.fromhex("488b4c2448 ff15a0150000 7405 cc c3")
    found = disassemble(FlatMemory(BASE, code), BASE, 5, AMD64, symbolize)
    assert [(i.data.hex(), i.mnemonic, i.operands) for i in found] == [
        ("488b4c2448", "mov", "rcx,qword ptr [rsp+48h]"),
        ("ff15a0150000", "call", "qword ptr [Echo!_imp_Foo (fffff801`0bf92fe8)]"),
        ("7405", "je", "Echo!EchoEvtIoRead+0x12 (fffff801`0bf91a4f)"),
        ("cc", "int", "3"),
        ("c3", "ret", ""),
    ]
    assert [i.address - BASE for i in found] == [0, 5, 11, 13, 14]
    assert [i.label for i in found] == ["Echo!EchoEvtIoRead", "", "", "", ""]
    assert [(i.is_call, i.is_jump, i.is_return) for i in found[1:]] == [
        (True, False, False),
        (False, True, False),
        (False, False, False),
        (False, False, True),
    ]
    assert found[2].target == BASE + 0x12
    assert found[1].target is None


def test_unreadable_code_is_one_instruction_without_data() -> None:
    found = disassemble(FlatMemory(BASE, b"\x90\x90"), BASE, 8, AMD64, symbolize)
    assert [(i.data, i.mnemonic) for i in found] == [(b"\x90", "nop"), (b"\x90", "nop"), (b"", "???")]
    nothing = disassemble(FlatMemory(), 0x1000, 8, AMD64, symbolize)
    assert [(i.address, i.data) for i in nothing] == [(0x1000, b"")]


def test_a_long_listing_is_read_in_pieces_without_a_seam() -> None:
    code = bytes.fromhex("488b4c2448") * 30000
    found = disassemble(FlatMemory(0x1000, code), 0x1000, 25000, AMD64, lambda _: None)
    assert len(found) == 25000
    assert {i.data.hex() for i in found} == {"488b4c2448"}


def test_sizes_of_single_instructions() -> None:
    memory = FlatMemory(0x1000, bytes.fromhex("ff15a0150000 06"))
    assert instruction_size(memory, 0x1000, AMD64) == 6
    assert instruction_size(memory, 0x1006, AMD64) == 1
    with pytest.raises(MemoryReadError):
        instruction_size(memory, 0x2000, AMD64)


def test_other_machines_are_refused_in_one_line() -> None:
    with pytest.raises(UnsupportedError, match="0x1c4"):
        disassemble(FlatMemory(), 0, 1, MachineType.ARMNT, symbolize)


@given(st.binary(max_size=60), st.integers(1, 20))
def test_any_bytes_make_a_listing_that_covers_them(code: bytes, count: int) -> None:
    found = disassemble(FlatMemory(BASE, code), BASE, count, AMD64, symbolize)
    assert 1 <= len(found) <= count
    assert b"".join(i.data for i in found) == code[: sum(i.size for i in found)]


# --- backward --------------------------------------------------------------------------------------


def test_ub_from_a_known_start_is_exact() -> None:
    code = bytes.fromhex("488b4c2448 ff15a0150000 7405 cc c3")
    memory = FlatMemory(BASE, code)
    found = disassemble_before(memory, BASE + 13, 2, AMD64, symbolize, BASE)
    assert [i.data.hex() for i in found] == ["ff15a0150000", "7405"]
    assert found[0].label == "Echo!EchoEvtIoRead+0x5"


def test_ub_goes_on_before_the_start_of_the_function() -> None:
    memory = FlatMemory(BASE - 3, bytes.fromhex("c3 cc cc 488b4c2448 90"))
    found = disassemble_before(memory, BASE + 5, 3, AMD64, symbolize, BASE)
    assert [i.data.hex() for i in found] == ["cc", "cc", "488b4c2448"]


@pytest.mark.external("clang", "lld-link")
def test_ub_without_a_start_finds_the_instructions_of_real_code(tmp_path: Path) -> None:
    """Guessing is right nearly always on compiled code; what it can't know it may get wrong."""
    source = Path(__file__).parent / "unwind_programs"
    built = build(tmp_path, [source / "calls.c", source / "frames.s"], "-O2")
    image = PeImage.from_file(built.image.read_bytes())
    memory = FlatMemory(0, image.read(0, image.size_of_image))
    right = total = 0
    for function in image.function_table:
        true = disassemble(memory, function.begin, 300, AMD64, lambda _: None)
        starts = [i.address for i in true if i.address < function.end]
        for index in range(6, len(starts)):
            found = disassemble_before(memory, starts[index], 4, AMD64, lambda _: None)
            right += [i.address for i in found] == starts[index - 4 : index]
            total += 1
    assert total > 200
    assert right / total > 0.9


def test_ub_in_unreadable_memory_says_so() -> None:
    with pytest.raises(MemoryReadError):
        disassemble_before(FlatMemory(), 0x1000, 8, AMD64, symbolize)


@given(st.binary(max_size=100), st.integers(0, 100), st.integers(1, 10))
def test_what_ub_shows_ends_where_it_was_asked_to(code: bytes, offset: int, count: int) -> None:
    memory = FlatMemory(BASE, code)
    try:
        found = disassemble_before(memory, BASE + offset, count, AMD64, symbolize)
    except MemoryReadError:
        return
    assert len(found) <= count
    assert found[-1].address + found[-1].size == BASE + offset


# --- the current instruction -----------------------------------------------------------------------


def annotated(code: str, machine: MachineType = AMD64, **registers: int) -> str:
    memory = FlatMemory(BASE, bytes.fromhex(code))
    memory.write(0x8000, bytes(range(1, 17)))
    memory.write(0x9000, NAMES_TARGET.to_bytes(8, "little"))
    instruction = disassemble(memory, BASE, 1, machine, symbolize)[0]
    values = {"ss": 0x18, "ds": 0x2B, "gs": 0x2B} | registers
    return annotation(instruction, values, memory, machine, symbolize)


NAMES_TARGET = 0xFFFFF803_59E0B2D0


@pytest.mark.parametrize(
    ("code", "registers", "text"),
    [
        ("488b442448", {"rsp": 0x7FB8}, "ss:0018:00000000`00008000=0807060504030201"),
        ("8b01", {"rcx": 0x8000}, "ds:002b:00000000`00008000=04030201"),
        ("8a0411", {"rcx": 0x8000, "rdx": 2}, "ds:002b:00000000`00008002=03"),
        ("488b01", {"rcx": 0x10}, "ds:002b:00000000`00000010=????????????????"),
        ("42ff24c0", {"rax": 0x8FF8, "r8": 1}, "ds:002b:00000000`00009000={nt!DbgBreakPoint (fffff803`59e0b2d0)}"),
        ("65488b042588010000", {}, "gs:002b:00000000`00000188=????????????????"),
        ("65488b042588010000", {"gs_base": 0x7E78}, "gs:002b:00000000`00000188=0807060504030201"),
        ("488d442448", {"rsp": 0x7FB8}, ""),
        ("90", {}, ""),
        ("7405", {"efl": 0x246}, "[br=1]"),
        ("7405", {"efl": 0x202}, "[br=0]"),
        ("7f05", {"efl": 0x80}, "[br=0]"),
        ("7f05", {"efl": 0x880}, "[br=1]"),
        ("eb05", {"efl": 0x246}, ""),
        ("e305", {"rcx": 0}, "[br=1]"),
    ],
)
def test_the_current_instruction_tells_what_it_is_about_to_do(code: str, registers: dict[str, int], text: str) -> None:
    assert annotated(code, **registers) == text
