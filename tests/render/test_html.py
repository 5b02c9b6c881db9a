"""HTML is escaped, bounded, and there for every table."""

from __future__ import annotations

from kdnb.render.html import ROW_LIMIT, to_html
from kdnb.results.base import present
from kdnb.results.breakpoints import BreakpointInfo, BreakpointList
from kdnb.results.memory import MemoryDump
from kdnb.results.modules import ModuleInfo, ModuleList
from kdnb.results.registers import RegisterSet
from kdnb.results.stack import Frame, Stack
from kdnb.results.values import Text

EVIL = "<script>alert(1)</script>"


def test_text_from_a_target_is_escaped() -> None:
    modules = ModuleList((ModuleInfo(EVIL, 0x1000, 0x2000, EVIL),), 8)
    stack = Stack((Frame(0, 1, 2, 3, EVIL),), "amd64", 0, 8, note=EVIL)
    breakpoints = BreakpointList((BreakpointInfo(0, "software", 1, EVIL, command=EVIL),), 8)
    for value in (modules, stack, breakpoints):
        html = to_html(value)
        assert html is not None
        assert "<script" not in html
        assert "&lt;script&gt;" in html


def test_a_mebibyte_of_memory_stays_below_200_kilobytes_in_a_notebook() -> None:
    dump = MemoryDump("db", 0x1000, bytes(1 << 20), 1 << 20, 1, 16, 8, ascii=True)
    bundle = present(dump)
    assert sum(len(text) for text in bundle.values()) < 200_000
    assert f"{(1 << 16) - ROW_LIMIT} more rows" in bundle["text/html"]
    assert "more lines" in bundle["text/plain"]


def test_changed_registers_are_marked() -> None:
    html = to_html(RegisterSet("amd64", 0, {"rax": 1, "rbx": 2}, frozenset({"rbx"})))
    assert html is not None
    assert '<td class="changed">0000000000000002</td>' in html
    assert '<td class="changed">0000000000000001</td>' not in html


def test_unreadable_memory_shows_question_marks() -> None:
    html = to_html(MemoryDump("dd", 0x1000, bytes(4), 16, 4, 4, 8))
    assert html is not None
    assert "00000000 ???????? ???????? ????????" in html


def test_what_is_only_words_has_no_html() -> None:
    assert to_html(Text("hello")) is None
    assert present(Text("hello")) == {"text/plain": "hello"}
