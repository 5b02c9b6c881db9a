"""PEB and TEB, on the simulated machine and in memory that a program has damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.debugger.user_blocks import process_environment, thread_environment
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.user_blocks import ProcessEnvironment, ThreadEnvironment
from tests.debugger.simulated import TIMEOUT, open_session, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kdnb.debugger.session import Session

NOTEPAD = 0x1044
DIRECTORY, COMMAND_LINE, ENVIRONMENT = 0x38, 0x70, 0x80


@pytest.fixture
def session(guest_symbols: Path) -> Iterator[Session]:
    with serve() as address, open_session(address, symbol_path=str(guest_symbols)) as session:
        session.connect(TIMEOUT)
        execute(session, f".process {NOTEPAD:x}")
        yield session


def environment(session: Session) -> ProcessEnvironment:
    return process_environment(session, session.processes.peb(session.address_space.seen()))


def test_a_process_tells_its_images_and_its_command_line(session: Session) -> None:
    (peb,) = execute(session, "!peb")
    assert isinstance(peb, ProcessEnvironment)
    assert [image.path.rpartition("\\")[2] for image in peb] == ["notepad.exe", "ntdll.dll"]
    assert peb[0].base == peb.image_base
    assert list(peb.df["base"]) == [image.base for image in peb]
    text = to_text(peb).splitlines()
    assert text[0] == "PEB at 000000c3414d1000"
    assert "    Ldr.Initialized:          Yes" in text
    assert "    CurrentDirectory:  'C:\\Windows\\System32\\'" in text
    assert "    CommandLine:  'notepad.exe'" in text


def test_fields_agree_with_those_of_the_pdb(session: Session) -> None:
    peb = environment(session)
    places = {
        "Ldr": peb.loader.address if peb.loader else 0,
        "ProcessParameters": peb.parameters,
        "NtGlobalFlag": peb.global_flag,
        "ImageBaseAddress": peb.image_base,
    }
    for name, value in places.items():
        assert session.evaluate(f"@@c++((unsigned __int64)((nt!_PEB*)0x{peb.address:x})->{name})") == value


def test_the_environment_is_shown_line_by_line(session: Session) -> None:
    peb = environment(session)
    room = peb.parameters + 0x800
    block = "PATH=C:\\Windows\0BAD=\x1b[2J\0\0".encode("utf-16-le")
    session.memory.write(room, block)
    session.memory.write(peb.parameters + ENVIRONMENT, room.to_bytes(8, "little"))
    assert environment(session).variables == ("PATH=C:\\Windows", "BAD=[2J")
    assert to_text(environment(session)).endswith("\n        PATH=C:\\Windows\n        BAD=[2J")


def test_a_name_that_cannot_be_read_says_so_and_hides_no_other(session: Session) -> None:
    peb = environment(session)
    session.memory.write(peb.parameters + COMMAND_LINE + 8, (0x10000).to_bytes(8, "little"))
    text = to_text(environment(session))
    assert "    CommandLine:  '< Name not readable >'" in text
    assert "    ImageFile:    'C:\\Windows\\System32\\notepad.exe'" in text


def test_lists_that_lead_in_a_circle_end(session: Session) -> None:
    loader = environment(session).loader
    assert loader is not None
    first, last = loader.load_order
    session.memory.write(last, first.to_bytes(8, "little"))
    peb = environment(session)
    assert len(peb) == 2
    assert "has a loop" in to_text(peb)


def test_a_process_without_loader_data_is_shown_as_far_as_it_is_there(session: Session) -> None:
    execute(session, ".process 1f4")
    text = to_text(execute(session, "!peb")[0])
    assert "WARNING: the process has not loaded its images" in text
    assert "csrss.exe" in text


def test_a_thread_tells_its_stack_and_its_ids(session: Session) -> None:
    (teb,) = execute(session, "!teb c3414d3000")
    assert isinstance(teb, ThreadEnvironment)
    assert (teb.self_pointer, teb.peb) == (0xC3414D3000, environment(session).address)
    assert teb.process_id == NOTEPAD
    assert "    PEB Address:          000000c3414d1000" in to_text(teb).splitlines()
    assert teb.stack_limit < teb.stack_base


def test_what_lies_on_a_page_of_its_own_may_be_missing(session: Session) -> None:
    page = environment(session).parameters
    assert session.memory.read_available(page + 0x1250, 4) == b""
    teb = thread_environment(session, page)
    assert teb.last_status is None
    assert "    LastStatusValue:      ?" in to_text(teb).splitlines()


def test_a_system_process_has_none(session: Session) -> None:
    with pytest.raises(CommandError, match="no user mode part"):
        execute(session, ".process 4; !peb")
