"""`s`: search memory (the command reference, 7.3)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.commands.memory_edit import HIT_LIMIT, byte_pattern
from kdnb.errors import ExpressionError
from kdnb.protocol.constants import QueryFlags
from kdnb.results.memory import MemoryBlocks, MemoryDump

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

SEARCH_STEP = 0x4000
"""Bytes that are read between two looks at whether the user gave up."""
SEARCH_RUN = 0x10000
"""Bytes that the target is asked to search at once: by reading they are 17 requests, by its own search three."""
_SEARCH_UNITS = {"b": 1, "w": 2, "d": 4, "q": 8, "a": 1, "u": 1, "sa": 1, "su": 1}
STRING_LENGTH = 3
"""Characters that make a string for `-sa` and `-su`, unless `l` says otherwise."""


@command(
    "s",
    summary="Search memory for a pattern, or for strings.",
    syntax='s [-[flags]type] Range Pattern        type: b w d q (numbers), a u ("text")\ns -[flags]sa|su Range',
    details="Words, doublewords and quadwords are found at multiples of their size. sa and su find any text, ASCII or "
    "Unicode. Flags in brackets: 1 addresses only, lN shortest string, nN most hits shown (1024), s keep the hits, "
    "r look at kept hits only, w memory that can be written, where the target tells. Unreadable pages are skipped.",
    examples=("s nt L1000 4d 5a", 's -a nt L100 "DOS"', "s -[1]d nt L400 00905a4d", "s -[l8n5]sa nt L1000"),
    tier="B",
)
def search_memory(session: Session, arguments: Arguments) -> Result:
    """The places where the pattern is."""
    found = arguments.match(r"-\s*(?:\[([^\]]*)\])?\s*([A-Za-z]*)\s+")
    kind = (found[2] if found else "") or "b"
    flags = _search_flags((found[1] if found else None) or "")
    if kind not in _SEARCH_UNITS or flags is None:
        hint = "types are b w d q a u sa su, flags 1 lN nN s r w"
        raise ExpressionError(f"Syntax error at '{arguments.text[:60]}'", hint)
    unit = _SEARCH_UNITS[kind]
    wanted = arguments.range(unit, None)
    start = wanted.start & session.address_mask
    if kind in ("sa", "su"):
        length = flags.get("l", STRING_LENGTH)
        places = _find_strings(session, start, wanted.size, length, wide=kind == "su")
    else:
        places = _find(session, start, wanted.size, _search_pattern(arguments, kind, unit), unit)
    arguments.finish()
    kept = session.options.get("search_hits", ())
    assert isinstance(kept, tuple)
    hits = []
    for address in places:
        if ("r" in flags and address not in kept) or ("w" in flags and not _is_writable(session, address)):
            continue
        hits.append(_hit(session, kind, unit, address))
        if len(hits) >= flags.get("n", HIT_LIMIT):
            break
    if "s" in flags or "r" in flags:
        session.options["search_hits"] = tuple(hit.address for hit in hits)
    return MemoryBlocks(tuple(hits), "1" in flags)


def _search_flags(text: str) -> dict[str, int] | None:
    """Flag letters with their numbers (decimal); None where one isn't known."""
    if not re.fullmatch(r"(?:[1srw]|[ln]\d{1,5}|\s)*", text):
        return None
    return {letter: int(number or 1) for letter, number in re.findall(r"([1srwln])(\d*)", text)}


def _search_pattern(arguments: Arguments, kind: str, unit: int) -> bytes:
    if kind in "au":
        text = arguments.quoted() or arguments.all()
        pattern = text.encode("utf-16-le" if kind == "u" else "latin-1", "replace")
    else:
        pattern = byte_pattern(arguments, unit)
    if not pattern:
        raise ExpressionError("Syntax error at '<EOL>'", "write the pattern behind the range")
    return pattern


def _is_writable(session: Session, address: int) -> bool:
    """Whether the target calls the memory writable; where it doesn't tell, everything is."""
    told = session.calls.query_memory(address)
    return told is None or bool(told[1] & QueryFlags.WRITE)


def _find_strings(session: Session, start: int, size: int, length: int, *, wide: bool) -> Iterator[int]:
    """Where printable text of at least `length` characters begins."""
    unit = 2 if wide else 1
    letter = rb"(?:[\x20-\x7e]\x00)" if wide else rb"[\x20-\x7e]"
    shape = re.compile(letter + b"{%d,}" % max(length, 1))
    position, end, open_until = start, start + size, 0
    while position < end:
        session.require_stopped()  # sees a cancel
        asked = min(SEARCH_STEP + length * unit, end - position)
        data = session.memory.read_available(position, asked)
        for text in shape.finditer(data):
            at = position + text.start()
            if text.start() >= SEARCH_STEP:
                break  # it begins in the next piece
            if at >= open_until:
                yield at
            open_until = max(open_until, position + text.end())  # the rest of a string is no string of its own
        if len(data) < asked:
            position = (position + len(data) | 0xFFF) + 1
        else:
            position += SEARCH_STEP


def _find(session: Session, start: int, size: int, pattern: bytes, unit: int) -> Iterator[int]:
    """Addresses of the pattern. Runs that the target itself has searched in vain are not read."""
    position, end, overlap = start, start + size, len(pattern) - 1
    while position < end:
        stop = min((position + overlap | SEARCH_RUN - 1) + 1, end)
        is_long = stop - position >= SEARCH_STEP and not session.memory.holds(position, stop - position)
        if is_long and session.calls.rules_out(position, stop - position, pattern):
            position = stop if stop == end else stop - overlap
        else:
            yield from _find_by_reading(session, position, stop, end, pattern, unit)
            position = stop


def _find_by_reading(session: Session, start: int, stop: int, end: int, pattern: bytes, unit: int) -> Iterator[int]:
    """Where the pattern begins from `start` to `stop`; it may go on to `end`.

    Pieces overlap by one byte less than the pattern, so no hit is lost or doubled.
    """
    position = start
    while position < stop:
        session.require_stopped()  # sees a cancel
        step = min(SEARCH_STEP, stop - position)
        asked = min(step + len(pattern) - 1, end - position)
        data = session.memory.read_available(position, asked)
        at = data.find(pattern)
        while 0 <= at < step:
            if (position + at) % unit == 0:
                yield position + at
            at = data.find(pattern, at + 1)
        if len(data) < asked:
            position = (position + len(data) | 0xFFF) + 1  # a hole: on to the next page
        else:
            position += step


def _hit(session: Session, kind: str, unit: int, address: int) -> MemoryDump:
    command_name, columns = {"w": ("dw", 8), "d": ("dd", 4), "q": ("dq", 2)}.get(kind, ("db", 16))
    data = session.memory.read_available(address, 16)
    ascii_shown = kind not in "qw"
    return MemoryDump(command_name, address, data, 16, unit, columns, session.pointer_size, ascii_shown)
