"""The pool of the simulated machine, and pages that are damaged."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from kdnb.debugger.pool import NONPAGED, PAGED, describe_page, find_blocks, page_blocks, tag_pattern, tag_text
from kdnb.errors import MemoryReadError, UnsupportedError
from kdnb.simulator.architecture import X86
from kdnb.simulator.guest_symbols import write_symbols
from tests.debugger.simulated import TIMEOUT, open_session, serve

if TYPE_CHECKING:
    from pathlib import Path

    from kdnb.debugger.session import Session

PAGE = 0xFFFFC98000001000
SIZE = 0x1000


def page_of(*blocks: tuple[int, int, int, bytes], pointer_size: int = 8) -> bytes:
    """A page from (units, units of the one before, type, tag)."""
    bits, unit = (8, 16) if pointer_size == 8 else (9, 8)
    data = b""
    for units, before, kind, tag in blocks:
        header = before.to_bytes(2, "little") + (units | kind << bits).to_bytes(2, "little") + tag
        data += header.ljust(units * unit, b"\0")
    return data.ljust(SIZE, b"\0")


WHOLE = page_of((0x20, 0, 2, b"Proc"), (0x60, 0x20, 0, b"Irp "), (0x80, 0x60, 3, b"Thr\xe5"))


def test_the_headers_of_a_page_form_a_chain() -> None:
    blocks, note = page_blocks(WHOLE, PAGE, 8)
    assert not note
    assert [(block.address - PAGE, block.size, block.previous_size) for block in blocks] == [
        (0, 0x200, 0),
        (0x200, 0x600, 0x200),
        (0x800, 0x800, 0x600),
    ]
    assert [(block.tag, block.is_free, block.is_protected) for block in blocks] == [
        ("Proc", False, False),
        ("Irp ", True, False),
        ("Thre", False, True),
    ]


def test_sizes_on_x86_count_nine_bits_of_eight_bytes() -> None:
    data = page_of((0x101, 0, 2, b"abcd"), (0xFF, 0x101, 0, b"efgh"), pointer_size=4)
    blocks, note = page_blocks(data, 0x82000000, 4)
    assert not note
    assert [(block.size, block.previous_size) for block in blocks] == [(0x808, 0), (0x7F8, 0x808)]


@pytest.mark.parametrize(
    ("blocks", "count", "reason"),
    [
        (((0, 0, 2, b"abcd"),), 0, "has size 0"),
        (((0x20, 0, 2, b"abcd"), (0, 0x20, 2, b"abcd")), 1, "has size 0"),
        (((0x20, 0, 2, b"abcd"), (0xFF, 0x20, 2, b"abcd")), 1, "has size ff0, which leads out of its page"),
        (((0x20, 0, 2, b"abcd"), (0x20, 0x21, 2, b"abcd")), 1, "the block before it has size 210; that says 200"),
        (((0x20, 1, 2, b"abcd"),), 0, "the block before it has size 10; that says 0"),
    ],
)
def test_a_broken_chain_ends_with_a_reason(
    blocks: tuple[tuple[int, int, int, bytes], ...], count: int, reason: str
) -> None:
    found, note = page_blocks(page_of(*blocks)[:SIZE], PAGE, 8)
    assert len(found) == count
    assert reason in note


@pytest.mark.parametrize("size", [0, 1, 7, 8, 0x208, 0xFFF])
def test_a_page_that_ends_early_says_so(size: int) -> None:
    found, note = page_blocks(WHOLE[:size], PAGE, 8)
    assert len(found) <= 3
    assert note or size >= 0x810


def test_tags_are_text_and_patterns() -> None:
    assert tag_text(b"A\0\xffB") == ("A..B", False)
    assert tag_pattern("Irp").fullmatch("Irp ")
    assert not tag_pattern("irp").fullmatch("Irp ")
    assert tag_pattern("O?D*").fullmatch("ObDi")
    assert not tag_pattern("[a-z]").fullmatch("b   ")
    assert re.compile(tag_pattern("*")).fullmatch("....")


def test_the_block_of_a_process_is_found_in_its_page(session: Session) -> None:
    process = session.processes.find("notepad.exe")
    page = describe_page(session, process)
    assert page.region == "Nonpaged pool"
    assert not page.note
    assert sum(block.size for block in page) == SIZE
    assert page.chosen is not None
    assert (page.chosen.tag, page.chosen.is_protected) == ("Proc", True)
    assert page.chosen.size >= 0xA40 + 0x50, "with the object's header"
    assert page.description == "Process objects, Binary : nt!ps"


def test_names_lie_in_paged_pool(session: Session) -> None:
    root = session.memory.read_pointer(session.evaluate("nt!ObpRootDirectoryObject"))
    page = describe_page(session, root)
    assert page.region == "Paged pool"
    assert page.chosen is not None
    assert page.chosen.tag == "Dire"
    assert page.chosen.pool_type & 1


def test_what_is_no_pool_page_says_so(session: Session) -> None:
    page = describe_page(session, session.evaluate("nt"))
    assert page.region == "Unknown"
    assert page.note
    with pytest.raises(MemoryReadError):
        describe_page(session, 0x1000)


def test_blocks_are_found_by_their_tag(session: Session) -> None:
    processes = find_blocks(session, "Proc", NONPAGED)
    assert len(processes) == 7, "with Idle"
    listed = [process.address for process in session.processes.listing()]
    assert all(any(block.address < one < block.address + block.size for block in processes) for one in listed)
    assert not find_blocks(session, "Proc", PAGED)
    assert {block.tag for block in find_blocks(session, "Ob*", PAGED)} == {"ObDi"}


def test_a_large_allocation_is_found_in_its_table(session: Session) -> None:
    start = session.memory.read_pointer(session.evaluate("nt!MmNonPagedPoolEnd")) - 0x3000
    table = session.memory.read_pointer(session.evaluate("nt!PoolBigPageTable")) + 0xF00
    row = start.to_bytes(8, "little") + b"Buff" + bytes(4) + (0x2000).to_bytes(8, "little")
    freed = (start - 0x3001 | 1).to_bytes(8, "little") + b"Gone" + bytes(4) + (0x1000).to_bytes(8, "little")
    session.memory.write(table, row + freed)
    page = describe_page(session, start + 0x1800)
    assert page.large is not None
    assert (page.large.address, page.large.size, page.large.tag) == (start, 0x2000, "Buff")
    tags = {each.tag for each in find_blocks(session, "*", NONPAGED).large}
    assert "Buff" in tags
    assert "Gone" not in tags


def test_a_table_of_any_size_is_bounded(session: Session) -> None:
    session.memory.write(session.evaluate("nt!PoolBigPageTableSize"), b"\xff" * 8)
    assert not describe_page(session, session.processes.find("System")).note


def test_a_segment_heap_is_named_and_not_guessed_at(session: Session) -> None:
    known = session.symbols.lookup

    def lookup(name: str) -> int | None:
        return 0x1000 if name == "nt!ExPoolState" else known(name)

    with mock.patch.object(session.symbols, "lookup", lookup):
        with pytest.raises(UnsupportedError, match="segment heap"):
            describe_page(session, session.processes.find("System"))
        with pytest.raises(UnsupportedError, match="segment heap"):
            find_blocks(session, "Proc")


def test_a_target_that_doesnt_tell_its_regions_still_shows_a_page(session: Session) -> None:
    session.memory.write(session.evaluate("nt!MmNonPagedPoolStart"), bytes(8))
    page = describe_page(session, session.processes.find("System"))
    assert page.region == "Unknown"
    assert page.chosen is not None
    with pytest.raises(UnsupportedError, match="where nonpaged pool lies"):
        find_blocks(session, "Proc")


def test_the_pool_of_x86_is_read_the_same_way(tmp_path: Path) -> None:
    write_symbols(tmp_path, X86)
    with serve(architecture=X86) as address, open_session(address, symbol_path=str(tmp_path)) as session:
        session.connect(TIMEOUT, break_in=True)
        page = describe_page(session, session.processes.find("notepad.exe"))
        assert not page.note
        assert page.chosen is not None
        assert page.chosen.tag == "Proc"
        assert len(find_blocks(session, "Proc")) == 7
