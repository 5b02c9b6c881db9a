"""The list of unloaded drivers: its ring, its lies, when it is read, and that of the simulated machine."""

from __future__ import annotations

import contextlib
import struct
from typing import TYPE_CHECKING

import pytest

from kdnb.debugger.debugger_data import DebuggerData, KdDebuggerData64
from kdnb.debugger.loader_entry import UnloadedDriver32, UnloadedDriver64
from kdnb.errors import LinkError
from kdnb.simulator.architecture import AMD64, X86, Architecture
from kdnb.simulator.guest_symbols import write_symbols
from tests.debugger.simulated import TIMEOUT, open_session, packets, serve
from tests.debugger.x86_target import CODE, LIST, x86_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kdnb.debugger.session import Session
    from tests.debugger.x86_target import X86Machine

ARRAY, NAMES, POINTER, LAST = LIST + 0x1000, LIST + 0x1600, CODE + 0x800, CODE + 0x804
GONE = 0xF0000000


@contextlib.contextmanager
def ring(entries: dict[int, tuple[str, int, int]], last: int, array: int = ARRAY) -> Iterator[Session]:
    """A 32-bit target with those entries: index in the ring -> name, start, end."""
    with x86_session() as (session, machine):
        put_ring(machine, entries, last, array)
        block = KdDebuggerData64(mm_unloaded_drivers=POINTER, mm_last_unloaded_driver=LAST)
        session._debugger_data = DebuggerData(block.encode(), 0)
        session.refresh()
        yield session


def put_ring(machine: X86Machine, entries: dict[int, tuple[str, int, int]], last: int, array: int) -> None:
    machine.put(POINTER, struct.pack("<II", array, last))
    for number, (index, (name, start, end)) in enumerate(entries.items()):
        text = name.encode("utf-16-le")
        machine.put(NAMES + 0x20 * number, text[:0x20])
        entry = UnloadedDriver32(len(text), len(text), NAMES + 0x20 * number, start, end, index)
        machine.put(ARRAY + UnloadedDriver32.SIZE * index, entry.encode())


def names(session: Session) -> list[str]:
    return [module.name for module in session.modules.remembered]


@pytest.mark.parametrize(("field", "at64", "at32"), [("name_buffer", 8, 4), ("start", 0x10, 8), ("time", 0x20, 0x10)])
def test_entries_have_the_layout_of_windows(field: str, at64: int, at32: int) -> None:
    assert {each.name: each.offset for each in UnloadedDriver64.fields()}[field] == at64
    assert {each.name: each.offset for each in UnloadedDriver32.fields()}[field] == at32
    assert (UnloadedDriver64.SIZE, UnloadedDriver32.SIZE) == (0x28, 0x18)


def test_the_newest_comes_first_all_around_the_ring() -> None:
    entries = {index: (f"d{index}.sys", GONE + index * 0x1000, GONE + (index + 1) * 0x1000) for index in range(50)}
    with ring(entries, 2) as session:
        assert names(session) == ["d1.sys", "d0.sys", *(f"d{index}.sys" for index in range(49, 1, -1))]
    with ring(dict(list(entries.items())[:3]), 3) as session:
        assert names(session) == ["d2.sys", "d1.sys", "d0.sys"]
    with ring(entries, 50) as session:
        assert names(session)[0] == "d49.sys"


def test_of_two_that_lay_at_one_place_the_last_one_names_it() -> None:
    with ring({0: ("old.sys", GONE, GONE + 0x3000), 1: ("new.sys", GONE + 0x1000, GONE + 0x2000)}, 2) as session:
        assert session.symbols.format(GONE + 0x10) == "<Unloaded_old.sys>+0x10"
        assert session.symbols.format(GONE + 0x1000) == "<Unloaded_new.sys>"
        assert session.symbols.name_at(0xFFFFFFFF00000000 | GONE + 0x1010) == "<Unloaded_new.sys>+0x10"
        assert session.symbols.name_at(GONE + 0x3000) is None


def test_lies_in_the_list_do_no_harm() -> None:
    entries = {
        0: ("good.sys", GONE, GONE + 0x1000),
        1: ("backwards.sys", GONE + 0x1000, GONE),
        2: ("huge.sys", 0, 0xFFFFFFFF),
        3: ("ev\x1b[31mil.sys", GONE + 0x2000, GONE + 0x3000),
        4: ("", GONE + 0x4000, GONE + 0x5000),
        5: ("x" * 0x7000, GONE + 0x6000, GONE + 0x7000),
    }
    with ring(entries, 0xFFFFFFFF) as session:
        found = {module.start: module.name for module in session.modules.remembered}
        assert found.keys() == {GONE, GONE + 0x2000, GONE + 0x6000}
        assert found[GONE + 0x2000] == "ev[31mil.sys"
        assert len(found[GONE + 0x6000]) <= 512


def test_a_list_that_is_not_there_yet_is_empty_and_one_that_cannot_be_read_says_so() -> None:
    with ring({}, 0, array=0) as session:
        assert (names(session), session.modules.remembered.note) == ([], "")
    with ring({}, 1, array=0x70000000) as session:
        assert (names(session), session.modules.remembered.note) == ([], "")
    with x86_session() as (session, _):
        assert names(session) == []
        assert "doesn't say where" in session.modules.remembered.note


def test_it_is_read_once_and_not_while_the_target_runs() -> None:
    with ring({0: ("a.sys", GONE, GONE + 0x1000)}, 1) as session:
        assert names(session) == ["a.sys"]
        before = session.memory.holds(ARRAY, 8)
        session.drop_caches()
        assert names(session) == ["a.sys"]
        assert before
        assert not session.memory.holds(ARRAY, 8), "nothing was read again"
        session.modules.remembered.invalidate()
        change, session.change = session.change, None
        assert names(session) == []
        session.change = change
        assert names(session) == ["a.sys"]


def test_user_addresses_are_never_looked_for_in_it() -> None:
    with ring({0: ("a.sys", 0x10000, 0x20000)}, 1) as session:
        assert session.symbols.name_at(0x10010) is None
        assert not session.memory.holds(ARRAY, 8)


# --- the simulated machine -------------------------------------------------------------------------


@contextlib.contextmanager
def loading(architecture: Architecture, symbols: Path) -> Iterator[Session]:
    """A machine whose driver echo.sys comes and goes, stopped."""
    write_symbols(symbols, architecture)
    with serve("driverload", architecture) as address, open_session(address, symbol_path=str(symbols)) as session:
        session.connect(TIMEOUT)
        session.filters.change("ud", action="break")
        yield session


@pytest.mark.parametrize("architecture", [AMD64, X86], ids=["amd64", "x86"])
def test_a_driver_that_goes_is_in_the_list_afterwards(architecture: Architecture, tmp_path: Path) -> None:
    with loading(architecture, tmp_path) as session:
        remembered = session.modules.remembered
        assert list(remembered) == []
        stop = session.go(timeout=TIMEOUT)
        assert stop is not None
        assert stop.reason == "unload"
        assert list(remembered) == [], "the kernel notes it after it has told the debugger"
        session.go(until=session.evaluate("nt!NtLoadDriver"), timeout=TIMEOUT)
        (gone,) = remembered
        assert gone.name == "echo.sys"
        assert session.memory.read_available(gone.start, 2) == b""
        array = session.memory.read_pointer(session.evaluate("nt!MmUnloadedDrivers"))
        layout = UnloadedDriver64 if architecture is AMD64 else UnloadedDriver32
        entry = layout.decode(session.memory.read(array, layout.SIZE))
        assert (gone.start, gone.end, gone.time) == (entry.start, entry.end, entry.time)
        assert session.symbols.format(gone.start + 0x1010) == "<Unloaded_echo.sys>+0x1010"
        session.filters.change("ld", action="break")
        session.go(timeout=TIMEOUT)
        assert session.symbols.format(gone.start + 0x10).startswith("echo"), "what is loaded comes first"
        before = packets(session)
        assert [module.name for module in remembered] == ["echo.sys"]
        assert packets(session) == before, "nothing was unloaded since"


def test_a_link_that_is_lost_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    with loading(AMD64, tmp_path) as session:
        session.lost = "cut"
        session.change, change = None, session.change
        assert list(session.modules.remembered) == []
        session.change, session.lost = change, ""
        session.target.close()
        with pytest.raises(LinkError):
            list(session.modules.remembered)
