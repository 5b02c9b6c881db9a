"""Images of a process, and breakpoints in its memory, on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.debugger.address_space import ProcessMemory
from kdnb.debugger.user_modules import loader_lists
from kdnb.errors import CommandError, UnsupportedError
from kdnb.render.text import to_text
from tests.debugger.simulated import TIMEOUT, open_session, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kdnb.debugger.session import Session


@pytest.fixture
def session(guest_symbols: Path) -> Iterator[Session]:
    with serve() as address, open_session(address, symbol_path=str(guest_symbols)) as session:
        session.connect(TIMEOUT)
        yield session


def test_images_show_while_their_process_is_seen(session: Session) -> None:
    (chosen,) = execute(session, ".process /r /p 1044")
    assert to_text(chosen).endswith("Loading User Symbols\n..")
    assert [module.name for module in session.modules.user] == ["notepad", "ntdll"]
    assert session.symbols.format(session.evaluate("ntdll!NtClose")) == "ntdll!NtClose"
    entry = session.modules["ntdll"]
    execute(session, ".process")
    assert "ntdll" not in session.modules
    assert session.modules.find(entry.base) is None
    execute(session, ".process 1044")
    assert session.modules["ntdll"] is entry


def test_a_process_without_images_says_so(session: Session) -> None:
    with pytest.raises(CommandError, match="no user mode part"):
        execute(session, ".process 4; .reload /user")
    execute(session, ".process 188")
    with pytest.raises(UnsupportedError, match=r"PEB\.Ldr is NULL"):
        loader_lists(session)


def test_a_list_that_leads_in_a_circle_ends(session: Session) -> None:
    execute(session, ".process 1044")
    head = loader_lists(session) + 0x10
    last = session.memory.read_pointer(head + 8)
    session.memory.write(last, session.memory.read_pointer(head).to_bytes(8, "little"))
    (said,) = execute(session, ".reload /user")
    assert "has a loop" in to_text(said)
    assert len(session.modules.user) == 2


def test_a_breakpoint_is_written_in_its_process_and_taken_out_at_the_stop(session: Session) -> None:
    process = session.processes.find("notepad.exe")
    execute(session, ".process /r /p 1044; bp ntdll!NtReadFile")
    place = session.evaluate("ntdll!NtReadFile")
    memory = ProcessMemory(session, session.processes.directory_table_base(process))
    code = memory.read_available(place, 8)
    execute(session, ".process")
    for _ in range(2):
        assert session.processes.current() != process or session.registers.pc == place
        stop = session.go(timeout=TIMEOUT)
        assert stop is not None
        assert (stop.reason, stop.address, session.processes.current()) == ("breakpoint", place, process)
        assert stop.instruction is not None
        assert stop.instruction.mnemonic == "mov"
        session.drop_caches()
        assert memory.read_available(place, 8) == code
    execute(session, "bc *; bp nt!KeUpdateRunTime; g; bc *; bp ntdll!NtReadFile")
    assert memory.read_available(place, 8) == code
