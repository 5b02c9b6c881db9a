"""One line of text for a message: ``ReadVirtualMemory fffff800`00200000 L10 -> 16 bytes``.

Numbers are hexadecimal as in WinDbg; counts of bytes behind an arrow are decimal. Text of the target is escaped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kdnb.protocol.addresses import format_address
from kdnb.protocol.api_names import api_name, packet_type_of
from kdnb.protocol.constants import NO_REPLY, Api, Direction, MachineType, PacketType, Status, name_of
from kdnb.protocol.messages.breakpoints import (
    BreakpointBody,
    BreakpointExBody,
    CustomBreakpointBody,
    InternalBreakpointBody,
    RestoreBreakpointBody,
    SetInternalBreakpointBody,
    SpecialCallBody,
    SpecialCallsBody,
)
from kdnb.protocol.messages.debug_io import DebugPrint, DebugPrompt, DebugPromptReply
from kdnb.protocol.messages.execution import (
    Continue2Amd64,
    Continue2Arm,
    Continue2Arm64,
    Continue2X86,
    ContinueBody,
    PageInBody,
    PartitionBody,
)
from kdnb.protocol.messages.file_io import CloseFileBody, CreateFileBody, FileIo, FileTransferBody
from kdnb.protocol.messages.get_context import ContextExBody
from kdnb.protocol.messages.io import BusDataBody, IoBody, IoExtendedBody, MsrBody
from kdnb.protocol.messages.manipulate import Manipulate
from kdnb.protocol.messages.memory import MemoryBody
from kdnb.protocol.messages.message import Message, RawMessage, ansi_text
from kdnb.protocol.messages.search import FillBody, QueryMemoryBody, SearchBody
from kdnb.protocol.messages.state_change import CommandString, ExceptionRecord64, LoadSymbols, StateChange64
from kdnb.protocol.messages.state_change32 import ExceptionRecord32, LoadSymbols32, StateChange32
from kdnb.protocol.messages.trace_io import ControlRequest, TraceIo
from kdnb.protocol.messages.version import Version32Body, VersionBody
from kdnb.protocol.names import exception_name, status_name

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["summary"]

LONGEST_TEXT = 120


def summary(message: Message, direction: Direction | None = None) -> str:
    """One line. Without `direction` a STATE_MANIPULATE counts as a reply when its status isn't PENDING."""
    name = api_name(message) or unknown_name(message)
    if isinstance(message, Manipulate):
        return joined(name, manipulate_text(message, direction))
    if isinstance(message, StateChange64 | StateChange32):
        return joined(name, state_text(message))
    if isinstance(message, DebugPrint | DebugPrompt | DebugPromptReply):
        return joined(name, quoted(message.string))
    if isinstance(message, FileIo):
        return joined(name, file_text(message))
    if isinstance(message, TraceIo):
        return joined(name, f"{len(message.data)} bytes")
    if isinstance(message, ControlRequest):
        return joined(name, f"#{message.body.number:x} granted {message.body.granted:x}")
    if isinstance(message, RawMessage):
        return joined(name, f"{len(message.payload)} bytes", message.payload[:16].hex(" "))
    return name


def joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def unknown_name(message: Message) -> str:
    """What to call a message whose API has no name."""
    number = packet_type_of(message)
    name = name_of(PacketType, number) or f"type {number}"
    return name if isinstance(message, RawMessage) else f"{name} api {getattr(message, 'api', 0):x}"


def quoted(text: str) -> str:
    """Text of the target: control signs escaped, length bounded."""
    shown = "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in text[:LONGEST_TEXT]
    )
    return f'"{shown}"' + ("..." if len(text) > LONGEST_TEXT else "")


def status_text(status: int) -> str:
    """Name of a status, or its digits."""
    return status_name(status) or f"{status:08x}"


# --- STATE_MANIPULATE -------------------------------------------------------------------------------------


def manipulate_text(message: Manipulate, direction: Direction | None) -> str:
    """Parameters and, on a reply, the outcome."""
    describe = BODIES.get(type(message.body))
    if message.api in (Api.ReadControlSpace, Api.WriteControlSpace):
        describe = control_space_text
    text = describe(message.body) if describe else ""
    processor = f"cpu {message.processor}" if message.processor not in (0, 0xFFFF) else ""
    is_reply = message.status != Status.PENDING if direction is None else direction is Direction.TO_HOST
    outcome = ""
    if is_reply and message.api not in NO_REPLY:
        outcome = "-> " + outcome_text(message)
    elif message.data:
        outcome = f"with {len(message.data)} bytes"
    return joined(processor, text, outcome)


def outcome_text(message: Manipulate) -> str:
    """What came back: bytes where the API moves bytes, else the status."""
    body = message.body
    failed = "" if message.status == Status.SUCCESS else status_text(message.status)
    if isinstance(body, MemoryBody):
        return joined(f"{body.actual} bytes", failed)
    if failed:
        return failed
    if isinstance(body, BreakpointBody | CustomBreakpointBody):
        return f"handle {body.handle}"
    if isinstance(body, IoBody | IoExtendedBody | MsrBody):
        return f"{body.value:x}"
    return f"{len(message.data)} bytes" if message.data else "ok"


def memory_text(body: Any) -> str:
    return f"{format_address(body.address)} L{body.transfer_count:x}"


def control_space_text(body: Any) -> str:
    """The address is a selector, or a byte offset on x86 (3.7)."""
    return f"{body.address:x} L{body.transfer_count:x}"


def context_ex_text(body: Any) -> str:
    return f"offset {body.offset:x} L{body.byte_count:x}"


def continue_text(body: Any) -> str:
    trace = getattr(body, "trace", 0)
    dr7 = getattr(body, "dr7", None)
    return joined(status_text(body.status), f"trace {trace:x}" if trace else "", "" if dr7 is None else f"dr7 {dr7:x}")


def breakpoint_text(body: Any) -> str:
    return format_address(body.address)


def handle_text(body: Any) -> str:
    return f"handle {body.handle}"


def count_text(body: Any) -> str:
    return f"{body.count} entries"


def io_text(body: Any) -> str:
    return f"port {body.address:x} L{body.size:x}"


def msr_text(body: Any) -> str:
    return f"msr {body.msr:x}"


def bus_text(body: Any) -> str:
    device, function = body.slot_number & 0x1F, body.slot_number >> 5 & 7
    return f"bus {body.bus_number:x} device {device:x} function {function:x} offset {body.offset:x} L{body.length:x}"


def range_text(body: Any) -> str:
    return f"{format_address(body.address)} L{body.length:x} pattern {body.pattern_length}"


def query_text(body: Any) -> str:
    return f"{format_address(body.address)} space {body.address_space:x} flags {body.flags:x}"


def version_text(body: Any) -> str:
    machine = name_of(MachineType, body.machine) or f"{body.machine:x}"
    return f"build {body.minor} {machine} kernel {format_address(body.kernel_base)}"


def partition_text(body: Any) -> str:
    return f"partition {body.partition}"


BODIES: dict[type, Callable[[Any], str]] = {
    MemoryBody: memory_text,
    ContextExBody: context_ex_text,
    ContinueBody: continue_text,
    Continue2X86: continue_text,
    Continue2Amd64: continue_text,
    Continue2Arm64: continue_text,
    Continue2Arm: continue_text,
    BreakpointBody: breakpoint_text,
    CustomBreakpointBody: breakpoint_text,
    RestoreBreakpointBody: handle_text,
    BreakpointExBody: count_text,
    SpecialCallsBody: count_text,
    SpecialCallBody: breakpoint_text,
    SetInternalBreakpointBody: breakpoint_text,
    InternalBreakpointBody: breakpoint_text,
    PageInBody: breakpoint_text,
    IoBody: io_text,
    IoExtendedBody: io_text,
    MsrBody: msr_text,
    BusDataBody: bus_text,
    SearchBody: range_text,
    FillBody: range_text,
    QueryMemoryBody: query_text,
    VersionBody: version_text,
    Version32Body: version_text,
    PartitionBody: partition_text,
}


# --- the others -------------------------------------------------------------------------------------------


def state_text(message: StateChange64 | StateChange32) -> str:
    """Processor, what happened, where."""
    where = f"cpu {message.processor} at {format_address(message.program_counter)}"
    partition = "alternate partition" if message.alternate_partition else ""
    body = message.body
    if isinstance(body, ExceptionRecord64 | ExceptionRecord32):
        name = exception_name(body.code)
        chance = "first chance" if body.first_chance else "second chance"
        parameters = " ".join(f"{value:x}" for value in body.parameters)
        return joined(f"{body.code:08x}", f"({name})" if name else "", chance, parameters, where, partition)
    if isinstance(body, LoadSymbols) and body.is_reboot:
        return joined("reboot", where, partition)
    if isinstance(body, LoadSymbols) and body.is_hibernation:
        return joined("hibernation", where, partition)
    if isinstance(body, LoadSymbols | LoadSymbols32):
        verb = "unload" if body.unload else "load"
        image = f"{verb} {format_address(body.base)} L{body.size_of_image:x}"
        return joined(image, quoted(message.path or ""), where, partition)
    if isinstance(body, CommandString) and isinstance(message, StateChange64):
        return joined(*(quoted(part) for part in message.command or ()), where, partition)
    return joined(f"state {message.state:x}", where, partition)


def file_text(message: FileIo) -> str:
    """Name, handle or range, and the status where it isn't success."""
    body = message.body
    failed = "" if message.status == Status.SUCCESS else f"-> {status_text(message.status)}"
    if isinstance(body, CreateFileBody):
        handle = f"-> handle {body.handle:x}" if body.handle and not message.data and not failed else ""
        return joined("" if message.file_name is None else quoted(message.file_name), handle, failed)
    if isinstance(body, FileTransferBody):
        count = f"with {len(message.data)} bytes" if message.data else ""
        return joined(f"handle {body.handle:x} offset {body.offset:x} L{body.length:x}", count, failed)
    if isinstance(body, CloseFileBody):
        return joined(f"handle {body.handle:x}", failed)
    return joined(f"{len(ansi_text(message.data))} bytes" if message.data else "", failed)
