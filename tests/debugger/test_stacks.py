"""Stacks as values."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def test_frames_carry_names_modules_arguments_and_function_entries(session: Session) -> None:
    stop = session.go(until=session.evaluate("nt!NtWriteFile"), timeout=30)
    assert stop is not None
    stack = session.unwind()
    assert (stack.machine, stack.address_size, stack.processor) == ("amd64", 8, stop.processor)
    assert stack[0].symbol == "nt!NtWriteFile"
    assert {frame.module for frame in stack} == {"nt"}
    assert [frame.number for frame in stack] == list(range(len(stack)))
    for frame, caller in zip(stack, list(stack)[1:], strict=False):
        assert frame.return_address == caller.instruction_pointer
        assert frame.child_sp < caller.child_sp
        assert len(frame.arguments) == 4
    begin, end, _ = stack[0].function_entry or (0, 0, 0)
    assert begin <= stack[0].instruction_pointer < end
    assert stack[0].registers["rip"] == stop.address


def test_a_limit_cuts_the_walk(session: Session) -> None:
    assert len(session.unwind(2)) == 2
