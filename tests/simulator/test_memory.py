"""RAM and page tables."""

from __future__ import annotations

import pytest

from kdnb.simulator.memory import LONG_MODE, PAGE, PageTables, PhysicalMemory, translate

KERNEL = 0xFFFFF80000000000


@pytest.fixture
def memory() -> PhysicalMemory:
    return PhysicalMemory(LONG_MODE.large_page)


@pytest.fixture
def tables(memory: PhysicalMemory) -> PageTables:
    return PageTables(memory, PAGE, 2 * PAGE)


def test_accesses_stop_at_the_end_of_ram(memory: PhysicalMemory) -> None:
    assert memory.write(memory.size - 2, b"abcd") == 2
    assert memory.read(memory.size - 2, 4) == b"ab"
    assert memory.read(memory.size, 4) == b""
    assert memory.write(memory.size, b"x") == 0
    assert memory.read(-1, 4) == b""


def test_clearing_leaves_nothing(memory: PhysicalMemory) -> None:
    memory.write(0x1234, b"left over")
    memory.clear()

    assert not any(memory.read(0, memory.size))


def test_mapped_pages_translate_and_their_neighbours_do_not(memory: PhysicalMemory, tables: PageTables) -> None:
    tables.map(KERNEL, 0x10000, 2 * PAGE)

    assert translate(memory, PAGE, KERNEL + 0x1FFF) == 0x11FFF
    assert translate(memory, PAGE, KERNEL + 0x2000) is None
    assert translate(memory, PAGE, KERNEL - 1) is None


def test_large_pages_translate(memory: PhysicalMemory, tables: PageTables) -> None:
    tables.map_large(KERNEL, 0, LONG_MODE.large_page)

    assert translate(memory, PAGE, KERNEL + 0x123456) == 0x123456


@pytest.mark.parametrize("address", [0x0000_8000_0000_0000, 0xFFFF_0000_0000_0000, 1 << 63])
def test_addresses_that_are_not_canonical_are_not_mapped(
    memory: PhysicalMemory, tables: PageTables, address: int
) -> None:
    tables.map(address & 0xFFFF_FFFF_F000, 0x10000, PAGE)

    assert translate(memory, PAGE, address) is None


def test_tables_that_lead_out_of_ram_map_nothing(memory: PhysicalMemory) -> None:
    memory.write(PAGE + 8 * 0x1F0, (0x7FFF_F000 | 3).to_bytes(8, "little"))

    assert translate(memory, PAGE, KERNEL) is None


def test_cr3_flags_do_not_matter(memory: PhysicalMemory, tables: PageTables) -> None:
    tables.map(KERNEL, 0x10000, PAGE)

    assert translate(memory, PAGE | 0x18, KERNEL) == 0x10000
