"""`dg` on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.descriptors import Descriptor, DescriptorTable

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def test_the_kernels_code_segment_is_64_bit_code(session: Session) -> None:
    (table,) = execute(session, "dg @cs")
    assert isinstance(table, DescriptorTable)
    assert table[0].is_long
    assert table[0].privilege == 0
    assert to_text(table).split("\n")[3].startswith("0010 00000000`00000000 ")
    assert " Code RE" in to_text(table)


def test_a_task_state_segment_takes_two_entries(session: Session) -> None:
    (table,) = execute(session, "dg 0 @tr")
    assert isinstance(table, DescriptorTable)
    assert "TSS64 Busy" in to_text(table)
    assert table[len(table) - 1].base >> 32


@pytest.mark.parametrize("command", ["dg 20000", "dg 10 8", "dg 14"])
def test_nonsense_is_one_clear_line(session: Session, command: str) -> None:
    with pytest.raises(CommandError):
        execute(session, command)


def test_the_layouts_of_the_reference() -> None:
    code = Descriptor(0x10, 0, 0, 0x9B, 2)
    assert to_text(DescriptorTable((code,), 8)).split("\n")[3] == (
        "0010 00000000`00000000 00000000`00000000 Code RE Ac 0 Nb By P  Lo 0000029b"
    )
    data = Descriptor(0x30, 0x8FD40000, 0x3748, 0x93, 4)
    assert to_text(DescriptorTable((data,), 4)).split("\n")[3] == (
        "0030 8fd40000 00003748 Data RW Ac 0 Bg By P  Nl 00000493"
    )


def test_gdt_shows_the_whole_table(session: Session) -> None:
    (table,) = execute(session, "!gdt")
    (named,) = execute(session, "dg 0 gdtl")
    assert to_text(table) == to_text(named)
    assert len(table.descriptors) > 5
