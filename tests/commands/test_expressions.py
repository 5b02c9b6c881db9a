"""`? .formats n` on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def text(session: Session, command: str) -> str:
    return "\n".join(to_text(result) for result in execute(session, command))


def test_a_value_is_shown_signed_and_as_an_address(session: Session) -> None:
    assert text(session, "? 8+8") == "Evaluate expression: 16 = 00000000`00000010"
    assert text(session, "? nt").startswith(f"Evaluate expression: {session.evaluate('nt') - 2**64} = fffff800`")
    assert int(execute(session, "? @rip")[0]) == session.registers.pc  # type: ignore[call-overload]  # an Evaluation


def test_the_last_value_is_exp(session: Session) -> None:
    assert text(session, "? 1234; ? $exp").endswith("= 00000000`00001234")


def test_the_radix_can_be_changed(session: Session) -> None:
    assert text(session, "n 10; ? 10; n 16; ? 10; n").split("\n") == [
        "base is 10",
        "Evaluate expression: 10 = 00000000`0000000a",
        "base is 16",
        "Evaluate expression: 16 = 00000000`00000010",
        "base is 16",
    ]
    with pytest.raises(CommandError, match="8, 10 or 16"):
        execute(session, "n 7")


def test_formats(session: Session) -> None:
    assert "Chars:   ......MZ" in text(session, ".formats 4d5a")


def test_characters_and_segments_are_numbers(session: Session) -> None:
    assert text(session, "? 'A'").endswith("00000000`00000041")
    assert text(session, "? poi(gs:188)") == text(session, "? $thread")
