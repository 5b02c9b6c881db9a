"""The current process and thread by KDBG's offsets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.errors import UnsupportedError
from tests.debugger.x86_target import x86_session

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def test_thread_process_and_control_regions_fit_together(session: Session) -> None:
    session.go(until=session.evaluate("nt!NtDelayExecution"), timeout=30)
    processes = session.processes
    assert session.stop is not None
    assert processes.current_thread() == session.stop.thread
    # Dispatcher headers: type 3 is a process, 6 a thread (the protocol reference 6.5).
    assert session.memory.read_u8(processes.current()) & 0x7F == 3
    assert session.memory.read_u8(processes.current_thread()) & 0x7F == 6
    assert processes.prcb() == processes.pcr() + 0x180
    assert processes.prcb(0) != processes.prcb(1)
    assert processes.directory_table_base(processes.current()) & ~0xFFF == session.registers.get("cr3") & ~0xFFF


def test_without_the_data_block_the_answer_says_what_is_missing() -> None:
    with x86_session() as (session, _), pytest.raises(UnsupportedError, match="data block"):
        session.processes.current()
