"""What KPRCB says of the processors, by types and by KDBG."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.debugger.cpus import cpu_info
from kdnb.errors import CommandError
from kdnb.render.html import to_html
from kdnb.render.text import to_text
from kdnb.simulator.architecture import X86
from kdnb.simulator.guest_symbols import write_symbols
from tests.debugger.simulated import TIMEOUT, open_session, serve

if TYPE_CHECKING:
    from pathlib import Path

    from kdnb.debugger.session import Session

LINES = [
    "CP  F/M/S Manufacturer  MHz Update Signature Features",
    " 0 6,158,10 GenuineIntel 2400 000000d600000000 3d1b3fff",
    " 1 6,158,10 GenuineIntel 2400 000000d600000000 3d1b3fff",
]


def test_processors_are_shown_in_windbgs_layout(session: Session) -> None:
    (found,) = execute(session, "!cpuinfo")
    assert to_text(found).split("\n") == LINES
    assert "GenuineIntel" in str(to_html(found))
    assert list(found.df["stepping"]) == [10, 10]
    assert to_text(execute(session, "!cpuinfo 1")[0]).split("\n") == [LINES[0], LINES[2]]
    with pytest.raises(CommandError, match="Cannot get PRCB address of processor 7"):
        execute(session, "!cpuinfo 7")


def test_x86_has_the_same(tmp_path: Path) -> None:
    write_symbols(tmp_path, X86)
    with serve(architecture=X86) as address, open_session(address, symbol_path=str(tmp_path)) as session:
        session.connect(TIMEOUT)
        assert to_text(execute(session, "!cpuinfo")[0]).split("\n") == LINES


def test_without_types_kdbg_leads_to_most_of_it() -> None:
    with serve() as address, open_session(address) as bare:
        bare.connect(TIMEOUT)
        found = cpu_info(bare, 1)
        assert (found.family, found.model, found.manufacturer, found.mhz) == (6, 158, "GenuineIntel", 2400)
        assert found.update_signature is None
