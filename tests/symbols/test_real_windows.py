"""What WinDbg read from a real Windows 10 boot: image headers, PDB identity, and its own search for unwind data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.capture.open import open_capture
from kdnb.symbols.pe import PeImage
from kdnb.symbols.unwind_info import RuntimeFunction

if TYPE_CHECKING:
    from pathlib import Path

KEY = "8.8.8.8"
BASE = 0x96F000


@pytest.fixture(scope="module")
def memory(shared: Path) -> dict[int, int]:
    """Every byte that the capture's ReadVirtualMemory replies carry, by address."""
    packets = open_capture(shared / "captures" / "windbg-kdnet.pcapng.gz", key=KEY).packets()
    replies = packets[(packets.api == "ReadVirtualMemory") & (packets.direction == "to_host") & (packets.status == 0)]
    known: dict[int, int] = {}
    for address, actual, payload in zip(replies.address, replies.actual, replies.payload, strict=True):
        known.update(enumerate(payload[56 : 56 + int(actual)], int(address)))
    return known


@pytest.fixture(scope="module")
def image(memory: dict[int, int]) -> PeImage:
    # WinDbg skipped bytes that it had no use for; they are zeros here.
    return PeImage.parse(lambda address, size: bytes(memory.get(at, 0) for at in range(address, address + size)), BASE)


def test_the_boot_debuggers_image_has_its_headers_and_pdb(image: PeImage) -> None:
    assert image.machine == 0x8664
    assert image.timestamp == 0x568B1B3D
    assert image.sections[0].name == ".text"
    assert image.codeview is not None
    assert image.codeview.key == "81C7BC3D14CA4ADFABFAA8830FE750392"
    assert image.codeview.pdb_name == "winload_prod.pdb"


def test_entries_of_a_real_function_table_ascend_and_lead_to_unwind_data(
    memory: dict[int, int], image: PeImage
) -> None:
    rva, size = image.directories[3]
    assert len(image.function_table) == 3126
    probes = [at for at in range(rva, rva + size, 12) if all(BASE + at + i in memory for i in range(12))]
    entries = [RuntimeFunction.parse(image.read(at, 12)) for at in probes]
    assert len(entries) == 140
    assert all(entry.begin < entry.end for entry in entries)
    assert entries == sorted(entries, key=lambda entry: entry.begin)
    # The function of the stop, in which WinDbg's search ended.
    (function,) = [entry for entry in entries if BASE + entry.unwind in memory]
    assert (function.begin, function.end) == (0x5FFFC, 0x6009A)
    info = image.unwind_info(function.unwind)
    assert [(code.name, code.register, code.operand) for code in info.codes] == [
        ("SAVE_NONVOL", "rdi", 0x58),
        ("SAVE_NONVOL", "rsi", 0x50),
        ("SAVE_NONVOL", "rbp", 0x48),
        ("SAVE_NONVOL", "rbx", 0x40),
        ("ALLOC_SMALL", "", 0x30),
        ("PUSH_NONVOL", "r14", 0),
    ]
