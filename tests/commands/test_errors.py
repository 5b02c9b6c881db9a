"""`!error` explains numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


@pytest.mark.parametrize(
    ("command", "kind", "words"),
    [
        ("!error c0000005", "NTSTATUS", "STATUS_ACCESS_VIOLATION"),
        ("!error 5", "Win32", "Access is denied."),
        ("!error 103 1", "NTSTATUS", "STATUS_PENDING"),
        ("!error ffffffff`c0000034", "NTSTATUS", "STATUS_OBJECT_NAME_NOT_FOUND"),
        ("!error 99999999", "NTSTATUS", "<Unable to get error code text>"),
    ],
)
def test_a_number_is_explained_as_what_it_is(session: Session, command: str, kind: str, words: str) -> None:
    (value,) = execute(session, command)
    assert to_text(value).startswith(f"Error code: ({kind}) ")
    assert words in to_text(value)


def test_a_thread_s_last_errors_are_in_its_teb(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match="it has no TEB"):
        execute(session, "!gle")
    teb = session.evaluate("nt")
    monkeypatch.setattr(session.processes, "teb", lambda: teb)
    error, status = (session.memory.read_u32(teb + offset) for offset in (0x68, 0x1250))
    lines = to_text(execute(session, "!gle")[0]).split("\n")
    assert lines[0].startswith(f"LastErrorValue: (Win32) {error:#x}")
    assert lines[1].startswith(f"LastStatusValue: (NTSTATUS) {status:#x}")
