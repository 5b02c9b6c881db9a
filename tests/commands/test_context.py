"""Register contexts: `.trap`, `.cxr`, `.frame /c` on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.protocol.context.amd64 import AMD64Context
from kdnb.protocol.context.registers import with_registers
from kdnb.render.text import to_text
from kdnb.results.stack import Frame, Stack

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


@pytest.fixture(autouse=True)
def _in_the_clock_interrupt(session: Session) -> None:
    execute(session, "g nt!KeUpdateSystemTime")


def _text(session: Session, commands: str) -> str:
    return to_text(execute(session, commands)[-1])


def _trap(session: Session) -> tuple[Frame, Frame]:
    """The interrupt's frame, and the interrupted one."""
    (stack,) = execute(session, "kv")
    assert isinstance(stack, Stack)
    index = next(frame.number for frame in stack if frame.trap_frame is not None)
    return stack[index], stack[index + 1]


def test_a_trap_frame_gives_the_registers_of_the_interrupted_code(session: Session) -> None:
    trap, interrupted = _trap(session)
    text = _text(session, f".trap {trap.trap_frame:x}")
    assert text.startswith("NOTE: The trap frame does not contain all registers.\nSome register values")
    assert "cs=" not in text
    assert session.evaluate("@rip") == session.evaluate(".") == interrupted.instruction_pointer
    assert session.evaluate("@rsp") == session.evaluate("@$csp") == interrupted.child_sp
    assert session.evaluate("@ecx") == session.evaluate("@rcx & ffffffff")
    assert _text(session, "r").startswith("Last set context:\nrax=")
    (stack,) = execute(session, "k")
    assert isinstance(stack, Stack)
    assert stack[0].instruction_pointer == interrupted.instruction_pointer
    assert "*** Stack trace for last set context" in to_text(stack).split("\n")[0]
    assert f"{interrupted.symbol}:" in _text(session, "u")


def test_a_set_context_can_only_be_read(session: Session) -> None:
    trap, _ = _trap(session)
    execute(session, f".trap {trap.trap_frame:x}")
    with pytest.raises(CommandError, match="can't be changed"):
        execute(session, "r rax=1")
    execute(session, "r $t0=1")


@pytest.mark.parametrize("reset", [".trap", ".trap 0", ".cxr", ".cxr 0", ".tss"])
def test_without_an_address_the_processor_s_own_registers_are_back(session: Session, reset: str) -> None:
    before = session.evaluate("@rip")
    trap, _ = _trap(session)
    assert _text(session, f".trap {trap.trap_frame:x}; {reset}") == "Resetting default scope"
    assert session.evaluate("@rip") == before
    assert not _text(session, "r").startswith("Last set")


@pytest.mark.parametrize("command", ["t", "~1s"])
def test_a_context_ends_when_the_machine_runs_or_the_processor_changes(session: Session, command: str) -> None:
    trap, _ = _trap(session)
    execute(session, f".trap {trap.trap_frame:x}; {command}")
    assert session.scope.context is None


def test_a_look_at_another_processor_leaves_the_context(session: Session) -> None:
    trap, interrupted = _trap(session)
    other = 1 - session.current_processor
    execute(session, f".trap {trap.trap_frame:x}; {other}k")
    assert session.evaluate("@rip") == interrupted.instruction_pointer


def test_stepping_goes_on_where_the_processor_is(session: Session) -> None:
    trap, _ = _trap(session)
    start = session.registers.pc
    execute(session, f".trap {trap.trap_frame:x}; gu")
    assert session.registers.pc != start
    assert session.symbols.format(session.registers.pc).startswith("nt!KeClockInterruptNotify+")


def test_a_context_record_in_memory(session: Session) -> None:
    values = {"rip": session.evaluate("nt!KeBugCheckEx"), "rbx": 0x1234, "rsp": session.registers.sp}
    record = with_registers(AMD64Context.decode(bytes(AMD64Context.SIZE)), values)
    place = session.registers.sp - 0x2000 & ~15
    session.memory.write(place, record.encode())
    text = _text(session, f".cxr {place:x}")
    assert text.startswith("rax=0000000000000000 rbx=0000000000001234")
    assert "nt!KeBugCheckEx:" in text
    assert "cs=0000" in text


def test_a_frame_is_chosen_by_number(session: Session) -> None:
    (frame,) = execute(session, ".frame 1")
    assert isinstance(frame, Frame)
    assert session.evaluate("@$frame") == 1
    assert _text(session, ".frame") == to_text(frame)
    assert session.scope.context is None


def test_the_registers_of_a_frame(session: Session) -> None:
    (stack,) = execute(session, "k")
    assert isinstance(stack, Stack)
    shown = _text(session, ".frame /r 2")
    assert shown.split("\n")[0].startswith("02 ")
    assert f"rip={stack[2].instruction_pointer:016x} rsp={stack[2].child_sp:016x}" in shown
    assert session.scope.context is None
    execute(session, ".frame /c 2")
    assert session.evaluate("@rip") == stack[2].instruction_pointer
    (outer,) = execute(session, "k")
    assert isinstance(outer, Stack)
    assert [f.instruction_pointer for f in outer] == [f.instruction_pointer for f in stack][2:]


def test_a_stack_from_registers_of_one_s_own(session: Session) -> None:
    (stack,) = execute(session, "k")
    assert isinstance(stack, Stack)
    (again,) = execute(session, f"k = {stack[2].child_sp:x} {stack[2].instruction_pointer:x} 2")
    assert isinstance(again, Stack)
    assert [f.return_address for f in again] == [f.return_address for f in stack][2:4]


def test_unreadable_and_missing_records_are_told(session: Session) -> None:
    with pytest.raises(CommandError, match="fffff80000000000"):
        execute(session, ".trap fffff80000000000")
    with pytest.raises(CommandError, match=r"stores none; \.exr -1 .* \.cxr ADDRESS"):
        execute(session, ".ecxr")


def test_x64_has_no_registers_in_a_task_segment(session: Session) -> None:
    with pytest.raises(CommandError, match="only x86 keeps registers in a TSS"):
        execute(session, ".tss 40")


def test_unwind_data_of_a_function(session: Session) -> None:
    text = _text(session, ".fnent nt!KiPageFault")
    assert "BeginAddress      = 00000000`" in text
    assert "unwind op a, op info 1\tUWOP_PUSH_MACHFRAME with error code." in text
    assert "frame reg rbp, frame offs 80" in text
    with pytest.raises(CommandError, match="No function entry"):
        execute(session, ".fnent 1000")
