"""The simulated machine asks for its drivers' files while it boots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.run import execute
from tests.debugger.simulated import TIMEOUT, open_session, serve

if TYPE_CHECKING:
    from pathlib import Path


def test_a_mapped_driver_is_read_to_its_end_and_the_others_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.sys").write_bytes(bytes(5000))
    prints: list[str] = []
    with serve("boot") as address, open_session(address) as session:
        execute(session, f".kdfiles -a {tmp_path}; .kdfiles -m disk.sys {tmp_path / 'mine.sys'}; sxe ld:disk")
        session.events.on_print(lambda event: prints.append(event.text))
        stop = session.connect(TIMEOUT, break_in=False)
        assert stop is None
        stop = session.execution.wait_for_stop(TIMEOUT)
        assert stop is not None
        assert "disk.sys" in stop.details
        assert session.log is not None
        apis = session.log.packets()["api"].dropna().tolist()
    assert apis.count("ReadFile") == 4  # two requests, two replies
    assert apis.count("CloseFile") == 2
    shown = "".join(prints)
    assert "disk.sys" in shown
    assert "mine.sys (5000 bytes)" in shown
