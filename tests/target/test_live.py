"""A live target against what real ones do: trims, silences, prints and questions between any two packets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.errors import Cancelled, LinkError, RequestFailed
from kdnb.protocol.codec import DebugPrint, DebugPrompt, DebugPromptReply, FileIo
from kdnb.protocol.constants import Api, ContinueStatus, FileIoApi, MachineType, Status
from kdnb.protocol.messages.execution import Continue2Amd64, EmptyBody
from kdnb.protocol.messages.file_io import CreateFileBody
from kdnb.protocol.messages.manipulate import Manipulate
from kdnb.protocol.messages.memory import MemoryBody
from kdnb.target.base import LinkLost, Printed, Prompted, StateChanged, TargetEvent
from kdnb.target.live import MAX_TRANSFER
from tests.target.scripted import breakpoint_stop, is_api, joined, reply, version

if TYPE_CHECKING:
    from kdnb.protocol.messages.message import Message
    from kdnb.target.live import LiveTarget

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


def events(target: LiveTarget, count: int) -> list[TargetEvent]:
    found: list[TargetEvent] = []
    for _ in range(100):
        if len(found) == count:
            return found
        event = target.wait(5.0)
        if event is not None:
            found.append(event)
    pytest.fail(f"only {found} came")


def test_connecting_hears_the_announcement_of_a_stopped_target_by_reset() -> None:
    with joined(lambda message: []) as (target, scripted):
        (event,) = events(target, 1)
        assert isinstance(event, StateChanged)
        assert event.change.program_counter == 0xFFFFF80000001000
        assert scripted.resets == 1


def test_long_reads_are_split_to_what_a_serial_line_carries() -> None:
    with joined(memory_target()) as (target, scripted):
        assert target.read_virtual(BASE, 10000) == MEMORY[:10000]
        counts = [m.body.transfer_count for m in scripted.requests]  # type: ignore[attr-defined]  # all are reads
        assert counts == [MAX_TRANSFER, MAX_TRANSFER, 10000 - 2 * MAX_TRANSFER]


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


def test_an_acknowledgement_without_a_reply_leads_to_reset_and_the_request_again() -> None:
    silent = [True]

    def answer(message: Message) -> list[Message]:
        if is_api(message, Api.GetVersion):
            return [] if silent and silent.pop() else [reply(message, version())]
        return []

    with joined(answer, reply_timeout=0.2) as (target, scripted):
        events(target, 1)
        body = target.request(Api.GetVersion, EmptyBody(), processor=0xFFFF).body
        assert body == version()
        assert scripted.resets == 2
        # The announcement that came again is no new stop.
        assert target.wait(0.0) is None


def test_a_target_that_never_replies_is_given_up_with_an_error() -> None:
    with joined(lambda message: [], reply_timeout=0.1) as (target, scripted):
        with pytest.raises(LinkError, match="no reply to GetVersion"):
            target.request(Api.GetVersion, EmptyBody())
        assert len(scripted.requests) == 3


def test_prints_and_questions_between_a_request_and_its_reply_are_events() -> None:
    def answer(message: Message) -> list[Message]:
        if isinstance(message, DebugPromptReply):
            return [reply(request[0], version())]
        request.append(message)
        return [DebugPrint(b"unimplemented\n", 1), DebugPrompt(b"(boipt)? ", 2)]

    request: list[Message] = []
    with joined(answer) as (target, scripted):
        events(target, 1)
        assert target.request(Api.GetVersion, EmptyBody()).body == version()
        assert events(target, 2) == [Printed(b"unimplemented\n", 1), Prompted(b"(boipt)? ", b"i")]
        assert isinstance(scripted.requests[-1], DebugPromptReply)
        assert scripted.requests[-1].text == b"i"


def test_the_user_answers_a_question_of_a_running_target() -> None:
    with joined(lambda message: []) as (target, scripted):
        events(target, 1)
        target.resume(0, ContinueStatus.DBG_CONTINUE, trace=False, dr7=0x400)
        target.answer = lambda question: question.upper() * 10
        scripted.send(DebugPrompt(b"b or i? ", 4))
        assert events(target, 1) == [Prompted(b"b or i? ", b"B OR I? " * 10)]
        answer = scripted.wait_for(2)[1]
        assert isinstance(answer, DebugPromptReply)
        assert answer.text == b"B OR"  # cut to what there is room for


def test_file_requests_are_refused_as_windbg_does_without_a_map() -> None:
    name = "\\SystemRoot\\kdnb.sys\0".encode("utf-16-le")
    with joined(lambda message: []) as (target, scripted):
        events(target, 1)
        scripted.send(FileIo(int(FileIoApi.CreateFile), CreateFileBody(0x120089, 0x80, 1, 1), name))
        scripted.send(DebugPrint(b"x"))
        assert events(target, 1) == [Printed(b"x")]
        (answer,) = scripted.wait_for(1)
        assert isinstance(answer, FileIo)
        assert (answer.status, answer.file_name) == (0xC000000F, "\\SystemRoot\\kdnb.sys")


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


def test_a_user_who_gives_up_during_a_request_is_let_go() -> None:
    with joined(lambda message: []) as (target, _):
        target.cancelled = lambda: True
        with pytest.raises(Cancelled):
            target.request(Api.GetVersion, EmptyBody())


def test_a_line_that_is_cut_is_one_event_and_then_an_error() -> None:
    with joined(lambda message: []) as (target, scripted):
        events(target, 1)
        scripted.close()
        assert isinstance(events(target, 1)[0], LinkLost)
        with pytest.raises(LinkError, match="the link is lost"):
            target.read_virtual(BASE, 4)
