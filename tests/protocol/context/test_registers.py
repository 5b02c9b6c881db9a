"""Register records by machine, registers by name, and the sizes that special registers come in."""

from __future__ import annotations

import pytest

from kdnb.errors import DecodeError, UnknownNameError
from kdnb.protocol.constants import MachineType
from kdnb.protocol.context.amd64 import AMD64Context, AMD64SpecialRegisters
from kdnb.protocol.context.arm64 import ARM64Context
from kdnb.protocol.context.registers import context_type, register_values, special_registers_type, with_registers
from kdnb.protocol.context.x86 import X86SpecialRegisters


def test_registers_have_windbgs_names_and_arrays_count_from_zero() -> None:
    values = register_values(AMD64Context(rip=5, efl=0x246, xmm=tuple(range(16))))
    assert values["rip"] == 5
    assert values["efl"] == 0x246
    assert values["xmm15"] == 15
    assert "fp_reserved1" not in values
    assert register_values(ARM64Context(x28=3, v=tuple(range(32))))["v31"] == 31


def test_changing_registers_changes_no_other() -> None:
    before = AMD64Context(rax=1, xmm=tuple(range(16)))
    after = with_registers(before, {"rax": 2, "xmm3": 7, "xmm4": 8})
    assert {name for name, value in register_values(after).items() if value != register_values(before)[name]} == {
        "rax",
        "xmm3",
        "xmm4",
    }


def test_an_unknown_register_is_an_error_that_names_it() -> None:
    with pytest.raises(UnknownNameError, match="no register eax"):
        with_registers(AMD64Context(), {"eax": 1})


@pytest.mark.parametrize("size", [0xD8, 0xE0, 0xE8, 0xF0, 0x110, 0x200])
def test_special_registers_of_any_size_come_back_as_they_were(size: int) -> None:
    data = bytes(index % 251 for index in range(size))
    record = AMD64SpecialRegisters.decode(data)
    assert record.encode() == data
    assert record.cr3 == int.from_bytes(data[0x10:0x18], "little")
    assert record.size == min(size, 0xF0)
    assert record.tail == data[0xF0:]
    assert record.xcr0 == (int.from_bytes(data[0xD8:0xE0], "little") if size >= 0xE0 else 0)


def test_special_registers_below_the_oldest_size_are_an_error() -> None:
    with pytest.raises(DecodeError, match="at least 216 bytes"):
        AMD64SpecialRegisters.decode(bytes(0xD7))


def test_each_machine_has_its_record() -> None:
    sizes = {machine: form.SIZE for machine in MachineType if (form := context_type(machine))}
    assert sizes == {
        MachineType.I386: 0x2CC,
        MachineType.AMD64: 0x4D0,
        MachineType.ARM64: 0x390,
        MachineType.ARM: 0x1A0,
        MachineType.ARMNT: 0x1A0,
    }
    assert special_registers_type(MachineType.I386) is X86SpecialRegisters
    assert special_registers_type(MachineType.IA64) is None
