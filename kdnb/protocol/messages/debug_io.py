"""DEBUG_IO: prints and prompts of the target (protocol reference 4.1).

The header's length and the real length of a payload can differ: the smaller one counts. `excess` says by how much
the header promises more than came, `trailing` holds what came beyond its promise; both are nearly always empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from kdnb.protocol.constants import DEBUG_IO_SHORT_SIZE, DEBUG_IO_SIZE, DebugIoApi, Direction, PacketType
from kdnb.protocol.messages.message import Message, RawMessage, ansi_text
from kdnb.protocol.wire import Structure, padding, u16, u32

__all__ = [
    "DebugPrint",
    "DebugPrompt",
    "DebugPromptReply",
    "PrintHeader",
    "PromptHeader",
    "ShortPrintHeader",
    "decode_debug_io",
]


@dataclass(frozen=True, slots=True)
class ShortPrintHeader(Structure):
    """Print header of some small stubs: it ends after the length."""

    api: Annotated[int, u32("ApiNumber", "3230")] = DebugIoApi.PrintString.value
    processor_level: Annotated[int, u16("ProcessorLevel", "CPU family")] = 0
    processor: Annotated[int, u16("Processor", "CPU that prints")] = 0
    length: Annotated[int, u32("LengthOfString", "bytes of text")] = 0


@dataclass(frozen=True, slots=True)
class PrintHeader(Structure):
    """DBGKD_DEBUG_IO with its print form."""

    api: Annotated[int, u32("ApiNumber", "3230")] = DebugIoApi.PrintString.value
    processor_level: Annotated[int, u16("ProcessorLevel", "CPU family")] = 0
    processor: Annotated[int, u16("Processor", "CPU that prints")] = 0
    length: Annotated[int, u32("LengthOfString", "bytes of text")] = 0
    padding: Annotated[bytes, padding(4)] = bytes(4)


@dataclass(frozen=True, slots=True)
class PromptHeader(Structure):
    """DBGKD_DEBUG_IO with its prompt form."""

    api: Annotated[int, u32("ApiNumber", "3231")] = DebugIoApi.GetString.value
    processor_level: Annotated[int, u16("ProcessorLevel", "CPU family")] = 0
    processor: Annotated[int, u16("Processor", "CPU that asks")] = 0
    prompt_length: Annotated[int, u32("LengthOfPromptString", "bytes of the prompt")] = 0
    answer_length: Annotated[int, u32("LengthOfStringRead", "largest answer; in the reply bytes of the answer")] = 0


@dataclass(frozen=True, slots=True)
class DebugPrint(Message):
    """Text that the target prints; there is no reply."""

    PACKET_TYPE: ClassVar[PacketType] = PacketType.DEBUG_IO

    text: bytes
    processor: int = 0
    processor_level: int = 0
    short_header: bool = False
    excess: int = field(default=0, repr=False)
    trailing: bytes = field(default=b"", repr=False)
    padding: bytes = field(default=bytes(4), repr=False)

    api: ClassVar[int] = DebugIoApi.PrintString.value

    def structures(self) -> tuple[Structure, ...]:
        length = len(self.text) + self.excess
        if self.short_header:
            return (ShortPrintHeader(self.api, self.processor_level, self.processor, length),)
        return (PrintHeader(self.api, self.processor_level, self.processor, length, self.padding),)

    def rest(self) -> bytes:
        return self.text + self.trailing

    @property
    def string(self) -> str:
        return ansi_text(self.text)


@dataclass(frozen=True, slots=True)
class DebugPrompt(Message):
    """The target asks a question and waits for a `DebugPromptReply`; it is not stopped."""

    PACKET_TYPE: ClassVar[PacketType] = PacketType.DEBUG_IO

    text: bytes
    max_length: int = 0
    processor: int = 0
    processor_level: int = 0
    excess: int = field(default=0, repr=False)
    trailing: bytes = field(default=b"", repr=False)

    api: ClassVar[int] = DebugIoApi.GetString.value

    def structures(self) -> tuple[Structure, ...]:
        length = len(self.text) + self.excess
        return (PromptHeader(self.api, self.processor_level, self.processor, length, self.max_length),)

    def rest(self) -> bytes:
        return self.text + self.trailing

    @property
    def string(self) -> str:
        return ansi_text(self.text)

    def reply(self, answer: bytes) -> DebugPromptReply:
        """The answer to this prompt, cut to what the target has room for."""
        return DebugPromptReply(answer[: self.max_length], len(self.text), self.processor, self.processor_level)


@dataclass(frozen=True, slots=True)
class DebugPromptReply(Message):
    """The host's answer; `prompt_length` repeats that of the prompt."""

    PACKET_TYPE: ClassVar[PacketType] = PacketType.DEBUG_IO

    text: bytes
    prompt_length: int = 0
    processor: int = 0
    processor_level: int = 0
    excess: int = field(default=0, repr=False)
    trailing: bytes = field(default=b"", repr=False)

    api: ClassVar[int] = DebugIoApi.GetString.value

    def structures(self) -> tuple[Structure, ...]:
        length = len(self.text) + self.excess
        return (PromptHeader(self.api, self.processor_level, self.processor, self.prompt_length, length),)

    def rest(self) -> bytes:
        return self.text + self.trailing

    @property
    def string(self) -> str:
        return ansi_text(self.text)


def split_text(data: bytes, length: int) -> tuple[bytes, int, bytes]:
    """Text, excess and trailing of `data` whose header promised `length` bytes."""
    return data[:length], max(length - len(data), 0), data[length:]


def decode_debug_io(payload: bytes, direction: Direction) -> Message:
    """One payload; `RawMessage` when the API is unknown or the header incomplete."""
    api = int.from_bytes(payload[:4], "little")
    if api == DebugIoApi.PrintString and len(payload) >= DEBUG_IO_SHORT_SIZE:
        return decode_print(payload)
    if api == DebugIoApi.GetString and len(payload) >= DEBUG_IO_SIZE:
        return decode_prompt(payload, direction)
    return RawMessage(PacketType.DEBUG_IO, payload)


def decode_print(payload: bytes) -> Message:
    """A print with either header: the short one only where its length fits exactly (4.1)."""
    short = ShortPrintHeader.decode(payload)
    if len(payload) == DEBUG_IO_SHORT_SIZE + short.length:
        return DebugPrint(payload[DEBUG_IO_SHORT_SIZE:], short.processor, short.processor_level, True)
    if len(payload) < DEBUG_IO_SIZE:
        return RawMessage(PacketType.DEBUG_IO, payload)
    header = PrintHeader.decode(payload)
    text, excess, trailing = split_text(payload[DEBUG_IO_SIZE:], header.length)
    return DebugPrint(text, header.processor, header.processor_level, False, excess, trailing, header.padding)


def decode_prompt(payload: bytes, direction: Direction) -> Message:
    """The question of the target or the answer of the host."""
    header = PromptHeader.decode(payload)
    to_host = direction is Direction.TO_HOST
    text, excess, trailing = split_text(
        payload[DEBUG_IO_SIZE:], header.prompt_length if to_host else header.answer_length
    )
    if to_host:
        return DebugPrompt(text, header.answer_length, header.processor, header.processor_level, excess, trailing)
    return DebugPromptReply(text, header.prompt_length, header.processor, header.processor_level, excess, trailing)
