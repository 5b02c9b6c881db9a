from __future__ import annotations

import pytest

from kdnb.debugger.unwind import unwind
from kdnb.protocol.constants import MachineType
from tests.debugger.flat_memory import STACK, FlatMemory, HandMadeModule


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
