from __future__ import annotations

import struct

import pytest

from kdnb.debugger.disassembly import disassemble, disassemble_before
from kdnb.protocol.constants import MachineType
from kdnb.render.text_disassembly import instruction_line
from tests.debugger.flat_memory import FlatMemory

CODE = 0x1_4000_1000

# Word, and the text behind address and encoding.
LINES = [
    (0xA9BF7BFD, "stp         fp,lr,[sp,#-0x10]!"),
    (0x910003FD, "mov         fp,sp"),
    (0xD43E0000, "brk         #0xF000"),
    (0x54000061, "bne         prog!f+0xc (00000001`4000100c)"),
    (0x94000010, "bl          prog!g (00000001`40001040)"),
    (0xD63F0100, "blr         x8"),
    (0xB4000080, "cbz         x0,prog!f+0x10 (00000001`40001010)"),
    (0x36000040, "tbz         w0,#0,prog!f+0x8 (00000001`40001008)"),
    (0x58000040, "ldr         x0,prog!f+0x8 (00000001`40001008)"),
    (0xF9400508, "ldr         x8,[x8,#8]"),
    (0xD65F03C0, "ret"),
    (0x2A1F03E0, "mov         w0,wzr"),
]


def name_at(address: int) -> str | None:
    for start, name in ((CODE + 0x40, "prog!g"), (CODE, "prog!f")):
        if start <= address < CODE + 0x1000:
            return f"{name}+{address - start:#x}" if address != start else name
    return None


@pytest.mark.parametrize(("word", "text"), LINES)
def test_each_form_is_spelled_as_windbg_does(word: int, text: str) -> None:
    memory = FlatMemory(CODE, struct.pack("<I", word))
    (instruction,) = disassemble(memory, CODE, 1, MachineType.ARM64, name_at)
    assert instruction_line(instruction, 8) == f"00000001`40001000 {word:08x} {text}"


def test_calls_returns_and_jumps_are_known() -> None:
    words = [0x94000010, 0xD65F03C0, 0x54000061, 0xD63F0100]
    found = disassemble(FlatMemory(CODE, struct.pack("<4I", *words)), CODE, 4, MachineType.ARM64, name_at)
    assert [i.is_call for i in found] == [True, False, False, True]
    assert [i.is_return for i in found] == [False, True, False, False]
    assert [i.is_jump for i in found] == [False, False, True, False]
    assert [i.target for i in found] == [CODE + 0x40, None, CODE + 8 + 12, None]


def test_what_is_no_instruction_is_four_bytes_of_data() -> None:
    memory = FlatMemory(CODE, struct.pack("<2I", 0x00000000, 0xD65F03C0))
    found = disassemble(memory, CODE, 2, MachineType.ARM64, name_at)
    assert [(i.mnemonic, i.size) for i in found][-1] == ("ret", 4)
    assert found[0].size == 4


def test_backwards_all_instructions_have_one_size() -> None:
    memory = FlatMemory(CODE, struct.pack("<3I", 0xA9BF7BFD, 0x910003FD, 0xD65F03C0))
    found = disassemble_before(memory, CODE + 8, 2, MachineType.ARM64, name_at)
    assert [i.mnemonic for i in found] == ["stp", "mov"]
