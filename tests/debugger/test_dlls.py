"""The loader's entries of a process, on the simulated machine and in lists that a program has damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.debugger.dlls import read_dlls
from kdnb.errors import MemoryReadError, UnknownNameError, UnsupportedError
from tests.debugger.simulated import TIMEOUT, open_session, packets, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kdnb.debugger.session import Session

NOTEPAD = 0x1044
LINKS = 0x10, 0x20


@pytest.fixture
def session(guest_symbols: Path) -> Iterator[Session]:
    with serve() as address, open_session(address, symbol_path=str(guest_symbols)) as session:
        session.connect(TIMEOUT)
        execute(session, f".process {NOTEPAD:x}; .reload /user")
        yield session


def names(session: Session, order: str) -> list[str]:
    return [entry.path.rpartition("\\")[2] for entry in read_dlls(session, order)]


def test_each_order_is_a_list_of_its_own(session: Session) -> None:
    assert names(session, "load") == names(session, "memory") == ["notepad.exe", "ntdll.dll"]
    assert names(session, "initialization") == ["ntdll.dll"]


def test_entries_agree_with_the_types_of_the_pdb(session: Session) -> None:
    for entry in read_dlls(session):
        for field, value in (
            ("DllBase", entry.base),
            ("EntryPoint", entry.entry_point),
            ("SizeOfImage", entry.size),
            ("Flags", entry.flags),
            ("ObsoleteLoadCount", entry.load_count),
            ("TlsIndex", entry.tls_index),
        ):
            path = f"((ntdll!_LDR_DATA_TABLE_ENTRY*)0x{entry.address:x})->{field}"
            assert session.evaluate(f"@@c++((unsigned __int64){path})") == value, field
    assert "LDRP_IMAGE_DLL" in entry.flag_names


def test_one_entry_by_its_address_or_by_an_address_in_its_image(session: Session) -> None:
    whole = read_dlls(session)
    assert read_dlls(session, entry=whole[1].address).entries == (whole[1],)
    assert read_dlls(session, containing=whole[1].base + 0x123).entries == (whole[1],)
    with pytest.raises(UnknownNameError, match="no image of the process lies at 0x10"):
        read_dlls(session, containing=0x10)
    with pytest.raises(MemoryReadError):
        read_dlls(session, entry=0x10)


def test_headers_come_on_request_and_a_missing_version_is_said(session: Session) -> None:
    plain, full = read_dlls(session), read_dlls(session, parts="fsv")
    assert [entry.headers for entry in plain] == [None, None]
    assert full[0].headers is not None
    assert full[0].headers.size_of_image == full[0].size
    assert [entry.note for entry in full] == ["no version resource"] * 2


def test_a_list_that_leads_in_a_circle_ends_with_a_note(session: Session) -> None:
    first, second = read_dlls(session)
    session.memory.write(second.address, first.address.to_bytes(8, "little"))
    found = read_dlls(session)
    assert len(found) == 2
    assert "loop" in found.note


def test_a_process_without_user_mode_has_none(session: Session) -> None:
    execute(session, ".process 4")
    with pytest.raises(UnsupportedError, match="no user mode part"):
        read_dlls(session)


def test_it_is_read_entry_by_entry(session: Session) -> None:
    execute(session, ".cache flushall")
    before = packets(session)
    read_dlls(session)
    assert packets(session) - before <= 48
    before = packets(session)
    read_dlls(session, "memory")
    assert packets(session) == before
