"""What a message is depends on packet type, API, direction and machine; no bytes of a target make decode raise."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdnb.protocol.codec import api_name, api_number, decode, encode, packet_type_of, summary
from kdnb.protocol.constants import Api, Direction, MachineType, NewState, PacketType
from kdnb.protocol.context.amd64 import AMD64Context
from kdnb.protocol.inspector import field_map
from kdnb.protocol.messages.breakpoints import BreakpointEntry, BreakpointExBody, BreakpointHandle
from kdnb.protocol.messages.control_report import ControlReportAmd64, ControlReportArm, ControlReportX86, RawReport
from kdnb.protocol.messages.debug_io import DebugPrint, DebugPrompt, DebugPromptReply
from kdnb.protocol.messages.execution import (
    Continue2Amd64,
    Continue2Arm,
    Continue2Arm64,
    Continue2X86,
    ContinueBody,
    EmptyBody,
    RawBody,
)
from kdnb.protocol.messages.file_io import FileIo, RawFileBody
from kdnb.protocol.messages.get_context import ContextBody
from kdnb.protocol.messages.manipulate import (
    BODY_TYPES,
    Manipulate,
    MemoryReply,
    body_type,
    decode_memory_reply,
    encode_memory_request,
)
from kdnb.protocol.messages.memory import MemoryBody
from kdnb.protocol.messages.message import RawMessage
from kdnb.protocol.messages.state_change import (
    CommandString,
    ExceptionRecord64,
    LoadSymbols,
    RawUnion,
    StateChange64,
)
from kdnb.protocol.messages.state_change32 import LoadSymbols32, StateChange32, StateChangeHeader32
from kdnb.protocol.messages.trace_io import ControlRequest, ControlRequestBody, TraceHeader, TraceIo
from kdnb.protocol.messages.version import Version32Body, VersionBody

DIRECTIONS = st.sampled_from(Direction)
MACHINES = st.one_of(st.sampled_from(MachineType), st.integers(0, 0xFFFF))
KNOWN_APIS = st.sampled_from(
    [*range(0x3130, 0x3164), *range(0x3030, 0x3034), 0x13030, 0x3230, 0x3231, 0x3330, *range(0x3430, 0x3435), 0x4300]
)


def state_change(
    new_state: int, body: object, data: bytes = b"", report: object = ControlReportAmd64()
) -> StateChange64:
    return StateChange64(new_state, 0, 1, 2, 3, 4, body, report, data)  # type: ignore[arg-type]


@given(
    packet_type=st.integers(0, 12),
    api=KNOWN_APIS,
    rest=st.binary(max_size=600),
    direction=DIRECTIONS,
    machine=MACHINES,
)
def test_any_payload_with_a_known_api_decodes_and_encodes_to_itself(
    packet_type: int, api: int, rest: bytes, direction: Direction, machine: int
) -> None:
    payload = api.to_bytes(4, "little") + rest
    message = decode(packet_type, payload, direction, machine)
    assert encode(message) == payload
    assert packet_type_of(message) == packet_type
    assert "\n" not in summary(message, direction)
    assert sum(field.size for field in field_map(packet_type, payload, direction, machine)) == len(payload)


@given(packet_type=st.integers(0, 0xFFFF), payload=st.binary(max_size=300), direction=DIRECTIONS, machine=MACHINES)
def test_random_payloads_never_raise(packet_type: int, payload: bytes, direction: Direction, machine: int) -> None:
    message = decode(packet_type, payload, direction, machine)
    assert encode(message) == payload
    assert summary(message)
    api_name(message)


@given(
    api=st.sampled_from(sorted(BODY_TYPES)),
    union=st.binary(min_size=40, max_size=40),
    data=st.binary(max_size=64),
    status=st.integers(0, 2**32 - 1),
    processor=st.integers(0, 0xFFFF),
)
def test_requests_and_replies_of_every_api_round_trip(
    api: int, union: bytes, data: bytes, status: int, processor: int
) -> None:
    message = Manipulate(api, body_type(api, MachineType.AMD64).decode(union), data, processor, status=status)
    again = decode(PacketType.STATE_MANIPULATE, encode(message), Direction.TO_HOST, MachineType.AMD64)
    if api == Api.GetVersion and 0 < union[4] < 5:
        assert isinstance(again, Manipulate)
        assert isinstance(again.body, Version32Body)
    else:
        assert again == message


def test_every_api_of_the_reference_has_a_body() -> None:
    for api in Api:
        assert body_type(api, MachineType.AMD64) is not RawBody, api


@pytest.mark.parametrize(
    ("machine", "form"),
    [
        (MachineType.I386, Continue2X86),
        (MachineType.AMD64, Continue2Amd64),
        (MachineType.ARM64, Continue2Arm64),
        (MachineType.ARM, Continue2Arm),
        (MachineType.ARMNT, Continue2Arm),
        (MachineType.IA64, ContinueBody),
    ],
)
def test_continue2_has_a_form_for_each_machine(machine: MachineType, form: type) -> None:
    payload = encode(Manipulate(Api.Continue2, EmptyBody(unused=bytes(range(40)))))
    message = decode(PacketType.STATE_MANIPULATE, payload, Direction.TO_TARGET, machine)
    assert isinstance(message, Manipulate)
    assert type(message.body) is form
    assert encode(message) == payload


def test_an_unknown_api_keeps_its_header_and_a_raw_union() -> None:
    payload = encode(Manipulate(0x31FF, RawBody(bytes(range(40))), b"rest", processor=3, status=0xC0000001))
    message = decode(PacketType.STATE_MANIPULATE, payload)
    assert message == Manipulate(0x31FF, RawBody(bytes(range(40))), b"rest", processor=3, status=0xC0000001)
    assert api_name(message) is None
    assert api_number(message) == 0x31FF


@pytest.mark.parametrize("packet_type", [0, 4, 5, 6, 8, 12, 99])
def test_an_unknown_packet_type_is_a_raw_message(packet_type: int) -> None:
    assert decode(packet_type, b"abc") == RawMessage(packet_type, b"abc")


def test_a_version_request_has_no_fields_and_an_old_reply_has_the_old_layout() -> None:
    request = decode(
        PacketType.STATE_MANIPULATE, encode(Manipulate(Api.GetVersion, VersionBody())), Direction.TO_TARGET
    )
    assert isinstance(request, Manipulate)
    assert isinstance(request.body, EmptyBody)
    old = Manipulate(Api.GetVersion, Version32Body(protocol=3, kernel_base=0x80400000), status=0)
    assert decode(PacketType.STATE_MANIPULATE, encode(old), Direction.TO_HOST) == old


def test_breakpoint_arrays_are_read_as_far_as_they_go() -> None:
    entries = (BreakpointEntry(0x1000, 0), BreakpointEntry(0, 7))
    data = b"".join(entry.encode() for entry in entries)
    message = Manipulate(Api.WriteBreakPointEx, BreakpointExBody(count=2), data)
    assert message.entries == entries
    assert dataclasses.replace(message, data=data[:-1]).entries == entries[:1]
    handles = Manipulate(Api.RestoreBreakPointEx, BreakpointExBody(count=9), b"\5\0\0\0")
    assert handles.entries == (BreakpointHandle(5),)
    assert Manipulate(Api.GetContext, ContextBody()).entries == ()


@pytest.mark.parametrize(
    ("machine", "form"),
    [
        (MachineType.AMD64, ControlReportAmd64),
        (MachineType.I386, ControlReportX86),
        (MachineType.ARM64, ControlReportArm),
        (MachineType.ARMNT, ControlReportArm),
        (MachineType.IA64, RawReport),
    ],
)
def test_the_control_report_is_that_of_the_machine(machine: MachineType, form: type) -> None:
    payload = encode(state_change(NewState.ExceptionStateChange, ExceptionRecord64()))
    message = decode(PacketType.STATE_CHANGE64, payload, machine=machine)
    assert isinstance(message, StateChange64)
    assert type(message.report) is form


def test_the_alternate_partition_is_masked_and_kept() -> None:
    payload = encode(state_change(0x13030, ExceptionRecord64(code=0x80000003)))
    message = decode(PacketType.STATE_CHANGE64, payload)
    assert isinstance(message, StateChange64)
    assert message.alternate_partition
    assert message.state == NewState.ExceptionStateChange
    assert message.exception == ExceptionRecord64(code=0x80000003)
    assert api_name(message) == "ExceptionStateChange"
    assert encode(message) == payload


def test_a_path_is_the_end_of_the_payload_whatever_comes_before_it() -> None:
    message = state_change(NewState.LoadSymbolsStateChange, LoadSymbols(path_name_length=5), b"junk\\a.b\0")
    assert message.path == "\\a.b"
    assert dataclasses.replace(message, data=b"").path == ""
    assert message.exception is None


def test_a_command_string_has_a_name_and_a_command() -> None:
    message = state_change(NewState.CommandStringStateChange, CommandString(), b"verifier\0.echo hi\0")
    assert decode(PacketType.STATE_CHANGE64, encode(message)) == message
    assert message.command == ("verifier", ".echo hi")


def test_an_unknown_state_has_a_raw_union() -> None:
    message = state_change(0x3039, RawUnion(bytes(range(160))))
    assert decode(PacketType.STATE_CHANGE64, encode(message)) == message
    assert api_name(message) is None


def test_the_old_state_change_has_paths_too() -> None:
    header = StateChangeHeader32(NewState.LoadSymbolsStateChange, processor=1, program_counter=0x80401000)
    message = StateChange32(header, LoadSymbols32(path_name_length=4, base=0x80400000), b"....abc\0")
    assert decode(PacketType.STATE_CHANGE32, encode(message)) == message
    assert message.path == "abc"
    assert api_name(message) == "LoadSymbolsStateChange"


def test_a_print_may_have_the_short_header() -> None:
    payload = bytes.fromhex("30320000 0000 0100 05000000") + b"hello"
    message = decode(PacketType.DEBUG_IO, payload)
    assert message == DebugPrint(b"hello", processor=1, short_header=True)
    assert encode(message) == payload


@pytest.mark.parametrize(
    ("length", "text", "expected"),
    [
        (20, b"hello", DebugPrint(b"hello", excess=15)),
        (3, b"hello", DebugPrint(b"hel", trailing=b"lo")),
        (0, b"", DebugPrint(b"")),
    ],
)
def test_the_smaller_of_both_lengths_counts(length: int, text: bytes, expected: DebugPrint) -> None:
    payload = bytes.fromhex("30320000 0000 0000") + length.to_bytes(4, "little") + bytes(4) + text
    message = decode(PacketType.DEBUG_IO, payload)
    assert message == expected
    assert encode(message) == payload


def test_the_direction_tells_a_prompt_from_its_answer() -> None:
    prompt = DebugPrompt(b"Break, Ignore (bi)? ", max_length=2, processor=1)
    assert decode(PacketType.DEBUG_IO, encode(prompt), Direction.TO_HOST) == prompt
    reply = prompt.reply(b"ignore")
    assert reply == DebugPromptReply(b"ig", prompt_length=20, processor=1)
    assert decode(PacketType.DEBUG_IO, encode(reply), Direction.TO_TARGET) == reply


def test_file_trace_and_control_messages_round_trip() -> None:
    for message in (
        FileIo(0x3439, RawFileBody(bytes(range(56))), b"x", 1),
        TraceIo(TraceHeader(0x3330, processor=2, length=3), b"abc"),
        ControlRequest(ControlRequestBody(0x4300, 1, 0), b"?"),
    ):
        assert decode(packet_type_of(message), encode(message)) == message


@pytest.mark.parametrize(("size", "last"), [(0xE0, "xcr0"), (0xF0, "special_padding"), (0x110, "data"), (0xDC, "data")])
def test_the_inspector_opens_special_registers_of_any_size(size: int, last: str) -> None:
    body = MemoryBody(2, size, size)
    payload = encode(Manipulate(Api.ReadControlSpace, body, bytes(index % 251 for index in range(size)), status=0))
    fields = field_map(PacketType.STATE_MANIPULATE, payload)
    assert fields[-1].name == last
    assert fields[-1].offset + fields[-1].size == len(payload)
    assert next(field.offset for field in fields if field.name == "cr3") == 0x38 + 0x10


def test_a_short_context_stays_bytes() -> None:
    payload = encode(Manipulate(Api.GetContext, ContextBody(), bytes(100), status=0))
    last = field_map(PacketType.STATE_MANIPULATE, payload)[-1]
    assert (last.name, last.size, last.meaning) == ("data", 100, "CONTEXT")


def test_the_inspector_opens_the_context_in_the_data() -> None:
    context = AMD64Context(rip=0xFFFFF800_00001234)
    payload = encode(Manipulate(Api.GetContext, ContextBody(), context.encode(), status=0))
    fields = {field.name: field for field in field_map(PacketType.STATE_MANIPULATE, payload)}
    assert fields["rip"].offset == 0x38 + 0xF8
    assert fields["rip"].value == 0xFFFFF800_00001234
    assert fields["rip"].wire_name == "Rip"
    assert fields["unused"].hidden


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_the_short_way_to_a_read_gives_the_bytes_of_the_long_one(
    address: int, count: int, processor: int, level: int
) -> None:
    message = Manipulate(Api.ReadVirtualMemory.value, MemoryBody(address, count), b"", processor, level)
    assert encode_memory_request(Api.ReadVirtualMemory, address, count, processor, level) == encode(message)


def test_a_reply_to_a_read_is_told_from_a_late_and_a_damaged_one() -> None:
    api = Api.ReadVirtualMemory.value
    reply = encode(Manipulate(api, MemoryBody(0x1000, 4, 4), b"data", status=0))
    assert decode_memory_reply(reply, api, 0x1000) == MemoryReply(0, 4, b"data")
    assert decode_memory_reply(reply, api, 0x2000) is None
    assert decode_memory_reply(reply, Api.ReadPhysicalMemory, 0x1000) is None
    assert decode_memory_reply(reply[:-1], api, 0x1000) is None
    assert decode_memory_reply(reply[:40], api, 0x1000) is None
    hole = encode(Manipulate(api, MemoryBody(0x1000, 4), b"", status=0xC0000001))
    assert decode_memory_reply(hole, api, 0x1000) == MemoryReply(0xC0000001, 0, b"")
