"""Segments on the simulated machines: long mode has bases for fs and gs only, x86 those of its descriptors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.debugger.segments import read_descriptor, segment_base
from kdnb.errors import ExpressionError
from kdnb.simulator.architecture import X86
from kdnb.simulator.guest_symbols import write_symbols
from tests.debugger.simulated import TIMEOUT, open_session, serve

if TYPE_CHECKING:
    from pathlib import Path

    from kdnb.debugger.session import Session


def test_gs_begins_at_the_processors_control_region(session: Session) -> None:
    assert segment_base(session, "gs") == session.evaluate("$pcr") == session.evaluate("gs:0")
    assert segment_base(session, "ds") == 0
    assert session.evaluate("poi(gs:188)") == session.evaluate("$thread")
    assert read_descriptor(session, session.registers.get("cs")).is_long


def test_x86_takes_the_base_from_the_descriptor(tmp_path: Path) -> None:
    write_symbols(tmp_path, X86)
    with serve(architecture=X86) as address, open_session(address, symbol_path=str(tmp_path)) as session:
        session.connect(TIMEOUT)
        assert segment_base(session, "fs") == segment_base(session, session.registers.get("fs"))
        assert session.evaluate("fs:0") == session.evaluate("$pcr") & 0xFFFFFFFF
        assert session.evaluate("30:0") == session.evaluate("fs:0")
        for wrong in (0, 4, 0xFFF8):
            with pytest.raises(ExpressionError, match="no selector"):
                segment_base(session, wrong)
