"""`lm` on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.modules import ModuleList

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def names(session: Session, command: str) -> list[str]:
    (value,) = execute(session, command)
    assert isinstance(value, ModuleList)
    return [module.name for module in value]


def test_modules_come_in_address_order(session: Session) -> None:
    (value,) = execute(session, "lm")
    assert isinstance(value, ModuleList)
    starts = [module.start for module in value]
    assert starts == sorted(starts)
    assert value["NT"].start == session.evaluate("nt")


def test_options_choose_modules_and_columns(session: Session) -> None:
    assert names(session, "lm m d*") == ["disk"]
    assert names(session, "lmm d*") == ["disk"]
    assert names(session, "lm a nt+100") == ["nt"]
    assert names(session, "lma nt+100") == ["nt"]
    execute(session, ".process 4")
    assert names(session, "lmu") == []
    assert "nt" in names(session, "lmk")
    assert names(session, "lmsm")[0] == "buggy"
    assert "nt" in to_text(execute(session, "lm1m")[0]).split("\n")
    assert "ntoskrnl.exe" in to_text(execute(session, "lmn")[0])


def test_details_of_one_module(session: Session) -> None:
    shown = to_text(execute(session, "lmvm disk")[0])
    assert "    Image name: disk.sys" in shown
    assert "    ImageSize:        " in shown
    assert "(This is a reproducible build file hash, not a timestamp)" in shown


def test_options_are_combined_with_and_without_blanks(session: Session) -> None:
    assert names(session, "lmDvmnt") == ["nt"]
    assert names(session, "lm kv m nt") == ["nt"]
    execute(session, ".process 4")
    assert names(session, "lm k sm m *") == sorted(names(session, "lm"))
    assert names(session, "lm M *drivers?d*") == ["disk"]
    assert names(session, "lma@rip") == ["nt"]
    assert names(session, "lm f m ntfs") == ["ntfs"]
    with pytest.raises(CommandError, match="Syntax error at 'zz'"):
        execute(session, "lm zz")


def test_symbol_status_chooses_modules(session: Session) -> None:
    execute(session, ".reload /f nt")
    assert "nt" in names(session, "lml")
    assert names(session, "lmo") == names(session, "lm")
    before = str(session.symbols.path)
    assert names(session, "lme") == []
    execute(session, ".sympath /nowhere; x nt!KeBugCheckEx")
    assert names(session, "lme") == ["nt"]
    execute(session, f".sympath {before}")


def test_one_column_is_shown_instead_of_the_symbols(session: Session) -> None:
    image = session.modules["disk"].image
    assert image is not None
    assert to_text(execute(session, "lm c m disk")[0]).endswith(f"   disk     {image.checksum:08X}")
    assert to_text(execute(session, "lm p m disk")[0]).endswith("   disk")
    assert to_text(execute(session, "lm i m disk")[0]).endswith(" disk.sys")
    assert "symbols)" not in to_text(execute(session, "lm n m disk")[0])
