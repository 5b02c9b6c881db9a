"""`e*`, `f` and `s` on the simulated machine; the scratch place lies below the stack pointer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError, ReadOnlyError, RequestFailed
from kdnb.protocol.constants import Api, Status
from kdnb.render.text import to_text
from kdnb.results.memory import MemoryBlocks, MemoryWritten

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def scratch(session: Session, size: int) -> bytes:
    return session.memory.read(session.registers.sp - 0x100, size)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("eb @rsp-100 1 2 ff", b"\x01\x02\xff"),
        ("eb @rsp-100 'h' 'i'", b"hi"),
        ("ew @rsp-100 1234 5", b"\x34\x12\x05\x00"),
        ("ed @rsp-100, -1", b"\xff\xff\xff\xff"),
        ("eq @rsp-100 1122334455667788", bytes.fromhex("8877665544332211")),
        ("ep @rsp-100 5", b"\x05" + bytes(7)),
        ("ef @rsp-100 1.5", bytes.fromhex("0000c03f")),
        ("eD @rsp-100 1.5", bytes.fromhex("000000000000f83f")),
        ('eza @rsp-100 "ab"', b"ab\x00"),
        ('ezu @rsp-100 "ab"', b"a\x00b\x00\x00\x00"),
        ("f @rsp-100 L8 1 2 3", b"\x01\x02\x03\x01\x02\x03\x01\x02"),
    ],
)
def test_what_is_written_is_there(session: Session, command: str, expected: bytes) -> None:
    before = scratch(session, len(expected))
    (value,) = execute(session, command)
    assert isinstance(value, MemoryWritten)
    assert (value.before, value.after) == (before, expected)
    assert scratch(session, len(expected)) == expected


def test_writing_is_silent_and_filling_says_how_much(session: Session) -> None:
    assert to_text(execute(session, "ed @rsp-100 1")[0]) == ""
    assert to_text(execute(session, "f @rsp-100 L20 0")[0]) == "Filled 0x20 bytes"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("eb @rsp-100 100", "Numeric value overflow"),
        ("ed @rsp-100", "can't ask for values here"),
        ("ed 0 1", "can't write"),
        ("ea @rsp-100 text", "Syntax error"),
        ("f @rsp-100 5", "Range error"),
        ("f @rsp-100 L8", "Numeric expression missing"),
        ("fp [uc] ff`00000000 L8 1", "can't write"),
    ],
)
def test_what_cant_be_written_is_one_clear_line(session: Session, command: str, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        execute(session, command)


@pytest.mark.parametrize("attribute", ["", "[c] ", "[uc] ", "[wc] "])
def test_physical_memory_is_filled_with_any_caching_attribute(session: Session, attribute: str) -> None:
    execute(session, "fp 300000 L10 0")
    (written,) = execute(session, f"fp {attribute}300000 L8 1 2 3")
    assert to_text(written) == "Filled 0x8 bytes"
    assert session.physical.read(0x300000, 10) == bytes((1, 2, 3, 1, 2, 3, 1, 2, 0, 0))


def test_a_read_only_session_refuses_before_anything_is_sent(session: Session) -> None:
    before = scratch(session, 4)
    session.read_only = True
    with pytest.raises(CommandError, match="read-only") as caught:
        execute(session, "k; ed @rsp-100 12345678")
    assert isinstance(caught.value.__cause__, ReadOnlyError)
    assert len(caught.value.results) == 1
    assert scratch(session, 4) == before


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


def test_e_goes_on_in_the_form_of_the_last_one(session: Session) -> None:
    execute(session, "e @rsp-100 1 2 3")
    assert scratch(session, 3) == b"\x01\x02\x03"
    execute(session, "ew @rsp-100 1; e @rsp-100 1234 5678")
    assert scratch(session, 4) == b"\x34\x12\x78\x56"
    execute(session, 'ea @rsp-100 "abc"; e @rsp-100 "xyz"')
    assert scratch(session, 3) == b"xyz"
