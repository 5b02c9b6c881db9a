from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.debugger.function_flow import function_blocks
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.disassembly import CallList, FunctionCode

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def test_blocks_of_every_kernel_function_are_whole_and_inside_it(session: Session) -> None:
    """Each block ends where another begins, jumps lead to beginnings, and nothing but padding is left out."""
    kernel = session.modules["nt"]
    image = kernel.image
    assert image is not None
    jumps = 0
    for function in image.function_table[::3]:
        begin, end = kernel.base + function.begin, kernel.base + function.end
        blocks = function_blocks(session, begin)
        starts = {block[0].address for block in blocks}
        code = [instruction for block in blocks for instruction in block]
        assert all(first.address + first.size <= second.address for first, second in pairwise(code))
        assert all(begin <= one.address < end for one in code)
        for one in code:
            if one.is_jump and one.target is not None and begin <= one.target < end:
                assert one.target in starts
                jumps += 1
        missed = end - begin - sum(one.size for one in code)
        assert missed < 32, hex(begin)
        assert all(block[0].label for block in blocks)
    assert jumps > 20


def test_a_place_inside_gives_the_whole_function(session: Session) -> None:
    start = session.evaluate("nt!KeClockInterruptNotify")
    assert function_blocks(session, start + 0x20) == function_blocks(session, start)


def test_uf_shows_blocks_with_blank_lines_and_their_labels(session: Session) -> None:
    (code,) = execute(session, "uf nt!KdCheckForDebugBreak")
    assert isinstance(code, FunctionCode)
    parts = to_text(code).split("\n\n")
    assert len(parts) == len(code.blocks) > 1
    assert parts[0].startswith("nt!KdCheckForDebugBreak:\n")
    assert all(part.startswith("nt!KdCheckForDebugBreak+0x") for part in parts[1:])


def test_uf_c_lists_the_calls(session: Session) -> None:
    (calls,) = execute(session, "uf /c nt!KdCheckForDebugBreak")
    assert isinstance(calls, CallList)
    lines = to_text(calls).split("\n")
    assert lines[0] == f"nt!KdCheckForDebugBreak ({session.evaluate('nt!KdCheckForDebugBreak'):x})".replace(
        "fffff800", "fffff800`"
    )
    assert any(line.startswith("    call to nt!DbgBreakPointWithStatus (") for line in lines)


def test_without_code_uf_says_so(session: Session) -> None:
    with pytest.raises(CommandError, match="No code found, aborting"):
        execute(session, "uf 1000")


def test_breakpoints_are_marked(session: Session) -> None:
    execute(session, "bp nt!KeBugCheckEx")
    assert "; breakpoint 0" in to_text(execute(session, "u nt!KeBugCheckEx L2")[0]).split("\n")[1]
    assert "; breakpoint 0" in to_text(execute(session, "uf nt!KeBugCheckEx")[0])
