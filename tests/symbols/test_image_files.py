"""Image files on this host, for images that are no longer in the target's memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.simulator.architecture import AMD64, X86
from kdnb.simulator.guest_symbols import write_symbols
from kdnb.simulator.loader import guest_files
from kdnb.symbols.image_files import find_images
from kdnb.symbols.pe import PeImage
from kdnb.symbols.store import SymbolPath

if TYPE_CHECKING:
    from pathlib import Path

FILE = next(file.image for file in guest_files(AMD64) if file.name == "echo.sys")
IMAGE = PeImage.from_file(FILE)
MACHINE, SIZE = IMAGE.machine, IMAGE.size_of_image


def found(path: str, name: str = "echo.sys", machine: int = MACHINE, size: int = SIZE) -> list[str]:
    return [each.path.as_posix() for each in find_images(SymbolPath.parse(path), name, machine, size)]


def another_build() -> bytes:
    """The same with another time stamp."""
    header = int.from_bytes(FILE[0x3C:0x40], "little")
    return FILE[: header + 8] + b"\x01\x02\x03\x04" + FILE[header + 12 :]


def test_plain_folders_and_stores_are_searched(tmp_path: Path) -> None:
    store = tmp_path / "store"
    write_symbols(store)
    (expected,) = found(str(store))
    assert expected.endswith(f"/echo.sys/{IMAGE.timestamp:08X}{SIZE:x}/echo.sys")
    assert found(f"srv*{store}*http://127.0.0.1:1/x") == [expected]
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "echo.sys").write_bytes(FILE)
    assert found(str(plain)) == [(plain / "echo.sys").as_posix()]
    assert found(f"{plain};{store}") == [(plain / "echo.sys").as_posix()], "the same build twice is one"
    assert found(str(tmp_path / "nowhere")) == []


def test_size_and_machine_have_to_be_those_of_the_image(tmp_path: Path) -> None:
    (tmp_path / "echo.sys").write_bytes(FILE)
    assert found(str(tmp_path), size=SIZE + 0x1000) == []
    assert found(str(tmp_path), machine=0x14C) == []
    write_symbols(tmp_path / "x86", X86)
    assert found(str(tmp_path / "x86")) == []


def test_several_builds_of_one_size_are_all_told(tmp_path: Path) -> None:
    for key, data in ((f"04030201{SIZE:x}", another_build()), (f"{IMAGE.timestamp:08x}{SIZE:X}", FILE)):
        (tmp_path / "echo.sys" / key).mkdir(parents=True)
        (tmp_path / "echo.sys" / key / "echo.sys").write_bytes(data)
    assert len(found(str(tmp_path))) == 2


@pytest.mark.parametrize("name", ["../echo.sys", "..", "", "con", "a:b", "echo.sys/.."])
def test_names_of_a_target_never_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "echo.sys").write_bytes(FILE)
    inner = tmp_path / "inner"
    inner.mkdir()
    assert found(str(inner), name) == []


def test_damaged_files_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "echo.sys").write_bytes(FILE[:0x80])
    assert found(str(tmp_path)) == []
    (tmp_path / "echo.sys").write_bytes(b"MZ" + bytes(0x1000))
    assert found(str(tmp_path)) == []
