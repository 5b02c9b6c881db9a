"""`.printf` (the command reference, 8)."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.errors import ExpressionError, MemoryReadError
from kdnb.results.addresses import format_address
from kdnb.results.values import Text

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

WIDTH_LIMIT = 256
_CONVERSION = re.compile(r"%(?:(%)|([-+ 0#]*)(\d*)(?:\.(\d+))?(I64|ll|l|h)?(ma|mu|msa|msu|[diuoxXcspNyfegEG]))")


@command(
    ".printf",
    summary="Show a text with values in it.",
    syntax='.printf "Format" [, Value ...]',
    details="Conversions: %d %u %x %o %c (32 bits; %I64x for 64), %p a pointer, %y a symbol, %ma and %mu the string at "
    "an address, %msa and %msu a counted string, %f %e %g floating point. \\n ends the line; none is added.",
    examples=(r'.printf "%p is %y\n", @rip, @rip', r'.printf "%d %08x\n", 0n12, ff'),
    tier="B",
    needs_stop=False,
)
def print_formatted(session: Session, arguments: Arguments) -> Result:
    """The text."""
    arguments.match(r"(?:/\w+\s+)+")
    form = arguments.quoted()
    if form is None:
        raise ExpressionError(
            f"Syntax error at '{arguments.rest[:60] or '<EOL>'}'", 'the format stands in quotes: "%p"'
        )
    parts, at = [], 0
    for found in _CONVERSION.finditer(form):
        parts += [form[at : found.start()], "%" if found[1] else _convert(session, found, arguments)]
        at = found.end()
    text = "".join(parts) + form[at:]
    return Text(text.removesuffix("\n"), ends_line=text.endswith("\n"))


def _convert(session: Session, found: re.Match[str], arguments: Arguments) -> str:
    """One value in the form that its conversion asks for."""
    _, flags, width, precision, size, kind = found.groups()
    value = arguments.expression()
    text = _words(session, kind, value, size or "", precision)
    columns = min(int(width or 0), WIDTH_LIMIT)
    if "-" in flags:
        return text.ljust(columns)
    return text.rjust(columns, "0" if "0" in flags and kind in "diuoxX" else " ")


def _words(session: Session, kind: str, value: int, size: str, precision: str | None) -> str:
    whole = size in ("I64", "ll")
    number = value & (0xFFFFFFFF_FFFFFFFF if whole else 0xFFFFFFFF)
    match kind:
        case "d" | "i":
            bits = 64 if whole else 32
            return str(number - (1 << bits) if number >> (bits - 1) else number)
        case "u":
            return str(number)
        case "o" | "x" | "X":
            return f"{number:{kind}}".rjust(min(int(precision or 0), WIDTH_LIMIT), "0")
        case "c":
            return chr(number & 0xFF)
        case "p":
            return format_address(value, session.pointer_size)
        case "N":  # a pointer of the host, without the target's accent
            return f"{value:0{2 * session.pointer_size}x}"
        case "y":
            nearest = session.symbols.nearest(value)
            return f"{nearest.text if nearest else ''} ({format_address(value, session.pointer_size)})".strip()
        case "ma" | "mu" | "msa" | "msu" | "s":
            return _string(session, kind, value)
    if size == "l":
        return f"{struct.unpack('<d', value.to_bytes(8, 'little'))[0]:.{min(int(precision or 6), 99)}{kind}}"
    return f"{struct.unpack('<f', (value & 0xFFFFFFFF).to_bytes(4, 'little'))[0]:.{min(int(precision or 6), 99)}{kind}}"


def _string(session: Session, kind: str, address: int) -> str:
    memory = session.memory
    try:
        if kind in ("ma", "mu", "s"):
            return memory.read_string(address, wide=kind == "mu")
        data = memory.read(memory.read_pointer(address + session.pointer_size), memory.read_u16(address))
        return data.decode("utf-16-le" if kind == "msu" else "latin-1", "replace")
    except MemoryReadError:
        return "????"
