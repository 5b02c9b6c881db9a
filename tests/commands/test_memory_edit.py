"""`e*` and `f` on the simulated machine; the scratch place lies below the stack pointer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError, ReadOnlyError
from kdnb.render.text import to_text
from kdnb.results.memory import MemoryWritten

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


def test_e_goes_on_in_the_form_of_the_last_one(session: Session) -> None:
    execute(session, "e @rsp-100 1 2 3")
    assert scratch(session, 3) == b"\x01\x02\x03"
    execute(session, "ew @rsp-100 1; e @rsp-100 1234 5678")
    assert scratch(session, 4) == b"\x34\x12\x78\x56"
    execute(session, 'ea @rsp-100 "abc"; e @rsp-100 "xyz"')
    assert scratch(session, 3) == b"xyz"
