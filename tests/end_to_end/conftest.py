"""JupyterLab and headless Chromium, started for real."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Iterator[str]:
    """Address of a JupyterLab whose root is a copy of `notebooks/`."""
    root = tmp_path_factory.mktemp("lab")
    shutil.copytree(repository / "notebooks", root / "notebooks")
    settings_folder = root / "settings" / "@jupyterlab" / "apputils-extension"
    settings_folder.mkdir(parents=True)
    (settings_folder / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": str(port),
        "ServerApp.port_retries": "0",
        "ServerApp.root_dir": str(root / "notebooks"),
        "IdentityProvider.token": "",
        "ServerApp.password": "",
        "LabApp.expose_app_in_browser": "True",
        "LabApp.extension_manager": "readonly",
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        "LabApp.news_url": "None",
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--{name}={value}" for name, value in settings.items()]
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(root / "config"),
        "JUPYTER_RUNTIME_DIR": str(root / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(root / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(root / "workspaces"),
    }
    address = f"http://127.0.0.1:{port}"
    with (root / "lab.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            _wait_until_up(address, process, root / "lab.log")
            yield address
        finally:
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_up(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(240):
        try:
            opener.open(f"{address}/api/status", timeout=1).close()
        except OSError:
            try:
                process.wait(timeout=0.25)
            except subprocess.TimeoutExpired:
                continue
            break
        else:
            return
    raise AssertionError(f"JupyterLab did not come up:\n{log.read_text()[-3000:]}")


@pytest.fixture
def in_chromium() -> Callable[[Callable[[Any], None]], None]:
    """Runs a scenario with a page of a headless Chromium, driven by playwright.

    A Chromium that dies on a loaded machine says nothing about us: the scenario then begins anew, once.
    """
    playwright = pytest.importorskip("playwright.sync_api")

    def run(scenario: Callable[[Any], None]) -> None:
        for attempts_left in (1, 0):
            with playwright.sync_playwright() as driver:
                chromium = driver.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM)
                page = chromium.new_page(viewport={"width": 1400, "height": 2400})
                try:
                    scenario(page)
                except playwright.Error as error:
                    if chromium.is_connected():
                        shown = page.evaluate("() => document.querySelector('.jp-Notebook')?.innerText")
                        error.add_note(f"the notebook shows: {shown or 'nothing'}"[:4000])
                    if chromium.is_connected() or not attempts_left:
                        raise
                else:
                    return
                finally:
                    chromium.close()

    return run
