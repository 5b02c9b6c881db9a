"""`u ub uf` on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.debugger.paging import translate
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.disassembly import CallList, Disassembly, FunctionCode

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def code(session: Session, command: str) -> Disassembly:
    (value,) = execute(session, command)
    assert isinstance(value, Disassembly)
    return value


def test_eight_instructions_from_the_instruction_pointer_and_on(session: Session) -> None:
    first = code(session, "u").instructions
    assert (len(first), first[0].address) == (8, session.registers.pc)
    assert code(session, "u").instructions[0].address == first[-1].address + first[-1].size
    execute(session, "t")
    assert code(session, "u").instructions[0].address == session.registers.pc


def test_a_count_counts_instructions_and_an_end_is_an_address(session: Session) -> None:
    assert len(code(session, "u nt!KeBugCheckEx L3").instructions) == 3
    place = session.evaluate("nt!KiPageFault")
    assert all(i.address <= place + 8 for i in code(session, "u nt!KiPageFault nt!KiPageFault+8").instructions)


def test_a_listing_begins_with_its_label(session: Session) -> None:
    assert to_text(code(session, "u nt!KeBugCheckEx L1")).startswith("nt!KeBugCheckEx:\n")


def test_backwards_ends_before_the_address(session: Session) -> None:
    begin = session.evaluate("nt!KeBugCheckEx")
    forward = code(session, "u nt!KeBugCheckEx L4").instructions
    backward = code(session, f"ub 0x{forward[3].address:x} L3").instructions
    assert [i.address for i in backward] == [i.address for i in forward[:3]]
    assert backward[0].address == begin


def test_unreadable_memory_ends_the_listing_with_a_note(session: Session) -> None:
    text = to_text(code(session, "u 1000"))
    assert text.split("\n") == [
        "00000000`00001000 ??              ???",
        "               ^ Memory access error in 'u 1000'",
    ]


def test_a_function_has_all_its_instructions(session: Session) -> None:
    (whole,) = execute(session, "uf nt!KeBugCheckEx")
    assert isinstance(whole, FunctionCode)
    assert whole.instructions[0].address == session.evaluate("nt!KeBugCheckEx")
    (calls,) = execute(session, "uf /c nt!KeBugCheckEx")
    assert isinstance(calls, CallList)
    assert [call.address for call in calls.calls] == [i.address for i in whole.instructions if i.is_call]
    with pytest.raises(CommandError, match="No code found"):
        execute(session, "uf 1000")


def test_our_breakpoints_never_show_in_code(session: Session) -> None:
    before = [i.data for i in code(session, "u nt!KeUpdateSystemTime L4").instructions]
    execute(session, "bp nt!KeUpdateSystemTime; g")
    assert [i.data for i in code(session, "u nt!KeUpdateSystemTime L4").instructions] == before


def test_physical_code_is_disassembled_where_it_lies(session: Session) -> None:
    place = session.evaluate("nt!KeBugCheckEx")
    at = translate(session, place).physical
    assert at is not None
    first = code(session, f"up 0x{at:x} L3").instructions
    assert [i.data for i in first] == [i.data for i in code(session, "u nt!KeBugCheckEx L3").instructions]
    assert (first[0].address, first[0].label) == (at, "")
    assert code(session, "up").instructions[0].address == first[-1].address + first[-1].size
    assert all(i.address <= at + 8 for i in code(session, f"up 0x{at:x} 0x{at + 8:x}").instructions)
    assert to_text(code(session, "up ff`00000000")).endswith("^ Memory access error in 'up ff`00000000'")


def test_uf_counts_and_takes_the_options_that_change_nothing(session: Session) -> None:
    (plain,) = execute(session, "uf nt!KeBugCheckEx")
    assert isinstance(plain, FunctionCode)
    counted = to_text(execute(session, "uf /i nt!KeBugCheckEx")[0])
    assert counted == f"{len(plain.instructions)} instructions scanned\n\n{to_text(plain)}"
    assert to_text(execute(session, "uf /D /m /oO nt!KeBugCheckEx")[0]) == to_text(plain)
    assert to_text(execute(session, "uu nt!KeBugCheckEx L2")[0]) == to_text(execute(session, "u nt!KeBugCheckEx L2")[0])


def test_physical_code_begins_where_the_instruction_pointer_s_page_lies(session: Session) -> None:
    first = code(session, "up L2").instructions
    assert [i.data for i in first] == [i.data for i in code(session, "u @rip L2").instructions]
    assert first[0].address == translate(session, session.registers.pc).physical
