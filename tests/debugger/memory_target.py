"""An x64 target that is nothing but memory: what somebody read from a real machine, or data laid out by a compiler.

Pages of which a part is known are filled up with zeros, so that reads end at pages, as those of real targets do.
"""

from __future__ import annotations

import contextlib
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kdnb.debugger.engine import clock
from kdnb.debugger.session import Session
from kdnb.protocol.constants import Api, Status
from kdnb.protocol.context.amd64 import AMD64Context, AMD64SpecialRegisters
from kdnb.protocol.messages.control_report import ControlReportAmd64
from kdnb.protocol.messages.memory import MemoryBody
from kdnb.protocol.messages.state_change import ExceptionRecord64, StateChange64
from tests.target.scripted import joined, reply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from kdnb.protocol.messages.message import Message
    from kdnb.protocol.messages.version import VersionBody

PAGE = 0x1000
SPECIAL_REGISTERS = 2


@dataclass
class MemoryMachine:
    """Memory, the registers of one processor, and where each processor's KPRCB lies."""

    version: VersionBody
    context: AMD64Context
    thread: int = 0
    processor: int = 0
    prcbs: tuple[int, ...] = ()
    pcr_before_prcb: int = 0x180
    special: AMD64SpecialRegisters = field(default_factory=AMD64SpecialRegisters)
    pages: dict[int, bytearray] = field(default_factory=dict)

    def put(self, address: int, data: bytes) -> None:
        for at in range(len(data)):
            page = self.pages.setdefault((address + at) // PAGE, bytearray(PAGE))
            page[(address + at) % PAGE] = data[at]

    def get(self, address: int, size: int) -> bytes:
        """The bytes up to the first page that is not there."""
        data = b""
        while len(data) < size and (page := self.pages.get((address + len(data)) // PAGE)) is not None:
            data += bytes(page[(address + len(data)) % PAGE :])
        return data[:size]

    def put_pointer(self, address: int, value: int) -> None:
        self.put(address, struct.pack("<Q", value))

    def pointer(self, address: int) -> int:
        return int.from_bytes(self.get(address, 8), "little")

    def announce(self) -> StateChange64:
        record = ExceptionRecord64(code=0x80000003, address=self.context.rip, first_chance=1)
        count = max(len(self.prcbs), 1)
        report = ControlReportAmd64(instruction_count=0)
        return StateChange64(0x3030, 0, self.processor, count, self.thread, self.context.rip, record, report)

    def answer(self, message: Message) -> list[Message]:
        body = message.body
        match message.api:
            case Api.GetVersion:
                return [reply(message, self.version)]
            case Api.ReadVirtualMemory:
                assert isinstance(body, MemoryBody)
                data = self.get(body.address, body.transfer_count)
                status = 0 if data else Status.UNSUCCESSFUL
                return [reply(message, MemoryBody(body.address, body.transfer_count, len(data)), data, status)]
            case Api.WriteVirtualMemory:
                assert isinstance(body, MemoryBody)
                self.put(body.address, message.data)
                return [reply(message, MemoryBody(body.address, body.transfer_count, len(message.data)))]
            case Api.GetContext:
                return [reply(message, data=self.context.encode())]
            case Api.ReadControlSpace:
                assert isinstance(body, MemoryBody)
                data = self.control_space(message.processor, body.address)[: body.transfer_count]
                status = 0 if data else Status.UNSUCCESSFUL
                return [reply(message, MemoryBody(body.address, body.transfer_count, len(data)), data, status)]
        return [reply(message, status=Status.UNSUCCESSFUL)]

    def control_space(self, processor: int, selector: int) -> bytes:
        if selector == SPECIAL_REGISTERS:
            return self.special.encode()
        if processor >= len(self.prcbs):
            return b""
        prcb = self.prcbs[processor]
        return struct.pack("<Q", {0: prcb - self.pcr_before_prcb, 1: prcb, 3: self.thread}[selector])


@contextlib.contextmanager
def memory_session(machine: MemoryMachine, **options: Any) -> Iterator[Session]:
    """A session that is stopped at the machine's `rip`."""
    with joined(machine.answer, announcement=machine.announce()) as (target, _):
        session = Session(target, clock=clock, **options)
        session.request_break()
        session.break_in(10.0)
        yield session
