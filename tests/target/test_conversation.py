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
from tests.target.scripted import events, is_api, joined, reply, version

if TYPE_CHECKING:
    from kdnb.protocol.messages.message import Message

BASE = 0xFFFFF80000000000


def test_connecting_hears_the_announcement_of_a_stopped_target_by_reset() -> None:
    with joined(lambda message: []) as (target, scripted):
        (event,) = events(target, 1)
        assert isinstance(event, StateChanged)
        assert event.change.program_counter == 0xFFFFF80000001000
        assert scripted.resets == 1


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
