"""A session with an ARM64 target: registers, code, steps."""

from __future__ import annotations

from kdnb.commands.run import execute
from kdnb.protocol.constants import MachineType
from kdnb.protocol.context.arm64 import ARM64Context
from kdnb.render.text import to_text
from tests.debugger.arm64_target import CODE, KERNEL, STACK, arm64_session


def test_the_machine_and_its_module_are_found() -> None:
    with arm64_session() as (session, _):
        assert (session.machine, session.pointer_size) == (MachineType.ARM64, 8)
        assert [(module.name, module.base) for module in session.modules] == [("nt", KERNEL)]
        assert ARM64Context.SIZE == 0x390
        assert session.registers.get("x28") == 0x101C
        assert session.registers.pc == CODE


def test_r_shows_x0_to_x28_four_in_a_line_then_pc_and_state() -> None:
    with arm64_session() as (session, _):
        (shown,) = execute(session, "r")
        text = to_text(shown).splitlines()
    assert text[0] == " x0=0000000000000001  x1=0000000000001001  x2=0000000000001002  x3=0000000000001003"
    assert text[6] == "x24=0000000000001018 x25=0000000000001019 x26=000000000000101a x27=000000000000101b"
    assert text[7] == f"x28=000000000000101c  fp={STACK + 0x900:016x}  lr={CODE + 16:016x}  sp={STACK + 0x800:016x}"
    assert text[8] == f" pc={CODE:016x} psr=60000044 -ZC- EL1"
    assert text[9] == "nt+0x1000:"
    assert text[10].split() == ["fffff803`50001000", "d43e0000", "brk", "#0xF000"]


def test_u_disassembles_arm64() -> None:
    with arm64_session() as (session, _):
        (shown,) = execute(session, f"u {CODE + 4:x} L2")
        lines = to_text(shown).splitlines()
    assert lines[-2].split() == ["fffff803`50001004", "aa0003f3", "mov", "x19,x0"]
    assert lines[-1].split()[2:4] == ["bl", "nt+0x1010"]


def test_a_step_passes_the_brk_and_traces_by_both_flags() -> None:
    with arm64_session() as (session, machine):
        assert session.step().address == CODE + 4
        assert machine.context.pc == CODE + 4, "the brk was passed by the context"
        assert not machine.resumed
        assert session.step().address == CODE + 8
        assert machine.trace_flags(0) == (1, 1)


def test_a_step_over_a_call_runs_to_the_instruction_behind_it() -> None:
    with arm64_session() as (session, machine):
        session.step()
        session.step()
        assert session.step_over().address == CODE + 0xC
        assert machine.breakpoints == [CODE + 0xC]
        assert machine.trace_flags(-1) == (0, 0)


def test_a_register_is_written_back() -> None:
    with arm64_session() as (session, machine):
        session.registers.set("x19", 0x77)
        assert machine.context.x19 == 0x77


def test_what_is_not_known_of_this_machine_is_said() -> None:
    with arm64_session() as (session, _):
        (usage,) = execute(session, "!address @sp")
        assert "Protect:                unknown: page tables of this machine are not read" in to_text(usage)
        (stack,) = execute(session, "kc 1")
        assert to_text(stack).splitlines()[-1] == "00 nt+0x1000"
        assert session.evaluate("@$argreg") == session.registers.get("x0")
