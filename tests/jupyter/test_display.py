"""Widgets stand beside the static views, and only where a frontend is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from kdnb.jupyter.display import register_widgets

if TYPE_CHECKING:
    from tests.jupyter.conftest import Cells

WIDGET = "application/vnd.jupyter.widget-view+json"


def bundle(cells: Cells, source: str) -> dict[str, Any]:
    value = cells.run(source)
    data, _ = cells.shell.display_formatter.format(value)
    return dict(data)


def test_a_terminal_gets_no_widgets(sim: Cells) -> None:
    assert WIDGET not in bundle(sim, "r")


def test_registers_memory_and_stacks_get_a_widget_beside_html_and_text(sim: Cells, monkeypatch: Any) -> None:
    monkeypatch.setattr(sim.shell, "kernel", SimpleNamespace(), raising=False)
    register_widgets(sim.shell, sim.notebook)
    monkeypatch.undo()
    for command in ("r", "db nt L80", "k"):
        assert {WIDGET, "text/html", "text/plain"} <= bundle(sim, command).keys()
    assert WIDGET not in bundle(sim, "lm")
