"""Page walks, on tables made by hand and on those of the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import kdnb
from kdnb.debugger import paging
from kdnb.debugger.paging import X64, X86_PAE, walk
from kdnb.debugger.paging import X86 as X86_LEVELS
from kdnb.errors import MemoryReadError, UsageError
from kdnb.results.paging import Translation
from kdnb.simulator.architecture import X86
from tests.debugger.flat_memory import FlatMemory
from tests.debugger.simulated import TIMEOUT, open_session, serve

if TYPE_CHECKING:
    from kdnb.debugger.session import Session

VALID = 0x23
LARGE = 0xA3


def tables(entries: dict[int, int], size: int = 8) -> FlatMemory:
    """Physical memory of 64 KiB with these entries in it."""
    data = bytearray(0x10000)
    for address, value in entries.items():
        data[address : address + size] = value.to_bytes(size, "little")
    return FlatMemory(0, bytes(data))


def test_four_levels_lead_to_a_page() -> None:
    address = 1 << 39 | 2 << 30 | 3 << 21 | 4 << 12 | 0x567
    memory = tables(
        {0x1008: 0x2000 | VALID, 0x2010: 0x3000 | VALID, 0x3018: 0x4000 | VALID, 0x4020: 0x12345000 | VALID}
    )
    entries, physical = walk(memory, 0x1000, address, X64)
    assert [entry.level for entry in entries] == ["PML4E", "PDPE", "PDE", "PTE"]
    assert physical == 0x12345567


def test_a_large_page_ends_the_walk_early() -> None:
    memory = tables({0x1000: 0x2000 | VALID, 0x2000: 0x3000 | VALID, 0x3008: 0x2C00000 | LARGE})
    entries, physical = walk(memory, 0x1000, 0x234567, X64)
    assert entries[-1].large
    assert physical == 0x2C00000 + 0x34567


def test_an_entry_that_is_not_valid_ends_the_walk_without_an_address() -> None:
    entries, physical = walk(tables({0x1000: 0x2000 | VALID}), 0x1000, 0, X64)
    assert (len(entries), physical) == (2, None)


def test_x86_walks_two_levels_of_four_bytes() -> None:
    memory = tables({0x1000 + 4 * 0x201: 0x2000 | VALID, 0x2000 + 4 * 0x150: 0x550000 | VALID}, size=4)
    assert walk(memory, 0x1000, 0x201 << 22 | 0x150 << 12 | 0x12, X86_LEVELS)[1] == 0x550012


def test_pae_walks_three() -> None:
    memory = tables({0x1010: 0x2000 | 1, 0x2008: 0x400000 | LARGE | 0x100})
    entries, physical = walk(memory, 0x1000, 0x80250000, X86_PAE)
    assert [entry.level for entry in entries] == ["PDPE", "PDE"]
    assert physical == 0x400000 + 0x50000


def test_tables_that_cannot_be_read_are_an_error() -> None:
    with pytest.raises(MemoryReadError):
        walk(tables({0x1000: 0x5000_0000 | VALID}), 0x1000, 0, X64)


@pytest.mark.parametrize("place", ["nt", "@rsp", "nt!NtCreateFile"])
def test_the_simulated_machine_shows_the_same_bytes_by_both_addresses(place: str) -> None:
    pytest.importorskip("unicorn")
    with kdnb.connect("sim:") as kd:
        (translation,) = kd.execute(f"!vtop 0 {place}")
        assert isinstance(translation, Translation)
        assert kd.physical.read(int(translation), 16) == kd.read(translation.virtual, 16)


def test_an_entry_of_the_mapped_tables_tells_its_page(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "_pte_base", lambda _: 0xFFFFF680_00000000)
    assert paging.mapped_address(session, 0xFFFFF680_00000000) == 0
    assert paging.mapped_address(session, 0xFFFFF680_00000008) == 0x1000
    assert paging.mapped_address(session, 0xFFFFF6FF_FFFFFFF8) == 0xFFFFFFFF_FFFFF000
    for wrong in (0xFFFFF680_00000004, 0xFFFFF700_00000000, 0x1000):
        with pytest.raises(UsageError, match="no page table entry"):
            paging.mapped_address(session, wrong)


def test_x86_maps_its_tables_at_a_fixed_place() -> None:
    with serve(architecture=X86) as address, open_session(address) as session:
        session.connect(TIMEOUT)
        entry = 0xC0000000 + (0x80400000 >> 12) * (8 if session.registers.get("cr4") & 0x20 else 4)
        assert paging.mapped_address(session, entry) == 0x80400000
        pages = paging.mappings(session, session.registers.get("cr3"))
        found = {virtual: (physical, size) for physical, virtual, size in pages}
        start = session.registers.pc & ~0xFFF
        assert found[start] == (paging.translate(session, start).physical, 0x1000)
