"""The numbers of the protocol, written down a second time from the reference: a wrong one makes these fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.protocol import constants

if TYPE_CHECKING:
    from enum import IntEnum

# Enumeration: "first number: names in a row", hexadecimal.
NUMBERS: dict[type[IntEnum], str] = {
    constants.Api: """
        3130 ReadVirtualMemory WriteVirtualMemory GetContext SetContext WriteBreakPoint RestoreBreakPoint Continue
        3137 ReadControlSpace WriteControlSpace ReadIoSpace WriteIoSpace Reboot Continue2 ReadPhysicalMemory
        313E WritePhysicalMemory QuerySpecialCalls SetSpecialCall ClearSpecialCalls SetInternalBreakPoint
        3143 GetInternalBreakPoint ReadIoSpaceExtended WriteIoSpaceExtended GetVersion WriteBreakPointEx
        3148 RestoreBreakPointEx CauseBugCheck
        3150 SwitchProcessor PageIn ReadMachineSpecificRegister WriteMachineSpecificRegister OldVlm1 OldVlm2
        3156 SearchMemory GetBusData SetBusData CheckLowMemory ClearAllInternalBreakpoints FillMemory QueryMemory
        315D SwitchPartition OldWriteCustomBreakpoint GetContextEx SetContextEx WriteCustomBreakpoint
        3162 ReadPhysicalMemoryLong""",
    constants.NewState: "3030 ExceptionStateChange LoadSymbolsStateChange CommandStringStateChange",
    constants.DebugIoApi: "3230 PrintString GetString",
    constants.TraceIoApi: "3330 PrintTrace",
    constants.FileIoApi: "3430 CreateFile ReadFile WriteFile CloseFile",
    constants.ControlRequestApi: "4300 RequestHardwareBreakpoint ReleaseHardwareBreakpoint",
    constants.PacketType: """
        0 UNUSED STATE_CHANGE32 STATE_MANIPULATE DEBUG_IO ACKNOWLEDGE RESEND RESET STATE_CHANGE64 POLL_BREAKIN
        9 TRACE_IO CONTROL_REQUEST FILE_IO""",
    constants.MachineType: """
        14C I386
        1C0 ARM
        1C4 ARMNT
        200 IA64
        8664 AMD64
        AA64 ARM64""",
    constants.ContinueStatus: """
        10001 DBG_EXCEPTION_HANDLED DBG_CONTINUE
        80010001 DBG_EXCEPTION_NOT_HANDLED""",
    constants.BreakStatus: "1 CONTROL_C SYSRQ BUGCHECK_FIRST BUGCHECK_SECOND FATAL DEBUG_CONTROL WORKER",
}


def numbered(rows: str) -> dict[str, int]:
    found = {}
    for row in rows.strip().splitlines():
        first, *names = row.split()
        found.update({name: int(first, 16) + index for index, name in enumerate(names)})
    return found


@pytest.mark.parametrize("numbers", NUMBERS, ids=lambda numbers: numbers.__name__)
def test_every_number_is_that_of_the_reference(numbers: type[IntEnum]) -> None:
    assert {member.name: member.value for member in numbers} == numbered(NUMBERS[numbers])


def test_framing_constants_are_those_of_the_reference() -> None:
    assert constants.DATA_LEADER.to_bytes(4, "little") == b"0000"
    assert constants.CONTROL_LEADER.to_bytes(4, "little") == b"iiii"
    assert bytes([constants.BREAKIN_BYTE]) == b"b"
    assert constants.TRAILER == 0xAA
    assert constants.INITIAL_PACKET_ID == 0x80800000
    assert constants.SYNC_PACKET_ID == 0x800
    assert constants.MAX_PAYLOAD == 4000


def test_the_apis_without_reply_are_those_of_the_reference() -> None:
    assert {api.name for api in constants.NO_REPLY} == {
        "Continue",
        "Continue2",
        "Reboot",
        "CauseBugCheck",
        "SetSpecialCall",
        "ClearSpecialCalls",
        "SetInternalBreakPoint",
        "ClearAllInternalBreakpoints",
        "SwitchProcessor",
        "SwitchPartition",
    }


def test_a_number_has_a_name_only_where_it_is_known() -> None:
    assert constants.name_of(constants.MachineType, 0x8664) == "AMD64"
    assert constants.name_of(constants.MachineType, 1) is None


def test_pointers_have_the_size_of_the_machine() -> None:
    assert {machine.name for machine in constants.MachineType if machine.pointer_size == 4} == {"I386", "ARM", "ARMNT"}
