"""Software and hardware breakpoints and single steps, on the real machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.protocol.constants import Api, ContinueStatus, Status
from kdnb.protocol.messages.breakpoints import (
    BreakpointBody,
    BreakpointEntry,
    BreakpointExBody,
    CustomBreakpointBody,
    RestoreBreakpointBody,
)
from kdnb.protocol.messages.memory import MemoryBody
from kdnb.protocol.messages.state_change import StateChange64

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.simulator.scripted_host import ScriptedHost

TRACE_FLAG = 0x100


def code_of(stop: StateChange64) -> int:
    assert stop.exception is not None
    return stop.exception.code


def test_a_breakpoint_fires_is_given_up_and_the_bytes_are_back(
    stopped: ScriptedHost, symbol: Callable[[str], int]
) -> None:
    address = symbol("KeDelayExecutionThread")
    original = stopped.read(address, 1)
    handle = stopped.set_breakpoint(address)
    assert stopped.read(address, 1) == b"\xcc"
    stopped.go()
    stop = stopped.wait_for(StateChange64)
    assert (code_of(stop), stop.program_counter) == (Status.BREAKPOINT, address)
    assert stopped.context(stop.processor).rip == address
    assert stopped.read(address, 1) == original
    assert stop.report.instruction_stream[:1] == original
    assert stopped.request(Api.RestoreBreakPoint, RestoreBreakpointBody(handle)).status == Status.UNSUCCESSFUL


def test_a_breakpoint_set_again_after_a_step_fires_again(stopped: ScriptedHost, symbol: Callable[[str], int]) -> None:
    address = symbol("KeDelayExecutionThread")
    stopped.set_breakpoint(address)
    stopped.go()
    for _ in range(3):
        stop = stopped.wait_for(StateChange64)
        assert stop.program_counter == address
        stopped.resume(trace=True)
        stepped = stopped.wait_for(StateChange64)
        assert code_of(stepped) == Status.SINGLE_STEP
        stopped.set_breakpoint(address)
        stopped.resume()


def test_restoring_puts_the_original_byte_back_and_frees_the_handle(
    stopped: ScriptedHost, symbol: Callable[[str], int]
) -> None:
    address = symbol("KeBugCheckEx")
    original = stopped.read(address, 4)
    handle = stopped.set_breakpoint(address)
    assert stopped.request(Api.RestoreBreakPoint, RestoreBreakpointBody(handle)).status == Status.SUCCESS
    assert stopped.read(address, 4) == original
    assert stopped.set_breakpoint(address) == handle


def test_there_are_32_breakpoints_and_no_two_at_one_address(
    stopped: ScriptedHost, symbol: Callable[[str], int]
) -> None:
    buffer = symbol("KdPrintDefaultCircularBuffer")
    assert [stopped.set_breakpoint(buffer + index) for index in range(32)] == list(range(1, 33))
    full = stopped.request(Api.WriteBreakPoint, BreakpointBody(buffer + 32))
    assert (full.status, full.body.handle) == (Status.UNSUCCESSFUL, 0)
    stopped.request(Api.RestoreBreakPoint, RestoreBreakpointBody(7))
    twice = stopped.request(Api.WriteBreakPoint, BreakpointBody(buffer))
    assert (twice.status, twice.body.handle) == (Status.UNSUCCESSFUL, 0)
    assert stopped.set_breakpoint(buffer + 40) == 7


def test_clearing_handles_that_are_free_fails_one_by_one(stopped: ScriptedHost) -> None:
    for handle in (0, 1, 32, 33):
        assert stopped.request(Api.RestoreBreakPoint, RestoreBreakpointBody(handle)).status == Status.UNSUCCESSFUL


def test_a_breakpoint_at_an_unmapped_address_is_owed(stopped: ScriptedHost) -> None:
    assert stopped.set_breakpoint(0xFFFFE77000000000) == 1
    assert stopped.request(Api.RestoreBreakPoint, RestoreBreakpointBody(1)).status == Status.SUCCESS


def test_many_at_once_remove_first_and_set_then(stopped: ScriptedHost, symbol: Callable[[str], int]) -> None:
    buffer = symbol("KdPrintDefaultCircularBuffer")
    first = stopped.set_breakpoint(buffer)
    entries = [BreakpointEntry(buffer + 0x10, first), BreakpointEntry(buffer), BreakpointEntry(0)]
    data = b"".join(entry.encode() for entry in entries)
    reply = stopped.request(Api.WriteBreakPointEx, BreakpointExBody(3, ContinueStatus.DBG_CONTINUE.value), data)
    assert reply.status == Status.SUCCESS
    handles = [entry.handle for entry in reply.entries]
    assert sorted(handles) == [0, 1, 2]
    removal = b"".join(handle.to_bytes(4, "little") for handle in handles if handle)
    echoed = stopped.request(Api.RestoreBreakPointEx, BreakpointExBody(2), removal)
    assert (echoed.status, echoed.data) == (Status.SUCCESS, removal)
    assert stopped.request(Api.RestoreBreakPointEx, BreakpointExBody(2), removal).status == Status.UNSUCCESSFUL


@pytest.mark.parametrize("api", [Api.WriteBreakPointEx, Api.RestoreBreakPointEx])
@pytest.mark.parametrize("count", [2, 33, 0xFFFFFFFF])
def test_more_entries_than_came_or_fit_are_refused(stopped: ScriptedHost, api: Api, count: int) -> None:
    assert stopped.request(api, BreakpointExBody(count), bytes(16)).status == Status.UNSUCCESSFUL or count == 2


def test_a_custom_breakpoint_writes_the_given_opcode(stopped: ScriptedHost, symbol: Callable[[str], int]) -> None:
    address = symbol("KeDelayExecutionThread")
    body = CustomBreakpointBody(address, 0x03CD, instruction_size=2, alignment=1)  # int 3 in its two-byte form
    reply = stopped.request(Api.WriteCustomBreakpoint, body)
    assert (reply.status, reply.body.handle) == (Status.SUCCESS, 1)
    assert stopped.read(address, 2) == b"\xcd\x03"


def test_single_steps_go_instruction_by_instruction(stopped: ScriptedHost) -> None:
    stopped.go(trace=True)
    addresses = []
    for _ in range(5):
        stop = stopped.wait_for(StateChange64)
        assert (code_of(stop), stop.processor) == (Status.SINGLE_STEP, 0)
        assert not stop.report.eflags & TRACE_FLAG
        addresses.append(stop.program_counter)
        stopped.resume(trace=True)
    stopped.wait_for(StateChange64)
    assert len(set(addresses)) == 5


def test_a_hardware_breakpoint_fires_on_execution(stopped: ScriptedHost, symbol: Callable[[str], int]) -> None:
    address = symbol("KeDelayExecutionThread")
    for processor in (0, 1):
        special = stopped.request(Api.ReadControlSpace, MemoryBody(2, 0xF0), processor=processor).data
        changed = special[:0x20] + address.to_bytes(8, "little") + special[0x28:]
        stopped.request(Api.WriteControlSpace, MemoryBody(2, 0xF0), changed, processor)
    stopped.go(dr7=0x402)
    stop = stopped.wait_for(StateChange64)
    assert (code_of(stop), stop.program_counter) == (Status.SINGLE_STEP, address)
    assert stop.report.dr6 & 1
    assert stopped.read(address, 1) != b"\xcc"


def test_a_hardware_breakpoint_fires_on_a_write(stopped: ScriptedHost, symbol: Callable[[str], int]) -> None:
    ticks = symbol("KeTickCount")
    before = stopped.read(ticks, 8)
    special = stopped.request(Api.ReadControlSpace, MemoryBody(2, 0xF0)).data
    changed = special[:0x28] + ticks.to_bytes(8, "little") + special[0x30:]
    stopped.request(Api.WriteControlSpace, MemoryBody(2, 0xF0), changed)
    stopped.go(dr7=0x400 | 1 << 3 | 0b1001 << 20)  # G1, write, eight bytes: length code 2 in bits 22-23
    stop = stopped.wait_for(StateChange64)
    assert (code_of(stop), stop.report.dr6 & 0xF) == (Status.SINGLE_STEP, 2)
    assert stopped.read(ticks, 8) != before
