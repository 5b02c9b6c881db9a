"""`!error` explains numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
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
