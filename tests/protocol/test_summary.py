"""One line for each message, as a reader of packets wants it."""

from __future__ import annotations

import pytest

from kdnb.protocol.codec import Message, summary
from kdnb.protocol.constants import Api, Direction, MachineType, NewState, Status
from kdnb.protocol.messages.breakpoints import BreakpointBody, RestoreBreakpointBody
from kdnb.protocol.messages.control_report import ControlReportAmd64
from kdnb.protocol.messages.debug_io import DebugPrint
from kdnb.protocol.messages.execution import Continue2Amd64, EmptyBody, RawBody
from kdnb.protocol.messages.file_io import CreateFileBody, FileIo
from kdnb.protocol.messages.io import BusDataBody, IoBody, MsrBody
from kdnb.protocol.messages.manipulate import Manipulate
from kdnb.protocol.messages.memory import MemoryBody
from kdnb.protocol.messages.message import RawMessage
from kdnb.protocol.messages.search import SearchBody
from kdnb.protocol.messages.state_change import ExceptionRecord64, LoadSymbols, StateChange64
from kdnb.protocol.messages.version import VersionBody

MEMORY = MemoryBody(0xFFFFF800_00200000, 16)
REPORT = ControlReportAmd64()


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (Manipulate(Api.ReadVirtualMemory, MEMORY), "ReadVirtualMemory fffff800`00200000 L10"),
        (
            Manipulate(Api.ReadVirtualMemory, MEMORY.replace(actual=16), bytes(16), status=0),
            "ReadVirtualMemory fffff800`00200000 L10 -> 16 bytes",
        ),
        (
            Manipulate(Api.ReadVirtualMemory, MEMORY, status=Status.UNSUCCESSFUL),
            "ReadVirtualMemory fffff800`00200000 L10 -> 0 bytes STATUS_UNSUCCESSFUL",
        ),
        (
            Manipulate(Api.WriteVirtualMemory, MEMORY, bytes(16)),
            "WriteVirtualMemory fffff800`00200000 L10 with 16 bytes",
        ),
        (Manipulate(Api.ReadControlSpace, MemoryBody(2, 0xF0), processor=1), "ReadControlSpace cpu 1 2 Lf0"),
        (
            Manipulate(Api.WriteBreakPoint, BreakpointBody(0x1000, 3), status=0),
            "WriteBreakPoint 00000000`00001000 -> handle 3",
        ),
        (Manipulate(Api.RestoreBreakPoint, RestoreBreakpointBody(3)), "RestoreBreakPoint handle 3"),
        (
            Manipulate(Api.Continue2, Continue2Amd64(0x10001, 1, 0x400, 1), status=0x10001),
            "Continue2 DBG_EXCEPTION_HANDLED trace 1 dr7 400",
        ),
        (Manipulate(Api.ReadIoSpace, IoBody(0x3F8, 1, 0x60), status=0), "ReadIoSpace port 3f8 L1 -> 60"),
        (
            Manipulate(Api.ReadMachineSpecificRegister, MsrBody(0xC0000082, 1, 2), status=0),
            "ReadMachineSpecificRegister msr c0000082 -> 200000001",
        ),
        (
            Manipulate(Api.GetBusData, BusDataBody(4, 0, 0x3F, 0, 64)),
            "GetBusData bus 0 device 1f function 1 offset 0 L40",
        ),
        (
            Manipulate(Api.SearchMemory, SearchBody(0x1000, 0x2000, 4), b"abcd"),
            "SearchMemory 00000000`00001000 L2000 pattern 4 with 4 bytes",
        ),
        (
            Manipulate(
                Api.GetVersion, VersionBody(minor=19041, machine=MachineType.AMD64, kernel_base=0x1000), status=0
            ),
            "GetVersion build 19041 AMD64 kernel 00000000`00001000 -> ok",
        ),
        (Manipulate(Api.Reboot, EmptyBody()), "Reboot"),
        (Manipulate(0x31FF, RawBody(), status=0xC0000001), "STATE_MANIPULATE api 31ff -> STATUS_UNSUCCESSFUL"),
        (DebugPrint(b"C:\\x\n\x00\x1b[31m"), 'PrintString "C:\\x\\n\\x00\\x1b[31m"'),
        (DebugPrint(b"a" * 500), 'PrintString "' + "a" * 120 + '"...'),
        (
            StateChange64(NewState.ExceptionStateChange, 0, 1, 2, 0, 0x1000, ExceptionRecord64(0xC0000005), REPORT),
            "ExceptionStateChange c0000005 (Access violation) second chance cpu 1 at 00000000`00001000",
        ),
        (
            StateChange64(
                NewState.LoadSymbolsStateChange,
                0,
                0,
                1,
                0,
                0,
                LoadSymbols(4, base=0x1000, size_of_image=0x200),
                REPORT,
                b"a.b\0",
            ),
            'LoadSymbolsStateChange load 00000000`00001000 L200 "a.b" cpu 0 at 00000000`00000000',
        ),
        (
            StateChange64(
                NewState.LoadSymbolsStateChange, 0, 0, 1, 0, 0, LoadSymbols(base=2**64 - 1, unload=1), REPORT
            ),
            "LoadSymbolsStateChange reboot cpu 0 at 00000000`00000000",
        ),
        (FileIo(0x3430, CreateFileBody(), "\\??\\C:\\a\0".encode("utf-16-le")), 'CreateFile "\\??\\C:\\a"'),
        (FileIo(0x3430, CreateFileBody(), status=Status.NO_SUCH_FILE), "CreateFile -> STATUS_NO_SUCH_FILE"),
        (RawMessage(2, b"\x30\x31"), "STATE_MANIPULATE 2 bytes 30 31"),
        (RawMessage(99, b""), "type 99 0 bytes"),
    ],
)
def test_one_line_says_what_happens(message: Message, line: str) -> None:
    assert summary(message) == line


def test_the_direction_overrules_the_guess_by_status() -> None:
    leftover = Manipulate(Api.ReadVirtualMemory, MEMORY, status=0)
    assert summary(leftover, Direction.TO_TARGET) == "ReadVirtualMemory fffff800`00200000 L10"
    assert summary(leftover, Direction.TO_HOST) == "ReadVirtualMemory fffff800`00200000 L10 -> 0 bytes"
