"""Text of the `d*` commands (the command reference, 7.1)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kdnb.render.lines import lines, printable
from kdnb.results.addresses import format_address, format_place
from kdnb.results.memory import MemoryBlocks, MemoryDifferences, MemoryDump, MemoryWritten, PointerTable, StringDump

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []


@lines.register(MemoryDump)
def _dump(value: MemoryDump) -> Iterator[str]:
    if value.command in ("dyb", "dyd"):
        yield from _bit_header(value)
    width = value.unit * value.columns
    for offset in range(0, value.size, width):
        wanted = min(width, value.size - offset)
        yield _row(value, offset, value.data[offset : offset + wanted], wanted)


def _row(value: MemoryDump, offset: int, data: bytes, wanted: int) -> str:
    separator = "  "
    address = format_place(value.address + offset, value.address_size, value.segment)
    if value.command.startswith("!"):  # physical dumps of the `!d*` extensions
        separator = " "
        address = f"#{value.address + offset:8x}"
    units = [_unit(value.command, data[at : at + value.unit], value.unit) for at in range(0, wanted, value.unit)]
    text = " ".join(units)
    if value.unit == 1 and value.columns > 8 and len(units) > 8:
        text = " ".join(units[:8]) + "-" + " ".join(units[8:])
    if value.command == "dyb":
        return f"{address}  {text:<35}  {_hex_bytes(data, wanted)}"
    if value.command == "dyd":
        return f"{address}  {text}  {_unit('dd', data, 4)}"
    if not value.ascii:
        return f"{address}{separator}{text}"
    full = value.columns * (len(units[0]) + 1) - 1
    return f"{address}{separator}{text:<{full}}{separator}{_ascii(data, wanted)}"


def _unit(command: str, data: bytes, size: int) -> str:
    """One unit; question marks where it can't be read."""
    if command in ("dyb", "dyd"):
        if len(data) < size:
            return " ".join("?" * 8 for _ in range(size))
        return " ".join(f"{byte:08b}" for byte in reversed(data))
    if command == "df":
        return f"{struct.unpack('<f', data)[0]:16.8g}" if len(data) == size else "?" * 16
    if command == "dD":
        return f"{struct.unpack('<d', data)[0]:22.16g}" if len(data) == size else "?" * 22
    if len(data) < size:
        return "????????`????????" if size == 8 else "?" * (2 * size)
    number = int.from_bytes(data, "little")
    return format_address(number) if size == 8 else f"{number:0{2 * size}x}"


def _ascii(data: bytes, wanted: int) -> str:
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data).ljust(wanted, "?")


def _hex_bytes(data: bytes, wanted: int) -> str:
    return " ".join([f"{byte:02x}" for byte in data] + ["??"] * (wanted - len(data)))


def _bit_header(value: MemoryDump) -> Iterator[str]:
    margin = " " * (len(format_place(value.address, value.address_size, value.segment)) + 2)
    if value.command == "dyb":
        yield margin + " " + " ".join(["76543210"] * value.columns)
        yield margin + " " + " ".join(["--------"] * value.columns)
    else:
        yield margin + " 3          2          1          0"
        yield margin + "10987654 32109876 54321098 76543210"
        yield margin + " ".join(["--------"] * 4)


@lines.register(PointerTable)
def _pointers(value: PointerTable) -> Iterator[str]:
    for at in range(0, len(value.entries), value.columns):
        cells = []
        for entry in value.entries[at : at + value.columns]:
            if entry.value is None:
                cells.append("????????`????????" if value.unit == 8 else "?" * (2 * value.unit))
                continue
            cell = format_address(entry.value, value.unit)
            if entry.target is not None:
                cell += f"  {format_address(entry.target, value.address_size)}"
            if entry.text is not None:
                cell += f' "{entry.text}"'
            if entry.symbol:
                cell += f" {entry.symbol}"
            cells.append(cell)
        address = format_place(value.entries[at].address, value.address_size, value.segment)
        yield f"{address}  {' '.join(cells)}"


@lines.register(StringDump)
def _string(value: StringDump) -> Iterator[str]:
    if not value.readable:
        yield f'{format_address(value.address, value.address_size)}  "{"?" * 32}"'
    for line in value.lines:
        text = printable(line.text).replace("\n", ".").replace("\t", ".")
        yield f'{format_address(line.address, value.address_size)}  "{text}"'


@lines.register(MemoryBlocks)
def _blocks(value: MemoryBlocks) -> Iterator[str]:
    for block in value.blocks:
        if value.addresses_only:
            yield f"0x{format_address(block.address, block.address_size)}"
        else:
            yield from _dump(block)


@lines.register(MemoryWritten)
def _written(value: MemoryWritten) -> Iterator[str]:
    if "filled" in value.details:
        yield f"Filled {value.details['filled']:#x} bytes"


@lines.register(MemoryDifferences)
def _differences(value: MemoryDifferences) -> Iterator[str]:
    for one in value.differences:
        first = format_address(one.address, value.address_size)
        second = format_address(one.other, value.address_size)
        yield f"{first}  {one.value:02x} - {second}  {one.other_value:02x}"
    if value.total > len(value.differences):
        yield f"... {value.total - len(value.differences)} more differences"
