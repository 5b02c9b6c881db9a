"""`e*` and `f`: write memory; `s`: search it (the command reference, 7.3)."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from kdnb.commands.arguments import fitting
from kdnb.commands.declare import command
from kdnb.debugger.calls import CACHE_FLAGS
from kdnb.debugger.paging import physical_address
from kdnb.errors import ExpressionError, MemoryWriteError, UsageError
from kdnb.protocol.constants import QueryFlags
from kdnb.results.memory import MemoryBlocks, MemoryDifference, MemoryDifferences, MemoryDump, MemoryWritten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.memory import MemoryCache
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

UNITS = {"eb": 1, "ew": 2, "ed": 4, "eq": 8, "ep": 0}
FILL_LIMIT = 1 << 24
SEARCH_STEP = 0x4000
"""Bytes that are read between two looks at whether the user gave up."""
SEARCH_RUN = 0x10000
"""Bytes that the target is asked to search at once: by reading they are 17 requests, by its own search three."""
HIT_LIMIT = 1024
CACHE_FLAG = r"\[(c|uc|wc)\]\s*"


def _write(session: Session, memory: MemoryCache, address: int, data: bytes) -> MemoryWritten:
    before = memory.read_available(address, len(data))
    memory.write(address, data)
    return MemoryWritten(address, before, data)


@command(
    *UNITS,
    "ef",
    "eD",
    "!eb",
    "!ed",
    summary="Write numbers into memory; !eb and !ed into physical memory.",
    syntax="eb|ew|ed|eq|ep|ef|eD [/p] Address Value [Value ...]\n!eb|!ed [[c]|[uc]|[wc]] Address Value [Value ...]",
    details="Values are expressions; characters may stand in single quotes (eb). ef and eD take floating point. "
    "/p writes physical memory. Silent when it worked; the value returned holds the bytes before and after.",
    examples=("ed @rsp-100 1 2 3", "eb @rsp-100 'h' 'i'", "eq @rsp-100 @rip"),
    changes_target=True,
    dangerous=True,
)
def enter_values(session: Session, arguments: Arguments) -> Result:
    """Numbers, one behind the other."""
    by_extension = arguments.name.startswith("!")
    if not by_extension:
        session.options["e_last"] = arguments.name
    physical = "p" in arguments.options({"p": False}) or by_extension
    cache = arguments.match(CACHE_FLAG) if by_extension else None
    address = arguments.expression()
    if physical:
        address = physical_address(session, address)
    if arguments.at_end:
        raise UsageError(
            f"{arguments.name} can't ask for values here", f"write them behind it: {arguments.name} Address Value"
        )
    size = UNITS.get(arguments.name.removeprefix("!"), 0) or session.pointer_size
    data = b""
    while not arguments.at_end:
        text = arguments.rest
        character = arguments.match(r"'([^']+)'\s*")
        if character is not None:
            data += b"".join(fitting(ord(letter), size, text).to_bytes(size, "little") for letter in character[1])
        elif arguments.name in ("ef", "eD"):
            data += struct.pack("<f" if arguments.name == "ef" else "<d", _float(arguments.word()))
        else:
            data += arguments.number(size).to_bytes(size, "little")
    if cache is not None:
        flag = CACHE_FLAGS[cache[1]]
        before = session.calls.read_physical(address, len(data), flag)
        written = session.calls.write_physical(address, data, flag)
        if written < len(data):
            raise MemoryWriteError(address, len(data), written)
        return MemoryWritten(address, before, data)
    return _write(session, session.physical if physical else session.memory, address, data)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ExpressionError(f"Syntax error at '{text[:60]}'", "a floating point number is needed: 1.5") from None


@command(
    "ea",
    "eu",
    "eza",
    "ezu",
    summary="Write a string into memory: ASCII (ea) or Unicode (eu), with a NUL behind it (eza, ezu).",
    syntax='ea|eu|eza|ezu [/p] Address "Text"',
    examples=('ea @rsp-100 "hello"', 'ezu @rsp-100 "hello"'),
    changes_target=True,
    dangerous=True,
)
def enter_string(session: Session, arguments: Arguments) -> Result:
    """Characters."""
    session.options["e_last"] = arguments.name
    physical = "p" in arguments.options({"p": False})
    address = arguments.expression()
    if physical:
        address = physical_address(session, address)
    text = arguments.quoted()
    if text is None:
        raise ExpressionError(
            f"Syntax error at '{arguments.rest[:60] or '<EOL>'}'", 'the text stands in quotes: "text"'
        )
    if arguments.name.startswith("ez"):
        text += "\0"
    data = text.encode("utf-16-le" if arguments.name.endswith("u") else "latin-1", "replace")
    return _write(session, session.physical if physical else session.memory, address, data)


@command(
    "e",
    summary="Write into memory in the form of the last e command (at first: bytes).",
    syntax='e [/p] Address Value [Value ...]\ne [/p] Address "Text"',
    examples=("e @rsp-100 1 2",),
    changes_target=True,
    dangerous=True,
    tier="B",
)
def enter_again(session: Session, arguments: Arguments) -> Result:
    """As eb, ea and so on."""
    arguments.name = str(session.options.get("e_last", "eb"))
    is_text = arguments.name in ("ea", "eu", "eza", "ezu")
    return enter_string(session, arguments) if is_text else enter_values(session, arguments)


@command(
    "f",
    "fp",
    summary="Fill memory with a pattern of bytes; fp fills physical memory.",
    syntax="f Range Byte [Byte ...]\nfp [[c]|[uc]|[wc]] Range Byte [Byte ...]",
    details="[c], [uc] and [wc] are the attribute with which the target writes: cached, uncached, write combined.",
    examples=("f @rsp-100 L20 0", "f @rsp-100 L8 1 2"),
    changes_target=True,
    dangerous=True,
    tier="B",
)
def fill(session: Session, arguments: Arguments) -> Result:
    """The pattern, repeated over the range."""
    physical = arguments.name == "fp"
    cache = arguments.match(CACHE_FLAG) if physical else None
    wanted = arguments.range(1, None)
    if wanted.size > FILL_LIMIT:
        raise ExpressionError(f"Range error in '{arguments.text[:60]}'", "at most 16 MB are filled at once")
    pattern = _pattern(arguments, 1)
    data = (pattern * (wanted.size // len(pattern) + 1))[: wanted.size]
    start = physical_address(session, wanted.start) if physical else wanted.start & session.address_mask
    if cache is not None:
        flag = CACHE_FLAGS[cache[1]]
        before = session.calls.read_physical(start, wanted.size, flag)
        filled = session.calls.write_physical(start, data, flag)
    else:
        before = (session.physical if physical else session.memory).read_available(start, wanted.size)
        filled = session.calls.fill(start, wanted.size, pattern, physical=physical)
    if filled < wanted.size:
        raise MemoryWriteError(start, wanted.size, filled)
    return MemoryWritten(start, before, data, {"filled": wanted.size})


@command(
    "m",
    summary="Copy memory; source and destination may overlap.",
    syntax="m Range Destination",
    examples=("m nt L10 @rsp-100",),
    changes_target=True,
    dangerous=True,
    tier="C",
)
def move(session: Session, arguments: Arguments) -> Result:
    """Silent when it worked."""
    wanted = arguments.range(1, None)
    destination = arguments.expression()
    arguments.finish()
    if wanted.size > FILL_LIMIT:
        raise ExpressionError(f"Range error in '{arguments.text[:60]}'", "at most 16 MB are copied at once")
    return _write(session, session.memory, destination, session.memory.read(wanted.start, wanted.size))


@command(
    "c",
    summary="Compare two ranges of memory: shows the bytes that differ.",
    syntax="c Range Address",
    examples=("c nt L10 nt", "c nt L4 nt+4"),
    tier="C",
)
def compare(session: Session, arguments: Arguments) -> Result:
    """Address and byte of each place that differs, on both sides."""
    wanted = arguments.range(1, None)
    other = arguments.expression() & session.address_mask
    arguments.finish()
    start = wanted.start & session.address_mask
    first, second = session.memory.read(start, wanted.size), session.memory.read(other, wanted.size)
    pairs = enumerate(zip(first, second, strict=True))
    found = [MemoryDifference(start + at, other + at, *both) for at, both in pairs if both[0] != both[1]]
    return MemoryDifferences(tuple(found[:HIT_LIMIT]), len(found), session.pointer_size)


def _pattern(arguments: Arguments, size: int) -> bytes:
    data = b""
    while not arguments.at_end:
        text = arguments.rest
        character = arguments.match(r"'([^']+)'\s*")
        if character is not None:
            data += b"".join(fitting(ord(letter), size, text).to_bytes(size, "little") for letter in character[1])
        else:
            data += arguments.number(size).to_bytes(size, "little")
    if not data:
        raise ExpressionError("Numeric expression missing from '<EOL>'", "write the pattern behind the range")
    return data


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
        pattern = _pattern(arguments, unit)
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
