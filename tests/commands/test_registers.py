"""`r` and its masks on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.registers import RegisterSet, RegisterValues

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def text(session: Session, command: str) -> str:
    return "\n".join(to_text(result) for result in execute(session, command))


def test_r_shows_all_registers_and_the_instruction(session: Session) -> None:
    (value,) = execute(session, "r")
    assert isinstance(value, RegisterSet)
    assert value.rip == session.registers.pc
    lines = to_text(value).split("\n")
    assert lines[0].startswith("rax=")
    assert lines[-1].startswith(f"{value.rip >> 32:08x}`")


def test_r_dot_shows_what_the_current_instruction_uses(session: Session) -> None:
    before = session.registers.pc
    session.registers.move_pc(session.evaluate("nt!NtReadFile"))  # sub rsp,38h
    assert text(session, "r.") == f"rsp={session.registers.sp:016x}"
    session.registers.move_pc(session.evaluate("nt!DbgBreakPointWithStatus"))  # int 3
    assert text(session, "r.") == ""
    session.registers.move_pc(before)


def test_an_assignment_is_silent_and_holds(session: Session) -> None:
    before = session.registers.get("r15")
    assert text(session, "r r15=1234, r14=@r15") == ""
    assert text(session, "r r15") == "r15=0000000000001234"
    session.registers.set("r15", before)


def test_parts_and_flags_can_be_read_and_written(session: Session) -> None:
    before = session.registers.get("rax"), session.registers.get("efl")
    assert text(session, "r rax=1122334455667788; r al, ax, eax") == "\nal=88 ax=7788 eax=55667788"
    assert text(session, "r al=11; r rax") == "\nrax=1122334455667711"
    assert text(session, "r zf=1; r zf") == "\nzf=1"
    assert text(session, "r zf=0; r zf") == "\nzf=0"
    session.registers.set("rax", before[0])
    session.registers.set("efl", before[1])


def test_variables_of_the_user(session: Session) -> None:
    assert text(session, "r $t3=@rsp+8; r $t3; ? @$t3-@rsp").split("\n")[1:] == [
        f"$t3={session.registers.sp + 8:016x}",
        "Evaluate expression: 8 = 00000000`00000008",
    ]
    assert text(session, "r$t0=5; r $t0") == "\n$t0=0000000000000005"
    assert text(session, "r $ip") == f"$ip={session.registers.pc:016x}"


def test_a_type_cuts_a_register_into_pieces(session: Session) -> None:
    session.variables["t0"] = 0x3FF0_0000_FFFF_0005
    assert text(session, "r $t0:uw") == "$t0=3ff0 0000 ffff 0005"
    assert text(session, "r $t0:iw, zf") == f"$t0=16368 0 -1 5 zf={session.registers.get('zf')}"
    assert text(session, "r $t0:d").startswith("$t0=1")
    assert text(session, "r al:uw, xmm0:f").endswith(" xmm0=0 0 0 0")
    with pytest.raises(CommandError, match="types: ib ub"):
        execute(session, "r rax:zz")


def test_several_values_are_a_table(session: Session) -> None:
    (value,) = execute(session, "r rax, rbx")
    assert isinstance(value, RegisterValues)
    assert list(value.df["register"]) == ["rax", "rbx"]


@pytest.mark.parametrize("command", ["r nosuch", "r nosuch=1", "r rax=", "r $t77", "r 5"])
def test_a_wrong_register_is_one_clear_line(session: Session, command: str) -> None:
    with pytest.raises(CommandError, match=r"Bad register error|Numeric expression missing"):
        execute(session, command)


def test_masks_select_groups(session: Session) -> None:
    assert text(session, "rM 80").startswith("cr0=")
    assert text(session, "rM 100").startswith("gdtr=")
    assert text(session, "rm").startswith("Register output mask is a:")
    execute(session, "rm 82")
    shown = text(session, "r")
    assert "cr3=" in shown
    assert "cs=" not in shown
    execute(session, "rm a")


def test_another_processors_registers_can_be_seen_but_not_changed(session: Session) -> None:
    (value,) = execute(session, "1r")
    assert isinstance(value, RegisterSet)
    assert value.processor == 1
    assert session.current_processor == 0
    with pytest.raises(CommandError, match="for another processor"):
        execute(session, "1r rax=5")


def test_floating_point_registers_are_shown_in_letters_and_decimal(session: Session) -> None:
    text = to_text(execute(session, "rF")[0])
    assert text.startswith("fpcw=027F: rn 53 puozdi  fpsw=0000: top=0")
    assert "mxcsr=00001f80" in text
    assert "st7= 0.000000000000000000000e+0000" in text
    assert to_text(execute(session, "r st0")[0]) == "st0= 0.000000000000000000000e+0000"
    assert "mm7=0000000000000000" in to_text(execute(session, "rM 10")[0])
    assert "xmm15=" + "0" * 32 in to_text(execute(session, "rM 800")[0])


@pytest.mark.parametrize("command", ["rY", "rK", "rM 200", "rM 8000", "rm 400", "rM 0"])
def test_registers_that_no_target_sends_are_said(session: Session, command: str) -> None:
    with pytest.raises(CommandError, match=r"not in the CONTEXT|Range error"):
        execute(session, command)


def test_the_lowest_pieces_of_a_register_can_be_shown(session: Session) -> None:
    whole = to_text(execute(session, "r rax:uw")[0]).partition("=")[2].split()
    assert to_text(execute(session, "r rax:2uw")[0]).partition("=")[2].split() == whole[-2:]
    assert to_text(execute(session, "r rax:9uw")[0]).partition("=")[2].split() == whole
    assert len(to_text(execute(session, "r xmm0:16ub")[0]).split()) == 16
    with pytest.raises(CommandError, match="types: ib"):
        execute(session, "r rax:2zz")


def test_the_bits_of_the_mask_are_listed(session: Session) -> None:
    assert "      80 - Control registers" in to_text(execute(session, "rm ?")[0]).split("\n")
