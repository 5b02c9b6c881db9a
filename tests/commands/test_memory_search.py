"""`s` on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kdnb.commands.run import execute
from kdnb.errors import RequestFailed
from kdnb.protocol.constants import Api, Status
from kdnb.render.text import to_text
from kdnb.results.memory import MemoryBlocks

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def test_a_search_finds_every_place(session: Session) -> None:
    (hits,) = execute(session, "s nt L1000 4d 5a")
    assert isinstance(hits, MemoryBlocks)
    assert hits[0].address == session.evaluate("nt")
    (text,) = execute(session, 's -a nt L1000 "DOS"')
    assert "DOS" in to_text(text)
    base = session.evaluate("nt")
    (only,) = execute(session, f"s -[1]d nt L400 {session.memory.read_u32(base):x}")
    assert to_text(only).split("\n")[0] == f"0x{base >> 32:08x}`{base & 0xFFFFFFFF:08x}"


def test_numbers_are_found_at_multiples_of_their_size_and_across_pieces(session: Session) -> None:
    place = session.registers.sp - 0x101
    session.memory.write(place, bytes.fromhex("1122334455667788"))
    (bytewise,) = execute(session, f"s 0x{place - 16:x} L40 11 22 33 44")
    (aligned,) = execute(session, f"s -d 0x{place - 17:x} L10 44332211")
    assert isinstance(bytewise, MemoryBlocks)
    assert isinstance(aligned, MemoryBlocks)
    assert place in [hit.address for hit in bytewise]
    assert place not in [hit.address for hit in aligned]


def test_strings_are_found_where_they_begin(session: Session) -> None:
    place = session.modules["nt"].base + 0xC00
    session.memory.write(place, b"\0\1hello there\0\0w\0i\0d\0e\0 \0t\0e\0x\0t\0\0\0")
    (found,) = execute(session, f"s -[1]sa 0x{place:x} L30")
    assert isinstance(found, MemoryBlocks)
    assert [block.address - place for block in found.blocks] == [2]
    (found,) = execute(session, f"s -su 0x{place:x} L30")
    assert isinstance(found, MemoryBlocks)
    assert [block.address - place for block in found.blocks] == [15]
    assert execute(session, f"s -[l20]sa 0x{place:x} L30")[0] == MemoryBlocks((), False)


def test_hits_are_kept_and_narrowed(session: Session) -> None:
    place = session.modules["nt"].base + 0xC00
    session.memory.write(place, b"\x41\x41\x42\0")
    (found,) = execute(session, f"s -[1s]b 0x{place:x} L4 41")
    assert isinstance(found, MemoryBlocks)
    assert len(found.blocks) == 2
    session.memory.write(place, b"\x42")
    (found,) = execute(session, f"s -[1r]b 0x{place:x} L4 42")
    assert isinstance(found, MemoryBlocks)
    assert [block.address - place for block in found.blocks] == [0]
    (found,) = execute(session, f"s -[1w n1]b 0x{place:x} L4 41 ; s -[n1]b nt L1000 0")[1:]
    assert isinstance(found, MemoryBlocks)
    assert len(found.blocks) == 1


CODE = 0x6000  # headers and code, all of it there
LONG = 0x18000  # up to behind the image
ABSENT = '"no such text anywhere"'


@pytest.fixture
def asked(session: Session, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the requests by name that are made."""
    numbers: list[int] = []
    request = session.target.request

    def noting(api: int, *arguments: Any, **keywords: Any) -> Any:
        numbers.append(api)
        return request(api, *arguments, **keywords)

    monkeypatch.setattr(session.target, "request", noting)
    return numbers


def test_a_long_search_in_vain_is_left_to_the_target(session: Session, asked: list[int]) -> None:
    session.memory.invalidate()
    assert execute(session, f"s -a nt L?{CODE:x} {ABSENT}")[0] == MemoryBlocks((), False)
    assert asked == [Api.SearchMemory] * 2
    assert not session.memory.holds(session.modules["nt"].base, CODE)
    del asked[:]
    execute(session, f"db nt L?{CODE:x}; s -a nt L?{CODE:x} {ABSENT}")
    assert asked == []  # all of it has been read already


@pytest.mark.parametrize("pattern", ["4d 5a", "cc cc", "48 89 5c 24", "0 0 0 0 0 0 0 0"])
@pytest.mark.parametrize("before", [0, 0x9000])
def test_the_target_s_own_search_changes_no_result(session: Session, pattern: str, before: int) -> None:
    start = session.modules["nt"].base - before  # in front of it a hole, at which this target's search ends
    results = []
    for refused in (set(), {Api.SearchMemory}):
        session.memory.invalidate()
        session.calls._refused |= refused
        results.append(execute(session, f"s -[1n9999]b 0x{start:x} L?{LONG:x} {pattern}")[0])
    session.calls.forget()
    assert results[0] == results[1]
    assert len(results[0]) or pattern == "cc cc"  # type: ignore[arg-type]  # a MemoryBlocks


@pytest.mark.parametrize("status", [Status.UNSUCCESSFUL, Status.NOT_IMPLEMENTED])
def test_a_target_that_does_not_search_is_asked_once(
    session: Session, monkeypatch: pytest.MonkeyPatch, status: Status
) -> None:
    asked: list[int] = []
    request = session.target.request

    def refusing(api: int, *arguments: Any, **keywords: Any) -> Any:
        if api == Api.SearchMemory:
            asked.append(api)
            raise RequestFailed("SearchMemory: no", api="SearchMemory", status=status)
        return request(api, *arguments, **keywords)

    monkeypatch.setattr(session.target, "request", refusing)
    session.memory.invalidate()
    for _ in range(2):
        assert execute(session, f"s -a nt L?{CODE:x} {ABSENT}")[0] == MemoryBlocks((), False)
    session.calls.forget()
    assert asked == [Api.SearchMemory]


def test_a_search_that_does_not_come_to_its_end_proves_nothing(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A target that never finds anything, without saying that it can't."""
    monkeypatch.setattr(session.calls, "search", lambda *_: None)
    session.memory.invalidate()
    (hits,) = execute(session, f"s -[1]b nt L?{CODE:x} 4d 5a")
    assert isinstance(hits, MemoryBlocks)
    assert hits[0].address == session.modules["nt"].base
