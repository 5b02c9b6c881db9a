"""`.writemem`, `.readmem`: memory into a file of this computer and back (the command reference, 7.14)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.errors import ExpressionError, UsageError
from kdnb.results.values import Text

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

CHUNK = 0x1000
_DOT = 0x1000
MOST_DOTS = 64


def _path(arguments: Arguments) -> Path:
    name = arguments.quoted()
    name = arguments.word() if name is None else name
    if not name or arguments.at_end:
        raise ExpressionError("Syntax error at '<EOL>'", f"{arguments.name} FILE Range")
    return Path(name).expanduser()


def _failed(path: Path, error: OSError) -> UsageError:
    return UsageError(f"{path}: {error.strerror or error}", "give another file")


def _words(verb: str, size: int) -> Text:
    return Text(f"{verb} {size:x} bytes{'.' * min(max(size // _DOT, 1), MOST_DOTS)}")


@command(
    ".writemem",
    summary="Write memory into a file of this computer.",
    syntax=".writemem FileName Range",
    details="The file is made anew. A hole in the range is an error, and nothing is written then.",
    examples=(".writemem kdnb-memory.bin nt L1000",),
    tier="B",
    touches_host=True,
)
def write_memory_file(session: Session, arguments: Arguments) -> Result:
    """How much went into the file."""
    path = _path(arguments)
    wanted = arguments.range(1, None)
    arguments.finish()
    parts = []
    for at in range(0, wanted.size, CHUNK):
        session.require_stopped()  # sees a cancel
        parts.append(session.memory.read(wanted.start + at, min(CHUNK, wanted.size - at)))
    try:
        path.write_bytes(b"".join(parts))
    except OSError as error:
        raise _failed(path, error) from error
    return _words("Writing", wanted.size)


@command(
    ".readmem",
    summary="Read a file of this computer into memory.",
    syntax=".readmem FileName Range",
    details="The file has to hold as many bytes as the range; what it has beyond them is left.",
    examples=(".writemem kdnb-memory.bin @rsp L10; .readmem kdnb-memory.bin @rsp L10",),
    tier="B",
    changes_target=True,
    touches_host=True,
)
def read_memory_file(session: Session, arguments: Arguments) -> Result:
    """How much went into memory."""
    path = _path(arguments)
    wanted = arguments.range(1, None)
    arguments.finish()
    try:
        with path.open("rb") as file:
            data = file.read(wanted.size)
    except OSError as error:
        raise _failed(path, error) from error
    if len(data) < wanted.size:
        raise UsageError(f"{path} has {len(data):x} bytes, the range {wanted.size:x}", f"L{len(data):x}")
    for at in range(0, wanted.size, CHUNK):
        session.require_stopped()  # sees a cancel
        session.memory.write(wanted.start + at, data[at : at + CHUNK])
    return _words("Reading", wanted.size)
