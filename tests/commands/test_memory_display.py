"""`d*` on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.html import to_html
from kdnb.render.text import to_text
from kdnb.results.addresses import format_address
from kdnb.results.memory import MemoryBlocks, MemoryDump, PointerTable, StringDump

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def one(session: Session, command: str) -> MemoryDump:
    (value,) = execute(session, command)
    assert isinstance(value, MemoryDump)
    return value


@pytest.mark.parametrize(
    ("command", "unit", "size"),
    [
        ("db", 1, 128),
        ("dw", 2, 128),
        ("dW", 2, 128),
        ("dd", 4, 128),
        ("dc", 4, 128),
        ("dq", 8, 128),
        ("dp", 8, 128),
        ("df", 4, 64),
        ("dD", 8, 120),
        ("dyb", 1, 32),
        ("dyd", 4, 32),
    ],
)
def test_each_format_has_its_unit_and_default_size(session: Session, command: str, unit: int, size: int) -> None:
    value = one(session, f"{command} nt")
    assert (value.unit, value.size, len(value.data)) == (unit, size, size)
    assert value.data[:2] == b"MZ"
    assert to_text(value)


def test_a_display_without_an_address_goes_on_behind_the_last(session: Session) -> None:
    kernel = one(session, "db nt L10").address
    assert one(session, "db").address == kernel + 0x10
    assert one(session, "dd L4").address == kernel + 0x90
    again = one(session, "d")
    assert (again.command, again.address) == ("dd", kernel + 0xA0)


def test_the_first_display_begins_at_the_instruction_pointer(session: Session) -> None:
    assert one(session, "d").address == session.registers.pc


def test_the_last_value_is_p(session: Session) -> None:
    value = one(session, "dd nt L2")
    assert session.evaluate("$p") == value[1]


def test_columns_can_be_chosen(session: Session) -> None:
    assert len(to_text(one(session, "db /c8 nt L20")).split("\n")) == 4
    assert len(to_text(one(session, "dd /c 2 nt L4")).split("\n")) == 2
    with pytest.raises(CommandError, match="/c0"):
        execute(session, "dd /c0 nt")


def test_a_hole_shows_the_readable_prefix(session: Session) -> None:
    value = one(session, "dd 0 L4")
    assert (value.data, value.size) == (b"", 16)
    assert to_text(value) == "00000000`00000000  ???????? ???????? ???????? ????????"


def test_physical_memory_is_the_same_memory(session: Session) -> None:
    through_option = one(session, "dq /p @cr3&fffffffffffff000 L8")
    through_extension = one(session, "!dq @cr3&fffffffffffff000 L8")
    assert through_option.data == through_extension.data
    assert to_text(through_extension).startswith("#")


def test_pointers_come_with_their_names(session: Session) -> None:
    session.memory.write(session.registers.sp - 0x100, session.evaluate("nt!KeBugCheckEx").to_bytes(8, "little"))
    (value,) = execute(session, "dps @rsp-100 L2")
    assert isinstance(value, PointerTable)
    assert value.entries[0].symbol == "nt!KeBugCheckEx"
    assert len(value.df) == 2


def test_strings_and_counted_strings(session: Session) -> None:
    (dos,) = execute(session, "da nt+4e")
    assert isinstance(dos, StringDump)
    assert "DOS mode" in dos.text
    entry = session.evaluate("poi(nt!PsLoadedModuleList)")
    (name,) = execute(session, f"dS 0x{entry + 0x58:x}")
    assert isinstance(name, StringDump)
    assert name.text.lower() == "ntoskrnl.exe"


def test_a_list_is_walked_forwards_and_backwards(session: Session) -> None:
    execute(session, ".process 4")  # no user modules
    (forwards,) = execute(session, "dl nt!PsLoadedModuleList 20 2")
    (backwards,) = execute(session, "dlb nt!PsLoadedModuleList 20 2")
    assert isinstance(forwards, MemoryBlocks)
    assert isinstance(backwards, MemoryBlocks)
    assert len(forwards) == len(backwards) == len(list(session.modules)) + 1
    assert [block.address for block in forwards][1:] == [block.address for block in backwards][:0:-1]


def test_numbers_are_units_of_the_dump_and_the_table_has_addresses(session: Session) -> None:
    value = one(session, "dw nt L4")
    assert value[0] == 0x5A4D
    assert list(value.df["address"]) == [value.address + 2 * index for index in range(4)]
    assert bytes(value) == session.memory.read(value.address, 8)


def test_an_address_given_in_a_segment_is_shown_in_it(session: Session) -> None:
    (table,) = execute(session, "dps gs:188 L1")
    thread = session.processes.current_thread()
    assert to_text(table).startswith(f"002b:00000000`00000188  {format_address(thread)}")
    assert "002b:00000000`00000188" in str(to_html(table))
    assert list(table.df["address"]) == [session.evaluate("gs:188")]
    lines = to_text(execute(session, "dq gs:180 L4")[0]).split("\n")
    assert [line[:22] for line in lines] == ["002b:00000000`00000180", "002b:00000000`00000190"]
    kernel = session.evaluate("nt")
    assert to_text(execute(session, f"dd 10:{kernel:x} L1")[0]).startswith(f"0010:{format_address(kernel)}  ")
    assert (
        to_text(execute(session, "dyb gs:188 L1")[0]).split("\n")[0] == " " * 25 + "76543210 76543210 76543210 76543210"
    )
