from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdnb.debugger.unwind import unwind
from kdnb.errors import SymbolFileError
from kdnb.protocol.constants import MachineType
from kdnb.symbols.pdb import PdbFile
from kdnb.symbols.unwind_arm64 import Arm64FunctionTable
from tests.debugger.emulated_other import ARM64, BASE, Caller, Emulated
from tests.symbols.build import build

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
