"""TRACE_IO and CONTROL_REQUEST: seldom seen, known from headers only (protocol reference 4.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from kdnb.protocol.constants import CONTROL_REQUEST_SIZE, TRACE_IO_SIZE, PacketType
from kdnb.protocol.messages.message import Message, RawMessage
from kdnb.protocol.wire import Structure, padding, u16, u32

__all__ = [
    "ControlRequest",
    "ControlRequestBody",
    "TraceHeader",
    "TraceIo",
    "decode_control_request",
    "decode_trace_io",
]


@dataclass(frozen=True, slots=True)
class TraceHeader(Structure):
    """DBGKD_TRACE_IO."""

    api: Annotated[int, u32("ApiNumber", "3330")] = 0
    processor_level: Annotated[int, u16("ProcessorLevel", "CPU family")] = 0
    processor: Annotated[int, u16("Processor", "CPU that traces")] = 0
    length: Annotated[int, u32("LengthOfData", "bytes that follow")] = 0
    unused: Annotated[bytes, padding(52)] = bytes(52)


@dataclass(frozen=True, slots=True)
class TraceIo(Message):
    """Trace data (ETW) of the target; there is no reply."""

    PACKET_TYPE: ClassVar[PacketType] = PacketType.TRACE_IO

    header: TraceHeader
    data: bytes = b""

    def structures(self) -> tuple[Structure, ...]:
        return (self.header,)

    def rest(self) -> bytes:
        return self.data

    @property
    def api(self) -> int:
        return self.header.api

    @property
    def processor(self) -> int:
        return self.header.processor


@dataclass(frozen=True, slots=True)
class ControlRequestBody(Structure):
    """Reservation of a hardware breakpoint by hypervisor or firmware."""

    api: Annotated[int, u32("ApiNumber", "4300 request, 4301 release")] = 0
    number: Annotated[int, u32("HardwareBreakPointNumber", "")] = 0
    granted: Annotated[int, u32("Available", "or Released")] = 0


@dataclass(frozen=True, slots=True)
class ControlRequest(Message):
    """A request for a hardware breakpoint, or its reply."""

    PACKET_TYPE: ClassVar[PacketType] = PacketType.CONTROL_REQUEST

    body: ControlRequestBody
    data: bytes = b""

    def structures(self) -> tuple[Structure, ...]:
        return (self.body,)

    def rest(self) -> bytes:
        return self.data

    @property
    def api(self) -> int:
        return self.body.api


def decode_trace_io(payload: bytes) -> Message:
    """One payload; `RawMessage` when it is shorter than the fixed part."""
    if len(payload) < TRACE_IO_SIZE:
        return RawMessage(PacketType.TRACE_IO, payload)
    return TraceIo(TraceHeader.decode(payload), payload[TRACE_IO_SIZE:])


def decode_control_request(payload: bytes) -> Message:
    """One payload; `RawMessage` when it is shorter than the fixed part."""
    if len(payload) < CONTROL_REQUEST_SIZE:
        return RawMessage(PacketType.CONTROL_REQUEST, payload)
    return ControlRequest(ControlRequestBody.decode(payload), payload[CONTROL_REQUEST_SIZE:])
