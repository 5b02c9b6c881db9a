"""Counts of pages of the simulated machine, by types and by KDBG; damaged ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.debugger.memory_usage import PAGING_FILE_LIMIT, memory_usage
from kdnb.render.html import to_html
from kdnb.render.text import to_text
from kdnb.simulator.architecture import X86
from kdnb.simulator.guest_symbols import write_symbols
from kdnb.simulator.memory import RAM_SIZE
from tests.debugger.simulated import TIMEOUT, open_session, serve

if TYPE_CHECKING:
    from pathlib import Path

    from kdnb.debugger.session import Session

FROM_KDBG = {"Physical Memory", "Available Pages", "ResAvail Pages", "Shared Commit", "Committed pages", "Commit limit"}


def check(session: Session) -> None:
    used = memory_usage(session)
    assert used["Physical Memory"] * used.page_size == RAM_SIZE
    assert 0 < used["Available Pages"] < used["Committed pages"] < used["Commit limit"]
    assert used["Available Pages"] + used["Committed pages"] == used["Physical Memory"]
    assert used["Modified Pages"] == 0
    (file,) = used.paging_files
    assert (file.name, file.free, file.maximum) == ("\\??\\C:\\pagefile.sys", file.current, 2 * file.minimum)
    assert {each.image for each in used.processes} == {each.image for each in session.processes.listing()}
    assert all(each.commit > 0 for each in used.processes)
    assert "PagedPool Maximum" in used.missing
    with pytest.raises(KeyError):
        used["PagedPool Maximum"]


def test_counters_add_up(session: Session) -> None:
    check(session)


def test_counters_of_x86_add_up(tmp_path: Path) -> None:
    write_symbols(tmp_path, X86)
    with serve(architecture=X86) as address, open_session(address, symbol_path=str(tmp_path)) as session:
        session.connect(TIMEOUT)
        check(session)


def test_without_symbols_kdbg_leads_to_the_counters() -> None:
    with serve() as address, open_session(address) as bare:
        bare.connect(TIMEOUT)
        used = memory_usage(bare)
        assert {counter.name for counter in used.counters} == FROM_KDBG
        assert "Modified Pages" in used.missing
        assert used["Physical Memory"] * used.page_size == RAM_SIZE


def test_where_processes_are_not_known_the_counters_still_are() -> None:
    with serve(architecture=X86) as address, open_session(address) as bare:
        bare.connect(TIMEOUT)
        used = memory_usage(bare)
        assert {counter.name for counter in used.counters} == FROM_KDBG
        assert not used.processes
        assert "processes are not known" in used.note


def test_the_command_has_windbgs_layout(session: Session) -> None:
    (used,) = execute(session, "!vm")
    shown = to_text(used).split("\n")
    assert shown[0] == "Page File: \\??\\C:\\pagefile.sys"
    assert shown[1] == "  Current:      4096 Kb  Free Space:      4096 Kb"
    assert "Physical Memory:              4096 (      16384 Kb)" in shown
    assert "  Pid ImageName              Commit   SharedCommit" in shown
    assert any(line.startswith(" 1044 notepad.exe ") for line in shown)
    assert shown[-1].startswith("Not known in this build: ")
    assert "ImageName" not in to_text(execute(session, "!vm 1")[0])
    assert "notepad.exe" in str(to_html(used))
    assert set(used.df.columns) == {"name", "pages", "kilobytes"}


def test_damaged_counts_of_paging_files_end_with_a_reason(session: Session) -> None:
    records = session.processes.records
    partition = records.layout("_MI_PARTITION", ["Vp.NumberOfPagingFiles", "Vp.PagingFile"])
    start = session.evaluate("nt!MiSystemPartition")
    session.memory.write(start + partition.offset("Vp.NumberOfPagingFiles"), b"\xff" * 4)
    assert "end early" in memory_usage(session).note
    place = start + partition.offset("Vp.PagingFile")
    one = session.memory.read(place, 8)
    session.memory.write(place, one * PAGING_FILE_LIMIT)
    used = memory_usage(session)
    assert len(used.paging_files) == PAGING_FILE_LIMIT
    assert "claims 4294967295 paging files" in used.note
