"""Handles of the simulated machine's processes, by types and by offsets; damaged tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import kdnb
from kdnb.commands.run import execute
from kdnb.debugger.handles import Handles
from kdnb.errors import UnknownNameError, UnsupportedError
from kdnb.render.html import to_html
from kdnb.render.text import to_text
from kdnb.simulator.architecture import AMD64, X86
from kdnb.simulator.guest_symbols import write_symbols
from tests.debugger.simulated import TIMEOUT, open_session, serve
from tests.debugger.x86_target import x86_session

if TYPE_CHECKING:
    from pathlib import Path

    from kdnb.debugger.session import Session
    from kdnb.results.handles import HandleList
    from kdnb.simulator.architecture import Architecture

EXPLORER = [
    ("Event", "ShellReadyEvent", 0x1F0003, 0),
    ("Event", "", 0x1F0003, 2),
    ("Process", "notepad.exe (1044)", 0x1FFFFF, 0),
]
"""What PspStartExplorer in the guest's ps.c opens."""


def open_handles(session: Session, image: str) -> HandleList:
    process = session.processes.describe(session.processes.find(image))
    return Handles(session).of_process(process)


def run_until_explorer_has_started(session: Session) -> None:
    while len(open_handles(session, "explorer.exe")) < len(EXPLORER):
        session.go(timeout=0.3)
        session.break_in(TIMEOUT)


def check_explorer(session: Session) -> None:
    session.connect(TIMEOUT)
    run_until_explorer_has_started(session)
    found = open_handles(session, "explorer.exe")
    for handle, (type_name, name, access, attributes) in zip(found, EXPLORER, strict=True):
        assert (handle.type, handle.access, handle.attributes) == (type_name, access, attributes)
        assert name in handle.name
    assert [each.handle for each in found] == [4, 8, 0xC]
    assert found.count == len(found) == session.processes.describe(found.process.address).handle_count  # type: ignore[union-attr]  # a process's table
    file = open_handles(session, "services.exe")[0]
    assert (file.type, file.name) == ("File", "\\SystemRoot\\System32\\services.exe {Ntfs}")
    assert file.access == 0x120089
    assert session.memory.read_u16(file.object) == 5  # IO_TYPE_FILE
    ids = Handles(session).by_id(0)
    assert {each.type for each in ids} == {"Process", "Thread"}
    assert Handles(session).by_id(0x1044)[0].name == "notepad.exe (1044)"
    assert Handles(session).by_id(0x1048)[0].object == ids[[each.handle for each in ids].index(0x1048)].object


@pytest.mark.parametrize("architecture", [AMD64, X86], ids=lambda architecture: architecture.name)
def test_handles_say_what_they_stand_for(architecture: Architecture, tmp_path: Path) -> None:
    write_symbols(tmp_path, architecture)
    with serve(architecture=architecture) as address, open_session(address, symbol_path=str(tmp_path)) as session:
        check_explorer(session)


def test_without_types_the_offsets_of_known_builds_give_the_same() -> None:
    with serve() as address, open_session(address) as bare:
        bare.connect(TIMEOUT)
        run_until_explorer_has_started(bare)
        found = open_handles(bare, "explorer.exe")
        assert bare.modules.kernel is not None
        assert bare.modules.kernel.types is None
        assert [(each.access, each.attributes) for each in found] == [row[2:] for row in EXPLORER]
        assert found[2].object == bare.processes.find("notepad.exe")


def test_an_open_and_a_closed_file_are_seen_in_the_count(session: Session) -> None:
    session.go(until=session.evaluate("nt!NtReadFile"), timeout=TIMEOUT)
    process = session.processes.describe(session.processes.current())
    (handle,) = Handles(session).one(process, session.registers.get("rcx"))
    assert (handle.type, process.handle_count) == ("File", 1)
    stops = 0
    while session.processes.describe(process.address).handle_count:  # other threads go to sleep as well
        assert (stops := stops + 1) < 50
        session.go(until=session.evaluate("nt!KeDelayExecutionThread"), timeout=TIMEOUT)
    free = Handles(session).of_process(session.processes.describe(process.address), free=True)
    assert free[0].is_free
    assert "0004: free handle, Entry: " in to_text(free)


def test_the_command_has_windbgs_layout(session: Session) -> None:
    run_until_explorer_has_started(session)
    (found,) = execute(session, "!handle 0 3 c3c")
    shown = to_text(found).split("\n")
    assert shown[1].startswith("PROCESS ")
    assert shown[6] == f"Handle table at {found.table:016x} with 3 entries in use"
    first = found[0]
    assert shown[8] == f"0004: Object: {first.object:016x}  GrantedAccess: 001f0003 Entry: {first.entry:016x}"
    assert shown[9] == f"Object: {first.object:016x}  Type: ({first.details.type_address:016x}) Event"
    assert "GrantedAccess: 001f0003 (Inherit) Entry:" in to_text(found)
    assert "Hash Address" not in to_text(execute(session, "!handle 4 3 188")[0])
    assert "services.exe {Ntfs}" in to_text(execute(session, "!handle 4 3 2a8")[0])
    (events,) = execute(session, "!handle 0 1 -1 event")
    assert [[each.handle for each in one] for one in events] == [[4, 8]]
    assert "Type: (" not in to_text(events)
    assert "ShellReadyEvent" in str(to_html(events))
    assert set(events.df["process"]) == {"explorer.exe"}
    (kernel,) = execute(session, "!handle ffffffff80000004")
    assert (kernel.process.image, kernel[0].type) == ("System", "Thread")
    assert execute(session, "!handle 4 1 4")[0].handles[0].object == kernel[0].object
    (one,) = execute(session, "!handle 8 1 c3c")
    assert [each.handle for each in one] == [8]
    with pytest.raises(UnknownNameError, match="Invalid handle: 0x1000"):
        Handles(session).one(found.process, 0x1000)


def test_damaged_tables_end_with_a_reason(session: Session) -> None:
    run_until_explorer_has_started(session)
    table = open_handles(session, "explorer.exe").table
    fields = session.processes.records.layout("_HANDLE_TABLE").fields
    memory = session.memory

    def damaged(**values: int) -> HandleList:
        held = memory.read(table, 0x80)
        for name, value in values.items():
            at, size = fields[name]
            memory.write(table + at, value.to_bytes(size, "little"))
        found = open_handles(session, "explorer.exe")
        memory.write(table, held)
        return found

    code = memory.read_pointer(table + fields["TableCode"][0])
    assert "claims 3 levels" in damaged(TableCode=code | 3).note
    assert "ends early" in damaged(TableCode=0x10).note
    looped = damaged(NextHandleNeedingPool=0xFFFFFFFF)
    assert len(looped) == len(EXPLORER)
    assert "damaged: it has the page" in looped.note
    pointers = memory.read_pointer(session.evaluate("nt!MmNonPagedPoolStart"))
    assert "ends early" in damaged(TableCode=pointers | 2, NextHandleNeedingPool=0xFFFFFFFF).note
    process = session.processes.find("explorer.exe")
    place = process + session.processes.records.layout("_EPROCESS").offset("ObjectTable")
    held = memory.read(place, 8)
    memory.write(place, (0x1000).to_bytes(8, "little"))
    assert "handle table can't be read" in to_text(execute(session, "!handle 0 1 -1")[0])
    memory.write(place, held)
    entry = open_handles(session, "explorer.exe")[1].entry
    memory.write(entry, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    (odd,) = Handles(session).one(open_handles(session, "explorer.exe").process, 8)  # type: ignore[arg-type]  # a process's
    assert odd.is_free or odd.note
    memory.write(entry, b"\xff" * 8)
    assert "can't be read" in open_handles(session, "explorer.exe")[1].note


def test_without_the_table_of_ids_the_answer_says_what_is_missing() -> None:
    with x86_session() as (session, _), pytest.raises(UnsupportedError, match="not known"):
        Handles(session).by_id(4)


def test_a_script_lists_the_handles_of_a_process() -> None:
    pytest.importorskip("unicorn", reason="needs the extra `sim`")
    with kdnb.connect("sim:", timeout=TIMEOUT) as kd:
        while len(handles := kd.processes["explorer.exe"].handles) < len(EXPLORER):
            kd.go(timeout=0.3)
            kd.break_in(TIMEOUT)
        assert list(handles.df["type"]) == [row[0] for row in EXPLORER]
        assert handles.to_dict()["count"] == len(EXPLORER)
