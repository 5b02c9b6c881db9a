"""Text of `u`, `ub`, `uf` (the command reference, 7.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.render.lines import lines
from kdnb.results.addresses import format_address
from kdnb.results.disassembly import CallList, Disassembly, FunctionCode, Instruction

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["instruction_line"]


def instruction_line(instruction: Instruction, address_size: int, *, with_bytes: bool = True) -> str:
    """Address, bytes padded to 16, mnemonic padded to 8, operands; a long encoding pushes the rest to the right."""
    address = format_address(instruction.address, address_size)
    if not instruction.data:
        return f"{address} ??              ???"
    operands = instruction.operands
    if not with_bytes:
        text = f"{address} {instruction.mnemonic:<7} {operands}".rstrip()
    elif instruction.encoding:
        text = f"{address} {instruction.encoding} {instruction.mnemonic:<11} {operands}".rstrip()
    else:
        text = f"{address} {instruction.data.hex():<15} {instruction.mnemonic:<7} {operands}".rstrip()
    if not instruction.annotation:
        return text
    return f"{text} {instruction.annotation.strip()}"


@lines.register(Instruction)
def _instruction(value: Instruction) -> Iterator[str]:
    if value.label:
        yield f"{value.label}:"
    yield instruction_line(value, 8)


@lines.register(Disassembly)
def _disassembly(value: Disassembly) -> Iterator[str]:
    for instruction in value.instructions:
        if instruction.label:
            yield f"{instruction.label}:"
        yield _marked(instruction, value.address_size, with_bytes=value.with_bytes)
    if value.note:
        yield f"{'^':>16} {value.note}"


def _marked(instruction: Instruction, address_size: int, *, with_bytes: bool) -> str:
    """The line, with the number of our breakpoint where one stands (WinDbg shows it in its windows only)."""
    line = instruction_line(instruction, address_size, with_bytes=with_bytes)
    return line if instruction.breakpoint is None else f"{line}    ; breakpoint {instruction.breakpoint}"


@lines.register(FunctionCode)
def _function(value: FunctionCode) -> Iterator[str]:
    if value.with_count:
        yield f"{len(value.instructions)} instructions scanned"
        yield ""
    for number, block in enumerate(value.blocks):
        if number:
            yield ""
        yield f"{block[0].label}:"
        for instruction in block:
            yield _marked(instruction, value.address_size, with_bytes=value.with_bytes)


@lines.register(CallList)
def _calls(value: CallList) -> Iterator[str]:
    def show(address: int) -> str:
        return format_address(address, value.address_size)

    yield f"{value.symbol} ({show(value.address)})"
    for call in value.calls:
        yield f"  {call.symbol} ({show(call.address)}):"
        place = f" ({show(call.target)})" if call.target is not None else ""
        yield f"    call to {call.target_symbol}{place}"
