"""One small session, made of our own messages, that the capture tests cut, damage and write in many ways."""

from __future__ import annotations

import struct

import pytest

from kdnb.protocol.codec import DebugPrint, DebugPrompt, FileIo, Manipulate, Message, encode, packet_type_of
from kdnb.protocol.constants import INITIAL_PACKET_ID, SYNC_PACKET_ID, Api, Direction, FileIoApi, PacketType
from kdnb.protocol.messages.execution import Continue2Amd64
from kdnb.protocol.messages.file_io import CreateFileBody
from kdnb.protocol.messages.memory import MemoryBody
from kdnb.protocol.messages.version import VersionBody
from kdnb.protocol.packet import encode_packet, make_control, make_data

TO_TARGET, TO_HOST = Direction.TO_TARGET, Direction.TO_HOST
Exchange = list[tuple[Direction, bytes]]
BOOT_TEXT = b"boot: loading \x00\x01 nonsense\r\n"


def state_change() -> bytes:
    """An exception of processor 1 at 0xFFFFF80000001000; the bytes, so that no message class stands between."""
    fixed = struct.pack("<IHHIIQQ", 0x3030, 0, 1, 2, 0, 0xFFFFE00010203040, 0xFFFFF80000001000)
    return fixed + struct.pack("<I", 0x80000003) + bytes(0xF0 - len(fixed) - 4)


class Conversation:
    """Writes both sides of a serial conversation with right ids and acknowledgements."""

    def __init__(self) -> None:
        self.exchange: Exchange = []
        self.ids = {TO_TARGET: INITIAL_PACKET_ID, TO_HOST: INITIAL_PACKET_ID | SYNC_PACKET_ID}

    def raw(self, direction: Direction, data: bytes) -> None:
        self.exchange.append((direction, data))

    def payload(self, direction: Direction, packet_type: int, payload: bytes) -> None:
        number = self.ids[direction]
        self.raw(direction, encode_packet(make_data(packet_type, number, payload)))
        back = TO_HOST if direction is TO_TARGET else TO_TARGET
        self.raw(back, encode_packet(make_control(PacketType.ACKNOWLEDGE, number & ~SYNC_PACKET_ID)))
        self.ids[direction] = (number & ~SYNC_PACKET_ID) ^ 1

    def message(self, direction: Direction, message: Message) -> None:
        self.payload(direction, packet_type_of(message), encode(message))

    def repeat_last_data(self, direction: Direction) -> None:
        sent = [data for way, data in self.exchange if way is direction and len(data) > 16]
        self.raw(direction, sent[-1])


def read_memory(address: int, count: int, data: bytes | None = None) -> Manipulate:
    actual = 0 if data is None else len(data)
    status = 0x103 if data is None else 0
    return Manipulate(
        Api.ReadVirtualMemory, MemoryBody(address, count, actual), data or b"", status=status, processor=1
    )


def session() -> Exchange:
    """Boot text, a stop, three requests, a resent reply, a print, a prompt, a file request, go, break-in."""
    talk = Conversation()
    talk.raw(TO_HOST, BOOT_TEXT)
    talk.payload(TO_HOST, PacketType.STATE_CHANGE64, state_change())
    version = VersionBody(0xF, 19041, 6, 2, 7, 0x8664, kernel_base=0xFFFFF80000000000)
    talk.message(TO_TARGET, Manipulate(Api.GetVersion, VersionBody(), processor=0xFFFF))
    talk.message(TO_HOST, Manipulate(Api.GetVersion, version, processor=0xFFFF, status=0))
    talk.message(TO_TARGET, read_memory(0xFFFFF80000001000, 64))
    talk.message(TO_HOST, read_memory(0xFFFFF80000001000, 64, bytes(range(64))))
    talk.repeat_last_data(TO_HOST)
    talk.message(TO_TARGET, read_memory(2**64 - 8, 16))
    talk.message(TO_HOST, read_memory(2**64 - 8, 16, b"0000\x02\x00\xff\xff"))
    talk.message(TO_TARGET, Manipulate(Api.Continue2, Continue2Amd64(0x10002), processor=1))
    talk.message(TO_HOST, DebugPrint(b"hello, <world> \xe9\n"))
    prompt = DebugPrompt(b"Break? ", 2)
    talk.message(TO_HOST, prompt)
    talk.message(TO_TARGET, prompt.reply(b"b"))
    name = "\\SystemRoot\\x.sys\0".encode("utf-16-le")
    talk.message(TO_HOST, FileIo(FileIoApi.CreateFile, CreateFileBody(0x120089), name))
    talk.message(TO_TARGET, FileIo(FileIoApi.CreateFile, CreateFileBody(0x120089), b"", 0xC000000F))
    talk.raw(TO_TARGET, b"b")
    talk.payload(TO_HOST, PacketType.STATE_CHANGE64, state_change())
    return talk.exchange


@pytest.fixture(scope="session")
def exchange() -> Exchange:
    """The session as (direction, bytes), one packet each."""
    return session()
