"""Ranges of the simulated machine's processes; trees put together by hand, damaged ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.debugger.vads import list_vads, vad_root
from kdnb.errors import UnsupportedError
from kdnb.render.html import to_html
from kdnb.render.text import to_text
from kdnb.results.vads import VadInfo
from kdnb.simulator.architecture import X86
from kdnb.simulator.guest_symbols import write_symbols
from tests.debugger.simulated import TIMEOUT, open_session, serve

if TYPE_CHECKING:
    from pathlib import Path

    from kdnb.debugger.session import Session
    from kdnb.results.vads import VadList


def vads_of(session: Session, image: str) -> VadList:
    return list_vads(session, vad_root(session, session.processes.find(image)))


def check(session: Session) -> None:
    for process in session.processes.listing():
        found = list_vads(session, vad_root(session, process.address))
        assert not found.note
        assert bool(found) == bool(process.peb)
        assert [each.start for each in found] == sorted(each.start for each in found)
        if process.peb:
            peb = next(each for each in found if each.start <= process.peb <= each.end)
            assert (peb.is_private, peb.protection_words, peb.commit) == (True, "READWRITE", peb.pages)


def test_every_process_with_user_memory_has_ranges(session: Session) -> None:
    check(session)


def test_ranges_of_x86(tmp_path: Path) -> None:
    write_symbols(tmp_path, X86)
    with serve(architecture=X86) as address, open_session(address, symbol_path=str(tmp_path)) as session:
        session.connect(TIMEOUT)
        check(session)


def test_the_command_has_windbgs_layout(session: Session) -> None:
    *_, found = execute(session, ".process 188; !vad")
    shown = to_text(found).split("\n")
    assert shown[0] == "VAD              Level            Start              End      Commit"
    assert shown[1].startswith(f"{found[0].address:016x} ")
    assert "1 Private      READWRITE" in to_text(found)
    assert any(line.startswith(f"Total VADs: {len(found)}, average level: ") for line in shown)
    assert "READWRITE" in str(to_html(found))
    assert len(found.df) == len(found)
    (same,) = execute(session, f"!vad {found.root:x}")
    assert same == found
    *_, nothing = execute(session, ".process; !vad")
    assert "Total VADs: 0, average level: 0, maximum depth: 0" in to_text(nothing)


def test_trees_are_walked_in_order_and_damaged_ones_end(session: Session) -> None:
    names = ("smss.exe", "csrss.exe", "services.exe", "explorer.exe")
    top, left, right, below = (vad_root(session, session.processes.find(name)) for name in names)
    links = session.processes.records.layout("_MMVAD_SHORT", ["VadNode.Left", "VadNode.Right"])

    def link(parent: int, side: str, child: int) -> None:
        session.memory.write(parent + links.offset(f"VadNode.{side}"), child.to_bytes(8, "little"))

    for node in (top, left, right, below):
        link(node, "Left", 0)
        link(node, "Right", 0)
    link(top, "Left", left)
    link(top, "Right", right)
    link(left, "Right", below)
    found = list_vads(session, top)
    assert [(each.address, each.level) for each in found] == [(left, 1), (below, 2), (top, 0), (right, 1)]
    link(below, "Left", top)
    looped = list_vads(session, top)
    assert "comes back to" in looped.note
    assert {each.address for each in looped} == {left, below, top}
    link(below, "Left", 0x10)
    assert "ends early" in list_vads(session, top).note
    assert "WARNING: the tree ends early" in to_text(list_vads(session, top))


def test_without_types_the_answer_says_what_to_do() -> None:
    with serve() as address, open_session(address) as bare:
        bare.connect(TIMEOUT)
        with pytest.raises(UnsupportedError, match="not known"):
            vad_root(bare, bare.processes.find("smss.exe"))
        with pytest.raises(UnsupportedError, match="changes with each build"):
            list_vads(bare, bare.processes.find("smss.exe"))


def test_words_for_protections() -> None:
    def words(protection: int) -> str:
        return VadInfo(0, 0, 0, 0xFFF, 0, is_private=True, type=0, protection=protection).protection_words

    assert [words(number) for number in (0, 4, 7)] == ["NO_ACCESS", "READWRITE", "EXECUTE_WRITECOPY"]
    assert words(4 + 0x10) == "READWRITE_GUARD"
