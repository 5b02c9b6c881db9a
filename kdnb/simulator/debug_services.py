"""What the guest passes to its debugger: services of `int 2dh` and the structures their registers point to.

Registers: rax says which service, rcx, rdx, r8, r9 are its arguments. The byte after the instruction is skipped by
whoever takes the trap, as on Windows.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from kdnb.simulator.events import LoadSymbols, Trap

if TYPE_CHECKING:
    from kdnb.simulator.cpu import Processor

__all__ = ["Service", "end_service", "read_exception", "read_symbols", "read_text"]

_LARGEST_TEXT = 0x1000
_LARGEST_PATH = 0x200
_EXCEPTION_PARAMETERS = 15


class Service(IntEnum):
    """rax at `int 2dh`; the last is this guest's own (protocol reference 2.2 has the others)."""

    PRINT = 1
    PROMPT = 2
    LOAD_SYMBOLS = 3
    UNLOAD_SYMBOLS = 4
    REPORT_EXCEPTION = 0x100


def end_service(processor: Processor, result: int) -> None:
    """Go on behind the skipped byte, with the service's result."""
    processor.set("rax", result)
    processor.set("rip", processor.get("rip") + 1)


def read_text(processor: Processor) -> bytes:
    """Text of a print or prompt: rcx is its address, rdx its length."""
    return processor.read(processor.get("rcx"), min(processor.get("rdx") & 0xFFFF, _LARGEST_TEXT))


def read_symbols(processor: Processor, *, unload: bool) -> LoadSymbols:
    """rcx is the address of a STRING with the path, rdx that of a KD_SYMBOLS_INFO."""
    name, information = processor.get("rcx"), processor.get("rdx")
    length = _number(processor.read(name, 2))
    data = processor.read(information, 24).ljust(24, b"\0")
    return LoadSymbols(
        processor.number,
        path=processor.read(processor.read_u64(name + 8), min(length, _LARGEST_PATH)),
        base=_number(data[:8]),
        size=_number(data[20:24]),
        checksum=_number(data[16:20]),
        process_id=int.from_bytes(data[8:16], "little", signed=True),
        unload=unload,
    )


def read_exception(processor: Processor) -> Trap:
    """rcx is the address of an EXCEPTION_RECORD for which the guest found no handler."""
    data = processor.read(processor.get("rcx"), 0x98).ljust(0x98, b"\0")
    count = min(_number(data[24:28]), _EXCEPTION_PARAMETERS)
    parameters = tuple(_number(data[32 + 8 * i : 40 + 8 * i]) for i in range(count))
    return Trap(processor.number, _number(data[:4]), _number(data[16:24]), parameters, first_chance=False)


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")
