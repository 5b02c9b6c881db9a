"""The quickstart in JupyterLab in a real browser: widgets drawn, Stop breaking in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.external("chromium"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # playwright's own sockets at exit
]
pytest.importorskip("playwright")
pytest.importorskip("jupyterlab")
pytest.importorskip("unicorn")

LIMIT = 90_000
"""Milliseconds for any one thing to appear; a slow shared machine takes seconds for what needs one."""


@pytest.fixture(scope="module")
def page(lab: str, browser: Any) -> Any:
    page = browser.new_page(viewport={"width": 1400, "height": 2400})
    page.set_default_timeout(LIMIT)
    page.goto(f"{lab}/lab/tree/quickstart.ipynb?reset")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.wait_for_function("window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'")
    return page


def screenshot(page: Any, name: str, tmp_path: Path) -> None:
    folder = Path(os.environ.get("KDNB_SCREENSHOTS", tmp_path))
    page.screenshot(path=str(folder / f"{name}.png"))


def test_the_quickstart_runs_and_draws_its_widgets(page: Any, tmp_path: Path) -> None:
    page.evaluate("() => void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    cells = page.locator(".jp-CodeCell").count()
    page.wait_for_function(
        "count => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]"
        ".filter(prompt => /\\[\\d+\\]/.test(prompt.textContent)).length === count",
        arg=cells,
    )
    page.wait_for_selector(".kdnb-registers .grid")
    page.wait_for_selector(".kdnb-memory pre")
    page.wait_for_selector(".kdnb-stack .frame")
    assert page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
    assert page.locator(".kdnb-registers .changed").count() > 0
    assert "nt!NtCreateFile" in page.locator(".kdnb-stack").first.inner_text()
    screenshot(page, "quickstart", tmp_path)


def test_a_frame_of_the_stack_opens_at_a_click(page: Any, tmp_path: Path) -> None:
    stack = page.locator(".kdnb-stack").first
    stack.scroll_into_view_if_needed()
    stack.locator(".frame").nth(1).click()
    assert "rsp=" in stack.locator(".details").first.inner_text()
    screenshot(page, "stack", tmp_path)


def test_stop_breaks_into_the_running_target(page: Any, tmp_path: Path) -> None:
    page.evaluate("window.jupyterapp.commands.execute('notebook:insert-cell-below')")
    page.evaluate("window.jupyterapp.commands.execute('notebook:insert-cell-below')")
    page.evaluate(
        "() => { const panel = window.jupyterapp.shell.currentWidget;"
        " panel.content.activeCell.model.sharedModel.setSource('connect sim:\\ng\\nk'); }"
    )
    page.evaluate("() => void window.jupyterapp.commands.execute('notebook:run-cell')")
    active = page.locator(".jp-CodeCell.jp-mod-active")
    active.scroll_into_view_if_needed()
    active.get_by_text("Kernel base").wait_for()
    page.wait_for_function("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'busy'")
    page.locator("[data-command='notebook:interrupt-kernel'], button[title*='Interrupt']").first.click()
    active.get_by_text("Break instruction exception").first.wait_for()
    active.get_by_text("nt!DbgBreakPointWithStatus").first.wait_for()
    screenshot(page, "stop", tmp_path)
