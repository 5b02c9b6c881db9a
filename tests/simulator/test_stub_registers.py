"""Contexts, control space and MSRs, on the real machine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kdnb.protocol.constants import Api, Status
from kdnb.protocol.messages.get_context import ContextBody, ContextExBody
from kdnb.protocol.messages.io import MsrBody
from kdnb.protocol.messages.memory import MemoryBody

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.simulator.scripted_host import ScriptedHost

CONTEXT_SIZE = 0x4D0
LSTAR = 0xC0000082


def test_set_context_is_refused_until_a_context_was_read(stopped: ScriptedHost) -> None:
    blank = bytes(CONTEXT_SIZE)
    assert stopped.request(Api.SetContext, ContextBody(), blank).status == Status.UNSUCCESSFUL
    context = stopped.context()
    assert stopped.request(Api.SetContext, ContextBody(), context.encode()).status == Status.SUCCESS


def test_a_changed_register_is_what_the_next_read_gives(stopped: ScriptedHost) -> None:
    stopped.change_context(rbx=0x1122334455667788)
    assert stopped.context().rbx == 0x1122334455667788


@pytest.mark.parametrize("processor", [0, 1])
def test_each_processor_has_its_own_context(stopped: ScriptedHost, processor: int) -> None:
    context = stopped.context(processor)
    assert context.context_flags & 0x100003 == 0x100003
    assert stopped.read(context.rsp & ~7, 8)
    assert context.cs == 0x10


@pytest.mark.parametrize("api", [Api.GetContext, Api.SetContext])
def test_a_processor_that_does_not_exist_is_refused(stopped: ScriptedHost, api: Api) -> None:
    reply = stopped.request(api, ContextBody(), bytes(CONTEXT_SIZE), processor=2)
    assert (reply.status, reply.data) == (Status.UNSUCCESSFUL, b"")


def test_a_window_of_the_context(stopped: ScriptedHost) -> None:
    whole = stopped.context().encode()
    reply = stopped.request(Api.GetContextEx, ContextExBody(0xF8, 8))
    assert (reply.data, reply.body.byte_count, reply.body.bytes_copied) == (whole[0xF8:0x100], CONTEXT_SIZE, 8)
    clamped = stopped.request(Api.GetContextEx, ContextExBody(CONTEXT_SIZE - 4, 100))
    assert clamped.body.bytes_copied == 4
    assert stopped.request(Api.GetContextEx, ContextExBody(CONTEXT_SIZE, 1)).status == Status.UNSUCCESSFUL


def test_a_context_set_in_two_parts_takes_effect_with_the_last(stopped: ScriptedHost) -> None:
    changed = replace(stopped.context(), r15=0xABCDEF).encode()
    half = 0x80
    stopped.request(Api.SetContextEx, ContextExBody(0, half, CONTEXT_SIZE), changed[:half])
    assert stopped.context().r15 != 0xABCDEF
    body = ContextExBody(half, CONTEXT_SIZE - half, CONTEXT_SIZE)
    reply = stopped.request(Api.SetContextEx, body, changed[half:])
    assert (reply.status, reply.body.bytes_copied) == (Status.SUCCESS, CONTEXT_SIZE - half)
    assert stopped.context().r15 == 0xABCDEF


@pytest.mark.parametrize("processor", [0, 1])
def test_control_space_selects_pcr_prcb_special_registers_and_thread(stopped: ScriptedHost, processor: int) -> None:
    def pointer(selector: int) -> int:
        reply = stopped.request(Api.ReadControlSpace, MemoryBody(selector, 8), processor=processor)
        return int.from_bytes(reply.data, "little")

    pcr, prcb, thread = pointer(0), pointer(1), pointer(3)
    assert prcb == pcr + 0x180
    assert int.from_bytes(stopped.read(pcr + 0x20, 8), "little") == prcb
    assert int.from_bytes(stopped.read(prcb + 8, 8), "little") == thread
    special = stopped.request(Api.ReadControlSpace, MemoryBody(2, 0x1000), processor=processor)
    assert (len(special.data), special.body.actual) == (0xF0, 0xF0)
    assert stopped.special_registers(processor).cr0 & 0x80000001 == 0x80000001


def test_an_older_host_gets_and_writes_fewer_special_registers(stopped: ScriptedHost) -> None:
    reply = stopped.request(Api.ReadControlSpace, MemoryBody(2, 0xE0))
    assert len(reply.data) == 0xE0
    changed = bytearray(reply.data)
    changed[0x20:0x28] = (0x1234).to_bytes(8, "little")
    written = stopped.request(Api.WriteControlSpace, MemoryBody(2, 0xE0), bytes(changed))
    assert (written.status, written.body.actual) == (Status.SUCCESS, 0xE0)
    assert stopped.special_registers().kernel_dr0 == 0x1234


@pytest.mark.parametrize(("api", "selector"), [(Api.ReadControlSpace, 4), (Api.WriteControlSpace, 0)])
def test_other_selectors_are_refused(stopped: ScriptedHost, api: Api, selector: int) -> None:
    reply = stopped.request(api, MemoryBody(selector, 8), bytes(8) if api is Api.WriteControlSpace else b"")
    assert (reply.status, reply.body.actual, reply.data) == (Status.UNSUCCESSFUL, 0, b"")


def test_an_msr_reads_writes_and_is_unknown(stopped: ScriptedHost, symbol: Callable[[str], int]) -> None:
    before = stopped.request(Api.ReadMachineSpecificRegister, MsrBody(LSTAR))
    assert before.body.value == symbol("KiSystemCall64")
    value = 0xFFFFF80012345678
    written = MsrBody(LSTAR, value & 0xFFFFFFFF, value >> 32)
    assert stopped.request(Api.WriteMachineSpecificRegister, written).status == Status.SUCCESS
    assert stopped.request(Api.ReadMachineSpecificRegister, MsrBody(LSTAR)).body.value == value
    for api in (Api.ReadMachineSpecificRegister, Api.WriteMachineSpecificRegister):
        assert stopped.request(api, MsrBody(0x12345)).status == Status.NO_SUCH_DEVICE
