"""Golden packets: V vectors from `tests/golden`, R vectors read from the protocol reference beside the clone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kdnb.protocol.codec import api_name, decode, encode, packet_type_of
from kdnb.protocol.constants import Direction, MachineType
from kdnb.protocol.inspector import field_map
from kdnb.protocol.messages.message import Message, RawMessage

PACKETS = Path(__file__).resolve().parent.parent / "golden" / "packets.txt"
ROW = re.compile(r"^(?P<name>[VR]\d+)\|(?P<sender>[HT])\|(?P<description>.*)\|(?P<bytes>[0-9a-f* ]+)$", re.MULTILINE)


@dataclass(frozen=True)
class Vector:
    """One packet as it goes over the wire; R vectors lack the trailer (KDNET)."""

    name: str
    direction: Direction
    packet: bytes

    @property
    def is_data(self) -> bool:
        return self.packet[:4] == b"0000"

    @property
    def packet_type(self) -> int:
        return int.from_bytes(self.packet[4:6], "little")

    @property
    def payload(self) -> bytes:
        return self.packet[16 : 16 + int.from_bytes(self.packet[6:8], "little")]

    @property
    def machine(self) -> MachineType:
        return MachineType.I386 if self.name == "V16" else MachineType.AMD64

    def decode(self, payload: bytes | None = None) -> Message:
        content = self.payload if payload is None else payload
        return decode(self.packet_type, content, self.direction, self.machine)


def expand(text: str) -> bytes:
    """`30*4 07 00` -> bytes."""
    parts = []
    for token in text.split():
        byte, _, count = token.partition("*")
        parts.append(bytes.fromhex(byte) * int(count or 1))
    return b"".join(parts)


def read_vectors(path: Path, letter: str) -> dict[str, Vector]:
    rows = [row for row in ROW.finditer(path.read_text("utf-8")) if row["name"].startswith(letter)]
    directions = {"H": Direction.TO_TARGET, "T": Direction.TO_HOST}
    return {row["name"]: Vector(row["name"], directions[row["sender"]], expand(row["bytes"])) for row in rows}


OURS = read_vectors(PACKETS, "V")
OURS_WITH_PAYLOAD = [name for name, vector in OURS.items() if vector.is_data]
REAL_WITH_PAYLOAD = ["R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "R12", "R13"]


@pytest.fixture(scope="session")
def real(shared: Path) -> dict[str, Vector]:
    return read_vectors(shared / "reference" / "kd-protocol.md", "R")


@pytest.fixture(params=OURS_WITH_PAYLOAD + REAL_WITH_PAYLOAD)
def vector(request: pytest.FixtureRequest) -> Vector:
    if request.param in OURS:
        return OURS[request.param]
    found: dict[str, Vector] = request.getfixturevalue("real")
    return found[request.param]


BASE = 0xFFFFF800_00200000

# What the vectors' descriptions say, as (api, {attribute: value}).
MEANING: dict[str, tuple[str, dict[str, Any]]] = {
    "V3": (
        "ExceptionStateChange",
        {
            "program_counter": 0xFFFFF800_003C1A20,
            "thread": 0xFFFFE000_10203040,
            "number_processors": 2,
            "exception.code": 0x80000003,
            "exception.address": 0xFFFFF800_003C1A20,
            "exception.parameters": (0,),
            "exception.first_chance": 1,
            "report.dr6": 0xFFFE0FF0,
            "report.dr7": 0x400,
            "report.eflags": 0x246,
            "report.instruction_count": 16,
            "report.report_flags": 3,
            "report.cs": 0x10,
            "report.ds": 0x2B,
            "report.es": 0x2B,
            "report.fs": 0x53,
        },
    ),
    "V5": ("GetVersion", {"processor": 0, "status": 0x103}),
    "V7": (
        "GetVersion",
        {
            "status": 0,
            "body.major": 0xF,
            "body.minor": 19041,
            "body.protocol": 6,
            "body.secondary": 2,
            "body.flags": 7,
            "body.machine": 0x8664,
            "body.max_packet_type": 0xC,
            "body.max_state_change": 3,
            "body.max_manipulate": 0x33,
            "body.kernel_base": BASE,
            "body.loaded_module_list": 0xFFFFF800_00E2A310,
            "body.debugger_data_list": 0xFFFFF800_00E2B000,
        },
    ),
    "V9": ("ReadVirtualMemory", {"body.address": BASE, "body.transfer_count": 16, "status": 0x103}),
    "V10": (
        "ReadVirtualMemory",
        {"body.address": BASE, "body.actual": 16, "data": bytes.fromhex("4d5a90000300000004000000ffff0000")},
    ),
    "V11": ("ReadVirtualMemory", {"status": 0xC0000001, "body.actual": 0, "data": b""}),
    "V12": ("WriteBreakPoint", {"body.address": 0xFFFFF800_00312340, "body.handle": 0}),
    "V13": ("WriteBreakPoint", {"body.address": 0xFFFFF800_00312340, "body.handle": 1, "status": 0}),
    "V14": ("ReadControlSpace", {"body.address": 2, "body.transfer_count": 0xF0}),
    "V15": (
        "Continue2",
        {
            "body.status": 0x10002,
            "body.trace": 1,
            "body.dr7": 0x400,
            "body.symbol_start": 1,
            "body.symbol_end": 0,
        },
    ),
    "V16": (
        "Continue2",
        {
            "body.status": 0x10002,
            "body.trace": 1,
            "body.dr7": 0x400,
            "body.symbol_start": 1,
            "body.symbol_end": 0,
        },
    ),
    "V17": ("PrintString", {"text": b"hello kd\n"}),
    "V18": ("GetString", {"text": b"Ignore? ", "max_length": 2}),
    "V19": ("GetString", {"text": b"i", "prompt_length": 8}),
    "V20": (
        "LoadSymbolsStateChange",
        {
            "load_symbols.base": 0xFFFFF800_01230000,
            "load_symbols.size_of_image": 0x9000,
            "load_symbols.checksum": 0x1ABCD,
            "load_symbols.process_id": 2**64 - 1,
            "load_symbols.unload": 0,
            "path": "\\drv.sys",
            "report.instruction_count": 2,
        },
    ),
    "V23": ("CreateFile", {"file_name": "\\x", "body.desired_access": 0x120089, "body.create_disposition": 1}),
    "V24": ("CreateFile", {"status": 0xC000000F, "file_name": None}),
    "R1": ("PrintString", {"text": b"BD: Boot Debugger Initialized\n"}),
    "R2": ("LoadSymbolsStateChange", {"path": "winload.efi", "load_symbols.base": 0x96F000}),
    "R3": ("GetVersion", {"processor": 0xFFFF, "processor_level": 0xFFFF, "status": 0x103}),
    "R4": ("GetVersion", {"body.minor": 10586, "body.flags": 2, "body.machine": 0x8664, "body.target_kind": 4}),
    "R5": (
        "ExceptionStateChange",
        {"program_counter": 0x9CF07E, "exception.address": 0x9CF07D, "exception.parameters": (0,)},
    ),
    "R6": ("Continue2", {"body.status": 0x10002, "body.trace": 0, "body.dr7": 0x400, "body.symbol_start": 1}),
    "R7": ("LoadSymbolsStateChange", {"load_symbols.is_reboot": True, "path": ""}),
    "R8": ("Continue", {"body.status": 0x10002}),
    "R12": ("CreateFile", {"file_name": "\\Windows\\system32\\en-GB\\winload.efi.MUI", "body.create_disposition": 1}),
    "R13": ("CreateFile", {"status": 0xC000000F, "data": b""}),
}


def attribute(message: object, path: str) -> Any:
    for name in path.split("."):
        message = getattr(message, name)
    return message


def test_the_table_of_packets_is_complete() -> None:
    assert list(OURS) == [f"V{number}" for number in range(1, 25)]
    assert set(MEANING) == {*OURS_WITH_PAYLOAD, *REAL_WITH_PAYLOAD}


def test_the_reference_has_all_real_packets(real: dict[str, Vector]) -> None:
    assert list(real) == [f"R{number}" for number in range(1, 14)]
    assert [name for name, vector in real.items() if vector.is_data] == REAL_WITH_PAYLOAD


def test_fields_are_what_the_description_says(vector: Vector) -> None:
    message = vector.decode()
    api, attributes = MEANING[vector.name]
    assert api_name(message) == api
    assert packet_type_of(message) == vector.packet_type
    assert {path: attribute(message, path) for path in attributes} == attributes


def test_encoding_the_fields_gives_the_same_bytes(vector: Vector) -> None:
    assert encode(vector.decode()) == vector.payload


def test_any_byte_changed_on_the_wire_comes_back_changed(vector: Vector) -> None:
    for offset in range(len(vector.payload)):
        payload = bytearray(vector.payload)
        payload[offset] ^= 0xFF
        assert encode(vector.decode(bytes(payload))) == payload


def test_changing_a_field_changes_just_its_bytes(vector: Vector) -> None:
    message = vector.decode()
    base = 0
    for structure in message.structures():
        before = structure.encode()
        assert vector.payload[base : base + structure.SIZE] == before
        for field in structure.fields():
            value = getattr(structure, field.name)
            if not isinstance(value, int):
                continue
            after = structure.replace(**{field.name: value ^ 0x5A}).encode()
            places = {index for index, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]}
            assert places == {field.offset}
        base += structure.SIZE


def test_the_field_map_covers_the_payload_without_gaps(vector: Vector) -> None:
    fields = field_map(vector.packet_type, vector.payload, vector.direction, vector.machine)
    end = 0
    for field in fields:
        assert field.offset == end
        end += field.size
        expected = vector.payload[field.offset : end]
        if isinstance(field.value, bytes):
            assert field.value == expected
        elif isinstance(field.value, int):
            assert field.value == int.from_bytes(expected, "little")
    assert end == len(vector.payload)


def test_a_payload_cut_short_never_raises_and_keeps_its_bytes(vector: Vector) -> None:
    for size in range(len(vector.payload)):
        message = vector.decode(vector.payload[:size])
        assert encode(message) == vector.payload[:size]
    assert isinstance(vector.decode(b""), RawMessage)
