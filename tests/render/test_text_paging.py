"""`!vtop` and `!pte` in WinDbg's layout (samples of the command reference, 7.11)."""

from __future__ import annotations

from kdnb.render.text import to_text
from kdnb.results.paging import PageEntry, PageTableEntries, Translation


def test_vtop_on_x64() -> None:
    steps = (("PML4E", 0x1ADF80), ("PDPE", 0x4B09068), ("PDE", 0x4B0A668), ("PTE", 0x4B1A000))
    entries = tuple(PageEntry(level, address, 0x63) for level, address in steps)
    value = Translation(0xFFFFF80359A00000, 0x1AD000, "Amd64", entries, 0x2C00000, 8)
    assert to_text(value).splitlines() == [
        "Amd64VtoP: Virt fffff80359a00000, pagedir 00000000001ad000",
        "Amd64VtoP: PML4E 00000000001adf80",
        "Amd64VtoP: PDPE 0000000004b09068",
        "Amd64VtoP: PDE 0000000004b0a668",
        "Amd64VtoP: PTE 0000000004b1a000",
        "Amd64VtoP: Mapped phys 0000000002c00000",
        "Virtual address fffff80359a00000 translates to physical address 2c00000.",
    ]


def test_vtop_on_x86_with_pae() -> None:
    entries = (PageEntry("PDPE", 0x39010, 0x34F001), PageEntry("PDE", 0x34F010, 0x4001E3, large=True))
    value = Translation(0x80550000, 0x39000, "X86", entries, 0x550000, 4, pae=True)
    assert to_text(value).splitlines() == [
        "X86VtoP: Virt 80550000, pagedir 39000",
        "X86VtoP: PAE PDPE 39010 - 000000000034f001",
        "X86VtoP: PAE PDE 34f010 - 00000000004001e3",
        "X86VtoP: PAE Large page mapped phys 550000",
        "Virtual address 80550000 translates to physical address 550000.",
    ]


def test_pte_on_x64() -> None:
    rows = (
        ("PML4E", 0x0A00000010338863, 0xFFFFFC7E3F1F8D28),
        ("PDPE", 0x0A00000010339863, 0xFFFFFC7E3F1A51E8),
        ("PDE", 0x0A0000000E0F5863, 0xFFFFFC7E34A3DB00),
        ("PTE", 0x8A0000012B1E4963, 0xFFFFFC6947B60528),
    )
    entries = tuple(PageEntry(level, 0, value, virtual) for level, value, virtual in rows)
    value = PageTableEntries(Translation(0xFFFFD28F6C0A5080, 0, "Amd64", entries, 0x12B1E4080, 8))
    head, at, contains, bits = to_text(value).splitlines()
    assert head == f"{'':43}VA ffffd28f6c0a5080"
    assert at.startswith("PXE at FFFFFC7E3F1F8D28    PPE at FFFFFC7E3F1A51E8    PDE at")
    assert contains.startswith("contains 0A00000010338863  contains 0A00000010339863  contains")
    assert bits == (
        "pfn 10338     ---DA--KWEV  pfn 10339     ---DA--KWEV  pfn e0f5      ---DA--KWEV  pfn 12b1e4    -G-DA--KW-V"
    )
