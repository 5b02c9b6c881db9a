"""The quickstart in JupyterLab in a real browser: widgets drawn, frames opened, Stop breaking in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [
    pytest.mark.external("chromium"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # playwright's own sockets at exit
]
pytest.importorskip("playwright")
pytest.importorskip("jupyterlab")
pytest.importorskip("unicorn")

LIMIT = 90_000
"""Milliseconds for any one thing to appear; a slow shared machine takes seconds for what needs one."""

SESSION = "window.jupyterapp.shell.currentWidget?.sessionContext?.session"
ALL_CELLS_RAN = (
    "count => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]"
    ".filter(prompt => /\\[\\d+\\]/.test(prompt.textContent)).length === count"
)


def open_quickstart(page: Any, lab: str) -> None:
    page.set_default_timeout(LIMIT)
    page.goto(f"{lab}/lab/tree/quickstart.ipynb?reset")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.wait_for_function(f"{SESSION}?.kernel?.status === 'idle'")


def command(page: Any, name: str) -> None:
    """Start a command of JupyterLab without waiting for its end."""
    page.evaluate(f"() => void window.jupyterapp.commands.execute('notebook:{name}')")


def screenshot(page: Any, name: str, tmp_path: Path) -> None:
    folder = os.environ.get("KDNB_SCREENSHOTS") or tmp_path
    page.screenshot(path=f"{folder}/{name}.png")


def test_the_quickstart_draws_its_widgets_and_a_frame_opens_at_a_click(
    lab: str, in_chromium: Callable[[Callable[[Any], None]], None], tmp_path: Path
) -> None:
    def scenario(page: Any) -> None:
        open_quickstart(page, lab)
        command(page, "run-all-cells")
        page.wait_for_function(ALL_CELLS_RAN, arg=page.locator(".jp-CodeCell").count())
        page.wait_for_selector(".kdnb-registers .grid")
        page.wait_for_selector(".kdnb-memory pre")
        page.wait_for_selector(".kdnb-stack .frame")
        assert page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
        assert page.locator(".kdnb-registers .changed").count() > 0
        stack = page.locator(".kdnb-stack").first
        assert "nt!NtCreateFile" in stack.inner_text()
        screenshot(page, "quickstart", tmp_path)
        stack.scroll_into_view_if_needed()
        stack.locator(".frame").nth(1).click()
        assert "rsp=" in stack.locator(".details").first.inner_text()
        screenshot(page, "stack", tmp_path)

    in_chromium(scenario)


def test_stop_breaks_into_the_running_target(
    lab: str, in_chromium: Callable[[Callable[[Any], None]], None], tmp_path: Path
) -> None:
    def scenario(page: Any) -> None:
        open_quickstart(page, lab)
        command(page, "insert-cell-above")
        page.evaluate(
            "() => { const panel = window.jupyterapp.shell.currentWidget;"
            " panel.content.activeCell.model.sharedModel.setSource('connect sim:\\ned nt!Kd_DEFAULT_Mask f\\ng\\nk'); }"
        )
        command(page, "run-cell")
        active = page.locator(".jp-CodeCell.jp-mod-active")
        active.get_by_text("ntfs: opened").first.wait_for()  # it runs
        page.locator("[data-command='notebook:interrupt-kernel'], button[title*='Interrupt']").first.click()
        active.get_by_text("Break instruction exception").first.wait_for()
        active.get_by_text("nt!DbgBreakPointWithStatus").first.wait_for()
        screenshot(page, "stop", tmp_path)

    in_chromium(scenario)
