"""`.logopen` and its kin on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text

if TYPE_CHECKING:
    from pathlib import Path

    from kdnb.debugger.session import Session


def test_what_is_shown_goes_into_the_file_until_it_is_closed(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    execute(session, f".logopen {path}; ? 1+1; .echo text; .logclose; .echo later")
    text = path.read_text(encoding="utf-8")
    assert "Evaluate expression: 2 = 00000000`00000002\ntext\n" in text
    assert "later" not in text
    execute(session, f".logappend {path}; .echo more")
    assert to_text(execute(session, ".logfile")[0]) == f"Log '{path}' open"
    execute(session, ".logclose")
    assert path.read_text(encoding="utf-8").startswith(text)
    assert to_text(execute(session, ".logclose")[0]) == "No log file open"


def test_a_file_that_cant_be_opened_is_one_clear_line(session: Session) -> None:
    with pytest.raises(CommandError, match="can't be opened"):
        execute(session, ".logopen /no/such/folder/log.txt")
