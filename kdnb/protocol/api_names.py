"""What a message is called: the `api` column of the packet frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.protocol.constants import (
    Api,
    ControlRequestApi,
    DebugIoApi,
    FileIoApi,
    NewState,
    PacketType,
    TraceIoApi,
)
from kdnb.protocol.messages.debug_io import DebugPrint, DebugPrompt, DebugPromptReply
from kdnb.protocol.messages.file_io import FileIo
from kdnb.protocol.messages.manipulate import Manipulate
from kdnb.protocol.messages.message import Message, RawMessage
from kdnb.protocol.messages.state_change import StateChange64
from kdnb.protocol.messages.state_change32 import StateChange32
from kdnb.protocol.messages.trace_io import ControlRequest, TraceIo

if TYPE_CHECKING:
    from enum import IntEnum

__all__ = ["API_NAMES", "api_name", "api_number", "packet_type_of"]

API_ENUMS: dict[int, type[IntEnum]] = {
    PacketType.STATE_MANIPULATE: Api,
    PacketType.STATE_CHANGE64: NewState,
    PacketType.STATE_CHANGE32: NewState,
    PacketType.DEBUG_IO: DebugIoApi,
    PacketType.FILE_IO: FileIoApi,
    PacketType.TRACE_IO: TraceIoApi,
    PacketType.CONTROL_REQUEST: ControlRequestApi,
}

API_NAMES: dict[tuple[int, int], str] = {
    (packet_type, api.value): api.name for packet_type, enum in API_ENUMS.items() for api in enum
}
"""(packet type, number) -> name."""


def packet_type_of(message: Message) -> int:
    """PacketType of the packet that carries the message."""
    return message.packet_type if isinstance(message, RawMessage) else message.PACKET_TYPE


def api_number(message: Message) -> int | None:
    """ApiNumber or NewState (without its partition bit); None when the payload has less than four bytes."""
    if isinstance(message, StateChange64 | StateChange32):
        return message.state
    if isinstance(
        message,
        Manipulate | DebugPrint | DebugPrompt | DebugPromptReply | FileIo | TraceIo | ControlRequest | RawMessage,
    ):
        return message.api
    return None


def api_name(message: Message) -> str | None:
    """Name of the API, as in the `api` column of the packet frame; None when unknown."""
    number = api_number(message)
    return None if number is None else API_NAMES.get((packet_type_of(message), number))
