"""`d*`: memory as numbers, characters, pointers and strings (the command reference, 7.1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.debugger.calls import CACHE_FLAGS
from kdnb.debugger.paging import physical_address
from kdnb.errors import ExpressionError, MemoryReadError, RequestFailed
from kdnb.results.memory import MemoryBlocks, MemoryDump, PointerRow, PointerTable, StringDump, StringRow

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.memory import MemoryCache
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

STRING_LIMIT = 4096
"""Characters of a string that has no end and no range."""
LIST_LIMIT = 0x10000


@dataclass(frozen=True, slots=True)
class Format:
    """How a plain dump is laid out. `unit` 0 is the size of a pointer."""

    unit: int
    count: int
    columns: int
    ascii: bool = False


FORMATS = {
    "db": Format(1, 128, 16, True),
    "dw": Format(2, 64, 8),
    "dW": Format(2, 64, 8, True),
    "dd": Format(4, 32, 4),
    "dc": Format(4, 32, 4, True),
    "dq": Format(8, 16, 2),
    "dp": Format(0, 0, 0),
    "df": Format(4, 16, 4),
    "dD": Format(8, 15, 3),
    "dyb": Format(1, 32, 4),
    "dyd": Format(4, 8, 1),
}
_OPTIONS = {"c": True, "p[c]": False, "p[uc]": False, "p[wc]": False, "p": False}


def _format(session: Session, name: str) -> Format:
    name = name.replace("!", "")
    if name == "dp":
        name = "dq" if session.pointer_size == 8 else "dd"
    return FORMATS[name]


def _position(session: Session) -> int:
    """Where a dump without an address begins: behind the last one, else at the instruction pointer."""
    position = session.positions.get("d")
    return session.environment.instruction_pointer if position is None else position


def _went_to(session: Session, name: str, end: int, last_value: int | None = None) -> None:
    session.positions["d"] = end & session.address_mask
    session.options["d"] = name
    if last_value is not None:
        session.variables["p"] = last_value


def _columns(options: dict[str, str], default: int) -> int:
    if "c" not in options:
        return default
    try:
        columns = int(options["c"], 16)
    except ValueError:
        columns = 0
    if not 0 < columns <= 256:
        raise ExpressionError(f"Syntax error at '/c{options['c']}'", "/cN takes a number of columns: /c8")
    return columns


@command(
    *FORMATS,
    summary="Display memory as numbers, with characters beside them (db, dc, dW) or as bits (dyb, dyd).",
    syntax="db|dw|dW|dd|dc|dq|dp|df|dD|dyb|dyd [/cN] [/p] [Address [End | L Count]]",
    details="Without an address the display goes on where the last one ended. /c sets the columns, /p reads physical "
    "memory. What can't be read shows as question marks. The last value is $p.",
    examples=("db nt L20", "dd nt L4", "dq @rsp L4", "dyb nt L4", "db /c8 nt L10"),
)
def display(session: Session, arguments: Arguments) -> Result:
    """A block of memory in the units of the command."""
    options = arguments.options(_OPTIONS)
    physical = any(name.startswith("p") for name in options)
    return _dump(session, arguments, arguments.name, physical, options)


def _dump(session: Session, arguments: Arguments, name: str, physical: bool, options: dict[str, str]) -> MemoryDump:
    layout = _format(session, name)
    wanted = arguments.range(layout.unit, layout.count, _position(session))
    arguments.finish()
    memory = session.physical if physical else session.memory
    columns = _columns(options, layout.columns)
    start = physical_address(session, wanted.start) if physical else wanted.start & session.address_mask
    data = memory.read_available(start, wanted.size)
    value = MemoryDump(
        name,
        start,
        data,
        wanted.size,
        layout.unit,
        columns,
        session.pointer_size,
        layout.ascii,
        physical,
        wanted.segment,
    )
    numbers = value.numbers
    _went_to(session, name, wanted.start + wanted.size, numbers[-1] if numbers else None)
    return value


@command(
    *(f"!d{letter}" for letter in "bcdpquw"),
    summary="Display physical memory; !du as Unicode text.",
    syntax="!db|!dc|!dd|!dp|!dq|!du|!dw [[c]|[uc]|[wc]] [-m] Address [L Count]",
    details="[c], [uc] and [wc] are the attribute with which the target reads: cached, uncached, write combined.",
    examples=("!dd @cr3 L4", "!db @cr3 L10", "!dd [uc] @cr3 L4"),
)
def display_physical(session: Session, arguments: Arguments) -> Result:
    """A block of physical memory."""
    cache = arguments.match(r"\[(c|uc|wc)\]\s*")
    arguments.match(r"-m\b\s*")
    value: MemoryDump | StringDump
    if arguments.name == "!du":
        arguments.name = "du"
        arguments.rest = f"/p {arguments.rest}"
        value = display_string(session, arguments)
        readable = value.readable
    else:
        value = _dump(session, arguments, arguments.name, True, {})
        readable = bool(value.data)
        if cache is not None:
            data = session.calls.read_physical(value.address, value.size, CACHE_FLAGS[cache[1]])
            value, readable = replace(value, data=data), bool(data)
    if not readable:
        hint = "if you know its caching attribute, try [c], [uc] or [wc], as in !dd [c] ..."
        raise RequestFailed(f"physical memory read at {value.address:x} failed", hint)
    return value


_SYMBOLIC = {"dds": 4, "dqs": 8, "dps": 0}
_DEREFERENCED = {f"d{unit}{what}": size for unit, size in (("d", 4), ("q", 8), ("p", 0)) for what in ("a", "u", "p")}


@command(
    *_SYMBOLIC,
    *_DEREFERENCED,
    summary="Display pointers with what they mean: symbols (dps), strings (dpa, dpu) or pointers (dpp) behind them.",
    syntax="dps|dds|dqs [/cN] [Range]\ndpa|dpu|dpp|dda|ddu|ddp|dqa|dqu|dqp [/cN] [Range]",
    details="Third letter: s shows symbols, a ASCII strings, u Unicode strings, p the pointers behind.",
    examples=("dps @rsp L3", "dpp @rsp L2", "dpa @rsp L2"),
)
def display_pointers(session: Session, arguments: Arguments) -> Result:
    """Memory as pointers."""
    name = arguments.name
    options = arguments.options(_OPTIONS)
    physical = any(option.startswith("p") for option in options)
    unit = (_SYMBOLIC | _DEREFERENCED)[name] or session.pointer_size
    wanted = arguments.range(unit, 128 // unit, _position(session))
    arguments.finish()
    memory = session.physical if physical else session.memory
    start = physical_address(session, wanted.start) if physical else wanted.start & session.address_mask
    data = memory.read_available(start, wanted.size)
    entries = []
    for index in range(wanted.count):
        piece = data[index * unit : (index + 1) * unit]
        address = start + index * unit if physical else (start + index * unit) & session.address_mask
        value = int.from_bytes(piece, "little") if len(piece) == unit else None
        entries.append(_pointer_row(session, name[-1], address, value))
        session.require_stopped()  # sees a cancel
    values = [entry.value for entry in entries if entry.value is not None]
    _went_to(session, name, wanted.start + wanted.size, values[-1] if values else None)
    columns = _columns(options, 1)
    return PointerTable(name, tuple(entries), unit, session.pointer_size, columns, wanted.segment)


def _pointer_row(session: Session, what: str, address: int, value: int | None) -> PointerRow:
    if value is None:
        return PointerRow(address, None)
    if what == "s":
        return PointerRow(address, value, symbol=_symbol(session, value))
    if what == "p":
        data = session.memory.read_available(value, session.pointer_size) if value else b""
        if len(data) < session.pointer_size:
            return PointerRow(address, value)
        target = int.from_bytes(data, "little")
        return PointerRow(address, value, symbol=_symbol(session, target), target=target)
    try:
        text = session.memory.read_string(value, 256, wide=what == "u") if value else None
    except MemoryReadError:
        text = None
    return PointerRow(address, value, text=text)


def _symbol(session: Session, address: int) -> str:
    return session.symbols.name_at(address) or ""


@command(
    "da",
    "du",
    summary="Display a string, ASCII (da) or Unicode (du), up to its NUL or the end of the range.",
    syntax="da|du [/cN] [/p] [Range]",
    details="32 characters a line unless /c says otherwise.",
    examples=("da nt+4e", "da nt+4e L8"),
)
def display_string(session: Session, arguments: Arguments) -> StringDump:
    """The text at an address."""
    options = arguments.options(_OPTIONS)
    physical = any(name.startswith("p") for name in options)
    memory = session.physical if physical else session.memory
    unit = 2 if arguments.name == "du" else 1
    wanted = arguments.range(unit, STRING_LIMIT, _position(session))
    arguments.finish()
    start = physical_address(session, wanted.start) if physical else wanted.start & session.address_mask
    value = _string(session, memory, arguments.name, start, wanted.size, wanted.explicit, _columns(options, 32))
    _went_to(session, arguments.name, value.address + max(len(value.text) + (not wanted.explicit), 1) * unit)
    return value


def _string(
    session: Session, memory: MemoryCache, name: str, address: int, size: int, whole: bool, columns: int
) -> StringDump:
    """`size` bytes as text, up to the first NUL unless the `whole` range was asked for."""
    unit = 1 if name in ("da", "ds") else 2
    data = memory.read_available(address, size)
    text = data.decode("latin-1") if unit == 1 else data[: len(data) & ~1].decode("utf-16-le", "replace")
    if not whole or "\0" in text:
        text = text.partition("\0")[0]
    rows = [StringRow(address + at * unit, text[at : at + columns]) for at in range(0, len(text), columns)]
    readable = bool(data) or not size
    if readable and not rows:
        rows = [StringRow(address, "")]
    return StringDump(name, address, tuple(rows), session.pointer_size, readable)


@command(
    "ds",
    "dS",
    "!str",
    "!ustr",
    summary="Display an ANSI_STRING (ds, !str) or UNICODE_STRING (dS, !ustr) structure.",
    syntax="ds|dS|!str|!ustr [/cN] [Address]",
    details="The structure holds a length, a maximum length and a pointer to the characters.",
    examples=("dS nt!PsLoadedModuleList+0", "!ustr nt!PsLoadedModuleList+0"),
)
def display_counted_string(session: Session, arguments: Arguments) -> Result:
    """The text that a counted string structure points to."""
    options = arguments.options(_OPTIONS)
    address = arguments.expression(_position(session))
    arguments.finish()
    size = session.pointer_size
    header = session.memory.read(address, 2 * size)
    length = int.from_bytes(header[:2], "little")
    buffer = int.from_bytes(header[size:], "little")
    name = {"!str": "ds", "!ustr": "dS"}.get(arguments.name, arguments.name)
    _went_to(session, name, address + 2 * size, buffer)
    return _string(session, session.memory, name, buffer & session.address_mask, length, True, _columns(options, 32))


@command(
    "dl",
    "dlb",
    summary="Walk a linked list (LIST_ENTRY or SINGLE_LIST_ENTRY); dlb walks backwards.",
    syntax="dl|dlb Address MaxCount Size",
    details="Shows Size pointers of each element (2 unless given) and ends at NULL or back at the start.",
    examples=("dl nt!PsLoadedModuleList 3 2", "dlb nt!PsLoadedModuleList 2"),
    tier="B",
)
def display_list(session: Session, arguments: Arguments) -> Result:
    """The elements of a list."""
    start = arguments.expression()
    count = arguments.expression(0x20)
    words = arguments.expression(2)
    arguments.finish()
    if not 0 < words <= 0x100 or count > LIST_LIMIT:
        raise ExpressionError(f"Range error in 'dl {arguments.text[:60]}'", "MaxCount to 10000, Size 1 to 100 (hex)")
    unit = session.pointer_size
    link = unit if arguments.name == "dlb" else 0
    columns = 2 if unit == 8 else 4
    blocks: list[MemoryDump] = []
    seen: set[int] = set()
    at = start & session.address_mask
    while at and at not in seen and len(blocks) < count:
        seen.add(at)
        data = session.memory.read_available(at, words * unit)
        blocks.append(MemoryDump("dp", at, data, words * unit, unit, columns, unit))
        if len(data) < link + unit:
            break
        at = int.from_bytes(data[link : link + unit], "little")
    _went_to(session, arguments.name, at)
    return MemoryBlocks(tuple(blocks))


@command(
    "d",
    summary="Display memory in the format of the last d* command (db at first).",
    syntax="d [Range]",
    examples=("d nt L10", "d"),
)
def display_again(session: Session, arguments: Arguments) -> Result:
    """As the last display, going on behind it."""
    name = str(session.options.get("d", "db"))
    arguments.name = name
    if name.startswith("!"):
        return display_physical(session, arguments)
    if name in FORMATS:
        return display(session, arguments)
    if name in ("da", "du"):
        return display_string(session, arguments)
    if name in ("ds", "dS"):
        return display_counted_string(session, arguments)
    if name in ("dl", "dlb"):
        if arguments.at_end:
            arguments.rest = f"0x{_position(session):x}"
        return display_list(session, arguments)
    return display_pointers(session, arguments)
