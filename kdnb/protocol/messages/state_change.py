"""STATE_CHANGE64: the target stopped and says why (protocol reference 2.1-2.4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from kdnb.protocol.constants import (
    ALTERNATE_PARTITION,
    HIBERNATE_BASE,
    REBOOT_BASE,
    STATE_CHANGE64_SIZE,
    NewState,
    PacketType,
)
from kdnb.protocol.messages.control_report import report_type
from kdnb.protocol.messages.message import Message, RawMessage, ansi_text
from kdnb.protocol.wire import Structure, array, padding, raw, u8, u16, u32, u64

__all__ = [
    "CommandString",
    "ExceptionRecord64",
    "LoadSymbols",
    "RawUnion",
    "StateChange64",
    "StateChangeHeader",
    "decode_state_change64",
]


@dataclass(frozen=True, slots=True)
class StateChangeHeader(Structure):
    """First 32 bytes of DBGKD_ANY_WAIT_STATE_CHANGE."""

    new_state: Annotated[int, u32("NewState", "what happened; bit 10000 = alternate partition")] = 0
    processor_level: Annotated[int, u16("ProcessorLevel", "CPU family")] = 0
    processor: Annotated[int, u16("Processor", "CPU that stopped")] = 0
    number_processors: Annotated[int, u32("NumberProcessors", "")] = 0
    padding: Annotated[bytes, padding(4)] = bytes(4)
    thread: Annotated[int, u64("Thread", "current KTHREAD; 0 in a boot debugger")] = 0
    program_counter: Annotated[int, u64("ProgramCounter", "")] = 0


@dataclass(frozen=True, slots=True)
class ExceptionRecord64(Structure):
    """DBGKM_EXCEPTION64."""

    code: Annotated[int, u32("ExceptionCode", "")] = 0
    flags: Annotated[int, u32("ExceptionFlags", "1 = noncontinuable")] = 0
    record: Annotated[int, u64("ExceptionRecord", "nested record")] = 0
    address: Annotated[int, u64("ExceptionAddress", "work with ProgramCounter instead")] = 0
    number_parameters: Annotated[int, u32("NumberParameters", "valid elements of ExceptionInformation")] = 0
    padding: Annotated[bytes, padding(4)] = bytes(4)
    information: Annotated[tuple[int, ...], array(15, u64, "ExceptionInformation", "parameters")] = field(
        default=(0,) * 15, repr=False
    )
    first_chance: Annotated[int, u32("FirstChance", "1 first, 0 second")] = 0
    tail: Annotated[bytes, padding(4)] = bytes(4)

    @property
    def parameters(self) -> tuple[int, ...]:
        """The valid part of `information`."""
        return self.information[: self.number_parameters]


@dataclass(frozen=True, slots=True)
class LoadSymbols(Structure):
    """DBGKD_LOAD_SYMBOLS64; the path is the end of the message's data."""

    path_name_length: Annotated[int, u32("PathNameLength", "bytes of the path with its NUL")] = 0
    padding: Annotated[bytes, padding(4)] = bytes(4)
    base: Annotated[int, u64("BaseOfDll", "-1 with unload = reboot, -2 = hibernate")] = 0
    process_id: Annotated[int, u64("ProcessId", "-1 = system image")] = 0
    checksum: Annotated[int, u32("CheckSum", "of the PE header")] = 0
    size_of_image: Annotated[int, u32("SizeOfImage", "")] = 0
    unload: Annotated[int, u8("UnloadSymbols", "1 = unload")] = 0
    unused: Annotated[bytes, padding(127)] = bytes(127)

    @property
    def is_reboot(self) -> bool:
        """The target goes down to start again."""
        return bool(self.unload) and self.path_name_length == 0 and self.base == REBOOT_BASE

    @property
    def is_hibernation(self) -> bool:
        """The target goes to sleep."""
        return bool(self.unload) and self.path_name_length == 0 and self.base == HIBERNATE_BASE


@dataclass(frozen=True, slots=True)
class CommandString(Structure):
    """DBGKD_COMMAND_STRING; name and command are the message's data."""

    flags: Annotated[int, u32("Flags", "0")] = 0
    reserved1: Annotated[int, u32("Reserved1", "0")] = 0
    reserved2: Annotated[tuple[int, ...], array(7, u64, "Reserved2", "0")] = (0,) * 7
    unused: Annotated[bytes, padding(96)] = bytes(96)


@dataclass(frozen=True, slots=True)
class RawUnion(Structure):
    """The union of an unknown NewState."""

    union: Annotated[bytes, raw(160, "u", "union of an unknown state")] = bytes(160)


@dataclass(frozen=True, slots=True)
class StateChange64(Message):
    """The target stopped: why (`body`), where, and the machine's control report.

    `data` is what follows: a path, a command, trace data of old x86 kernels.
    """

    PACKET_TYPE: ClassVar[PacketType] = PacketType.STATE_CHANGE64

    new_state: int
    processor_level: int
    processor: int
    number_processors: int
    thread: int
    program_counter: int
    body: Structure
    report: Structure
    data: bytes = b""
    padding: bytes = field(default=bytes(4), repr=False)

    def structures(self) -> tuple[Structure, ...]:
        header = StateChangeHeader(
            self.new_state,
            self.processor_level,
            self.processor,
            self.number_processors,
            self.padding,
            self.thread,
            self.program_counter,
        )
        return (header, self.body, self.report)

    def rest(self) -> bytes:
        return self.data

    @property
    def state(self) -> int:
        """NewState without its partition bit; compare with `NewState`."""
        return self.new_state & 0xFFFF

    @property
    def alternate_partition(self) -> bool:
        """The hypervisor's other partition speaks."""
        return bool(self.new_state & ALTERNATE_PARTITION)

    @property
    def exception(self) -> ExceptionRecord64 | None:
        return self.body if isinstance(self.body, ExceptionRecord64) else None

    @property
    def load_symbols(self) -> LoadSymbols | None:
        return self.body if isinstance(self.body, LoadSymbols) else None

    @property
    def path(self) -> str | None:
        """Path of a load-symbols notice, without its NUL: the last PathNameLength bytes of the payload."""
        if not isinstance(self.body, LoadSymbols):
            return None
        return path_at_end(self.data, self.body.path_name_length)

    @property
    def command(self) -> tuple[str, str] | None:
        """Name and command of a command string."""
        if not isinstance(self.body, CommandString):
            return None
        name, _, rest = self.data.partition(b"\0")
        return ansi_text(name), ansi_text(rest.partition(b"\0")[0])


def path_at_end(data: bytes, length: int) -> str:
    """The NUL-terminated text in the last `length` bytes."""
    return ansi_text(data[-length:].partition(b"\0")[0]) if length else ""


STATE_TYPES: dict[int, type[Structure]] = {
    NewState.ExceptionStateChange.value: ExceptionRecord64,
    NewState.LoadSymbolsStateChange.value: LoadSymbols,
    NewState.CommandStringStateChange.value: CommandString,
}


def decode_state_change64(payload: bytes, machine: int) -> Message:
    """One payload; `RawMessage` when it is shorter than the fixed part."""
    if len(payload) < STATE_CHANGE64_SIZE:
        return RawMessage(PacketType.STATE_CHANGE64, payload)
    header = StateChangeHeader.decode(payload)
    body = STATE_TYPES.get(header.new_state & 0xFFFF, RawUnion)
    return StateChange64(
        header.new_state,
        header.processor_level,
        header.processor,
        header.number_processors,
        header.thread,
        header.program_counter,
        body.decode(payload, StateChangeHeader.SIZE),
        report_type(machine).decode(payload, StateChangeHeader.SIZE + body.SIZE),
        payload[STATE_CHANGE64_SIZE:],
        header.padding,
    )
