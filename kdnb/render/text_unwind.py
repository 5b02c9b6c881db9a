"""Text of `.fnent` (the command reference, 7.14), with the tables of known handlers behind WinDbg's lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.render.lines import lines
from kdnb.results.addresses import format_address
from kdnb.results.unwind import ExceptionHandler, FunctionEntry, UnwindRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []


@lines.register(FunctionEntry)
def _entry(value: FunctionEntry) -> Iterator[str]:
    def show(address: int) -> str:
        return format_address(address, value.address_size)

    # WinDbg's number here is an address in the debugger itself; the entry's place in the image says more.
    yield f"Debugger function entry {show(value.module_base + value.begin)} for:"
    following = f"   |  ({show(value.next_address)})   {value.next_symbol}" if value.next_address else ""
    yield f"({show(value.address)})   {value.symbol}{following}"
    if "+" not in value.symbol:
        yield "Exact matches:"
        yield f"    {value.symbol}"
    yield ""
    yield f"BeginAddress      = {show(value.begin)}"
    yield f"EndAddress        = {show(value.end)}"
    if value.unwind:
        yield f"UnwindInfoAddress = {show(value.unwind)}"
    for record in value.records:
        yield ""
        yield from _record(record)
    if value.details:
        yield ""
        yield from value.details
    if value.handler is not None:
        yield from _handler(value.handler)


@lines.register(UnwindRecord)
def _record(value: UnwindRecord) -> Iterator[str]:
    yield f"Unwind info at {format_address(value.address, 8)}, {value.size:x} bytes"
    yield (
        f"  version {value.version}, flags {value.flags:x}, prolog {value.prolog_size:x}, codes {value.code_slots:x}"
    )
    if value.frame_register:
        yield f"  frame reg {value.frame_register}, frame offs {value.frame_offset:x}"
    if value.handler is not None:
        yield from _handler(value.handler)
    for code in value.codes:
        place = f"{code.slot:02x}: offs {code.prolog_offset:x}"
        yield f"  {place}, unwind op {code.op:x}, op info {code.info:x}\t{code.words}"


@lines.register(ExceptionHandler)
def _handler(value: ExceptionHandler) -> Iterator[str]:
    address, data = format_address(value.address, 8), format_address(value.data, 8)
    known = f", by {value.routine}" if value.routine and value.routine != value.symbol.partition("!")[2] else ""
    yield f"  handler routine: {value.symbol} ({address}){known}, data at {data}"
    yield from (f"    {line.kind}: {line.words}" for line in value.lines)
    if value.problem:
        yield f"    {value.problem}"
