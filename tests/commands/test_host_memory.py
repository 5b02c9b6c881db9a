"""`.writemem` and `.readmem` on the simulated machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import Runner, execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def test_memory_goes_into_a_file_and_back(session: Session) -> None:
    (written,) = execute(session, ".writemem out.bin nt L2001")
    assert to_text(written) == "Writing 2001 bytes.."
    assert Path("out.bin").read_bytes() == session.memory.read(session.evaluate("nt"), 0x2001)
    place = session.evaluate("@rsp-800")
    before = session.memory.read(place, 0x11)
    (read,) = execute(session, ".readmem out.bin @rsp-800 L10")
    assert to_text(read) == "Reading 10 bytes."
    assert session.memory.read(place, 0x11) == Path("out.bin").read_bytes()[:0x10] + before[0x10:]
    Path("before.bin").write_bytes(before)
    execute(session, ".readmem before.bin @rsp-800 L11")


def test_names_with_blanks_are_quoted(session: Session) -> None:
    execute(session, '.writemem "with blank.bin" nt L1')
    assert Path("with blank.bin").read_bytes() == b"M"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (".writemem", "Syntax error"),
        (".writemem out.bin", "Syntax error"),
        (".writemem out.bin nt", "Range error"),
        (".writemem nosuch/out.bin nt L1", "No such file"),
        (".writemem out.bin 0 L10", "can't read"),
        (".readmem nosuch.bin @rsp L10", "No such file"),
        (".writemem short.bin nt L4; .readmem short.bin @rsp-800 L8", "has 4 bytes, the range 8"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_changes_nothing(session: Session, command: str, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        execute(session, command)
    assert not Path("out.bin").exists()


def test_a_target_s_text_may_not_write_files(session: Session) -> None:
    with pytest.raises(CommandError, match="can't be used in commands of breakpoints"):
        list(Runner(session, trusted=False).run(".writemem out.bin nt L1"))
    session.read_only = True
    with pytest.raises(CommandError, match="read-only"):
        execute(session, ".writemem a.bin nt L1; .readmem a.bin @rsp L1")
