"""Frames that open: registers at once, code when asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kdnb.errors import StaleError
from kdnb.render.widgets.stack import FRAME_LIMIT, StackWidget
from kdnb.results.stack import Frame, Stack


def frame(number: int) -> Frame:
    registers = {"rsp": 0x1000 + number, "rip": 0x2000, "xmm0": 7}
    return Frame(number, 0x1000 + number, 0x2000, 0x2000, f"nt!F{number}", registers=registers)


def stack(count: int) -> Stack:
    return Stack(tuple(map(frame, range(count))), "amd64", 0, 8)


def opened(widget: StackWidget, message: dict[str, Any]) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    widget.send = out.append
    widget._answer(widget, message, [])
    return out


def test_a_frame_shows_its_line_and_its_general_registers() -> None:
    line, registers = StackWidget(stack(2)).frames[1]
    assert line == "01 00000000`00001001 00000000`00002000     nt!F1"
    assert "rsp=0000000000001001" in registers
    assert "xmm0" not in registers


def test_the_columns_that_were_asked_for_are_there() -> None:
    frames = (replace(frame(0), arguments=(1, 2, 3, 4), source="a.c @ 5"),)
    widget = StackWidget(Stack(frames, "amd64", 0, 8, columns="kv", heading="  *** Stack trace for last set context"))
    assert "Stack trace for last set context\n" in widget.head
    assert "Args to Child" in widget.head
    assert "00000000`00000004 : nt!F0 [a.c @ 5]" in widget.frames[0][0]


def test_the_code_of_a_frame_is_asked_for_when_it_is_opened() -> None:
    widget = StackWidget(stack(3), lambda entry: f"code of {entry.symbol}")
    assert opened(widget, {"kind": "open", "number": 2}) == [{"kind": "details", "number": 2, "text": "code of nt!F2"}]
    assert opened(widget, {"kind": "open", "number": 3}) == []


def test_a_frame_of_an_earlier_stop_says_so() -> None:
    def details(_frame: Frame) -> str:
        raise StaleError("this was taken at an earlier stop")

    assert "earlier stop" in opened(StackWidget(stack(1), details), {"kind": "open", "number": 0})[0]["text"]


def test_a_runaway_stack_is_cut_and_says_how_much_was_left_out() -> None:
    widget = StackWidget(stack(FRAME_LIMIT + 10))
    assert len(widget.frames) == FRAME_LIMIT
    assert widget.note == "10 more frames left out"


def test_why_the_frames_may_be_wrong_is_said_once() -> None:
    warning = "WARNING: Frame IP not in any known module. Following frames may be wrong."
    value = stack(2)
    last = replace(value.frames[-1], warning=warning)
    assert StackWidget(replace(value, note=warning)).note == warning
    assert StackWidget(replace(value, frames=(value.frames[0], last), note=warning)).note == ""
