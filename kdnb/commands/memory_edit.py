"""`e*` and `f`: write memory; `m` moves it, `c` compares it (the command reference, 7.3)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kdnb.commands.arguments import fitting
from kdnb.commands.declare import command
from kdnb.debugger.calls import CACHE_FLAGS
from kdnb.debugger.paging import physical_address
from kdnb.errors import ExpressionError, MemoryWriteError, UsageError
from kdnb.results.memory import MemoryDifference, MemoryDifferences, MemoryWritten

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.memory import MemoryCache
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

UNITS = {"eb": 1, "ew": 2, "ed": 4, "eq": 8, "ep": 0}
FILL_LIMIT = 1 << 24
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
    pattern = byte_pattern(arguments, 1)
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


def byte_pattern(arguments: Arguments, size: int) -> bytes:
    """The numbers and characters that are left, each in `size` bytes."""
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
