"""A host joined to a stub in memory and in virtual time: for tests, and for recordings that repeat to the byte.

It is no debugger: it sends what its caller says and waits for what comes, always bounded in turns.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from kdnb.errors import LinkError
from kdnb.protocol import codec
from kdnb.protocol.constants import Api, ContinueStatus, Direction, Status
from kdnb.protocol.context.amd64 import AMD64Context, AMD64SpecialRegisters
from kdnb.protocol.link import Link, PacketReceived, Role
from kdnb.protocol.messages.breakpoints import BreakpointBody
from kdnb.protocol.messages.debug_io import DebugPrint
from kdnb.protocol.messages.execution import EmptyBody
from kdnb.protocol.messages.file_io import FileIo
from kdnb.protocol.messages.get_context import ContextBody
from kdnb.protocol.messages.manipulate import Manipulate, continue2_type
from kdnb.protocol.messages.memory import MemoryBody
from kdnb.protocol.messages.state_change import StateChange64
from kdnb.simulator.architecture import AMD64, Architecture
from kdnb.simulator.machine import Machine
from kdnb.simulator.stub import Stub

if TYPE_CHECKING:
    from kdnb.protocol.link import LinkEvent
    from kdnb.protocol.messages.message import Message
    from kdnb.protocol.wire import Structure

__all__ = ["NO_HARDWARE_BREAKPOINTS", "Observer", "ScriptedHost"]

NO_HARDWARE_BREAKPOINTS = 0x400
"""Dr7 with nothing enabled; its bit 10 is always set."""

SPECIAL_REGISTERS = 2
SPECIAL_REGISTERS_SIZE = 0xF0
INT3 = b"\xcc"
TURN = 50e-6
"""Virtual seconds of one turn: about what a slice of the machine takes."""

BYTE_TIME = 1e-6
"""Virtual seconds that a byte is under way: a pipe of a virtual machine moves about a megabyte in a second."""

_Wanted = TypeVar("_Wanted", bound="Message")


class Observer(Protocol):
    """Sees every chunk with the virtual time at which it went over."""

    def __call__(self, direction: Direction, data: bytes, now: float) -> None: ...


class ScriptedHost:
    """The debugger's end of the line to a machine of its own. What says registers by name is for amd64."""

    def __init__(
        self, scenario: str = "idle", observer: Observer | None = None, architecture: Architecture = AMD64
    ) -> None:
        self.machine = Machine(scenario, architecture)
        self.machine.boot()
        self.stub = Stub(self.machine, Link(Role.TARGET))
        self.link = Link(Role.HOST)
        self.now = 0.0
        self.messages: deque[Message] = deque()
        self.prints: list[bytes] = []
        self.events: list[LinkEvent] = []
        """What else the link said: resets, restarts, failures."""
        self._observer = observer
        self._machine_type = architecture.machine

    # --- time ----------------------------------------------------------------------------------------

    def turn(self) -> None:
        """Both directions once; time jumps to the next timeout only when nothing else happens."""
        self.now += TURN
        sent = self._carry(Direction.TO_TARGET, self.link.data_to_send())
        self.stub.step(self.now)
        came = self._carry(Direction.TO_HOST, self.stub.data_to_send())
        while (event := self.link.next_event()) is not None:
            if isinstance(event, PacketReceived):
                self._take(codec.decode(event.packet_type, event.payload, Direction.TO_HOST, self._machine_type))
            else:
                self.events.append(event)
        if not (sent or came or self.stub.is_running):
            self._pass_time()

    def _carry(self, direction: Direction, data: bytes) -> bool:
        self.now += len(data) * BYTE_TIME
        if data and self._observer is not None:
            self._observer(direction, data, self.now)
        if data and direction is Direction.TO_TARGET:
            self.stub.receive_data(data, self.now)
        elif data:
            self.link.receive_data(data, self.now)
        return bool(data)

    def _take(self, message: Message) -> None:
        if isinstance(message, DebugPrint):
            self.prints.append(message.text)
        elif isinstance(message, FileIo):
            self.send(replace(message, status=Status.NO_SUCH_FILE.value))
        else:
            self.messages.append(message)

    def _pass_time(self) -> None:
        dues = [due for due in (self.link.next_timeout(), self.stub.next_timeout()) if due is not None]
        self.now = max(self.now, min(dues, default=self.now))
        self.link.handle_timeout(self.now)
        self.stub.handle_timeout(self.now)

    def wait_for(self, kind: type[_Wanted], turns: int = 20_000) -> _Wanted:
        """The next message, which must be of this kind. Raises LinkError when it isn't or doesn't come."""
        for _ in range(turns):
            if self.messages:
                message = self.messages.popleft()
                if not isinstance(message, kind):
                    raise LinkError(f"the target sent {message} where {kind.__name__} was due")
                return message
            self.turn()
        raise LinkError(f"no {kind.__name__} within {turns} turns; last print: {self.prints[-1:]}")

    # --- what a debugger says ---------------------------------------------------------------------------

    def send(self, message: Message) -> None:
        self.link.send(codec.packet_type_of(message), codec.encode(message), self.now)

    def request(
        self, api: Api | int, body: Structure | None = None, data: bytes = b"", processor: int = 0
    ) -> Manipulate:
        """A request and its reply."""
        self.send(Manipulate(int(api), body or EmptyBody(), data, processor))
        return self.wait_for(Manipulate)

    def break_in(self) -> StateChange64:
        self.link.send_break_in()
        return self.wait_for(StateChange64)

    def read(self, address: int, size: int) -> bytes:
        """What is there, at most a packet's worth."""
        return self.request(Api.ReadVirtualMemory, MemoryBody(address, size)).data

    def context(self, processor: int = 0) -> AMD64Context:
        return AMD64Context.decode(self.request(Api.GetContext, ContextBody(), processor=processor).data)

    def change_context(self, processor: int = 0, **fields: Any) -> Manipulate:
        context = replace(self.context(processor), **fields)
        return self.request(Api.SetContext, ContextBody(context.context_flags), context.encode(), processor)

    def special_registers(self, processor: int = 0) -> AMD64SpecialRegisters:
        body = MemoryBody(SPECIAL_REGISTERS, SPECIAL_REGISTERS_SIZE)
        return AMD64SpecialRegisters.decode(self.request(Api.ReadControlSpace, body, processor=processor).data)

    def set_breakpoint(self, address: int) -> int:
        """The handle; 0 when the target refused."""
        body: Any = self.request(Api.WriteBreakPoint, BreakpointBody(address)).body
        return int(body.handle)

    def resume(
        self, status: int = ContinueStatus.DBG_CONTINUE, *, trace: bool = False, dr7: int = NO_HARDWARE_BREAKPOINTS
    ) -> None:
        """Continue2; nothing is waited for."""
        form: Any = continue2_type(self._machine_type)
        self.send(Manipulate(Api.Continue2.value, form(int(status), int(trace), dr7, 1)))

    def go(self, processor: int = 0, *, trace: bool = False, dr7: int = NO_HARDWARE_BREAKPOINTS) -> None:
        """Continue, past the int3 that is compiled into the code if that is where the processor stands."""
        context = self.context(processor)
        if self.read(context.rip, 1) == INT3:
            self.change_context(processor, rip=context.rip + 1)
        self.resume(trace=trace, dr7=dr7)
