"""`!dbgprint` on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def test_what_was_printed_before_anybody_listened_is_there(session: Session) -> None:
    text = to_text(execute(session, "!dbgprint")[0])
    assert "PSINIT: system processes started" in text.split("\n")
    assert "\0" not in text


def test_a_full_buffer_begins_with_its_oldest_text(session: Session) -> None:
    block = session.debugger_data
    assert block is not None
    memory = session.memory
    start = memory.read_pointer(block.get("kd_print_circular_buffer_ptr") or 0)
    write_at, rollover_at = block.get("kd_print_write_pointer") or 0, block.get("kd_print_rollover_count") or 0
    held = memory.read(start, 32), memory.read(write_at, 8), memory.read(rollover_at, 4)
    try:
        memory.write(start, b"newest\n")
        memory.write(write_at, (start + 7).to_bytes(8, "little"))
        memory.write(rollover_at, (1).to_bytes(4, "little"))
        assert to_text(execute(session, "!dbgprint")[0]).endswith("newest")
        memory.write(write_at, (start - 1).to_bytes(8, "little"))
        with pytest.raises(CommandError, match="contradict each other"):
            execute(session, "!dbgprint")
    finally:
        for at, data in zip((start, write_at, rollover_at), held, strict=True):
            memory.write(at, data)
