"""A live target: splitting, trimming, sign extension, the control set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.errors import Cancelled, RequestFailed
from kdnb.protocol.constants import Api, ContinueStatus, MachineType, Status
from kdnb.protocol.messages.execution import Continue2Amd64, EmptyBody
from kdnb.protocol.messages.manipulate import Manipulate
from kdnb.protocol.messages.memory import MemoryBody
from kdnb.target.base import StateChanged
from kdnb.target.live import MAX_TRANSFER
from tests.target.scripted import breakpoint_stop, events, is_api, joined, reply, version

if TYPE_CHECKING:
    from kdnb.protocol.messages.message import Message

BASE = 0xFFFFF80000000000
MEMORY = bytes(range(256)) * 64


def memory_target(limit: int = MAX_TRANSFER, hole: int = len(MEMORY)):  # a handler of messages
    """Answers reads from MEMORY at BASE: at most `limit` bytes, none from `hole` on."""

    def answer(message: Message) -> list[Message]:
        assert isinstance(message, Manipulate)
        if not is_api(message, Api.ReadVirtualMemory):
            return []
        assert isinstance(message.body, MemoryBody)
        at = message.body.address - BASE
        data = MEMORY[at : min(at + min(message.body.transfer_count, limit), hole)] if 0 <= at < hole else b""
        failed = not data
        body = MemoryBody(message.body.address, message.body.transfer_count, len(data))
        return [reply(message, body, data, Status.UNSUCCESSFUL if failed else 0)]

    return answer


def test_long_reads_are_split_to_what_a_serial_line_carries() -> None:
    with joined(memory_target()) as (target, scripted):
        assert target.read_virtual(BASE, 10000) == MEMORY[:10000]
        counts = [m.body.transfer_count for m in scripted.requests]  # type: ignore[attr-defined]  # all are reads
        assert counts == [MAX_TRANSFER, MAX_TRANSFER, 10000 - 2 * MAX_TRANSFER]


def test_a_long_read_ends_between_two_requests_when_it_is_cancelled() -> None:
    with joined(memory_target()) as (target, scripted):
        target.cancelled = lambda: len(scripted.requests) >= 2
        with pytest.raises(Cancelled):
            target.read_virtual(BASE, len(MEMORY))
        assert len(scripted.requests) == 2
        target.cancelled = lambda: False
        assert target.read_virtual(BASE, 0x100) == MEMORY[:0x100]


def test_a_target_that_trims_is_asked_for_no_more_than_it_gives() -> None:
    with joined(memory_target(limit=0x448)) as (target, scripted):
        assert target.read_virtual(BASE, 0x2000) == MEMORY[:0x2000]
        scripted.requests.clear()
        assert target.read_virtual(BASE, 0x1000) == MEMORY[:0x1000]
        counts = [m.body.transfer_count for m in scripted.requests]  # type: ignore[attr-defined]  # all are reads
        assert counts == [0x448, 0x448, 0x448, 0x328]


def test_a_read_ends_at_the_hole_and_keeps_what_was_before_it() -> None:
    with joined(memory_target(hole=0x1010)) as (target, _):
        assert target.read_virtual(BASE + 0x1000, 0x100) == MEMORY[0x1000:0x1010]
        assert target.read_virtual(BASE + 0x1000, 0x10) == MEMORY[0x1000:0x1010]
        assert target.read_virtual(BASE + 0x2000, 0x10) == b""


def test_continue_is_done_with_its_acknowledgement_and_carries_the_control_set() -> None:
    with joined(lambda message: []) as (target, scripted):
        events(target, 1)
        target.resume(0, ContinueStatus.DBG_EXCEPTION_HANDLED, trace=True, dr7=0x401)
        (message,) = scripted.wait_for(1)
        assert isinstance(message, Manipulate)
        assert message.body == Continue2Amd64(0x10001, 1, 0x401, 1, 0)
        scripted.send(breakpoint_stop())  # the same words as before: but now it is a new stop
        assert isinstance(events(target, 1)[0], StateChanged)


def test_a_failure_status_is_an_error_with_the_name_of_api_and_status() -> None:
    with joined(lambda message: [reply(message, status=0xC0000001)]) as (target, _):
        with pytest.raises(RequestFailed, match="GetContext: the target answers STATUS_UNSUCCESSFUL") as caught:
            target.get_context(5)
        assert (caught.value.api, caught.value.status) == ("GetContext", 0xC0000001)
        assert target.restore_breakpoint(7) is False


def test_addresses_of_32_bit_targets_go_sign_extended() -> None:
    def answer(message: Message) -> list[Message]:
        if is_api(message, Api.GetVersion):
            return [reply(message, version(MachineType.I386))]
        assert isinstance(message, Manipulate)
        body = message.body
        assert isinstance(body, MemoryBody)
        return [reply(message, MemoryBody(body.address, 4, 4), b"kdnb")]

    with joined(answer) as (target, scripted):
        target.request(Api.GetVersion, EmptyBody())
        assert target.read_virtual(0x80400000, 4) == b"kdnb"
        assert target.read_virtual(0x00400000, 4) == b"kdnb"
        assert target.read_physical(0x80400000, 4) == b"kdnb"
        sent = [m.body.address for m in scripted.requests[1:]]  # type: ignore[attr-defined]  # all are reads
        assert sent == [0xFFFFFFFF80400000, 0x400000, 0x80400000]
