"""Static HTML for results: what a saved notebook shows, and what stands beside every widget.

Everything that came from a target is escaped. Long tables are cut: `ROW_LIMIT` rows and a line that says
how many were left out, so that a notebook stays small.
"""

from __future__ import annotations

from functools import singledispatch
from html import escape
from typing import TYPE_CHECKING, Any

from kdnb.results.addresses import format_address
from kdnb.results.breakpoints import BreakpointList
from kdnb.results.disassembly import Disassembly
from kdnb.results.memory import MemoryDump, PointerTable
from kdnb.results.modules import ModuleList, SymbolList
from kdnb.results.registers import RegisterSet
from kdnb.results.stack import Stack
from kdnb.results.types import TypeDump, TypeDumps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["ROW_LIMIT", "table", "to_html"]

ROW_LIMIT = 256
"""Rows of one table; 256 rows of a hex dump are 4 KiB of memory and about 50 KB of HTML."""

_STYLE = (
    "<style>.kdnb table{border-collapse:collapse;font-family:monospace;font-size:12px}"
    ".kdnb th,.kdnb td{text-align:left!important;padding:1px 8px;white-space:pre}"
    ".kdnb th{border-bottom:1px solid #8888}.kdnb .changed{color:#d1242f;font-weight:bold}"
    ".kdnb .dim{opacity:.55}</style>"
)

Cell = str | tuple[str, str]
"""Text of a cell, or text and CSS class; escaped here and nowhere else."""


@singledispatch
def to_html(value: object) -> str | None:
    """`value` as HTML, or None where plain text says it as well."""
    return None


def table(head: Sequence[str], rows: Sequence[Sequence[Cell]], *, total: int | None = None) -> str:
    """A table of at most `ROW_LIMIT` rows; `total` is how many there are when `rows` was cut already."""
    shown = rows[:ROW_LIMIT]
    total = len(rows) if total is None else total
    parts = ['<div class="kdnb">', _STYLE, "<table>"]
    if any(head):
        parts.append("<tr>" + "".join(f"<th>{escape(name)}</th>" for name in head) + "</tr>")
    parts.extend("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in shown)
    parts.append("</table>")
    if total > len(shown):
        parts.append(f'<div class="dim">{total - len(shown)} more rows of {total} left out</div>')
    parts.append("</div>")
    return "".join(parts)


def _cell(cell: Cell) -> str:
    if isinstance(cell, tuple):
        text, css = cell
        return f'<td class="{escape(css)}">{escape(text)}</td>'
    return f"<td>{escape(cell)}</td>"


@to_html.register
def _registers(value: RegisterSet) -> str:
    names = [name for name in value.values if _is_general(name)]
    width = 4 if value.machine in ("x86", "arm") else 8
    cells: list[Cell] = []
    for name in names:
        css = "changed" if name in value.changed else ""
        digits = 4 if name in ("cs", "ss", "ds", "es", "fs", "gs") else 2 * width
        cells += [(name, "dim"), (f"{value.values[name]:0{digits}x}", css)]
    rows = [cells[at : at + 6] for at in range(0, len(cells), 6)]
    if value.instruction is not None:
        here = value.instruction
        text = f"{format_address(here.address, width)} {here.mnemonic} {here.operands}"
        rows.append([("at", "dim"), value.symbol, text])
    return table((), rows)


_GENERAL = frozenset(
    "rax rbx rcx rdx rsi rdi rip rsp rbp r8 r9 r10 r11 r12 r13 r14 r15 efl "
    "eax ebx ecx edx esi edi eip esp ebp cs ss ds es fs gs fp lr sp pc psr cpsr".split()
)


def _is_general(name: str) -> bool:
    return (
        name in _GENERAL or (name[0] == "x" and name[1:].isdigit()) or name in ("fp", "lr", "sp", "pc", "cpsr", "psr")
    )


@to_html.register
def _memory(value: MemoryDump) -> str:
    line = value.unit * value.columns
    total = -(-value.size // line)
    rows: list[list[Cell]] = []
    for index in range(min(total, ROW_LIMIT)):
        offset = index * line
        chunk = value.data[offset : offset + line]
        wanted = min(line, value.size - offset)
        units = [
            _unit(chunk[at : at + value.unit], value.unit) for at in range(0, wanted - wanted % value.unit, value.unit)
        ]
        row: list[Cell] = [(format_address(value.address + offset, value.address_size), "dim"), " ".join(units)]
        if value.ascii:
            row.append("".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in chunk).ljust(wanted, "?"))
        rows.append(row)
    return table((), rows, total=total)


def _unit(data: bytes, size: int) -> str:
    return f"{int.from_bytes(data, 'little'):0{2 * size}x}" if len(data) == size else "?" * (2 * size)


@to_html.register
def _pointers(value: PointerTable) -> str:
    size = value.address_size
    rows: list[list[Cell]] = [
        [
            (format_address(entry.address, size), "dim"),
            "?" * 17 if entry.value is None else format_address(entry.value, value.unit),
            entry.symbol or (f'"{entry.text}"' if entry.text is not None else ""),
        ]
        for entry in value.entries
    ]
    return table(("address", "value", "meaning"), rows)


@to_html.register
def _stack(value: Stack) -> str:
    size = value.address_size
    rows: list[list[Cell]] = []
    for frame in value.frames[:ROW_LIMIT]:
        row: list[Cell] = [
            f"{frame.number:02x}",
            (format_address(frame.child_sp, size), "dim"),
            (format_address(frame.return_address, size), "dim"),
            frame.symbol,
        ]
        rows.append(row)
    note = f'<div class="kdnb dim">{escape(value.note)}</div>' if value.note else ""
    return table(("#", "Child-SP", "RetAddr", "Call Site"), rows, total=len(value.frames)) + note


@to_html.register
def _disassembly(value: Disassembly) -> str:
    rows: list[list[Cell]] = []
    for instruction in value.instructions:
        if instruction.label:
            rows.append([(f"{instruction.label}:", "dim")])
        rows.append(
            [
                (format_address(instruction.address, value.address_size), "dim"),
                (instruction.data.hex(), "dim"),
                instruction.mnemonic,
                instruction.operands,
            ]
        )
    return table((), rows)


@to_html.register
def _type(value: TypeDump) -> str:
    rows: list[list[Cell]] = []
    for field in value.fields[:ROW_LIMIT]:
        words = "" if field.text is None else field.text
        shown: Cell = (f"{words} {field.problem}", "dim") if field.problem else words
        name = f"{'  ' * field.depth}{field.name}"
        rows.append([(f"+0x{field.offset:03x}", "dim"), name, (field.type, "dim"), shown])
    head = ("offset", "field", "type", "" if value.address is None else "value")
    above = f'<div class="kdnb">{escape(value.header)}</div>' if value.header else ""
    return above + table(head, rows, total=len(value.fields))


@to_html.register
def _types(value: TypeDumps) -> str:
    names = list(dict.fromkeys(field.name for dump in value.dumps for field in dump.fields if not field.depth))
    rows: list[list[Cell]] = []
    for dump in value.dumps[:ROW_LIMIT]:
        texts = {field.name: field.text or "" for field in dump.fields if not field.depth}
        address = format_address(dump.address or 0, dump.address_size)
        rows.append([(address, "dim"), *(texts.get(name, "") for name in names)])
    note = f'<div class="kdnb dim">{escape(value.note)}</div>' if value.note else ""
    return table(("address", *names), rows, total=len(value.dumps)) + note


def _listing(head: Sequence[str], rows: Callable[[Any], Iterable[Sequence[Cell]]]) -> Callable[[Any], str]:
    return lambda value: table(head, list(rows(value)))


to_html.register(ModuleList)(
    _listing(
        ("start", "end", "module name", "symbols", "image"),
        lambda value: (
            (
                format_address(module.start, value.address_size),
                format_address(module.end, value.address_size),
                module.name,
                module.symbol_status,
                module.image_name,
            )
            for module in value.modules
        ),
    )
)
to_html.register(SymbolList)(
    _listing(
        ("address", "name", ""),
        lambda value: (
            (format_address(symbol.address, value.address_size), symbol.name, (symbol.details, "dim"))
            for symbol in value.symbols
        ),
    )
)
to_html.register(BreakpointList)(
    _listing(
        ("id", "", "address", "passes", "name", "command"),
        lambda value: (
            (
                str(entry.number),
                "e" if entry.enabled else "d",
                "deferred" if entry.address is None else format_address(entry.address, value.address_size),
                f"{entry.remaining:04x} ({entry.passes:04x})",
                entry.symbol or entry.expression,
                entry.command,
            )
            for entry in value.breakpoints
        ),
    )
)
