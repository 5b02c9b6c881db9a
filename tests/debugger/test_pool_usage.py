"""The pool's counts by tag on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.debugger.pool import NONPAGED, PAGED, find_blocks
from kdnb.debugger.pool_usage import BY_NONPAGED, BY_PAGED, VERBOSE, pool_usage
from kdnb.errors import MemoryReadError, UnsupportedError
from kdnb.simulator.architecture import X86
from kdnb.simulator.guest_symbols import write_symbols
from tests.debugger.simulated import TIMEOUT, open_session, serve

if TYPE_CHECKING:
    from pathlib import Path

    from kdnb.debugger.session import Session


def test_the_kernels_counts_agree_with_the_blocks_in_the_pool(session: Session) -> None:
    usage = pool_usage(session)
    for kind in (NONPAGED, PAGED):
        everything = find_blocks(session, "*", kind)
        blocks = [*(block for block in everything if not block.is_free), *everything.large]
        for row in usage:
            found = [block for block in blocks if block.tag == row.tag]
            counted = (
                (row.nonpaged_count, row.nonpaged_bytes) if kind == NONPAGED else (row.paged_count, row.paged_bytes)
            )
            assert (len(found), sum(block.size for block in found)) == counted, row.tag
        assert {block.tag for block in blocks} <= {row.tag for row in usage}


def test_tags_are_sorted_and_chosen(session: Session) -> None:
    tags = [row.tag for row in pool_usage(session)]
    assert tags == sorted(tags)
    used = [row.nonpaged_bytes for row in pool_usage(session, BY_NONPAGED)]
    assert used == sorted(used, reverse=True)
    paged = [row.paged_bytes for row in pool_usage(session, BY_PAGED)]
    assert paged == sorted(paged, reverse=True)
    assert {row.tag for row in pool_usage(session, 0, "Ob*")} == {"ObDi", "ObjT", "Obtb"}


def test_verbose_keeps_tags_that_have_nothing_now(session: Session) -> None:
    irps = pool_usage(session, VERBOSE)["Irp"]
    assert irps.nonpaged_allocations >= irps.nonpaged_count
    assert irps.nonpaged_allocations - irps.nonpaged_frees == irps.nonpaged_count
    with pytest.raises(KeyError):
        pool_usage(session)["None"]


def test_x86_counts_the_same(tmp_path: Path) -> None:
    write_symbols(tmp_path, X86)
    with serve(architecture=X86) as address, open_session(address, symbol_path=str(tmp_path)) as session:
        session.connect(TIMEOUT, break_in=True)
        usage = pool_usage(session)
        assert usage["Proc"].nonpaged_count == 7
        assert usage["ObDi"].paged_count == len(find_blocks(session, "ObDi", PAGED))


def test_without_symbols_one_line_says_what_is_missing() -> None:
    with serve() as address, open_session(address) as bare:
        bare.connect(TIMEOUT)
        with pytest.raises(UnsupportedError, match="can't be read without symbols"):
            pool_usage(bare)


def test_a_table_that_leads_nowhere_is_an_error(session: Session) -> None:
    session.memory.write(session.evaluate("nt!PoolTrackTable"), (0x1000).to_bytes(8, "little"))
    with pytest.raises(MemoryReadError):
        pool_usage(session)


def test_a_table_of_any_size_is_bounded(session: Session) -> None:
    session.memory.write(session.evaluate("nt!PoolTrackTableSize"), b"\xff" * 8)
    usage = pool_usage(session)
    assert "rows" in usage.note
    assert usage["Proc"].nonpaged_count == 7
