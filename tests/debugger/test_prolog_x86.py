from __future__ import annotations

import struct

import pytest

from kdnb.debugger.prolog_x86 import undo_prolog
from tests.debugger.flat_memory import STACK, FlatMemory

CODE = 0x1_1000
ENTRY = STACK + 0x100
"""Where the return address lies."""
REGISTERS = {"eax": 0, "ecx": 0, "edx": 0, "ebx": 0xB, "esi": 0x51, "edi": 0xD1, "ebp": 0xEB}
EBP_FRAME = "55 8bec 83ec10 53 56"  # push ebp; mov ebp, esp; sub esp, 16; push ebx; push esi
ALIGNED = "53 8bdc 83e4f8 57"  # push ebx; mov ebx, esp; and esp, -8; push edi
PROBED = "b800200000 e8f31f0000"  # mov eax, 2000h; call the next page


@pytest.mark.parametrize(
    ("code", "ran", "changes", "below"),
    [
        (EBP_FRAME, 0, {}, ()),
        (EBP_FRAME, 1, {}, (0xEB,)),
        (EBP_FRAME, 3, {"ebp": ENTRY - 4}, (0xEB,)),
        (EBP_FRAME, 8, {"ebp": ENTRY - 4, "ebx": 1, "esi": 2}, (0xEB, 0, 0, 0, 0, 0xB, 0x51)),
        (ALIGNED, 7, {"ebx": ENTRY - 4, "edi": 3}, (0xB, 0, 0xD1)),
        (PROBED, 10, {}, (0,) * 0x800),
    ],
)
def test_registers_at_the_call_are_found_from_the_instructions_that_ran(
    code: str, ran: int, changes: dict[str, int], below: tuple[int, ...]
) -> None:
    memory = FlatMemory(CODE, bytes.fromhex(code))
    memory.write(CODE + 0x1FFD, b"\x51\x8d\x4c\x24\x08")  # how _chkstk begins
    memory.write(ENTRY - 4 * len(below), struct.pack(f"<{len(below)}I", *reversed(below)))
    registers = {**REGISTERS, **changes, "esp": ENTRY - 4 * len(below)}
    assert undo_prolog(CODE, CODE + ran, registers, memory) == {**registers, **_kept(changes), "esp": ENTRY}


def _kept(changes: dict[str, int]) -> dict[str, int]:
    return {name: REGISTERS[name] for name in changes}


@pytest.mark.parametrize(
    "code",
    [
        "55 eb00 8bec",  # a jump
        "55 e800000000",  # a call of anything
        "55 8be1",  # mov esp, ecx
        "55 c3",
        "55 8b",  # ends in an instruction
    ],
)
def test_what_is_no_straight_prolog_tells_nothing(code: str) -> None:
    data = bytes.fromhex(code)
    memory = FlatMemory(CODE, data + bytes(16))
    assert undo_prolog(CODE, CODE + len(data), {**REGISTERS, "esp": ENTRY - 4}, memory) is None
    assert undo_prolog(CODE, CODE - 1, {**REGISTERS, "esp": ENTRY}, memory) is None
