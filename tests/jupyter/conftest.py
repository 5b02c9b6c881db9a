"""An IPython shell with kdnb in it, in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import RichOutput, capture_output

from kdnb.jupyter.extension import attach, detach

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.jupyter.notebook import Notebook


class Cells:
    """Runs cells in a shell and keeps what they showed."""

    def __init__(self, shell: InteractiveShell, notebook: Notebook) -> None:
        self.shell = shell
        self.notebook = notebook
        self.shown: list[RichOutput] = []
        self.stdout = ""

    def run(self, source: str) -> object:
        """Value of the cell; what it raised is raised again."""
        with capture_output() as captured:
            result = self.shell.run_cell(source, store_history=True)
        self.shown, self.stdout = captured.outputs, captured.stdout
        if result.error_before_exec is not None:
            raise result.error_before_exec
        if result.error_in_exec is not None:
            raise result.error_in_exec
        return result.result

    @property
    def texts(self) -> list[str]:
        """Plain text of everything that was displayed before the cell's value."""
        return [output.data["text/plain"] for output in self.shown]


@pytest.fixture
def cells() -> Iterator[Cells]:
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    shell.history_manager.enabled = False
    notebook = attach(shell)
    yield Cells(shell, notebook)
    detach(shell)
    shell.history_manager.end_session()
    InteractiveShell.clear_instance()


@pytest.fixture
def sim(cells: Cells) -> Cells:
    """The same, connected to the simulated machine."""
    pytest.importorskip("unicorn")
    cells.run("connect sim:")
    return cells
