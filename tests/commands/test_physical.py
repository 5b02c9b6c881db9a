"""`!search`, `!ptov`, `!pte2va` on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.debugger.paging import translate
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.paging import PageMappings, PhysicalHits

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def test_a_value_is_found_at_its_physical_address(session: Session) -> None:
    place = translate(session, session.evaluate("@$prcb+8")).physical
    assert place is not None
    page = place >> 12
    (found,) = execute(session, f"!search @$thread 0 {page:x} {page:x}")
    assert isinstance(found, PhysicalHits)
    assert place in [hit.address for hit in found.hits]
    assert all(hit.value == session.evaluate("@$thread") for hit in found.hits)
    lines = to_text(found).split("\n")
    assert lines[0] == f"Searching PFNs in range {page:x} - {page:x}"
    assert lines[-1] == f"{len(found)} hits"
    assert len(found.df) == len(found)


def test_a_delta_finds_neighbours(session: Session) -> None:
    (none,) = execute(session, "!search @$thread+4 0 0 3ff")
    (some,) = execute(session, "!search @$thread+4 4 0 3ff")
    assert isinstance(none, PhysicalHits)
    assert isinstance(some, PhysicalHits)
    assert len(none) == 0 < len(some)


def test_all_pages_of_an_address_space_are_listed(session: Session) -> None:
    (pages,) = execute(session, "!ptov @cr3")
    assert isinstance(pages, PageMappings)
    start = session.evaluate("nt")
    by_address = {page.virtual: page for page in pages.pages}
    assert by_address[start].physical == translate(session, start).physical
    assert list(by_address) == sorted(by_address)
    for page in pages.pages[:: max(len(pages) // 20, 1)]:
        assert translate(session, page.virtual).physical == page.physical
    assert f"{by_address[start].physical:x} {start:x}" in to_text(pages).split("\n")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("!search 1 0 5 4", "Range error"),
        ("!search", "missing"),
        ("!pte2va fffff68000000000", "doesn't say where its page table entries are mapped"),
    ],
)
def test_what_cannot_be_is_one_line(session: Session, command: str, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        execute(session, command)
