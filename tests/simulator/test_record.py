"""The recording that the notebooks read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.capture.open import open_capture
from kdnb.simulator.record import record_session

if TYPE_CHECKING:
    from pathlib import Path


def test_a_recording_repeats_to_the_byte_and_decodes_without_a_fault(tmp_path: Path) -> None:
    first, second = tmp_path / "first.pcapng", tmp_path / "second.pcapng"
    record_session(first)
    record_session(second)
    assert first.read_bytes() == second.read_bytes()
    frame = open_capture(first).packets()
    assert frame["valid"].dropna().all()
    assert not frame["resend"].any()
    assert (frame["api"] == "LoadSymbolsStateChange").sum() == 4
    assert {"GetVersion", "GetContext", "WriteBreakPoint", "Continue2"} <= set(frame["api"].dropna())
    assert (frame["latency"].dropna().dt.total_seconds() > 0).all()


def test_the_committed_recording_is_one_of_ours(repository: Path) -> None:
    capture = open_capture(repository / "notebooks" / "data" / "boot.pcapng")
    assert not capture.problems
    assert len(capture.packets()) > 100
