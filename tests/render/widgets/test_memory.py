"""The hex view asks for what is scrolled into sight, and for nothing else."""

from __future__ import annotations

from typing import Any

from kdnb.errors import MemoryReadError, StaleError
from kdnb.render.widgets.memory import BLOCK_LINES, MemoryWidget
from kdnb.results.memory import MemoryDump

MEBIBYTE = 1 << 20
BASE = 0xFFFFF80000000000


def dump(data: bytes = b"", size: int = MEBIBYTE) -> MemoryDump:
    return MemoryDump("db", BASE, data, size, 1, 16, 8, ascii=True)


def sent(widget: MemoryWidget, message: dict[str, Any]) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    widget.send = out.append
    widget._answer(widget, message, [])
    return out


def test_only_the_first_block_travels_with_the_widget() -> None:
    asked: list[tuple[int, int]] = []

    def fetch(address: int, size: int) -> bytes:
        asked.append((address, size))
        return bytes(size)

    widget = MemoryWidget(dump(), fetch)
    assert widget.lines == MEBIBYTE // 16
    assert len(widget.initial) == 1
    assert asked == [(BASE, BLOCK_LINES * 16)]
    assert len(str(widget.get_state())) < 20_000


def test_a_block_that_comes_into_sight_is_fetched_and_worded_like_db() -> None:
    widget = MemoryWidget(dump(), lambda address, size: b"MZ".ljust(size, b"\0"))
    (answer,) = sent(widget, {"kind": "block", "number": 3})
    first = answer["text"].splitlines()[0]
    assert first == "fffff800`00000c00  4d 5a 00 00 00 00 00 00-00 00 00 00 00 00 00 00  MZ.............."


def test_a_hole_shows_question_marks_behind_what_could_be_read() -> None:
    def fetch(address: int, size: int) -> bytes:
        raise MemoryReadError(address, size, b"\x01\x02")

    (answer,) = sent(MemoryWidget(dump(b"\0" * 1024), fetch), {"kind": "block", "number": 1})
    assert "01 02 ??" in answer["text"].splitlines()[0]


def test_when_the_stop_is_over_the_view_says_so_and_lives_on() -> None:
    def fetch(address: int, size: int) -> bytes:
        raise StaleError("this was taken at an earlier stop")

    answers = sent(MemoryWidget(dump(b"\0" * 1024), fetch), {"kind": "block", "number": 2})
    assert "earlier stop" in answers[-1]["text"]


def test_messages_that_make_no_sense_are_ignored() -> None:
    widget = MemoryWidget(dump(b"\0" * 64, 64))
    for message in ({}, {"kind": "block"}, {"kind": "block", "number": "x"}, {"kind": "block", "number": 10**9}):
        assert sent(widget, message) == []
