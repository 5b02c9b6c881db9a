"""How long until a 10 MB PDB answers? Against a plain loop over the same file that only walks its records.

The PDB is made by clang and lld: thousands of structs, functions and variables. Times are printed (`pytest -s`);
asserted are ratios.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import pytest

from kdnb.symbols.pdb import PdbFile
from kdnb.symbols.table import SymbolTable
from tests.symbols.build import Built, build

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.external("clang", "lld-link")

STRUCTS, FIELDS, FUNCTIONS = 9000, 24, 16000
SMALLEST = 10_000_000
ROUNDS = 3
SLOWEST = 15
"""Plain walks over the file that opening and searching may cost (seen: 2)."""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("large")
    source = folder / "large.c"
    source.write_text(c_source())
    built = build(folder, [source], "-O0")
    assert built.pdb.stat().st_size >= SMALLEST
    return built


def c_source() -> str:
    lines = []
    for number in range(STRUCTS):
        fields = " ".join(f"int Field{number % 97}_{index}[{index % 5 + 1}];" for index in range(FIELDS))
        lines.append(f"struct _PS_OBJECT_{number} {{ {fields} struct _PS_OBJECT_{max(number - 1, 0)} *Next; }};")
        lines.append(f"struct _PS_OBJECT_{number} PsObject{number};")
    for number in range(FUNCTIONS):
        prefix = ("Ps", "Mm", "Io", "Ke")[number % 4]
        lines.append(f"int {prefix}FunctionWithALongName{number}(int value) {{ return value + {number}; }}")
    lines.append("int Entry(void) { return 0; }")
    return "\n".join(lines)


def seconds(run: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def plain_walk(path: Path) -> int:
    """Read the file and step over it as if all of it were records: two bytes of length each."""
    data = path.read_bytes()
    position = count = 0
    while position + 2 <= len(data):
        position += int.from_bytes(data[position : position + 2], "little") % 0x40 + 2
        count += 1
    return count


def test_a_large_pdb_opens_and_answers_a_pattern(large: Built) -> None:
    def ask() -> int:
        return len(SymbolTable.from_pdb(PdbFile.open(large.pdb)).search("Ps*"))

    assert ask() >= FUNCTIONS // 4 + STRUCTS
    opened = seconds(lambda: PdbFile.open(large.pdb))
    asked, plain = seconds(ask), seconds(lambda: plain_walk(large.pdb))
    table = SymbolTable.from_pdb(PdbFile.open(large.pdb))
    again = seconds(lambda: table.search("Ps*"))
    size = large.pdb.stat().st_size / 1e6
    print(
        f"\n{size:.1f} MB: opened in {opened * 1e3:.0f} ms, opened and searched in {asked:.2f} s, searched again in "
        f"{again * 1e3:.0f} ms; plain walk {plain:.2f} s; {asked / plain:.1f}x"
    )
    assert asked < SLOWEST * plain


def test_a_type_is_found_without_reading_the_others(large: Built) -> None:
    pdb = PdbFile.open(large.pdb)
    first = seconds(lambda: PdbFile.open(large.pdb).types.lookup("_PS_OBJECT_77"))
    names = [f"_PS_OBJECT_{number}" for number in range(1, STRUCTS, 90)]
    assert pdb.types.lookup(names[0]) is not None

    def look() -> None:
        for name in names:
            found = pdb.types.lookup(name)
            assert len(found.fields) == FIELDS + 1

    started = time.perf_counter()
    look()
    one = (time.perf_counter() - started) / len(names)
    print(f"\nfirst type {first * 1e3:.0f} ms, each other {one * 1e6:.0f} us with its {FIELDS + 1} fields")
    assert one < first / 10
