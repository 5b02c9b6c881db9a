"""The module table: the target's list, its lies, load and unload notices."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from kdnb.debugger.loader_list import clean
from tests.debugger.x86_target import KERNEL, LIST, x86_session

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def test_the_list_of_the_target_becomes_modules_with_names_and_ranges(session: Session) -> None:
    table = session.modules
    kernel = table["nt"]
    assert kernel is table["NTOSKRNL"]
    assert kernel.image_name == "ntoskrnl.exe"
    assert table.find(kernel.base + 0x10) is kernel
    assert table.find(kernel.end) is None
    assert kernel.image is not None
    assert kernel.image.size_of_image == kernel.size
    with pytest.raises(KeyError):
        table["nonsense"]


def test_headers_and_symbols_are_read_on_demand(session: Session) -> None:
    disk = session.modules["disk"]
    assert disk.symbol_status == "deferred"
    assert disk.info().timestamp is None
    info = disk.info(headers=True)
    assert info.pdb_name.endswith("disk.pdb")
    assert info.timestamp is not None
    assert len(disk.symbols) > 0
    assert disk.symbol_status == "pdb symbols"


def test_reloading_keeps_what_is_still_there(session: Session) -> None:
    kernel = session.modules["nt"]
    session.refresh()
    assert session.modules["nt"] is kernel


def test_load_and_unload_notices_change_the_table(session: Session) -> None:
    table = session.modules
    module = table.loaded("\\??\\C:\\late\x07.sys", 0xFFFFF80055000000, 0x3000)
    assert (module.name, module.path) == ("late", "\\??\\C:\\late.sys")
    assert table["late"] is module
    again = table.loaded("late.sys", 0xFFFFF80066000000, 0x3000)
    assert again.name == "late_fffff80066000000"
    assert table.unloaded(module.base) is module
    assert "late" not in [m.name for m in table]
    assert table.unloaded(0x1234) is None


def test_a_32_bit_list_has_its_own_layout() -> None:
    with x86_session() as (session, _):
        assert [(m.name, m.base, m.size) for m in session.modules] == [
            ("nt", KERNEL, 0x400000),
            ("hal", 0x80C00000, 0x20000),
        ]
        hal = session.modules.find(0xFFFFFFFF80C00010)
        assert hal is not None
        assert hal.image is None  # its headers can't be read, and that is no error
        assert session.symbols.format(0x80C00010) == "hal+0x10"


def test_a_list_with_a_loop_ends_with_a_note() -> None:
    with x86_session() as (session, machine):
        machine.put(LIST + 0x200, struct.pack("<I", LIST + 0x100))
        session.refresh()
        assert len(session.modules) == 2
        assert "loop" in session.modules.note


def test_a_list_that_leads_nowhere_ends_with_a_note_and_keeps_what_came_before() -> None:
    with x86_session() as (session, machine):
        machine.put(LIST + 0x100, struct.pack("<I", 0x70000000))
        session.refresh()
        assert [module.name for module in session.modules] == ["nt"]
        assert "ends early" in session.modules.note


def test_text_of_a_target_is_cleaned_and_bounded() -> None:
    assert clean("a\x1b[31m\nb") == "a[31mb"
    assert len(clean("x" * 10000)) == 1024
