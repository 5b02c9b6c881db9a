"""A host joined to a stub in memory and in virtual time: what the stub's tests talk through."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeVar

import pytest

from kdnb.protocol import codec
from kdnb.protocol.constants import Api, ContinueStatus, Direction, MachineType, Status
from kdnb.protocol.link import Link, PacketReceived, Role
from kdnb.protocol.messages.debug_io import DebugPrint
from kdnb.protocol.messages.execution import Continue2Amd64, EmptyBody
from kdnb.protocol.messages.manipulate import Manipulate
from kdnb.protocol.messages.memory import MemoryBody
from kdnb.protocol.messages.state_change import StateChange64
from kdnb.simulator.stub import Stub

if TYPE_CHECKING:
    from kdnb.simulator.machine import Machine

    from kdnb.protocol.messages.message import Message
    from kdnb.protocol.wire import Structure

M = TypeVar("M")

NO_HARDWARE_BREAKPOINTS = 0x400


class Host:
    """The debugger's end of the line. Every wait is bounded in turns, never in wall time."""

    def __init__(self, stub: Stub, link: Link) -> None:
        self.stub = stub
        self.link = link
        self.now = 0.0
        self.messages: deque[Message] = deque()
        self.prints: list[bytes] = []

    @property
    def machine(self) -> Machine:
        return self.stub.machine

    def turn(self) -> None:
        """Both directions once; time goes on to the next timeout only when nothing else does."""
        if to_target := self.link.data_to_send():
            self.stub.receive_data(to_target, self.now)
        self.stub.step(self.now)
        if to_host := self.stub.data_to_send():
            self.link.receive_data(to_host, self.now)
        while (event := self.link.next_event()) is not None:
            if isinstance(event, PacketReceived):
                self._take(codec.decode(event.packet_type, event.payload, Direction.TO_HOST, MachineType.AMD64))
        if not (to_target or to_host or self.stub.is_running):
            self._pass_time()

    def _take(self, message: Message) -> None:
        if isinstance(message, DebugPrint):
            self.prints.append(message.text)
        else:
            self.messages.append(message)

    def _pass_time(self) -> None:
        dues = [due for due in (self.link.next_timeout(), self.stub.next_timeout()) if due is not None]
        if dues:
            self.now = max(self.now, *dues) if len(dues) == 1 else max(self.now, min(dues))
            self.link.handle_timeout(self.now)
            self.stub.handle_timeout(self.now)

    def wait_for(self, kind: type[M], turns: int = 20_000) -> M:
        for _ in range(turns):
            if self.messages:
                message = self.messages.popleft()
                assert isinstance(message, kind), message
                return message
            self.turn()
        raise AssertionError(f"no {kind.__name__} within {turns} turns; prints: {self.prints[-3:]}")

    def send(self, message: Message) -> None:
        self.link.send(codec.packet_type_of(message), codec.encode(message), self.now)

    def break_in(self) -> StateChange64:
        self.link.send_break_in()
        return self.wait_for(StateChange64)

    def request(
        self, api: Api | int, body: Structure | None = None, data: bytes = b"", processor: int = 0
    ) -> Manipulate:
        self.send(Manipulate(int(api), body or EmptyBody(), data, processor))
        reply = self.wait_for(Manipulate)
        assert reply.api == api
        return reply

    def read(self, address: int, size: int) -> bytes:
        reply = self.request(Api.ReadVirtualMemory, MemoryBody(address, size))
        assert reply.status == Status.SUCCESS
        return reply.data

    def resume(
        self, status: int = ContinueStatus.DBG_CONTINUE, *, trace: bool = False, dr7: int = NO_HARDWARE_BREAKPOINTS
    ) -> None:
        body = Continue2Amd64(status=status, trace=int(trace), dr7=dr7, symbol_start=1)
        self.send(Manipulate(Api.Continue2.value, body))

    def raw(self, data: bytes) -> bytes:
        """Bytes straight into the stub, past the host's link; what the stub says at once."""
        self.stub.receive_data(data, self.now)
        return self.stub.data_to_send()


def join(scenario: str = "idle") -> Host:
    from kdnb.simulator.machine import Machine

    machine = Machine(scenario)
    machine.boot()
    return Host(Stub(machine, Link(Role.TARGET)), Link(Role.HOST))


@pytest.fixture
def host() -> Host:
    """A host beside a freshly booted, idle machine."""
    return join("idle")


@pytest.fixture
def stopped(host: Host) -> Host:
    """The same, broken into."""
    host.break_in()
    return host
