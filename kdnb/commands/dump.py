"""`.dump`: a complete memory dump of the target (the command reference, 7.9)."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from kdnb.commands.control import check_cancel
from kdnb.commands.declare import command
from kdnb.debugger.crash_dump import PAGE_SIZE, dump_header, memory_runs
from kdnb.errors import ExpressionError, UnsupportedError, UsageError
from kdnb.results.values import Text

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.crash_dump import Run
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

CHUNK_PAGES = 16
STEPS = 10
"""Lines of progress."""


@command(
    ".dump",
    summary="Write a complete memory dump of the target into a file of this computer.",
    syntax=".dump /f [/o] FileName",
    details="All of physical memory is read over the line: minutes for each GB on a fast one. x64 targets only. /o "
    "replaces a file that is there. Pages that can't be read are zeros in the file, and counted. Stop ends it, and "
    "leaves no file. Small dumps (without /f) are not built.",
    tier="B",
    touches_host=True,
)
def write_dump(session: Session, arguments: Arguments) -> Iterator[Result]:
    """Lines that say how far it is."""
    options: set[str] = set()
    while option := arguments.match(r"/(\w{1,2})(?=\s)"):  # a file's path may begin with / as well
        options.add(option[1])
    name = arguments.quoted()
    name = arguments.word() if name is None else name
    arguments.finish()
    if "f" not in options:
        raise UnsupportedError("small dumps are not built", ".dump /f FILE writes all of physical memory")
    if not name:
        raise ExpressionError("Syntax error at '<EOL>'", ".dump /f FILE")
    path = Path(name).expanduser()
    if path.exists() and "o" not in options:
        raise UsageError(f"{path} is there already", f".dump /f /o {path}")
    runs = memory_runs(session)
    return _written(session, path, runs, dump_header(session, runs))


def _written(session: Session, path: Path, runs: tuple[Run, ...], header: bytes) -> Iterator[Result]:
    """The file gets its name when it is whole."""
    temporary = path.with_name(path.name + ".part")
    try:
        with temporary.open("wb") as file:
            yield Text(f"Creating {path} - Full memory dump")
            file.write(header)
            missing = yield from _pages(session, file, runs)
        os.replace(temporary, path)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}", "give another file") from error
    finally:
        with suppress(OSError):
            temporary.unlink()
    note = f"\n{missing} pages could not be read and are zeros" if missing else ""
    yield Text(f"Dump successfully written{note}")


def _pages(session: Session, file: BinaryIO, runs: tuple[Run, ...]) -> Generator[Result, None, int]:
    """Writes the pages; gives how many of them could not be read."""
    total, done, missing, told = sum(run.count for run in runs), 0, 0, 0
    for run in runs:
        for at in range(run.first, run.first + run.count, CHUNK_PAGES):
            check_cancel(session)
            count = min(CHUNK_PAGES, run.first + run.count - at)
            data, holes = _read(session, at, count)
            missing += holes
            file.write(data)
            done += count
            if done * STEPS // total > told and done < total:
                told = done * STEPS // total
                yield Text(f"Percent written: {told * 100 // STEPS}")
    return missing


def _read(session: Session, page: int, count: int) -> tuple[bytes, int]:
    """Pages in a row, and how many of them could not be read."""
    data = session.target.read_physical(page * PAGE_SIZE, count * PAGE_SIZE)
    if len(data) == count * PAGE_SIZE:
        return data, 0
    parts = [session.target.read_physical((page + index) * PAGE_SIZE, PAGE_SIZE) for index in range(count)]
    holes = sum(len(part) < PAGE_SIZE for part in parts)
    return b"".join(part.ljust(PAGE_SIZE, b"\0") for part in parts), holes
