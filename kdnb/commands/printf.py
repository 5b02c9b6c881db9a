"""`.printf` (the command reference, 8)."""

from __future__ import annotations

import html
import re
import struct
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.debugger.stacks import source_at
from kdnb.errors import ExpressionError, MemoryReadError
from kdnb.results.addresses import format_address
from kdnb.results.values import Text

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

WIDTH_LIMIT = 256
_CONVERSION = re.compile(
    r"%(?:(%)|([-+ 0#]*)(\*|\d*)(?:\.(\*|\d*))?(I64|I32|I|ll|l|hh|h|w)?(ma|mu|msa|msu|[diuoxXcCsSpNyfFegEG]))"
)
_COLOURS = ("od", "oD", "oe", "on", "op", "oP", "os", "ov", "ow")
"""Colours of WinDbg's window; the text is the same."""
_NARROW = {"h": 16, "hh": 8, "w": 16}


@command(
    ".printf",
    summary="Show a text with values in it.",
    syntax='.printf [/D] [/od|/oD|/oe|/on|/op|/oP|/os|/ov|/ow] "Format" [, Value ...]',
    details="Conversions as in C: %d %u %x %o (32 bits; %I64x or %llx for 64, %hx for 16), %c, %f %e %g (32 bits; %lf "
    "for 64), with flags, width and precision, also from a value (*). %p is a pointer, %y a symbol, %ly a symbol with "
    "its source line, %ma and %mu the string at an address, %msa and %msu a counted string. \\n ends the line; none is "
    "added. /D: the format is DML, whose tags are left out; the colours of /o are not shown.",
    examples=(r'.printf "%p is %y\n", @rip, @rip', r'.printf "%d %08x\n", 0n12, ff', r'.printf /D "<b>%p</b>\n", @rip'),
    tier="B",
    needs_stop=False,
)
def print_formatted(session: Session, arguments: Arguments) -> Result:
    """The text."""
    is_markup = "D" in arguments.options(dict.fromkeys(("D", *_COLOURS), False))
    form = arguments.quoted()
    if form is None:
        raise ExpressionError(
            f"Syntax error at '{arguments.rest[:60] or '<EOL>'}'", 'the format stands in quotes: "%p"'
        )
    parts, at = [], 0
    for sign in re.finditer("%", form):
        if sign.start() < at:
            continue
        found = _CONVERSION.match(form, sign.start())
        if found is None:
            raise ExpressionError(
                f"Syntax error at '{form[sign.start() :].split()[0][:60]}'", ".hh .printf lists conversions"
            )
        value = "%" if found[1] else _convert(session, found, arguments)
        parts += [form[at : found.start()], html.escape(value) if is_markup else value]
        at = found.end()
    text = "".join(parts) + form[at:]
    if is_markup:
        text = html.unescape(re.sub(r"</?[A-Za-z][^<>]*>", "", text))
    return Text(text.removesuffix("\n"), ends_line=text.endswith("\n"))


def _convert(session: Session, found: re.Match[str], arguments: Arguments) -> str:
    """One value in the form that its conversion asks for."""
    _, flags, width, precision, size, kind = found.groups()
    columns, places = (_count(arguments, text) for text in (width, precision))
    if columns is not None and columns < 0:
        flags, columns = flags + "-", -columns
    value = arguments.expression()
    form = f"%{flags}{min(columns or 0, WIDTH_LIMIT) or ''}"
    if places is not None and places >= 0:
        form += f".{min(places, WIDTH_LIMIT)}"
    if kind in "diuoxX":
        return _integer(session, form, kind, value, size or "")
    if kind in "feFgEG":
        bits, layout = (
            (value.to_bytes(8, "little"), "<d") if size == "l" else (_low(value, 32).to_bytes(4, "little"), "<f")
        )
        return str(f"{form}{kind}" % struct.unpack(layout, bits)[0])
    return f"{form}s" % _words(session, kind, value, size or "")


def _count(arguments: Arguments, text: str | None) -> int | None:
    """A width or precision: digits, or `*` for a value."""
    if text == "*":
        value = _low(arguments.expression(), 32)
        return value - (1 << 32) if value >> 31 else value
    return int(text or 0) if text is not None else None


def _low(value: int, bits: int) -> int:
    return value & (1 << bits) - 1


def _integer(session: Session, form: str, kind: str, value: int, size: str) -> str:
    pointer = 8 * session.pointer_size
    bits = {"I64": 64, "ll": 64, "I": pointer}.get(size) or _NARROW.get(size, 32)
    number = _low(value, bits)
    if kind in "di":
        return f"{form}d" % (number - (1 << bits) if number >> (bits - 1) else number)
    if kind == "o" and "#" in form:  # Python writes 0o17 where C writes 017
        return f"{form.replace('#', '')}s" % f"0{number:o}"
    return f"{form}{'d' if kind == 'u' else kind}" % number


def _words(session: Session, kind: str, value: int, size: str) -> str:
    match kind:
        case "c":
            return chr(value & 0xFF)
        case "C":
            return chr(value & 0xFFFF)
        case "p":
            return format_address(value, session.pointer_size)
        case "N":  # a pointer of the host, without the target's accent
            return f"{value:0{2 * session.pointer_size}x}"
        case "y":
            text = f"{session.symbols.name_at(value) or ''} ({format_address(value, session.pointer_size)})".strip()
            line = source_at(session.modules.find(value), value) if size == "l" else ""
            return f"{text} [{line}]" if line else text
    return _string(session, {"s": "ma", "S": "mu"}.get(kind, kind), value)


def _string(session: Session, kind: str, address: int) -> str:
    memory = session.memory
    try:
        read = memory.read_string if kind in ("ma", "mu") else memory.read_counted_string
        return read(address, wide=kind.endswith("u"))
    except MemoryReadError:
        return "????"
