"""`%kd`, `%%kd`, and a line magic for every command whose name IPython leaves free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kdnb.commands.declare import COMMANDS, help_text
from kdnb.commands.lines import logical_lines
from kdnb.commands.parse import parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from kdnb.jupyter.notebook import Notebook

__all__ = ["CONNECT", "magic_names", "register_magics", "unregister_magics"]

CONNECT = {"connect": "Connect to a target: connect sim:", "disconnect": "Let the target run and close the line."}
"""The two commands that belong to the notebook."""

FORMS = ("kb", "kn", "kv", "kp", "kP", "kf", "kc", "kL", "lmv", "lmvm")
"""Commands with the letters that people are used to write behind them; each is a magic too."""


def register_magics(shell: InteractiveShell, notebook: Notebook) -> None:
    """Give the shell its magics; names that IPython has already stay IPython's."""

    def kd(line: str, cell: str | None = None) -> Any:
        """Run debugger commands: `%kd k; r`, `regs = %kd r`, or a whole cell under `%%kd`."""
        if cell is None:
            return notebook.run(line)
        lines = [text for _, text in logical_lines(f"{line}\n{cell}")]
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
    help_texts = {name: help_text(parse(name).command) for name in (*COMMANDS, *FORMS)} | CONNECT
    for name, text in help_texts.items():
        if name.isidentifier() and name not in taken:
            manager.register_function(_command_magic(notebook, name, text), "line", name)


def magic_names(shell: InteractiveShell) -> set[str]:
    """The line magics that are commands, and `kd` itself."""
    magics = shell.magics_manager.magics["line"]
    return {"kd", *(name for name, function in magics.items() if getattr(function, "runs_command", False))}


def unregister_magics(shell: InteractiveShell) -> None:
    """Take them away again."""
    magics = shell.magics_manager.magics
    for name in (*magic_names(shell), "kd_show"):
        magics["line"].pop(name, None)
    magics["cell"].pop("kd", None)


def _command_magic(notebook: Notebook, name: str, text: str) -> Callable[[str], Any]:
    def magic(line: str) -> Any:
        return notebook.run(f"{name} {line}".strip())

    magic.__doc__ = text
    magic.runs_command = True  # type: ignore[attr-defined]  # a mark on the function
    return magic
