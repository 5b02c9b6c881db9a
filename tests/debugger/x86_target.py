"""A 32-bit target with two modules, played by a script: what x86 does differently, over the real link."""

from __future__ import annotations

import contextlib
import struct
from typing import TYPE_CHECKING

from kdnb.debugger.engine import clock
from kdnb.debugger.loader_entry import LoaderEntry32
from kdnb.debugger.session import Session
from kdnb.protocol.constants import Api, MachineType, Status
from kdnb.protocol.context.x86 import X86Context, X86SpecialRegisters
from kdnb.protocol.messages.breakpoints import BreakpointBody
from kdnb.protocol.messages.control_report import ControlReportX86
from kdnb.protocol.messages.manipulate import Manipulate
from kdnb.protocol.messages.memory import MemoryBody
from kdnb.protocol.messages.state_change import ExceptionRecord64, StateChange64
from kdnb.protocol.messages.version import VersionBody
from tests.target.scripted import joined, reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.protocol.messages.message import Message

KERNEL, LIST, CODE = 0x80800000, 0x80900000, 0x80801000


def extended(address: int) -> int:
    """As 32-bit targets put addresses on the wire."""
    return address | 0xFFFFFFFF00000000


class X86Machine:
    """Memory, one CONTEXT, special registers; answers requests."""

    def __init__(self) -> None:
        self.memory = {
            page: bytearray(0x1000) for page in (LIST >> 12, (LIST >> 12) + 1, CODE >> 12, 0x80A00, KERNEL >> 12)
        }
        self.context = X86Context(eip=CODE, esp=0x80A00800, ebp=0x80A00900, eax=0x11223344, efl=0x246, cs=8)
        self.special = X86SpecialRegisters(cr0=0x8001003B, cr3=0x39000, gdtr=0x8003F000, gdtl=0x3FF)
        self.resumed: list[Manipulate] = []
        entries = [("ntoskrnl.exe", KERNEL, 0x400000), ("hal.dll", 0x80C00000, 0x20000)]
        places = [LIST + 0x100 * (index + 1) for index in range(len(entries))]
        for index, (name, base, size) in enumerate(entries):
            text = name.encode("utf-16-le")
            self.put(places[index] + 0x80, text)
            following = places[index + 1] if index + 1 < len(places) else LIST
            entry = LoaderEntry32(
                next=following, base=base, size=size, path_length=len(text), path_buffer=places[index] + 0x80
            )
            self.put(places[index], entry.encode())
        self.put(LIST, struct.pack("<II", places[0], places[-1]))
        self.put(CODE, b"\xcc\x90\xc3")
        self.put(0x80A00900, struct.pack("<II", 0x80A00A00, CODE + 0x10))
        self.put(0x80A00800, struct.pack("<I", CODE + 0x10))

    def put(self, address: int, data: bytes) -> None:
        page = self.memory[address >> 12]
        page[address & 0xFFF : (address & 0xFFF) + len(data)] = data

    def announce(self, code: int = 0x80000003) -> StateChange64:
        eip = self.context.eip
        stream = bytes(self.memory[eip >> 12][eip & 0xFFF : (eip & 0xFFF) + 16])
        record = ExceptionRecord64(code=code, address=extended(eip), first_chance=1)
        report = ControlReportX86(instruction_count=16, instruction_stream=stream)
        return StateChange64(0x3030, 0, 0, 1, extended(0x81234560), extended(eip), record, report)

    def answer(self, message: Message) -> list[Message]:
        assert isinstance(message, Manipulate)
        body = message.body
        match message.api:
            case Api.GetVersion:
                version = VersionBody(
                    major=0xF, minor=2600, protocol=6, machine=MachineType.I386,
                    kernel_base=extended(KERNEL), loaded_module_list=extended(LIST),
                )  # fmt: skip
                return [reply(message, version)]
            case Api.ReadVirtualMemory:
                assert isinstance(body, MemoryBody)
                return [self.read(message, body)]
            case Api.GetContext:
                return [reply(message, data=self.context.encode())]
            case Api.SetContext:
                self.context = X86Context.decode(message.data)
                return [reply(message)]
            case Api.ReadControlSpace:
                assert isinstance(body, MemoryBody)
                state = self.context.encode() + self.special.encode()
                data = state[body.address : body.address + body.transfer_count]
                return [reply(message, MemoryBody(body.address, body.transfer_count, len(data)), data)]
            case Api.WriteControlSpace:
                self.special = X86SpecialRegisters.decode(message.data)
                return [reply(message)]
            case Api.WriteBreakPoint:
                assert isinstance(body, BreakpointBody)
                return [reply(message, BreakpointBody(body.address, 1))]
            case Api.Continue2:
                self.resumed.append(message)
                self.context = self.context.replace(eip=self.context.eip + 1)
                return [self.announce(0x80000004)]
        return [reply(message, status=Status.UNSUCCESSFUL)]

    def read(self, message: Message, body: MemoryBody) -> Message:
        at, data = body.address & 0xFFFFFFFF, b""
        while len(data) < body.transfer_count and (page := self.memory.get((at + len(data)) >> 12)) is not None:
            data += bytes(page[(at + len(data)) & 0xFFF :])
        data = data[: body.transfer_count]
        status = 0 if data else Status.UNSUCCESSFUL
        return reply(message, MemoryBody(body.address, body.transfer_count, len(data)), data, status)


@contextlib.contextmanager
def x86_session() -> Iterator[tuple[Session, X86Machine]]:
    """A session that is stopped at the machine's int3."""
    machine = X86Machine()
    with joined(machine.answer, announcement=machine.announce()) as (target, _):
        session = Session(target, clock=clock)
        session.request_break()
        session.break_in(10.0)
        yield session, machine
