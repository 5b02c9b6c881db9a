"""Every field of a whole payload with its place and value, for a byte inspector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.errors import DecodeError
from kdnb.protocol.codec import decode
from kdnb.protocol.constants import Api, Direction, MachineType
from kdnb.protocol.context.registers import context_type, special_registers_type
from kdnb.protocol.messages.debug_io import DebugPrint, DebugPrompt, DebugPromptReply
from kdnb.protocol.messages.file_io import CreateFileBody, FileIo
from kdnb.protocol.messages.manipulate import Manipulate
from kdnb.protocol.messages.memory import MemoryBody
from kdnb.protocol.messages.message import Message, RawMessage
from kdnb.protocol.messages.state_change import CommandString, LoadSymbols, StateChange64
from kdnb.protocol.wire import FieldInfo, Structure

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["data_meaning", "data_structures", "field_map"]


def field_map(
    packet_type: int,
    payload: bytes,
    direction: Direction = Direction.TO_HOST,
    machine: int = MachineType.AMD64,
) -> list[FieldInfo]:
    """All fields in wire order, without gaps; offsets count from the start of the payload.

    Padding is there too, marked `hidden`. Data that is made of structures (CONTEXT, breakpoint arrays) is opened.
    """
    message = decode(packet_type, payload, direction, machine)
    found: list[FieldInfo] = []
    offset = 0
    for structure in (*message.structures(), *data_structures(message, machine)):
        # Special registers may be a shorter record than declared: only what is there counts.
        found += [field for field in structure.field_values(offset) if field.offset + field.size <= len(payload)]
        offset = found[-1].offset + found[-1].size
    if offset < len(payload):
        name = "payload" if isinstance(message, RawMessage) else "data"
        found.append(FieldInfo(name, offset, len(payload) - offset, "", data_meaning(message), value=payload[offset:]))
    return found


def data_structures(message: Message, machine: int) -> Sequence[Structure]:
    """The structures that the data begins with: a whole CONTEXT, special registers, breakpoint entries."""
    if not isinstance(message, Manipulate) or not message.data:
        return ()
    form: type[Structure] | None = None
    if message.api in (Api.GetContext, Api.SetContext):
        form = context_type(machine)
    elif message.api in (Api.ReadControlSpace, Api.WriteControlSpace):
        body = message.body
        # Selector 2 on 64-bit machines (3.7); on x86 the same union counts bytes of a larger record.
        if isinstance(body, MemoryBody) and body.address == 2 and machine != MachineType.I386:
            form = special_registers_type(machine)
    else:
        return message.entries
    if form is None:
        return ()
    try:
        return (form.decode(message.data[: form.SIZE]),)
    except DecodeError:
        return ()


def data_meaning(message: Message) -> str:
    """What the bytes behind the fixed part are."""
    if isinstance(message, DebugPrint):
        return "text"
    if isinstance(message, DebugPrompt):
        return "prompt"
    if isinstance(message, DebugPromptReply):
        return "answer"
    if isinstance(message, FileIo):
        return "file name, UTF-16" if isinstance(message.body, CreateFileBody) else "file bytes"
    if isinstance(message, StateChange64):
        if isinstance(message.body, LoadSymbols):
            return "path"
        if isinstance(message.body, CommandString):
            return "name and command"
        return "trace data"
    if isinstance(message, Manipulate):
        return DATA_MEANINGS.get(message.api, "data")
    return "data"


DATA_MEANINGS: dict[int, str] = {
    Api.ReadVirtualMemory: "memory",
    Api.WriteVirtualMemory: "memory",
    Api.ReadPhysicalMemory: "memory",
    Api.WritePhysicalMemory: "memory",
    Api.ReadPhysicalMemoryLong: "memory",
    Api.ReadControlSpace: "control space",
    Api.WriteControlSpace: "control space",
    Api.GetContext: "CONTEXT",
    Api.SetContext: "CONTEXT",
    Api.GetContextEx: "part of a CONTEXT",
    Api.SetContextEx: "part of a CONTEXT",
    Api.SearchMemory: "pattern",
    Api.FillMemory: "pattern",
    Api.GetBusData: "bus data",
    Api.SetBusData: "bus data",
    Api.QuerySpecialCalls: "addresses",
}
