"""What the guest passes to its debugger: services of `int 2dh` and the structures their registers point to.

Registers: rax says which service, rcx, rdx, r8, r9 are its arguments; on x86 eax, and ecx, edx, ebx, edi. The byte
after the instruction is skipped by whoever takes the trap, as on Windows.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from kdnb.simulator.events import LoadSymbols, Trap

if TYPE_CHECKING:
    from kdnb.simulator.cpu import Processor

__all__ = ["Service", "end_service", "read_exception", "read_path", "read_symbols", "read_text", "service_registers"]

_LARGEST_TEXT = 0x1000
_LARGEST_PATH = 0x200
_EXCEPTION_PARAMETERS = 15


class Service(IntEnum):
    """Number at `int 2dh`; the last two are this guest's own (protocol reference 2.2 has the others)."""

    PRINT = 1
    PROMPT = 2
    LOAD_SYMBOLS = 3
    UNLOAD_SYMBOLS = 4
    REPORT_EXCEPTION = 0x100
    PULL_FILE = 0x101


def end_service(processor: Processor, result: int) -> None:
    """Go on behind the skipped byte, with the service's result."""
    processor.set(processor.architecture.service_registers[0], result)
    processor.pc += 1


def service_registers(processor: Processor) -> tuple[int, ...]:
    """The service's number and its four arguments."""
    return tuple(processor.get(name) for name in processor.architecture.service_registers)


def read_text(processor: Processor) -> bytes:
    """Text of a print or prompt: the first argument is its address, the second its length."""
    _, text, length, _, _ = service_registers(processor)
    return processor.read(text, min(length & 0xFFFF, _LARGEST_TEXT))


def read_path(processor: Processor) -> bytes:
    """A path: the first argument is the address of a STRING."""
    _, name, *_ = service_registers(processor)
    length = _number(processor.read(name, 2))
    return processor.read(
        processor.read_pointer(name + processor.architecture.pointer_size), min(length, _LARGEST_PATH)
    )


def read_symbols(processor: Processor, *, unload: bool) -> LoadSymbols:
    """The first argument is the address of a STRING with the path, the second that of a KD_SYMBOLS_INFO."""
    _, _, information, _, _ = service_registers(processor)
    size = processor.architecture.pointer_size
    data = processor.read(information, 2 * size + 8).ljust(2 * size + 8, b"\0")
    return LoadSymbols(
        processor.number,
        path=read_path(processor),
        base=_number(data[:size]),
        size=_number(data[-4:]),
        checksum=_number(data[-8:-4]),
        process_id=int.from_bytes(data[size : 2 * size], "little", signed=True),
        unload=unload,
    )


def read_exception(processor: Processor) -> Trap:
    """The first argument is the address of an EXCEPTION_RECORD, the last one tells a first chance from the second."""
    _, record, *_, first_chance = service_registers(processor)
    size = processor.architecture.pointer_size
    data = processor.read(record, 0x98).ljust(0x98, b"\0")
    address, count_at = _number(data[8 + size : 8 + 2 * size]), 8 + 2 * size
    count = min(_number(data[count_at : count_at + 4]), _EXCEPTION_PARAMETERS)
    first = count_at + size  # the count is followed by as many bytes as make it a pointer
    parameters = tuple(_number(data[first + size * i : first + size * (i + 1)]) for i in range(count))
    return Trap(processor.number, _number(data[:4]), address, parameters, first_chance=bool(first_chance))


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")
