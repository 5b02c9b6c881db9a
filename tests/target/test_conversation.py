"""The conversation with real targets: silences, prints and questions between any two packets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.errors import Cancelled, LinkError
from kdnb.protocol.codec import DebugPrint, DebugPrompt, DebugPromptReply, FileIo
from kdnb.protocol.constants import Api, ContinueStatus, FileIoApi
from kdnb.protocol.messages.execution import EmptyBody
from kdnb.protocol.messages.file_io import CreateFileBody
from kdnb.target.base import LinkLost, Printed, Prompted, StateChanged
from tests.target.scripted import events, joined, reply, version
from tests.target.virtual_target import BASE, MEMORY, virtual

if TYPE_CHECKING:
    from kdnb.protocol.messages.message import Message


def test_connecting_hears_the_announcement_of_a_stopped_target_by_reset() -> None:
    target, _ = virtual()
    target.connect(10.0, break_in=True)
    event = target.wait(5.0)
    assert isinstance(event, StateChanged)
    assert event.change.program_counter == 0xFFFFF80000001000
    assert (target.statistics.resets, target.statistics.break_ins) == (1, 0)


def test_an_acknowledgement_without_a_reply_leads_to_reset_and_the_request_again() -> None:
    target, machine = virtual()
    target.connect(10.0, break_in=True)
    assert target.wait(5.0) is not None
    machine.silent = 1
    assert target.read_virtual(BASE, 16) == MEMORY[:16]
    assert target.statistics.resets == 2
    # The announcement that came again is no new stop.
    assert target.wait(1.0) is None


def test_a_target_that_never_replies_is_given_up_with_an_error() -> None:
    target, machine = virtual()
    target.connect(10.0, break_in=True)
    machine.silent = 100
    with pytest.raises(LinkError, match="no reply to ReadVirtualMemory"):
        target.read_virtual(BASE, 16)
    assert machine.silent == 97


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
