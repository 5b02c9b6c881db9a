"""Turns an IPython shell into a kdnb one: for our own Jupyter kernel, and for `%load_ext kdnb` in a stock one."""

from __future__ import annotations

import atexit
from collections.abc import Container
from typing import TYPE_CHECKING, Any

from kdnb.commands.parse import command_name, is_exact
from kdnb.errors import KdnbError
from kdnb.jupyter.cells import CommandWords, rewrite
from kdnb.jupyter.completion import CommandMatcher
from kdnb.jupyter.display import register_widgets
from kdnb.jupyter.magics import register_magics
from kdnb.jupyter.notebook import Notebook
from kdnb.render.lines import printable

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["attach", "detach"]

_ATTRIBUTE = "_kdnb_notebook"
_CONNECT = ("connect", "disconnect")


def attach(shell: InteractiveShell) -> Notebook:
    """Add commands, magics, widgets and completion to `shell`; a second call changes nothing."""
    existing = getattr(shell, _ATTRIBUTE, None)
    if isinstance(existing, Notebook):
        return existing
    notebook = Notebook(shell)
    setattr(shell, _ATTRIBUTE, notebook)
    shell.input_transformers_cleanup.append(CommandTransformer(shell))
    register_magics(shell, notebook)
    register_widgets(shell, notebook)
    shell.Completer.custom_matchers.append(CommandMatcher(notebook))
    shell.set_custom_exc((KdnbError,), _show_error)
    atexit.register(notebook.disconnect)
    return notebook


def detach(shell: InteractiveShell) -> None:
    """Take the commands out again and end the session (`%unload_ext kdnb`)."""
    notebook = getattr(shell, _ATTRIBUTE, None)
    if not isinstance(notebook, Notebook):
        return
    notebook.disconnect()
    shell.input_transformers_cleanup[:] = [
        transformer
        for transformer in shell.input_transformers_cleanup
        if not isinstance(transformer, CommandTransformer)
    ]
    shell.Completer.custom_matchers[:] = [
        matcher for matcher in shell.Completer.custom_matchers if not isinstance(matcher, CommandMatcher)
    ]
    delattr(shell, _ATTRIBUTE)


class CommandTransformer:
    """The cleanup transformer: runs before IPython looks for `!shell` and `?help`."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._names = _Bound(shell)
        self._words = COMMAND_WORDS

    def __call__(self, lines: list[str]) -> list[str]:
        return rewrite(lines, self._words, self._names)


def _command_name(line: str) -> str | None:
    word = line.split(maxsplit=1)[0] if line.strip() else ""
    return word if word in _CONNECT else command_name(line)


COMMAND_WORDS = CommandWords(_command_name, lambda word: word in _CONNECT or is_exact(word))
"""The declared commands, and the two that belong to the notebook."""


class _Bound(Container[str]):
    """The names that the user has bound."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell

    def __contains__(self, name: object) -> bool:
        return name in self._shell.user_ns


def _show_error(
    shell: InteractiveShell, _kind: type[BaseException], error: BaseException, _trace: Any, tb_offset: int | None = None
) -> list[str]:
    """One line for errors raised on purpose; what a command list did before it has been shown already."""
    line = f"kdnb: {printable(str(error))}"  # it may quote names of the target's
    shell._showtraceback(type(error), error, [line])
    return [line]
