"""Registers sorted into tabs, with their digits, the changed ones marked."""

from __future__ import annotations

from dataclasses import replace

from kdnb.render.widgets.registers import RegistersWidget, groups_of
from kdnb.results.disassembly import Instruction
from kdnb.results.registers import RegisterSet

VALUES = {
    "rip": 0xFFFFF80000001000,
    "rax": 5,
    "cs": 0x10,
    "efl": 0x246,
    "cr3": 0x1AD000,
    "msr_lstar": 0x5000,
    "dr7": 0x400,
    "xmm0": 1,
    "fpcw": 0x27F,
}


def registers() -> RegisterSet:
    here = Instruction(VALUES["rip"], b"\xcc", "int", "3")
    return RegisterSet("amd64", 0, VALUES, frozenset({"rax"}), "nt!X", here)


def test_each_register_has_its_tab_and_its_digits() -> None:
    groups = groups_of(registers())
    assert list(groups) == ["general", "segments", "control", "debug", "x87", "vector"]
    assert groups["general"] == [
        ["rax", "0000000000000005", True, "5"],
        ["rip", "fffff80000001000", False, str(VALUES["rip"])],
        ["efl", "00000246", False, "582"],
    ]
    assert groups["segments"][0][1] == "0010"
    assert [row[0] for row in groups["control"]] == ["cr3", "msr_lstar"]
    assert len(groups["vector"][0][1]) == 32


def test_the_foot_names_the_place_and_the_instruction() -> None:
    flags, place, instruction = RegistersWidget(registers()).foot.split("\n")
    assert flags == "iopl=0  nv up ei pl zr na pe nc"
    assert place == "nt!X:"
    assert instruction == "fffff800`00001000 cc              int     3"


def test_the_group_that_was_asked_for_is_open_first() -> None:
    for mask, first in ((0, "general"), (0x80, "control"), (0x40, "vector"), (0x20, "debug"), (0xA, "general")):
        assert RegistersWidget(replace(registers(), mask=mask)).first == first
    assert RegistersWidget(replace(registers(), heading="Last set context:")).head == "Last set context:"
