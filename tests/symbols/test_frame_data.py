from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from kdnb.errors import SymbolFileError
from kdnb.symbols.frame_data import run_frame_program
from kdnb.symbols.pdb import PdbFile

if TYPE_CHECKING:
    from tests.windows_files import WindowsFiles


def test_programs_by_msvc_leave_out_spaces_and_number_registers() -> None:
    """Of wmain in inject_dll_x86.pdb (debugpy 1.8.22), whose frame pointer does not point to the saved one."""
    text = "$T0 $ebp 268 + =$eip $T0 4 + ^ =$ebp $T0 ^ = $esp $T0 8 + =  $20 $T0 280 - ^ ="
    found = run_frame_program(text, {"$ebp": 0x1000}, lambda address: address + 1)
    top = 0x1000 + 268
    assert found == {"$T0": top, "$eip": top + 5, "$ebp": top + 1, "$esp": top + 8, "$20": top - 280 + 1}


@pytest.mark.parametrize("text", ["= =", "$T0 +", "$T0 $T1 =", "$T0 1 0 / =", "$T0 & 1 =", "$T0 \u0663 \u00b2 ="])
def test_what_is_no_program_is_refused(text: str) -> None:
    with pytest.raises(SymbolFileError):
        run_frame_program(text, {}, lambda address: address)


@pytest.mark.external("llvm-pdbutil")
@pytest.mark.parametrize("name", ["attach_x86.pdb", "inject_dll_x86.pdb"])
def test_records_by_msvc_are_as_llvm_pdbutil_shows_them(msvc: WindowsFiles, name: str) -> None:
    command = ["llvm-pdbutil", "dump", "-fpo", msvc.path(name)]
    old, new = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("New FPO Data")
    row = r"^(\w{8})" + r" \| +(\d+)" * 5
    old_rows = [[int(rva, 16), *map(int, rest)] for rva, *rest in re.findall(row, old, re.MULTILINE)]
    new_rows = [
        ([int(rva, 16), *map(int, rest)], start == "true", program)
        for rva, *rest, start, program in re.findall(
            r"^(\w{8})" + r" \| +(\d+)" * 6 + r" \| +\w+ \| +\w+ \| +(\w+) \| (.*)$", new, re.MULTILINE
        )
    ]
    records = list(PdbFile.open(msvc.path(name)).frame_table)
    programs = [one for one in records if one.program]
    assert sorted(old_rows) == [
        [
            one.begin,
            one.end - one.begin,
            one.local_size // 4,
            one.parameter_size // 4,
            one.prolog_size,
            one.saved_size // 4,
        ]
        for one in records[len(programs) :]
    ]
    assert [(row[:4] + row[5:], start, program.strip()) for row, start, program in new_rows] == [
        (
            [one.begin, one.end - one.begin, one.local_size, one.parameter_size, one.prolog_size, one.saved_size],
            one.is_start,
            one.program.strip(),
        )
        for one in programs
    ]
