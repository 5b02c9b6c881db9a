"""A notebook whose line is lost: the Jupyter kernel lives, says what happened, and its cells go on."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from kdnb.errors import KdnbError
from tests.debugger.simulated import serving

if TYPE_CHECKING:
    from tests.jupyter.conftest import Cells

LONG = 60.0


class Output:
    """Where a notebook writes what the target does of itself."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str, stream: str = "stdout") -> None:
        self.text += text


def test_a_line_that_is_lost_and_found_says_so_and_the_cells_go_on(cells: Cells) -> None:
    pytest.importorskip("unicorn")
    with serving() as server:
        cells.run(f"connect {server.address}")
        debugger = cells.notebook.debugger
        assert debugger is not None
        output = Output()
        cells.notebook._resumed_by = output  # type: ignore[assignment]  # as good as a cell's
        found = threading.Event()
        debugger.events.on_state(lambda event: found.set() if event.state == "stopped" else None)
        packets = len(debugger.packets())
        server.cut()
        assert found.wait(LONG)
        assert "kdnb: lost: the other end closed the connection" in output.text
        assert "kdnb: connected: the line is open again" in output.text
        assert output.text.endswith(f"{debugger.stop}\n")
        assert "nt!DbgBreakPointWithStatus" in str(cells.run("k"))
        assert len(debugger.packets()) > packets
        cells.run("disconnect")


def test_with_nobody_there_a_cell_says_what_to_do_and_the_next_one_runs(cells: Cells) -> None:
    pytest.importorskip("unicorn")
    lost = threading.Event()
    with serving() as server:
        cells.run(f"connect {server.address}")
        debugger = cells.notebook.debugger
        assert debugger is not None
        debugger.events.on_state(lambda event: lost.set() if event.state == "lost" else None)
    assert lost.wait(LONG)
    with pytest.raises(KdnbError, match=r"the link is lost: .*; it is opened again as soon as somebody is there"):
        cells.run("k")
    assert cells.run("6 * 7") == 42
    cells.run("disconnect")
