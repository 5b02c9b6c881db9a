"""The one debugging session of a notebook: `kd` in the namespace, `connect`, and running command text in a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.display import display

from kdnb import api
from kdnb.commands.session import command_help
from kdnb.errors import CommandError, NoTargetError, UsageError
from kdnb.jupyter.output import CellOutput, cell_output
from kdnb.render.lines import printable
from kdnb.results.base import Results
from kdnb.results.values import Text
from kdnb.transport.registry import parse_spec

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from kdnb.results.events import DebugPrint, LinkStateChange

__all__ = ["Notebook"]

_RESUMING_STATES = frozenset(("lost", "restarted", "rearmed"))
"""Changes of the link that a user must see even when no cell runs."""


class Notebook:
    """Joins one IPython shell to at most one debugger at a time."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.debugger: api.Debugger | None = None
        self._resumed_by: CellOutput = cell_output(shell)
        self._is_found_again = False
        """The line was opened again by itself, and the target has not stopped or run since."""

    def run(self, text: str, show: Callable[[object], None] | None = None) -> Any:
        """Run a command list and give its value: one result, or `Results` where it has several.

        With `show` each result is handed over as its command ends. Where one fails, what ran before it is shown.
        """
        word, _, rest = text.strip().partition(" ")
        if word in ("connect", "disconnect"):
            value = self.connect(rest) if word == "connect" else self.disconnect()
            return _shown(value, show)
        if self.debugger is None and word in (".help", ".hh"):
            return _shown(command_help(rest.strip()), show)
        debugger = self._require()
        self._resumed_by = cell_output(self.shell)
        try:
            results = debugger.execute(text, on_result=show, cell=self._cell)
        except CommandError as error:
            if show is None:
                for value in error.results:
                    self.show(value)
            raise
        if len(results) == 1:
            return None if results[0] == Text("") else results[0]  # a silent command has no Out[n]
        return Results(results) if results else None

    def connect(self, arguments: str) -> Any:
        """`connect SPEC [symbols=PATH] [timeout=SECONDS] [running] [readonly]`; replaces the session before it."""
        spec, options = parse_connect(arguments)
        parse_spec(spec)  # a typo doesn't cost the session that is there
        self.disconnect()
        self._resumed_by = cell_output(self.shell)
        output = self._resumed_by
        debugger = api.connect(spec, progress=lambda line: output.write(f"kdnb: {line}\n", "stderr"), **options)
        self.debugger = debugger
        self.shell.user_ns["kd"] = debugger
        debugger.events.on_print(self._on_print)
        debugger.events.on_state(self._on_state)
        debugger.ask_prompts(self._ask)
        return debugger.execute("vertarget", cell=self._cell)[0] if debugger.stop else None

    def disconnect(self) -> Text:
        """End the session like `qd`: breakpoints removed, the target runs on."""
        debugger, self.debugger = self.debugger, None
        if debugger is None:
            return Text("")
        debugger.close()
        return Text("disconnected; the target runs on")

    @staticmethod
    def show(value: object) -> None:
        """Display a value in the cell that runs now; values without a text show as nothing."""
        if str(value):
            display(value)

    @property
    def _cell(self) -> str:
        """Number of the cell that runs: the one that its `Out[n]` will carry."""
        return str(self.shell.displayhook.prompt_count)

    def _require(self) -> api.Debugger:
        if self.debugger is None:
            raise NoTargetError("not connected", "%kd connect sim:   (or com:, tcp:, unix:, net:)")
        return self.debugger

    def _ask(self, question: str) -> str | None:
        """The target's question in the cell that waits; None where the frontend can't ask (`nbconvert`)."""
        from IPython.core.error import StdinNotImplementedError

        try:
            return input(f"{printable(question).strip()} ")
        except (StdinNotImplementedError, EOFError):
            return None

    def _on_print(self, event: DebugPrint) -> None:
        self._resumed_by.write(printable(event.text))

    def _on_state(self, event: LinkStateChange) -> None:
        by_itself = event.state == "connected" and bool(event.details)
        if event.state in _RESUMING_STATES or by_itself:
            self._resumed_by.write(f"kdnb: {event.state}: {event.details}\n", "stderr")
        if event.state == "stopped" and self._is_found_again and self.debugger is not None:
            self._resumed_by.write(f"{self.debugger.stop}\n")  # no cell waits for this stop
        self._is_found_again = by_itself or (self._is_found_again and event.state == "rearmed")


def parse_connect(arguments: str) -> tuple[str, dict[str, Any]]:
    """The connection string and the options behind it; bad words are a `UsageError`."""
    words = arguments.split()
    if not words:
        raise UsageError(
            "connect to what?", "connect sim:   connect tcp:127.0.0.1:5555   connect com:port=COM1,baud=115200"
        )
    options: dict[str, Any] = {}
    for word in words[1:]:
        name, _, value = word.partition("=")
        match name:
            case "symbols":
                options["symbols"] = value
            case "timeout":
                try:
                    options["timeout"] = float(value)
                except ValueError:
                    raise UsageError(f"timeout takes seconds, not {value!r}", "timeout=10") from None
            case "running":
                options["break_in"] = False
            case "readonly":
                options["read_only"] = True
            case _:
                raise UsageError(f"connect does not know {word!r}", "symbols=PATH timeout=SECONDS running readonly")
    return words[0], options


def _shown(value: Any, show: Callable[[object], None] | None) -> Any:
    if show is not None and value is not None:
        show(value)
    return value
