from __future__ import annotations

import re
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest

from kdnb.symbols.imports import import_name
from kdnb.symbols.pe import PeImage

if TYPE_CHECKING:
    from tests.windows_files import WindowsFiles


@pytest.mark.external("llvm-readobj")
@pytest.mark.parametrize("name", ["msvcp140.dll", "attach_x86.dll", "arm64/vcruntime140.dll"])
def test_each_slot_of_the_import_table_has_its_name(msvc: WindowsFiles, name: str) -> None:
    command = ["llvm-readobj", "--coff-imports", msvc.path(name)]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    image = PeImage.from_file(msvc.data(name))
    size, count = (8 if image.is_64bit else 4), 0
    for module in shown.split("Import {")[1:]:
        table = re.search(r"ImportAddressTableRVA: 0x(\w+)", module)
        assert table is not None
        for index, symbol in enumerate(re.findall(r"Symbol: (\S+) \(\d+\)", module)):
            assert import_name(image, int(table[1], 16) + size * index) == symbol
            count += 1
    assert count > 20
    assert import_name(image, 0x10) == import_name(image, image.size_of_image) == ""


def test_damaged_import_tables_give_no_name(msvc: WindowsFiles) -> None:
    original = msvc.data("attach_amd64.dll")
    image = PeImage.from_file(original)
    rva, _ = image.directory(1)
    slot = struct.unpack("<5I", image.read(rva, 20))[4]
    assert import_name(image, slot)
    section = image.section_of(rva)
    assert section is not None
    offset = section.file_offset + rva - section.rva
    for value in (0, 1, 0x7FFFFFFF, 0xFFFFFFFF):
        for field in range(5):
            data = bytearray(original)
            struct.pack_into("<I", data, offset + 4 * field, value)
            import_name(PeImage.from_file(bytes(data)), slot)  # any text, and no error
