"""HTML is escaped, bounded, and there for every table."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

import pytest

from kdnb.render.html import ROW_LIMIT, to_html
from kdnb.render.present import present_result
from kdnb.render.text import to_text
from kdnb.results.breakpoints import BreakpointInfo, BreakpointList
from kdnb.results.disassembly import Disassembly, Instruction
from kdnb.results.memory import MemoryDump, PointerRow, PointerTable
from kdnb.results.modules import ModuleInfo, ModuleList, SymbolInfo, SymbolList, UnloadedModule
from kdnb.results.registers import RegisterSet
from kdnb.results.stack import Frame, Stack
from kdnb.results.values import Text

if TYPE_CHECKING:
    from kdnb.results.base import Result

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
    bundle = present_result(dump)
    assert sum(len(text) for text in bundle.values()) < 200_000
    assert f"{(1 << 16) - ROW_LIMIT} more lines" in bundle["text/html"]
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


SEGMENTS = dict.fromkeys(("cs", "ss", "ds", "es", "fs", "gs"), 0x10)
FRAME = Frame(0, 0x1000, 0x2000, 0x3000, "nt!F", arguments=(7, 8, 9, 10), source="a.c @ 5", warning="WARNING: a guess")


@pytest.mark.parametrize(
    "value",
    [
        Stack((FRAME,), "amd64", 0, 8, columns="kv", heading="  *** Stack trace for last set context", note="cut"),
        MemoryDump("df", 0x1000, bytes(4) + b"\0\0\x80?", 8, 4, 4, 8),
        MemoryDump("dyb", 0x1000, b"\x4d", 1, 1, 4, 8),
        ModuleList((ModuleInfo("nt", 0x1000, 0x2000, "ntoskrnl.exe"),), 8, verbose=True),
        ModuleList((), 8, unloaded=(UnloadedModule("echo.sys", 0x1000, 0x2000),)),
        BreakpointList((BreakpointInfo(0, "w", 0x1000, "x", size=4, process=0x9999),), 8),
        RegisterSet("amd64", 0, {"cr0": 5, "rax": 1}, mask=0x80),
        RegisterSet("amd64", 0, {"rax": 1, "efl": 0x246, **SEGMENTS}, heading="Last set context:"),
        PointerTable("dpp", (PointerRow(0x1000, 0x2000, "nt!X", target=0x7777),), 8, 8),
        Disassembly((Instruction(0x1000, b"\x74\0", "je", "nt!X", annotation="[br=1]", breakpoint=3),), 8),
        SymbolList((SymbolInfo(0x1000, "nt!X", size=5, kind="func"),), 8, letters="v"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_html_shows_no_less_than_the_text(value: Result) -> None:
    html = to_html(value)
    if html is None:
        return  # the text is what is shown
    words = re.findall(r"[^\s:;=]+", to_text(value))
    shown = unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", html))
    assert [word for word in words if word not in shown] == []


def test_what_is_only_words_has_no_html() -> None:
    assert to_html(Text("hello")) is None
    assert present_result(Text("hello")) == {"text/plain": "hello"}
