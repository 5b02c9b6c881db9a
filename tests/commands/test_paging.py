"""`!vtop` and `!pte` on the simulated machine; the walk itself is tested in tests/debugger/test_paging.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.paging import PageTableEntries, Translation

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def test_the_directory_may_be_0_an_address_or_a_page_frame(session: Session) -> None:
    cr3 = session.registers.get("cr3")
    found = execute(session, f"!vtop 0 nt; !vtop {cr3:x} nt; !vtop {cr3 >> 12:x} nt; !vtop nt")
    assert len({to_text(value) for value in found}) == 1


def test_an_address_without_a_page_says_so(session: Session) -> None:
    (value,) = execute(session, "!vtop 0 10")
    assert isinstance(value, Translation)
    assert value.physical is None
    assert to_text(value).endswith("translation fails, error 0xD0000147.")


def test_both_commands_see_the_same_entries(session: Session) -> None:
    walk, entries = execute(session, "!vtop 0 @rsp; !pte @rsp")
    assert isinstance(walk, Translation)
    assert isinstance(entries, PageTableEntries)
    assert entries.translation == walk
    assert "not valid" in to_text(execute(session, "!pte 10")[0])


def test_a_range_of_pages(session: Session) -> None:
    pages = execute(session, "!pte nt nt+2fff")
    assert [to_text(page) for page in pages] == [
        to_text(execute(session, f"!pte nt+{at:x}")[0]) for at in (0, 0x1000, 0x2000)
    ]
    for wrong in ("!pte nt nt-1", "!pte nt nt+40000000"):
        with pytest.raises(CommandError, match="Range error"):
            execute(session, wrong)
