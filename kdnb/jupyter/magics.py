"""`%kd`, `%%kd`, and a line magic for every command whose name IPython leaves free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kdnb.commands.declare import COMMANDS
from kdnb.commands.parse import parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from kdnb.jupyter.notebook import Notebook

__all__ = ["register_magics"]

FORMS = ("kb", "kn", "kv", "kp", "kP", "kf", "kc", "kL", "lmv", "lmvm")
"""Commands with the letters that people are used to write behind them; each is a magic too."""


def register_magics(shell: InteractiveShell, notebook: Notebook) -> None:
    """Give the shell its magics; names that IPython has already stay IPython's."""

    def kd(line: str, cell: str | None = None) -> Any:
        """Run debugger commands: `%kd k; r`, `regs = %kd r`, or a whole cell under `%%kd`."""
        if cell is None:
            return notebook.run(line)
        lines = [text for text in (line, *cell.splitlines()) if text.strip()]
        for text in lines[:-1]:
            notebook.run(text, show=notebook.show)
        return notebook.run(lines[-1]) if lines else None

    def kd_show(line: str) -> None:
        """Run debugger commands and show each value at once: what a bare command inside a cell becomes."""
        notebook.run(line, show=notebook.show)

    manager = shell.magics_manager
    manager.register_function(kd, "line_cell", "kd")
    manager.register_function(kd_show, "line", "kd_show")
    taken = manager.magics["line"]
    for name in (*COMMANDS, *FORMS):
        command = parse(name).command
        if name.isidentifier() and name not in taken:
            manager.register_function(_command_magic(notebook, name, command.summary), "line", name)


def _command_magic(notebook: Notebook, name: str, summary: str) -> Callable[[str], Any]:
    def magic(line: str) -> Any:
        return notebook.run(f"{name} {line}".strip())

    magic.__doc__ = summary
    return magic
