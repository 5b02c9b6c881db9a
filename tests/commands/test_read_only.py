"""A read-only session refuses every command that changes the target, before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands import families
from kdnb.commands.declare import COMMANDS
from kdnb.commands.run import execute
from kdnb.errors import CommandError
from tests.debugger.simulated import packets

if TYPE_CHECKING:
    from kdnb.debugger.session import Session

assert families.FAMILIES  # fills the table of commands
WRITING = sorted(name for name, command in COMMANDS.items() if command.changes_target)
ARGUMENTS = {
    "bp": "nt!KeBugCheckEx",
    "ba": "w4 nt!KeTickCount",
    "wrmsr": "c0000082 0",
    "f": "@rsp L4 0",
    "m": "nt L4 @rsp",
    "!ecb": "0.0.0.3c 1",
    "ea": '@rsp "x"',
    "eza": '@rsp "x"',
}


@pytest.mark.parametrize("name", WRITING)
def test_a_writing_command_is_refused_and_nothing_goes_over_the_wire(session: Session, name: str) -> None:
    session.read_only = True
    before = packets(session)
    with pytest.raises(CommandError, match="read-only session"):
        execute(session, f"{name} {ARGUMENTS.get(name, '@rsp 1')}")
    assert packets(session) == before


@pytest.mark.parametrize("command", ["r rax=5", "r cr0=1", "r zf=1", "g =nt", "p =nt", "t =nt"])
def test_commands_that_change_something_only_with_an_equals_sign_are_refused_too(
    session: Session, command: str
) -> None:
    session.read_only = True
    rip = session.registers.pc
    with pytest.raises(CommandError, match="read-only session"):
        execute(session, command)
    assert session.registers.pc == rip
    assert not session.is_running


def test_the_calls_behind_the_commands_refuse_as_well(session: Session) -> None:
    from kdnb.errors import ReadOnlyError

    session.read_only = True
    calls, place = session.calls, session.modules["nt"].base
    before = packets(session)
    for write in (
        lambda: calls.fill(place, 4, b"x"),
        lambda: calls.write_physical(0x2000, b"x"),
        lambda: calls.write_port(0x80, 1, 0),
        lambda: calls.write_bus(0, 0, 0x3C, b"x"),
        lambda: calls.page_in(place),
        lambda: calls.set_special_call(place),
        lambda: session.breakpoints.add("nt!NtReadFile"),
        lambda: session.write_control_space(2, b"x"),
        session.execution.reboot,
        session.execution.crash,
    ):
        with pytest.raises(ReadOnlyError):
            write()
    assert packets(session) == before
