"""An ARM64 target with one module, played by a script: what ARM64 does differently, over the real link."""

from __future__ import annotations

import contextlib
import struct
from typing import TYPE_CHECKING

from kdnb.debugger.engine import clock
from kdnb.debugger.loader_entry import LoaderEntry64
from kdnb.debugger.session import Session
from kdnb.protocol.constants import Api, MachineType, Status
from kdnb.protocol.context.arm64 import CONTEXT_FULL, ARM64Context
from kdnb.protocol.messages.breakpoints import BreakpointBody
from kdnb.protocol.messages.control_report import ControlReportArm
from kdnb.protocol.messages.manipulate import Manipulate
from kdnb.protocol.messages.memory import MemoryBody
from kdnb.protocol.messages.state_change import ExceptionRecord64, StateChange64
from kdnb.protocol.messages.version import VersionBody
from tests.target.scripted import joined, reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.protocol.messages.message import Message

KERNEL, LIST, CODE, STACK = 0xFFFFF80350000000, 0xFFFFF80350900000, 0xFFFFF80350001000, 0xFFFFF80360000000
PROGRAM = struct.pack(
    "<5I",
    0xD43E0000,  # brk #0xF000
    0xAA0003F3,  # mov x19, x0
    0x94000002,  # bl .+8
    0xD503201F,  # nop
    0xD65F03C0,  # ret
)


class ARM64Machine:
    """Memory and one CONTEXT; answers requests. A trace goes on by one instruction, a run to the next breakpoint."""

    def __init__(self) -> None:
        pages = (LIST, LIST + 0x1000, KERNEL, CODE, STACK)
        self.memory = {page >> 12: bytearray(0x1000) for page in pages}
        numbered = {f"x{number}": 0x1000 + number for number in range(29)}
        self.context = ARM64Context(
            context_flags=CONTEXT_FULL, cpsr=0x60000044, pc=CODE, sp=STACK + 0x800, fp=STACK + 0x900, lr=CODE + 0x10,
            **(numbered | {"x0": 1}),
        )  # fmt: skip
        self.resumed: list[Manipulate] = []
        self.breakpoints: list[int] = []
        name = "ntoskrnl.exe".encode("utf-16-le")
        entry = LoaderEntry64(
            next=LIST, previous=LIST, base=KERNEL, size=0x900000, path_length=len(name), path_buffer=LIST + 0x200,
            name_length=len(name), name_buffer=LIST + 0x200,
        )  # fmt: skip
        self.put(LIST, struct.pack("<QQ", LIST + 0x100, LIST + 0x100))
        self.put(LIST + 0x100, entry.encode())
        self.put(LIST + 0x200, name)
        self.put(CODE, PROGRAM)

    def put(self, address: int, data: bytes) -> None:
        page = self.memory[address >> 12]
        page[address & 0xFFF : (address & 0xFFF) + len(data)] = data

    def announce(self, code: int = 0x80000003) -> StateChange64:
        pc = self.context.pc
        stream = bytes(self.memory[pc >> 12][pc & 0xFFF : (pc & 0xFFF) + 16])
        record = ExceptionRecord64(code=code, address=pc, first_chance=1)
        report = ControlReportArm(cpsr=self.context.cpsr, instruction_count=16, instruction_stream=stream)
        return StateChange64(0x3030, 0, 0, 1, 0xFFFF800012345040, pc, record, report)

    def answer(self, message: Message) -> list[Message]:
        assert isinstance(message, Manipulate)
        body = message.body
        match message.api:
            case Api.GetVersion:
                version = VersionBody(
                    major=0xF, minor=26100, protocol=6, machine=MachineType.ARM64, flags=4,
                    kernel_base=KERNEL, loaded_module_list=LIST,
                )  # fmt: skip
                return [reply(message, version)]
            case Api.ReadVirtualMemory:
                assert isinstance(body, MemoryBody)
                return [self.read(message, body)]
            case Api.GetContext:
                return [reply(message, data=self.context.encode())]
            case Api.SetContext:
                self.context = ARM64Context.decode(message.data)
                return [reply(message)]
            case Api.WriteBreakPoint:
                assert isinstance(body, BreakpointBody)
                self.breakpoints.append(body.address)
                return [reply(message, BreakpointBody(body.address, len(self.breakpoints)))]
            case Api.RestoreBreakPoint:
                return [reply(message)]
            case Api.Continue2:
                return [self.run(message)]
        return [reply(message, status=Status.UNSUCCESSFUL)]

    def run(self, message: Manipulate) -> Message:
        self.resumed.append(message)
        if self.trace_flags(-1) == (1, 1):
            self.context = self.context.replace(pc=self.context.pc + 4)
            return self.announce(0x80000004)
        self.context = self.context.replace(pc=self.breakpoints[-1])
        return self.announce()

    def trace_flags(self, number: int) -> tuple[int, ...]:
        """The words of a Continue2 at 14 and 18 of its packet: sources disagree which one traces."""
        return struct.unpack_from("<II", self.resumed[number].body.encode(), 4)

    def read(self, message: Message, body: MemoryBody) -> Message:
        at, data = body.address, b""
        while len(data) < body.transfer_count and (page := self.memory.get((at + len(data)) >> 12)) is not None:
            data += bytes(page[(at + len(data)) & 0xFFF :])
        data = data[: body.transfer_count]
        status = 0 if data else Status.UNSUCCESSFUL
        return reply(message, MemoryBody(body.address, body.transfer_count, len(data)), data, status)


@contextlib.contextmanager
def arm64_session() -> Iterator[tuple[Session, ARM64Machine]]:
    """A session that is stopped at the machine's brk."""
    machine = ARM64Machine()
    with joined(machine.answer, announcement=machine.announce()) as (target, _):
        session = Session(target, clock=clock)
        session.request_break()
        session.break_in(10.0)
        yield session, machine
