"""Text of `!dlls` (the documentation's example of it)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.render.lines import lines
from kdnb.results.dlls import DllEntry, DllList

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []


@lines.register(DllList)
def _list(value: DllList) -> Iterator[str]:
    if value.containing is not None:
        yield f"Dump dll containing 0x{value.containing:08x}:"
    for entry in value.entries:
        yield from ("", *_entry(entry))
    if value.note:
        yield f"WARNING: {value.note}"


@lines.register(DllEntry)
def _entry(value: DllEntry) -> Iterator[str]:
    yield f"0x{value.address:08x}: {value.path}"
    yield f"      Base   0x{value.base:08x}  EntryPoint  0x{value.entry_point:08x}  Size        0x{value.size:08x}"
    yield f"      Flags  0x{value.flags:08x}  LoadCount   0x{value.load_count:08x}  TlsIndex    0x{value.tls_index:08x}"
    yield from (f"             {name}" for name in value.flag_names)
    yield from (f"      {name + ':':<18}{text}" for name, text in value.version)
    if value.headers is not None:
        yield from lines(value.headers)
    if value.note:
        yield f"      {value.note}"
