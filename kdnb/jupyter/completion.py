"""Completion in cells: commands at the start of a line, symbols, modules and registers behind them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from IPython.core.completer import SimpleCompletion

from kdnb.commands.declare import COMMANDS
from kdnb.commands.parse import command_name
from kdnb.errors import KdnbError

if TYPE_CHECKING:
    from IPython.core.completer import CompletionContext, SimpleMatcherResult

    from kdnb.jupyter.notebook import Notebook

__all__ = ["CommandMatcher"]

_WORD = re.compile(r"[@$!.\w*?`-]*$")
LIMIT = 200
"""Completions offered at once; a kernel has tens of thousands of symbols."""


class CommandMatcher:
    """An IPython matcher for debugger commands and their arguments."""

    matcher_api_version = 2
    matcher_identifier = "kdnb"
    matcher_priority = 50

    def __init__(self, notebook: Notebook) -> None:
        self._notebook = notebook
        self.__qualname__ = self.matcher_identifier  # IPython asks every matcher for it

    def __call__(self, context: CompletionContext) -> SimpleMatcherResult:
        line = context.line_with_cursor[: context.cursor_position] if context.line_with_cursor else ""
        fragment, words = self.complete(line)
        return {
            "completions": [SimpleCompletion(text=word, type="kdnb") for word in words],
            "matched_fragment": fragment,
            "suppress": bool(words) and not fragment.isidentifier(),
            "ordered": False,
        }

    def complete(self, line: str) -> tuple[str, list[str]]:
        """(what is being completed, what it could be) at the end of `line`."""
        text = line.lstrip()
        explicit = text.startswith("%kd ")
        text = text.removeprefix("%kd ").lstrip()
        match = _WORD.search(text)
        fragment = match.group() if match else ""
        if fragment == text:
            return fragment, sorted(name for name in COMMANDS if name.startswith(fragment)) if fragment else []
        if not explicit and command_name(text) is None:
            return fragment, []
        return fragment, self._names(fragment)

    def _names(self, fragment: str) -> list[str]:
        debugger = self._notebook.debugger
        if debugger is None or not fragment:
            return []
        try:
            return debugger.complete(fragment, LIMIT)
        except KdnbError:
            return []
