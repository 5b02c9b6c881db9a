"""`kdnb demo`: the quickstart runs headless and leaves text and HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.jupyter.quickstart import LINES_SHOWN, notebooks_folder, run_demo

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("unicorn")
pytest.importorskip("nbclient")
pytest.importorskip("matplotlib")


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::DeprecationWarning")
def test_the_demo_prints_the_session_and_writes_html(tmp_path: Path) -> None:
    lines: list[str] = []
    output = run_demo(tmp_path / "demo.html", lines.append)
    text = "\n".join(lines)
    for expected in ("Breakpoint 0 hit", "nt!NtCreateFile", "Child-SP", "ReadVirtualMemory", "[plot]", "disconnected"):
        assert expected in text
    assert max(len(part.splitlines()) for part in lines) <= LINES_SHOWN + 1
    html = output.read_text(encoding="utf-8")
    assert "Breakpoint 0 hit" in html
    assert "data:image/png" in html or "image/png" in html


def test_the_folder_holds_the_quickstart_and_its_recording() -> None:
    folder = notebooks_folder()
    assert (folder / "quickstart.ipynb").is_file()
    assert list((folder / "data").glob("*.pcapng"))
