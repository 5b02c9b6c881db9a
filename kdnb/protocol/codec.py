"""Payload to message and back.

`decode` never raises for what a target may send: too short or unknown content becomes a `RawMessage`, an unknown API
of a known packet type keeps its header and gets a raw union. `encode` is its exact inverse. What a message is depends
on packet type, API, direction and machine.
"""

from __future__ import annotations

from kdnb.protocol.api_names import API_NAMES, api_name, api_number, packet_type_of
from kdnb.protocol.constants import Direction, MachineType, PacketType
from kdnb.protocol.messages.debug_io import DebugPrint, DebugPrompt, DebugPromptReply, decode_debug_io
from kdnb.protocol.messages.file_io import FileIo, decode_file_io
from kdnb.protocol.messages.manipulate import Manipulate, decode_manipulate
from kdnb.protocol.messages.message import Message, RawMessage
from kdnb.protocol.messages.state_change import StateChange64, decode_state_change64
from kdnb.protocol.messages.state_change32 import StateChange32, decode_state_change32
from kdnb.protocol.messages.trace_io import ControlRequest, TraceIo, decode_control_request, decode_trace_io
from kdnb.protocol.summary import summary

__all__ = [
    "API_NAMES",
    "ControlRequest",
    "DebugPrint",
    "DebugPrompt",
    "DebugPromptReply",
    "FileIo",
    "Manipulate",
    "Message",
    "RawMessage",
    "StateChange32",
    "StateChange64",
    "TraceIo",
    "api_name",
    "api_number",
    "decode",
    "encode",
    "packet_type_of",
    "summary",
]


def decode(
    packet_type: int,
    payload: bytes,
    direction: Direction = Direction.TO_HOST,
    machine: int = MachineType.AMD64,
) -> Message:
    """The message in the payload of one data packet."""
    match packet_type:
        case PacketType.STATE_MANIPULATE:
            return decode_manipulate(payload, direction, machine)
        case PacketType.STATE_CHANGE64:
            return decode_state_change64(payload, machine)
        case PacketType.DEBUG_IO:
            return decode_debug_io(payload, direction)
        case PacketType.FILE_IO:
            return decode_file_io(payload)
        case PacketType.TRACE_IO:
            return decode_trace_io(payload)
        case PacketType.CONTROL_REQUEST:
            return decode_control_request(payload)
        case PacketType.STATE_CHANGE32:
            return decode_state_change32(payload)
    return RawMessage(packet_type, payload)


def encode(message: Message) -> bytes:
    """The payload of a message, without packet header."""
    return message.encode()
