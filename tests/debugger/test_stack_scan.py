from __future__ import annotations

import struct

import pytest

from kdnb.debugger.stack_scan import follows_call
from kdnb.debugger.unwind import GUESSED, UNKNOWN_MODULE, unwind
from kdnb.protocol.constants import MachineType
from tests.debugger.flat_memory import STACK, HandMadeModule, pe_headers, walk


class CodeModule(HandMadeModule):
    """A module with a code section, and a call in it behind which `returns_to` lies."""

    def __init__(self) -> None:
        super().__init__()
        header = bytearray(pe_headers())
        struct.pack_into("<H", header, 0x86, 1)  # one section
        struct.pack_into(
            "<8sIIIIIIHHI", header, 0x188, b".text", 0x1000, 0x1000, 0x1000, 0x1000, 0, 0, 0, 0, 0x60000020
        )
        self.memory.write(self.base, bytes(header))
        self.memory.write(self.base + 0x1200, b"\xe8\x00\x00\x00\x00")
        self.returns_to = self.base + 0x1205
        self.function(0x1200, 0x1300, bytes([1, 4, 1, 0, 4, 0x42, 0, 0]))  # 0x28 bytes allocated


@pytest.mark.parametrize(
    ("code", "machine", "is_call"),
    [
        ("9090e800000000", MachineType.AMD64, True),
        ("9090909090ffd0", MachineType.AMD64, True),
        ("90909041ff5008", MachineType.AMD64, True),
        ("90ff1500000000", MachineType.AMD64, True),
        ("ff942480000000", MachineType.AMD64, True),
        ("909090ff542408", MachineType.AMD64, True),
        ("9090909090ffe0", MachineType.AMD64, False),
        ("90909090909090", MachineType.AMD64, False),
        ("90909010000094", MachineType.ARM64, True),
        ("90909000013fd6", MachineType.ARM64, True),
        ("90909000011fd6", MachineType.ARM64, False),
    ],
)
def test_calls_are_recognised_by_their_last_bytes(code: str, machine: MachineType, is_call: bool) -> None:
    assert follows_call(bytes.fromhex(code), machine) is is_call


def test_a_jump_into_nowhere_finds_the_caller_further_up_the_stack() -> None:
    module = CodeModule()
    module.push(0x1234, module.base + 0x1100, 0xFFFF, module.returns_to, 0, 0, 0, 0, 0, 0)
    frames, note = walk(module, 0xDEAD)
    assert [frame.instruction_pointer for frame in frames] == [0xDEAD, module.returns_to]
    assert frames[0].warning == GUESSED
    assert [frame.is_guess for frame in frames] == [False, True]
    assert frames[1].child_sp == STACK + 0x20
    assert note is None


def test_a_zero_on_top_of_unknown_code_is_no_end_of_the_stack() -> None:
    module = CodeModule()
    module.push(0, 0xFFFF, module.returns_to, 0, 0, 0, 0, 0, 0)
    frames, _ = walk(module, 0xDEAD)
    assert [frame.instruction_pointer for frame in frames] == [0xDEAD, module.returns_to]
    assert frames[0].warning == GUESSED
    module = CodeModule()
    module.push(0, 0xFFFF, 0)
    frames, note = walk(module, 0xDEAD)
    assert (len(frames), frames[0].warning, note) == (1, UNKNOWN_MODULE, None)


def test_without_a_likely_word_the_walk_ends_as_before() -> None:
    module = CodeModule()
    module.push(0x1234, module.base + 0x1100, 0xFFFF, 0)
    frames, note = walk(module, 0xDEAD)
    assert note == UNKNOWN_MODULE
    assert not any(frame.is_guess for frame in frames)


def test_what_unwind_data_say_is_never_overruled() -> None:
    module = CodeModule()
    module.push(0, 0, 0, 0, 0, 0, module.returns_to, 0)
    frames, note = unwind(
        {"rip": module.base + 0x1250, "rsp": STACK, "rbp": 0}, MachineType.AMD64, module.memory, module
    )
    assert frames[0].return_address == 0
    assert note is None
