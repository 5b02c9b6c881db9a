"""A KD client on a plain socket: no link, no transport of ours, so that the server is tested by its bytes alone."""

from __future__ import annotations

import os
import socket
from collections import deque
from typing import TYPE_CHECKING, Protocol

from kdnb.protocol import codec
from kdnb.protocol.constants import INITIAL_PACKET_ID, SYNC_PACKET_ID, Api, Direction, MachineType, PacketType
from kdnb.protocol.framing import FramedPacket, Framer
from kdnb.protocol.messages.execution import Continue2Amd64, EmptyBody
from kdnb.protocol.messages.get_context import ContextBody
from kdnb.protocol.messages.manipulate import Manipulate
from kdnb.protocol.messages.memory import MemoryBody
from kdnb.protocol.messages.state_change import StateChange64
from kdnb.protocol.packet import Packet, encode_packet, make_control, make_data

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from kdnb.protocol.messages.message import Message
    from kdnb.protocol.wire import Structure

PATIENCE = 30.0
"""A bound for a stalled test machine; nothing here waits that long when it works."""


class Wire(Protocol):
    """What a socket has."""

    def recv(self, size: int, /) -> bytes: ...
    def sendall(self, data: bytes, /) -> None: ...
    def close(self) -> None: ...


class Terminal:
    """The controlling side of a pseudo-terminal, with a socket's methods."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def recv(self, size: int) -> bytes:
        return os.read(self._descriptor, size)

    def sendall(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._descriptor, data) :]

    def close(self) -> None:
        os.close(self._descriptor)


def connected(address: str) -> socket.socket:
    if address.startswith("unix:"):
        wire = socket.socket(socket.AF_UNIX)
        wire.connect(address.removeprefix("unix:"))
    else:
        host, _, port = address.removeprefix("tcp:").rpartition(":")
        wire = socket.create_connection((host, int(port)))
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    wire.settimeout(PATIENCE)
    return wire


class RawClient:
    def __init__(self, where: str | Wire) -> None:
        self._socket: Wire = connected(where) if isinstance(where, str) else where
        self._framer = Framer()
        self._packets: deque[Packet] = deque()
        self._next = INITIAL_PACKET_ID
        self.prints: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def packet(self) -> Packet:
        while not self._packets:
            data = self._socket.recv(0x10000)
            assert data, "the server closed the connection"
            self._packets += [item.packet for item in self._framer.feed(data) if isinstance(item, FramedPacket)]
        return self._packets.popleft()

    def message(self) -> Message:
        """The next data packet that is no print, acknowledged."""
        while True:
            packet = self.packet()
            if packet.packet_type == PacketType.RESEND:
                raise AssertionError("the target wants something again")
            if packet.is_control:
                continue
            if packet.packet_id & SYNC_PACKET_ID:
                self._next = INITIAL_PACKET_ID
            self.send(encode_packet(make_control(PacketType.ACKNOWLEDGE, packet.packet_id & ~SYNC_PACKET_ID)))
            message = codec.decode(packet.packet_type, packet.payload, Direction.TO_HOST, MachineType.AMD64)
            if not isinstance(message, codec.DebugPrint):
                return message
            self.prints.append(message.text)

    def stop(self) -> StateChange64:
        message = self.message()
        assert isinstance(message, StateChange64)
        return message

    def break_in(self) -> StateChange64:
        self.send(b"b")
        return self.stop()

    def post(self, api: Api, body: Structure | None = None, data: bytes = b"", processor: int = 0) -> None:
        """A request, without waiting for anything."""
        payload = Manipulate(api.value, body or EmptyBody(), data, processor).encode()
        self.send(encode_packet(make_data(PacketType.STATE_MANIPULATE, self._next, payload)))
        self._next ^= 1

    def request(self, api: Api, body: Structure | None = None, data: bytes = b"") -> Manipulate:
        self.post(api, body, data)
        reply = self.message()
        assert isinstance(reply, Manipulate)
        assert reply.api == api
        return reply

    def read(self, address: int, size: int) -> bytes:
        return self.request(Api.ReadVirtualMemory, MemoryBody(address, size)).data

    def go(self) -> None:
        """Past the int3 of a break-in, and on."""
        context = bytearray(self.request(Api.GetContext, ContextBody()).data)
        rip = int.from_bytes(context[0xF8:0x100], "little")
        if self.read(rip, 1) == b"\xcc":
            context[0xF8:0x100] = (rip + 1).to_bytes(8, "little")
            self.request(Api.SetContext, ContextBody(), bytes(context))
        self.post(Api.Continue2, Continue2Amd64(0x10002, 0, 0x400, 1))
