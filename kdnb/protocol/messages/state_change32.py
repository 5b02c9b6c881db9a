"""STATE_CHANGE32: the state change of 32-bit targets before the 64-bit protocol (protocol reference 2.6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from kdnb.protocol.constants import ALTERNATE_PARTITION, STATE_CHANGE32_SIZE, NewState, PacketType
from kdnb.protocol.messages.message import Message, RawMessage
from kdnb.protocol.messages.state_change import path_at_end
from kdnb.protocol.wire import Structure, array, padding, raw, u8, u16, u32

__all__ = [
    "ExceptionRecord32",
    "LoadSymbols32",
    "RawUnion32",
    "StateChange32",
    "StateChangeHeader32",
    "decode_state_change32",
]


@dataclass(frozen=True, slots=True)
class StateChangeHeader32(Structure):
    """First 20 bytes of DBGKD_WAIT_STATE_CHANGE32."""

    new_state: Annotated[int, u32("NewState", "what happened; bit 10000 = alternate partition")] = 0
    processor_level: Annotated[int, u16("ProcessorLevel", "CPU family")] = 0
    processor: Annotated[int, u16("Processor", "CPU that stopped")] = 0
    number_processors: Annotated[int, u32("NumberProcessors", "")] = 0
    thread: Annotated[int, u32("Thread", "current KTHREAD")] = 0
    program_counter: Annotated[int, u32("ProgramCounter", "")] = 0


@dataclass(frozen=True, slots=True)
class ExceptionRecord32(Structure):
    """DBGKM_EXCEPTION32."""

    code: Annotated[int, u32("ExceptionCode", "")] = 0
    flags: Annotated[int, u32("ExceptionFlags", "1 = noncontinuable")] = 0
    record: Annotated[int, u32("ExceptionRecord", "nested record")] = 0
    address: Annotated[int, u32("ExceptionAddress", "")] = 0
    number_parameters: Annotated[int, u32("NumberParameters", "valid elements of ExceptionInformation")] = 0
    information: Annotated[tuple[int, ...], array(15, u32, "ExceptionInformation", "parameters")] = field(
        default=(0,) * 15, repr=False
    )
    first_chance: Annotated[int, u32("FirstChance", "1 first, 0 second")] = 0

    @property
    def parameters(self) -> tuple[int, ...]:
        """The valid part of `information`."""
        return self.information[: self.number_parameters]


@dataclass(frozen=True, slots=True)
class LoadSymbols32(Structure):
    """DBGKD_LOAD_SYMBOLS32; the path is the end of the message's data."""

    path_name_length: Annotated[int, u32("PathNameLength", "bytes of the path with its NUL")] = 0
    base: Annotated[int, u32("BaseOfDll", "")] = 0
    process_id: Annotated[int, u32("ProcessId", "-1 = system image")] = 0
    checksum: Annotated[int, u32("CheckSum", "of the PE header")] = 0
    size_of_image: Annotated[int, u32("SizeOfImage", "")] = 0
    unload: Annotated[int, u8("UnloadSymbols", "1 = unload")] = 0
    unused: Annotated[bytes, padding(63)] = bytes(63)


@dataclass(frozen=True, slots=True)
class RawUnion32(Structure):
    """The union of an unknown NewState."""

    union: Annotated[bytes, raw(84, "u", "union of an unknown state")] = bytes(84)


@dataclass(frozen=True, slots=True)
class StateChange32(Message):
    """The target stopped. `data` is what follows: control report and CONTEXT of NT 4, a path."""

    PACKET_TYPE: ClassVar[PacketType] = PacketType.STATE_CHANGE32

    header: StateChangeHeader32
    body: Structure
    data: bytes = b""

    def structures(self) -> tuple[Structure, ...]:
        return (self.header, self.body)

    def rest(self) -> bytes:
        return self.data

    @property
    def state(self) -> int:
        """NewState without its partition bit; compare with `NewState`."""
        return self.header.new_state & 0xFFFF

    @property
    def alternate_partition(self) -> bool:
        """The hypervisor's other partition speaks."""
        return bool(self.header.new_state & ALTERNATE_PARTITION)

    @property
    def new_state(self) -> int:
        return self.header.new_state

    @property
    def processor(self) -> int:
        return self.header.processor

    @property
    def number_processors(self) -> int:
        return self.header.number_processors

    @property
    def thread(self) -> int:
        return self.header.thread

    @property
    def program_counter(self) -> int:
        return self.header.program_counter

    @property
    def exception(self) -> ExceptionRecord32 | None:
        return self.body if isinstance(self.body, ExceptionRecord32) else None

    @property
    def path(self) -> str | None:
        """Path of a load-symbols notice: the last PathNameLength bytes of the payload."""
        if not isinstance(self.body, LoadSymbols32):
            return None
        return path_at_end(self.data, self.body.path_name_length)


STATE_TYPES32: dict[int, type[Structure]] = {
    NewState.ExceptionStateChange.value: ExceptionRecord32,
    NewState.LoadSymbolsStateChange.value: LoadSymbols32,
}


def decode_state_change32(payload: bytes) -> Message:
    """One payload; `RawMessage` when it is shorter than the fixed part."""
    if len(payload) < STATE_CHANGE32_SIZE:
        return RawMessage(PacketType.STATE_CHANGE32, payload)
    header = StateChangeHeader32.decode(payload)
    body = STATE_TYPES32.get(header.new_state & 0xFFFF, RawUnion32)
    return StateChange32(header, body.decode(payload, StateChangeHeader32.SIZE), payload[STATE_CHANGE32_SIZE:])
