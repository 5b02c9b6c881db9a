from __future__ import annotations

import pytest

from kdnb.debugger.unwind import NO_UNWIND_DATA, UNKNOWN_MODULE, unwind
from kdnb.errors import MemoryReadError, UnsupportedError
from kdnb.protocol.constants import MachineType
from tests.debugger.flat_memory import STACK, FlatMemory, HandMadeModule, walk


def test_a_function_without_an_entry_is_a_leaf_when_it_is_the_innermost() -> None:
    module = HandMadeModule()
    module.push(0x1_0000_1234, 0)
    frames, note = walk(module, module.base + 0x1800)
    assert frames[0].return_address == 0x1_0000_1234
    assert frames[0].warning == ""
    assert frames[1].child_sp == STACK + 8
    assert note == UNKNOWN_MODULE  # the return address lies nowhere


def test_a_caller_without_an_entry_is_followed_with_a_warning() -> None:
    module = HandMadeModule()
    module.push(module.base + 0x1810, 0)
    frames, note = walk(module, module.base + 0x1800)
    assert [frame.warning for frame in frames] == ["", NO_UNWIND_DATA]
    assert note is None


def test_a_call_through_a_bad_pointer_still_finds_the_caller() -> None:
    module = HandMadeModule()
    module.function(0x1000, 0x1100, bytes([1, 4, 1, 0, 4, 0x42, 0, 0]))
    module.push(module.base + 0x1050, *[0] * 5, 0)
    frames, note = walk(module, 0xDEAD)
    assert [frame.instruction_pointer for frame in frames] == [0xDEAD, module.base + 0x1050]
    assert frames[0].warning == UNKNOWN_MODULE
    assert note is None


def test_an_unreadable_stack_ends_the_walk_with_the_frame_kept() -> None:
    module = HandMadeModule()
    frames, note = walk(module, module.base + 0x1800, rsp=0xFFFF_0000)
    assert frames[0].child_sp == 0xFFFF_0000
    assert "0xffff0000" in (note or "")


def test_a_stack_that_does_not_grow_ends_the_walk() -> None:
    module = HandMadeModule()
    module.function(0x1000, 0x1100, bytes([1, 0, 1, 0x05, 0, 0x03, 0, 0]))  # rsp = rbp
    module.memory.write(STACK - 8, (module.base + 0x1050).to_bytes(8, "little"))
    _, note = walk(module, module.base + 0x1050, rbp=STACK - 8)
    assert "doesn't grow" in (note or "")


def test_the_number_of_frames_is_bounded() -> None:
    module = HandMadeModule()
    module.push(*[module.base + 0x1810] * 100)
    frames, note = unwind({"rip": module.base + 0x1810, "rsp": STACK}, MachineType.AMD64, module.memory, module, 16)
    assert len(frames) == 16
    assert "16 frames" in (note or "")


def test_other_machines_are_refused_in_one_line() -> None:
    with pytest.raises(UnsupportedError, match="0x1c4"):
        unwind({}, MachineType.ARMNT, FlatMemory(), HandMadeModule())


def test_flat_memory_has_holes() -> None:
    with pytest.raises(MemoryReadError):
        FlatMemory().read(0, 1)
