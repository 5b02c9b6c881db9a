"""Text of `lm`, `x` and `ln` (the command reference, 7.8)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kdnb.render.lines import lines
from kdnb.results.addresses import format_address
from kdnb.results.modules import ModuleInfo, ModuleList, NearestSymbols, SymbolInfo, SymbolList, UnloadedModule

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []


@lines.register(ModuleList)
def _modules(value: ModuleList) -> Iterator[str]:
    options, size = value.options, value.address_size
    if "1m" in options:
        yield from (module.name for module in value.modules)
        return
    width = len(format_address(0, size))
    yield f"{'start':<{width}} {'end':<{width}}   module name"
    for module in value.modules:
        start = f"{format_address(module.start, size)} {format_address(module.end, size)}   "
        if any(letter in options for letter in "nftpc"):
            yield start + _named(module, options)
        else:
            yield start + _status(module, module.image_name if "i" in options else module.symbol_file)
        if value.verbose:
            yield from _details(module)
    if value.unloaded:
        yield from ("", "Unloaded modules:")
    for gone in value.unloaded:
        yield f"{format_address(gone.start, size)} {format_address(gone.end, size)}   {gone.name}"
        if value.verbose or "t" in options:
            yield from _remembered(gone)


def _remembered(module: UnloadedModule) -> Iterator[str]:
    """What WinDbg says of images of which the kernel keeps a name and a place only."""
    yield "    Timestamp: unavailable (00000000)"
    yield "    Checksum:  00000000"
    yield f"    ImageSize:  {module.size:08X}"


@lines.register(UnloadedModule)
def _unloaded(value: UnloadedModule) -> Iterator[str]:
    size = 8 if value.end >> 32 else 4
    yield f"{format_address(value.start, size)} {format_address(value.end, size)}   {value.name}"


def _status(module: ModuleInfo, file: str) -> str:
    status = f"({module.symbol_status})"
    text = f"{module.name:<10} {status}"
    return f"{text:<33} {file}" if file else text


def _named(module: ModuleInfo, options: str) -> str:
    if "c" in options:
        return f"{module.name:<8} {'unavailable' if module.checksum is None else f'{module.checksum:08X}'}"
    if "p" in options:
        return module.name
    image = module.image_path if "f" in options else module.image_name
    text = f"{module.name:<8} {image}"
    return f"{text:<21} {_time(module)}" if "t" in options else text


def _time(module: ModuleInfo) -> str:
    timestamp = module.timestamp
    if timestamp is None:
        return "unavailable"
    if module.is_reproducible:
        return f"{timestamp:08X} (This is a reproducible build file hash, not a timestamp)"
    return f"{datetime.fromtimestamp(timestamp & 0xFFFFFFFF, UTC).ctime()} ({timestamp:08X})"


def _details(module: ModuleInfo) -> Iterator[str]:
    if module.symbol_status != "deferred":
        yield f"    Loaded symbol image file: {module.image_name}"
    yield f"    Image path: {module.image_path}"
    yield f"    Image name: {module.image_name}"
    yield f"    Timestamp:        {_time(module)}"
    checksum = "unavailable" if module.checksum is None else f"{module.checksum:08X}"
    yield f"    CheckSum:         {checksum}"
    yield f"    ImageSize:        {module.end - module.start:08X}"
    if module.pdb_name:
        age = "" if module.pdb_age is None else f"  Age: {module.pdb_age:x}"
        yield f"    Debug data:       {module.pdb_name}  {module.pdb_guid}{age}"


@lines.register(ModuleInfo)
def _module(value: ModuleInfo) -> Iterator[str]:
    return _modules(ModuleList((value,), 8 if value.end >> 32 else 4, verbose=True))


@lines.register(SymbolList)
def _symbols(value: SymbolList) -> Iterator[str]:
    for symbol in value.symbols:
        yield _symbol_line(symbol, value.address_size, value.letters)
    if value.left_out:
        yield f"... {value.left_out} more symbols left out; give a narrower pattern"


def _symbol_line(symbol: SymbolInfo, size: int, letters: str) -> str:
    address = format_address(symbol.address, size)
    if "v" not in letters and "0" not in letters:
        address = f"{address:<17}"  # the names stand in one column whatever the target
    for letter, text in (("0", address), ("1", symbol.text), ("2", f"{address} {symbol.text}")):
        if letter in letters:
            return text
    details = symbol.details.lstrip() if "p" in letters and "(" in symbol.details else symbol.details
    of = f"{symbol.type or '<NoType>'} " if "t" in letters else ""
    line = f"{address} {of}{symbol.text}{details}"
    if "v" not in letters:
        return line
    owner = "prv" if symbol.is_private else "pub"
    extent = f"{symbol.size:4x}" if symbol.size is not None else "   0"
    return f"{owner} {symbol.kind or 'global':<6} {address} {extent} {of}{symbol.text}{details}"


@lines.register(SymbolInfo)
def _symbol(value: SymbolInfo) -> Iterator[str]:
    size = 8 if value.address >> 32 else 4
    yield f"{format_address(value.address, size)} {value.text + value.details}"


@lines.register(NearestSymbols)
def _nearest(value: NearestSymbols) -> Iterator[str]:
    if value.before is None:
        yield f"No symbol is known at or before {format_address(value.address, value.address_size)}"
        return
    if value.source:
        yield value.source
    line = f"({format_address(value.before.address, value.address_size)})   {value.before.text}"
    if value.after is not None:
        after = format_address(value.after.address, value.address_size)
        line += f"   |  ({after})   {value.after.text}"
    yield line
    if value.exact:
        yield "Exact matches:"
        yield from (f"    {symbol.name + symbol.details}" for symbol in value.exact)
