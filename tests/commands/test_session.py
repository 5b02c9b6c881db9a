"""`vertarget ~Ns .echo .exr sx` and help on the simulated machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

import kdnb
from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.events import Stop
from kdnb.results.values import BugCheck, ExceptionInfo, TargetInfo

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def text(session: Session, command: str) -> str:
    return "\n".join(to_text(result) for result in execute(session, command))


def test_the_target_says_who_it_is(session: Session) -> None:
    (value,) = execute(session, "vertarget")
    assert isinstance(value, TargetInfo)
    assert (value.machine, value.processor_count, value.kernel_base) == ("amd64", 2, session.evaluate("nt"))
    assert "MP (2 procs) Free x64" in to_text(value)
    assert text(session, "version").splitlines() == [*to_text(value).splitlines(), f"kdnb Version {kdnb.__version__}"]


def test_another_processor_is_switched_to(session: Session) -> None:
    (stop,) = execute(session, "~1s")
    assert isinstance(stop, Stop)
    assert stop.processor == session.current_processor == 1
    with pytest.raises(CommandError, match="7 is not a valid processor number"):
        execute(session, "~7s")


def test_echo(session: Session) -> None:
    assert text(session, '.echo a b ; .echo "c; d"; .echo') == "a b\nc; d\n"


def test_the_exception_of_the_stop(session: Session) -> None:
    execute(session, "bp nt!KeUpdateSystemTime; g")
    (value,) = execute(session, ".exr -1")
    assert isinstance(value, ExceptionInfo)
    assert (value.code, value.symbol) == (0x80000003, "nt!KeUpdateSystemTime")
    event, time = text(session, ".lastevent").split("\n")
    assert event == "Last event: Hit breakpoint 0"
    assert re.fullmatch(r"  debugger time: \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d\.\d{3} \d{4} \(UTC \+ 0:00\)", time)


def test_an_exception_record_in_memory(session: Session) -> None:
    record = bytes.fromhex("050000c0") + bytes(12) + session.evaluate("nt").to_bytes(8, "little")
    record += (2).to_bytes(8, "little") + (1).to_bytes(8, "little") + (0x10).to_bytes(8, "little") + bytes(13 * 8)
    session.memory.write(session.registers.sp - 0x200, record)
    shown = text(session, ".exr @rsp-200")
    assert "ExceptionCode: c0000005 (Access violation)" in shown
    assert "Attempt to write to address 0000000000000010" in shown


def test_no_bug_check_yet(session: Session) -> None:
    (value,) = execute(session, ".bugcheck")
    assert isinstance(value, BugCheck)
    assert value.code == 0


def test_qd_removes_the_breakpoints_and_lets_the_target_run(session: Session) -> None:
    assert text(session, "bp nt!KeBugCheckEx; qd").endswith("the target runs.")
    assert session.is_running
    assert len(session.breakpoints) == 0
    session.break_in()


def test_help_for_all_and_for_one(session: Session) -> None:
    assert "bp, bu" in text(session, ".help")
    assert text(session, "?") == text(session, ".help")
    assert text(session, ".hh bp").startswith("bp bu: Set a software breakpoint")
    with pytest.raises(CommandError, match="Unknown command"):
        execute(session, ".hh nosuch")
