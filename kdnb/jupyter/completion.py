"""Completion in cells: commands at the start of a line, symbols, modules and registers behind them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from IPython.core.completer import SimpleCompletion

from kdnb.commands.declare import COMMANDS
from kdnb.commands.parse import command_name
from kdnb.errors import KdnbError
from kdnb.jupyter.magics import CONNECT
from kdnb.results.types import TypeDump
from kdnb.transport.registry import EXAMPLES

if TYPE_CHECKING:
    from IPython.core.completer import CompletionContext, SimpleMatcherResult

    from kdnb.api import Debugger
    from kdnb.debugger.session import Session
    from kdnb.jupyter.notebook import Notebook

__all__ = ["CommandMatcher"]

_WORD = re.compile(r"[@$!.\w*?`-]*$")
SPECS = (*EXAMPLES.values(), "sim:arch=x86", "sim:scenario=")
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
            return fragment, sorted(
                name for name in (*COMMANDS, *CONNECT) if name.startswith(fragment)
            ) if fragment else []
        if not explicit and command_name(text) is None and not text.startswith("connect "):
            return fragment, []
        command, *before = text[: len(text) - len(fragment)].split()
        return fragment, self._names(command, before, fragment)[:LIMIT]

    def _names(self, command: str, before: list[str], fragment: str) -> list[str]:
        """What may come next behind a command and the words `before`."""
        if command == "connect":
            return [spec for spec in SPECS if spec.startswith(fragment)]
        debugger = self._notebook.debugger
        if debugger is None or not (fragment or before):
            return []
        try:
            if command == "r" and not fragment.startswith("$"):
                return [name for name in debugger.registers if name.startswith(fragment.lower())]
            if command == "dt":
                return self._types(debugger, [word for word in before if not word.startswith("-")], fragment)
            return debugger.complete(fragment, LIMIT) if fragment else []
        except KdnbError:
            return []

    def _types(self, debugger: Debugger, before: list[str], fragment: str) -> list[str]:
        """Types for the first word of `dt`, fields of that type for the others; nothing is downloaded for it."""
        module, separator, _ = (before[0] if before else fragment).partition("!")
        if not debugger.run(_has_pdb, module if separator else "nt"):
            return []
        if before:
            layout = debugger.types[before[0]]
            names = [field.name for field in layout.fields] if isinstance(layout, TypeDump) else []
            return [name for name in names if name.startswith(fragment)]
        found = debugger.types.search(f"{fragment}*")
        return found if "!" in fragment else [name.partition("!")[2] for name in found]


def _has_pdb(session: Session, name: str) -> bool:
    """Whether a module's types are at hand."""
    module = session.modules.get(name)
    return module is not None and module.local_pdb is not None
