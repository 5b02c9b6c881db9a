"""Static HTML for results: what a saved notebook shows, and what stands beside every widget.

Everything that came from a target is escaped. Long tables are cut: `ROW_LIMIT` rows and a line that says
how many were left out, so that a notebook stays small.
"""

from __future__ import annotations

from functools import singledispatch
from html import escape
from typing import TYPE_CHECKING, Any

from kdnb.render.lines import printable
from kdnb.render.text import to_text
from kdnb.render.text_registers import DEFAULT_MASK, register_foot
from kdnb.results.addresses import format_address, format_place
from kdnb.results.breakpoints import BreakpointList
from kdnb.results.disassembly import Disassembly
from kdnb.results.memory import MemoryDump, PointerTable
from kdnb.results.modules import ModuleInfo, ModuleList, SymbolList, UnloadedModule
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
    ".kdnb .dim{opacity:.55}.kdnb pre{margin:0;font-size:12px}</style>"
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
def _registers(value: RegisterSet) -> str | None:
    if value.mask not in (0, DEFAULT_MASK.get(value.machine)):
        return None
    names = [name for name in value.values if _is_general(name)]
    width = 4 if value.machine in ("x86", "arm") else 8
    cells: list[Cell] = []
    for name in names:
        css = "changed" if name in value.changed else ""
        digits = 4 if name in ("cs", "ss", "ds", "es", "fs", "gs") else 2 * width
        cells += [(name, "dim"), (f"{value.values[name]:0{digits}x}", css)]
    rows = [cells[at : at + 6] for at in range(0, len(cells), 6)]
    foot = "\n".join(register_foot(value))
    heading = f'<div class="kdnb"><pre>{escape(value.heading)}</pre></div>' if value.heading else ""
    return f'{heading}{table((), rows)}<div class="kdnb"><pre>{escape(printable(foot))}</pre></div>'


_GENERAL = frozenset(
    "rax rbx rcx rdx rsi rdi rip rsp rbp r8 r9 r10 r11 r12 r13 r14 r15 efl "
    "eax ebx ecx edx esi edi eip esp ebp cs ss ds es fs gs fp lr sp pc psr cpsr".split()
)


def _is_general(name: str) -> bool:
    return (
        name in _GENERAL or (name[0] == "x" and name[1:].isdigit()) or name in ("fp", "lr", "sp", "pc", "cpsr", "psr")
    )


@to_html.register(MemoryDump)
@to_html.register(Stack)
def as_text(value: MemoryDump | Stack) -> str:
    """The text itself, where its columns are what people look for."""
    return f'<div class="kdnb"><pre>{escape(to_text(value, ROW_LIMIT))}</pre></div>'


@to_html.register
def _pointers(value: PointerTable) -> str | None:
    if value.columns > 1 or any(entry.target is not None for entry in value.entries):
        return None
    size = value.address_size
    rows: list[list[Cell]] = [
        [
            (format_place(entry.address, size, value.segment), "dim"),
            "?" * 17 if entry.value is None else format_address(entry.value, value.unit),
            entry.symbol or (f'"{entry.text}"' if entry.text is not None else ""),
        ]
        for entry in value.entries
    ]
    return table(("address", "value", "meaning"), rows)


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
                f"{instruction.operands} {instruction.annotation.strip()}".strip(),
                ("" if instruction.breakpoint is None else f"breakpoint {instruction.breakpoint}", "dim"),
            ]
        )
    note = f'<div class="kdnb dim">{escape(value.note)}</div>' if value.note else ""
    return table((), rows) + note


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
    note = f'<div class="kdnb dim">{escape(value.note)}</div>' if value.note else ""
    return above + table(head, rows, total=len(value.fields)) + note


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


def _listing(
    head: Sequence[str], rows: Callable[[Any], Iterable[Sequence[Cell]]], is_plain: Callable[[Any], bool]
) -> Callable[[Any], str | None]:
    """A table for the plain form of a listing; what was asked for beyond its columns only the text shows."""
    return lambda value: table(head, list(rows(value))) if is_plain(value) else None


@to_html.register
def _modules(value: ModuleList) -> str | None:
    if value.verbose or value.options:
        return None

    def places(module: ModuleInfo | UnloadedModule) -> tuple[str, str]:
        return format_address(module.start, value.address_size), format_address(module.end, value.address_size)

    rows: list[Sequence[Cell]] = [
        (*places(module), module.name, module.symbol_status, module.image_name) for module in value.modules
    ]
    loaded = table(("start", "end", "module name", "symbols", "image"), rows)
    if not value.unloaded:
        return loaded
    gone = table(("start", "end", "module name"), [(*places(module), module.name) for module in value.unloaded])
    return f'{loaded}<div class="kdnb dim">Unloaded modules:</div>{gone}'


to_html.register(SymbolList)(
    _listing(
        ("address", "name", ""),
        lambda value: (
            (format_address(symbol.address, value.address_size), symbol.name, (symbol.details, "dim"))
            for symbol in value.symbols
        ),
        lambda value: not value.letters and not value.left_out,
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
        lambda value: all(
            entry.kind == "software" and entry.process is entry.thread is entry.max_depth is entry.min_depth is None
            for entry in value.breakpoints
        ),
    )
)
