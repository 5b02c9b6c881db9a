from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdnb.debugger.unwind import unwind
from kdnb.debugger.unwind_arm64 import unwind_arm64
from kdnb.errors import SymbolFileError
from kdnb.protocol.constants import MachineType
from kdnb.symbols.pdb import PdbFile
from kdnb.symbols.unwind_arm64 import Arm64FunctionTable, Arm64Op
from tests.debugger.emulated_other import ARM64, BASE, Caller, Emulated
from tests.debugger.explored import Explored
from tests.debugger.flat_memory import STACK, FlatMemory
from tests.symbols.build import build

if TYPE_CHECKING:
    from tests.windows_files import WindowsFiles

PROGRAM = Path(__file__).parent / "unwind_programs" / "portable.c"
TARGET = [
    "--target=aarch64-pc-windows-msvc",
    "-g",
    "-gcodeview",
    "-ffreestanding",
    "-fno-stack-protector",
    "-mno-stack-arg-probe",
]
LINK = (f"/base:{BASE:#x}",)


@pytest.mark.external("clang", "lld-link")
@pytest.mark.parametrize("options", ["-O0", "-O2", "-Oz", "-O2 -fno-omit-frame-pointer"])
def test_every_instruction_of_an_arm64_program_unwinds_to_the_true_chain(tmp_path: Path, options: str) -> None:
    built = build(tmp_path, [PROGRAM], "-funwind-tables", *options.split(), target=TARGET, link_options=LINK)
    program = Emulated(ARM64, built.image.read_bytes())
    symbols = {public.name: BASE + public.rva for public in PdbFile.open(built.pdb).publics()}
    depths: list[int] = []

    def check(registers: dict[str, int], chain: list[Caller]) -> None:
        frames, note = unwind(registers, MachineType.ARM64, program, program)
        callers = chain[::-1]
        where = f"at {registers['pc'] - BASE:#x}"
        assert [frame.return_address for frame in frames] == [caller.pc for caller in callers], where
        assert note is None
        for frame, caller in zip(frames[1:], callers, strict=False):
            expected = {name: caller.registers[name] for name in (*ARM64.nonvolatile, "sp")}
            assert {name: frame.registers[name] for name in expected} == expected, where
            low = {f"v{n}": caller.registers[f"v{n}"] & (1 << 64) - 1 for n in range(8, 16)}
            assert {name: frame.registers[name] & (1 << 64) - 1 for name in low} == low, where
        depths.append(len(chain))

    program.run(symbols["Entry"], symbols["TheEnd"], check)
    assert len(depths) > 500
    assert max(depths) >= 8


def _table(entry: bytes, record: bytes = b"") -> Arm64FunctionTable:
    data = entry.ljust(16, b"\0") + record
    return Arm64FunctionTable(lambda rva, size: data[rva : rva + size], 0, 8)


def _packed(
    *, length: int = 64, floats: int = 0, integers: int = 0, chain: int = 0, frame: int = 0, flag: int = 1
) -> int:
    return flag | length // 4 << 2 | floats << 13 | integers << 16 | chain << 21 | frame // 16 << 23


@pytest.mark.parametrize(
    ("word", "prolog"),
    [
        (_packed(integers=2, chain=1, frame=32), "save x19 x20 @0 +32, save lr @16, end"),
        (_packed(integers=1, chain=3, frame=48), "save x19 @0 +16, save fp lr @0 +32, set_fp, end"),
        (_packed(chain=2, frame=16), "sign_lr, save fp lr @0 +16, set_fp, end"),
        (_packed(floats=2, frame=32), "save d8 d9 @0 +32, save d10 @16, end"),
        (_packed(integers=2, frame=8160), "save x19 x20 @0 +16, alloc 4080, alloc 4064, end"),
        (_packed(integers=2, chain=3, frame=1040), "save x19 x20 @0 +16, alloc 1024, save fp lr @0, set_fp, end"),
    ],
)
def test_packed_entries_stand_for_the_canonical_prolog(word: int, prolog: str) -> None:
    """In the order of the protocol reference 8.5, as `llvm-readobj --unwind` lists them for built images too."""
    function = _table((0).to_bytes(4, "little") + word.to_bytes(4, "little")).lookup(0)
    assert function is not None
    shown = []
    for code in (*reversed(function.codes[:-1]), function.codes[-1]):
        words = [code.op.name.lower(), *code.registers]
        words += [f"@{code.offset}"] if code.registers else []
        if code.amount:
            words.append(f"+{code.amount}" if code.registers else str(code.amount))
        shown.append(" ".join(words))
    assert ", ".join(shown) == prolog


def test_a_packed_fragment_has_no_prolog_of_its_own() -> None:
    function = _table((0).to_bytes(4, "little") + _packed(integers=2, frame=16, flag=2).to_bytes(4, "little")).lookup(8)
    assert function is not None
    assert function.prolog_instructions == 0
    assert function.epilogs == ()


def test_code_behind_a_function_is_in_none() -> None:
    table = _table((0).to_bytes(4, "little") + _packed(length=16).to_bytes(4, "little"))
    assert table.lookup(15) is not None
    assert table.lookup(16) is None


@given(st.binary(min_size=8, max_size=8), st.binary(max_size=80))
def test_no_unwind_data_breaks_the_reader(entry: bytes, record: bytes) -> None:
    table = _table(bytes(4) + (16).to_bytes(4, "little") if entry[0] & 1 else entry, record)
    try:
        function = table.lookup(4)
    except SymbolFileError:
        return
    assert function is None or len(function.codes) <= 300


def _cookie_helpers(program: Explored) -> frozenset[int]:
    """`__security_push_cookie` and `__security_pop_cookie`, by their instructions: they move their caller's sp."""
    found = set()
    for section in program.image.sections:
        code = program.image.read(section.rva, section.virtual_size) if section.is_code else b""
        words = [word for (word,) in struct.iter_unpack("<I", code[: len(code) & ~3])]
        for index, (first, second) in enumerate(pairwise(words)):
            pushes = first == 0xD10043FF and second & 0x9F00001F == 0x90000011  # sub sp, sp, #16; adrp x17
            pops = first & 0x9F00001F == 0x90000011 and second == 0xF94007F0  # adrp x17; ldr x16, [sp, #8]
            if pushes or pops:
                found.add(program.base + section.rva + 4 * index)
    return frozenset(found)


@pytest.mark.parametrize("name", ["arm64/vcruntime140.dll", "arm64/msvcp140.dll"])
def test_every_instruction_of_arm64_functions_by_msvc_unwinds_to_the_caller(msvc: WindowsFiles, name: str) -> None:
    """Packed and full records, epilogs, signed return addresses, calls of helpers in prologs."""
    program = Explored(ARM64, msvc.data(name))
    program.enters = _cookie_helpers(program)
    assert program.enters
    table, wrong = program.image.arm64_functions, []
    for index in range(len(table)):
        function = table.lookup(table.entry(index)[0])
        assert function is not None
        calls_in_prolog = any(code.op is Arm64Op.NOP for code in function.codes)
        if index % (len(table) // 50) and not calls_in_prolog:
            continue
        is_part = any(code.op is Arm64Op.END_CHAINED for code in function.codes)
        if is_part or program.base + function.begin in program.enters:
            continue
        ranges = [(function.begin, function.end)]
        for place in program.ways(function.begin, ranges, 4 * function.prolog_instructions):
            step = unwind_arm64(place.registers, program, program.image, program.base, place.exact)
            found = {register: step.registers[register] for register in place.caller}
            if found != place.caller:
                wrong.append(f"{place.rva:#x} {'at' if place.exact else 'behind a call'}")
    assert wrong == []
    assert len(program.met) > 1500


def _function_with(record: bytes) -> Arm64FunctionTable:
    """A function at RVA 200 with that record at 100."""
    image = struct.pack("<II", 0x200, 0x100).ljust(0x100, b"\0") + record
    return Arm64FunctionTable(lambda rva, size: image[rva : rva + size], 0, 8)


def test_a_call_in_a_prolog_is_left_with_what_was_saved_before_it() -> None:
    """Of numpy 2.4.6 (win_arm64), _multiarray_umath at 158e98: three pairs and fp, lr are saved, then __chkstk is
    called, then 4112 bytes are taken."""
    record = bytes.fromhex("9c00602a c101e3e3 46e6e628 e4c10001 46e6e628 e4e3e3e3")
    table = _function_with(record)
    stack = FlatMemory(STACK, struct.pack("<8Q", 19, 20, 21, 22, 23, 24, 0xF0, 0x4321))
    registers = {**{f"x{number}": 0 for number in range(29)}, "fp": STACK, "sp": STACK, "lr": 0x218, "pc": 0x218}
    step = unwind_arm64(registers, stack, SimpleNamespace(arm64_functions=table), 0, exact=False)
    assert [step.registers[f"x{number}"] for number in range(19, 25)] == [19, 20, 21, 22, 23, 24]
    assert (step.registers["fp"], step.registers["pc"], step.registers["sp"]) == (0xF0, 0x4321, STACK + 64)


def test_codes_for_frames_of_their_own_stand_for_no_instruction() -> None:
    """The epilog of __security_pop_cookie (msvcp140 14.44 for ARM64): add sp, a word on the caller's pc, ret."""
    record = bytes.fromhex("0b004010 06004000 e401ece4 e4000000")
    function = _function_with(record).lookup(0x200)
    assert function is not None
    (epilog,) = function.epilogs
    assert [code.op for code in epilog.codes] == [Arm64Op.ALLOC, Arm64Op.CLEAR_UNWOUND]
    assert (epilog.start, epilog.size) == (0x18, 8)
