"""Turns an IPython shell into a kdnb one: for our own Jupyter kernel, and for `%load_ext kdnb` in a stock one."""

from __future__ import annotations

import atexit
from collections.abc import Container
from typing import TYPE_CHECKING, Any

from IPython.core.prefilter import PrefilterChecker
from traitlets import Integer

from kdnb.commands.parse import command_name, is_exact
from kdnb.errors import KdnbError
from kdnb.jupyter.cells import CommandWords, ShownMagics, rewrite
from kdnb.jupyter.completion import CommandMatcher
from kdnb.jupyter.display import register_widgets
from kdnb.jupyter.magics import CONNECT, magic_names, register_magics, unregister_magics
from kdnb.jupyter.notebook import Notebook
from kdnb.render.lines import printable

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["attach", "detach"]

_ATTRIBUTE = "_kdnb_notebook"


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
    magics = magic_names(shell)
    shell.ast_transformers.append(ShownMagics(magics))
    NoAutomagic(magics, shell=shell, prefilter_manager=shell.prefilter_manager)
    shell.set_custom_exc((KdnbError, NameError), _show_error)
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
    shell.ast_transformers[:] = [each for each in shell.ast_transformers if not isinstance(each, ShownMagics)]
    prefilter = shell.prefilter_manager
    assert prefilter is not None
    for checker in [each for each in prefilter.checkers if isinstance(each, NoAutomagic)]:
        prefilter.unregister_checker(checker)
    unregister_magics(shell)
    delattr(shell, _ATTRIBUTE)


class NoAutomagic(PrefilterChecker):
    """What is a command was decided already: IPython must not take `f"..."` or `r"..."` for the magics %f and %r."""

    priority = Integer(550).tag(config=True)  # before IPython's automagic, 700

    def __init__(self, magics: Container[str], **traits: Any) -> None:
        super().__init__(**traits)
        self._magics = magics

    def check(self, line_info: Any) -> Any:
        """The handler that leaves a line as it is, for lines that begin with a command's name."""
        if line_info.esc or line_info.ifun not in self._magics:
            return None
        prefilter = self.prefilter_manager
        assert prefilter is not None
        return prefilter.get_handler_by_name("normal")


class CommandTransformer:
    """The cleanup transformer: runs before IPython looks for `!shell` and `?help`."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._names = _Bound(shell)
        self._words = COMMAND_WORDS

    def __call__(self, lines: list[str]) -> list[str]:
        return rewrite(lines, self._words, self._names)


def _command_name(line: str) -> str | None:
    word = line.split(maxsplit=1)[0] if line.strip() else ""
    return word if word in CONNECT else command_name(line)


COMMAND_WORDS = CommandWords(_command_name, lambda word: word in CONNECT or is_exact(word))
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
    if isinstance(error, NameError):
        return _show_name_error(shell, _kind, error, _trace, tb_offset)
    line = f"kdnb: {printable(str(error))}"  # it may quote names of the target's
    shell._showtraceback(type(error), error, [line])
    return [line]


def _show_name_error(
    shell: InteractiveShell, kind: type[BaseException], error: NameError, trace: Any, tb_offset: int | None
) -> list[str]:
    """IPython's traceback, and how to write the command that was meant inside Python code."""
    lines: list[str] = shell.InteractiveTB.structured_traceback(kind, error, trace, tb_offset=tb_offset)
    if error.name and COMMAND_WORDS.is_exact(error.name):
        lines.append(f"{error.name} is a command too: inside Python code write %kd {error.name}")
    shell._showtraceback(kind, error, lines)
    return lines
