"""Parts of registers."""

from __future__ import annotations

import pytest

from kdnb.debugger.register_names import part_of, parts
from kdnb.protocol.constants import MachineType


@pytest.mark.parametrize(
    ("machine", "name", "register", "value", "after"),
    [
        (MachineType.AMD64, "eax", "rax", 0x55667788, 0xFFFFFFFF00000000),
        (MachineType.AMD64, "ah", "rax", 0x77, 0xFFFFFFFFFFFF00FF),
        (MachineType.AMD64, "sil", "rsi", 0x88, 0xFFFFFFFFFFFFFF00),
        (MachineType.AMD64, "r11w", "r11", 0x7788, 0xFFFFFFFFFFFF0000),
        (MachineType.AMD64, "zf", "efl", 0, 0xFFFFFFFFFFFFFFBF),
        (MachineType.AMD64, "iopl", "efl", 3, 0xFFFFFFFFFFFFCFFF),
        (MachineType.I386, "bh", "ebx", 0x77, 0xFFFFFFFFFFFF00FF),
        (MachineType.I386, "sp", "esp", 0x7788, 0xFFFFFFFFFFFF0000),
    ],
)
def test_a_part_is_cut_out_and_put_back(machine: MachineType, name: str, register: str, value: int, after: int) -> None:
    part = part_of(machine, name)
    assert part is not None
    assert part.register == register
    assert part.extract(0x1122334455667788) == value
    assert part.insert(0xFFFFFFFFFFFFFFFF, 0) == after


def test_64_bit_parts_are_unknown_to_32_bit_machines() -> None:
    assert part_of(MachineType.I386, "r8d") is None
    assert part_of(MachineType.I386, "sil") is None
    assert parts(MachineType.ARM64) == {}
