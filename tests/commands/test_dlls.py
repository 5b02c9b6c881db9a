"""`!dlls` in WinDbg's layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.dlls import DllEntry, DllList

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.debugger.session import Session


@pytest.fixture
def notepad(session: Session) -> Iterator[Session]:
    execute(session, ".process 1044")
    yield session
    execute(session, ".process")


def shown(session: Session, command: str) -> str:
    return to_text(execute(session, command)[-1])


def test_the_layout_is_that_of_the_documentation() -> None:
    ntdll = DllEntry(
        0x91F38, "E:\\WINDOWS\\System32\\ntdll.dll", 0x77F60000, 0, 0x97000, 0x4004,
        ("LDRP_IMAGE_DLL", "LDRP_ENTRY_PROCESSED"), 0xFFFF, 0, version=(("File version", "5.1"),),
    )  # fmt: skip
    assert to_text(DllList((ntdll,), 4, containing=0x77F60000)).split("\n") == [
        "Dump dll containing 0x77f60000:",
        "",
        "0x00091f38: E:\\WINDOWS\\System32\\ntdll.dll",
        "      Base   0x77f60000  EntryPoint  0x00000000  Size        0x00097000",
        "      Flags  0x00004004  LoadCount   0x0000ffff  TlsIndex    0x00000000",
        "             LDRP_IMAGE_DLL",
        "             LDRP_ENTRY_PROCESSED",
        "      File version:     5.1",
    ]


def test_all_images_of_the_process_that_is_seen(notepad: Session) -> None:
    text = shown(notepad, "!dlls")
    assert text.count("LoadCount   0x0000ffff") == 2
    assert "C:\\Windows\\System32\\notepad.exe" in text
    assert "notepad" not in shown(notepad, "!dlls -i")
    (value,) = execute(notepad, "!dlls -m")
    assert isinstance(value, DllList)
    assert list(value.df["base"]) == [entry.base for entry in value]
    assert shown(notepad, f"!dlls -c {value[1].base + 0x10:x}").startswith(
        f"Dump dll containing 0x{value[1].base + 0x10:x}"
    )
    assert "FILE HEADER VALUES" in shown(notepad, f"!dlls -f {value[0].address:x}")
    assert "SECTION HEADER #1" in shown(notepad, "!dlls -a")
    assert "no version resource" in shown(notepad, "!dlls -v")
    assert "!dlls [-i|-l|-m]" in shown(notepad, "!dlls -h")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("!dlls -z", "Syntax error at '-z'"),
        ("!dlls -c", "Numeric expression missing"),
        ("!dlls -c 10", "no image of the process lies at"),
    ],
)
def test_what_makes_no_sense_is_one_line(notepad: Session, command: str, words: str) -> None:
    with pytest.raises(CommandError, match=words):
        execute(notepad, command)
