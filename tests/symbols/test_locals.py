from __future__ import annotations

import struct
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdnb.debugger.codeview_registers import frame_register, register_name
from kdnb.protocol.constants import MachineType
from kdnb.symbols.locals import LocalVariable, Place, locals_at
from kdnb.symbols.pdb import PdbFile

if TYPE_CHECKING:
    from tests.windows_files import WindowsFiles


def _record(kind: int, body: bytes) -> bytes:
    return struct.pack("<HH", len(body) + 2, kind) + body


def _procedure(offset: int, size: int) -> bytes:
    return _record(0x1110, struct.pack("<7IIHB", 0, 0, 0, size, 0, 0, 0, offset, 1, 0) + b"f\0")


def _local(name: str, flags: int = 0) -> bytes:
    return _record(0x113E, struct.pack("<IH", 0x74, flags) + name.encode() + b"\0")


def _in_register(register: int, start: int, size: int, *gaps: tuple[int, int]) -> bytes:
    body = struct.pack("<HHIHH", register, 0, start, 1, size)
    return _record(0x1141, body + b"".join(struct.pack("<HH", *gap) for gap in gaps))


END = _record(0x0006, b"")
FRAME = _record(0x1012, struct.pack("<IIIIIHI", 0x40, 0, 0, 0, 0, 0, 1 << 14 | 2 << 16))
PROGRAM = (
    _procedure(0x100, 0x80)
    + FRAME
    + _local("n", 1)
    + _in_register(330, 0x100, 0x10)
    + _in_register(329, 0x110, 0x40, (0x8, 0x4))
    + _local("kept")
    + _record(0x1142, struct.pack("<iIHH", 0x28, 0x100, 1, 0x80))
    + _record(0x1103, struct.pack("<IIIIH", 0, 0, 0x20, 0x140, 1) + b"\0")
    + _local("inner")
    + _in_register(334, 0x140, 0x20)
    + END
    + _record(0x114D, bytes(12))
    + _local("inlined")
    + _in_register(17, 0x100, 0x80)
    + _record(0x114E, b"")
    + END
    + _procedure(0x200, 0x10)
    + _record(0x1111, struct.pack("<iIH", -8, 0x74, 334) + b"old\0")
    + END
)


def _at(offset: int) -> dict[str, Place | None] | None:
    found = locals_at(PROGRAM, 1, offset, lambda bits: {0: 0, 1: 335, 2: 334}[bits])
    return None if found is None else {variable.name: variable.place for variable in found}


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (0x100, {"n": Place(330), "kept": Place(335, 0x28)}),
        (0x110, {"n": Place(329), "kept": Place(335, 0x28)}),
        (0x119, {"n": None, "kept": Place(335, 0x28)}),  # in a gap of the range
        (0x145, {"n": Place(329), "kept": Place(335, 0x28), "inner": Place(334)}),
        (0x170, {"n": None, "kept": Place(335, 0x28)}),
        (0x204, {"old": Place(334, -8)}),
        (0x180, None),
    ],
)
def test_variables_live_where_and_as_long_as_the_compiler_says(
    offset: int, expected: dict[str, Place | None] | None
) -> None:
    assert _at(offset) == expected


def test_parameters_are_told_apart() -> None:
    found = locals_at(PROGRAM, 1, 0x100, lambda bits: 335)
    assert found is not None
    assert found[0] == LocalVariable("n", 0x74, is_parameter=True, place=Place(330))
    assert not found[1].is_parameter


@given(st.binary(max_size=120), st.sampled_from([cut for pair in pairwise(range(0, len(PROGRAM), 7)) for cut in pair]))
def test_damaged_records_end_the_list(noise: bytes, cut: int) -> None:
    for data in (PROGRAM[:cut] + noise, noise):
        found = locals_at(data, 1, 0x110, lambda bits: 335)
        assert found is None or len(found) < 100


def test_optimized_code_by_msvc_repeats_its_variables_and_notes_the_frame_behind_them() -> None:
    procedure = _record(0x1110, struct.pack("<7IIHB", 0, 0, 0, 0x80, 0, 0, 0, 0x100, 1, 0x80) + b"f\0")
    in_frame = _record(0x1144, struct.pack("<i", 0x20))
    old = _record(0x1111, struct.pack("<iIH", 0x30, 0x74, 335) + b"n\0")
    found = locals_at(procedure + _local("n", 1) + in_frame + old + FRAME + END, 1, 0x110, lambda bits: 300 + bits)
    assert found == [LocalVariable("n", 0x74, is_parameter=True, place=Place(302, 0x20))]


_ARGUMENTS = (
    ("cl", "cx", "ecx", "rcx", "xmm0"),
    ("dl", "dx", "edx", "rdx", "xmm1"),
    ("r8b", "r8w", "r8d", "r8", "xmm2"),
    ("r9b", "r9w", "r9d", "r9", "xmm3"),
)


@pytest.mark.parametrize("name", ["attach_amd64.pdb", "inject_dll_amd64.pdb"])
def test_parameters_of_functions_by_msvc_come_in_the_registers_of_the_calling_convention(
    msvc: WindowsFiles, name: str
) -> None:
    """At the first instruction; a place for the result may come first."""
    pdb = PdbFile.open(msvc.path(name))
    machine, shifts = MachineType.AMD64, Counter[int]()
    for procedure in pdb.procedures()[::3]:
        found = pdb.locals_at(procedure.rva, lambda bits: frame_register(machine, bits))
        assert found is not None
        for index, variable in enumerate(one for one in found if one.is_parameter):
            if variable.place is not None and variable.place.offset is None:
                register = register_name(machine, variable.place.register)
                shifts[next(at for at, names in enumerate(_ARGUMENTS) if register in names) - index] += 1
    assert set(shifts) <= {0, 1}
    assert shifts[0] > 30
    assert shifts[1] < shifts[0] / 10
