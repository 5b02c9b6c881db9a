"""`.logopen .logappend .logclose .logfile`: what is shown also goes into a file (the command reference, 7.14)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.errors import UsageError
from kdnb.render.text import to_text
from kdnb.results.values import Text

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

__all__ = ["write_to_log"]

DEFAULT = "dbgeng.log"


def write_to_log(session: Session, result: Result) -> None:
    """Append the text of a result to the open log file; a file that can't be written any more is closed."""
    path = session.options.get("logfile")
    text = to_text(result) if path is not None else ""
    if not isinstance(path, Path) or not text:
        return
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text + "\n")
    except OSError as error:
        session.options.pop("logfile", None)
        raise UsageError(f"the log file {path} can't be written: {error.strerror}", ".logopen another one") from error


@command(
    ".logopen",
    ".logappend",
    summary="Write what is shown into a file as well: a new one, or behind what is there (.logappend).",
    syntax=".logopen|.logappend [File]",
    tier="C",
    needs_stop=False,
    touches_host=True,
)
def open_log(session: Session, arguments: Arguments) -> Result:
    """The file's name."""
    arguments.match(r"(?:/[tud]\s+)+")
    path = Path(arguments.all().strip('" ') or DEFAULT).expanduser()
    try:
        with path.open("w" if arguments.name == ".logopen" else "a", encoding="utf-8"):
            pass
    except (OSError, ValueError) as error:
        raise UsageError(f"the log file {str(path)[:200]} can't be opened: {error}", "give another path") from error
    session.options["logfile"] = path.resolve()
    return Text(f"Opened log file '{path}'")


@command(
    ".logclose",
    ".logfile",
    summary="Close the log file (.logclose), or say which one is open (.logfile).",
    syntax=".logclose|.logfile",
    examples=(".logfile", ".logclose"),
    tier="C",
    needs_stop=False,
)
def close_log(session: Session, arguments: Arguments) -> Result:
    """The file's name."""
    arguments.finish()
    path = session.options.get("logfile")
    if path is None:
        return Text("No log file open")
    if arguments.name == ".logclose":
        del session.options["logfile"]
        return Text(f"Closing open log file {path}")
    return Text(f"Log '{path}' open")
