"""`??`, `dx`, `r?`, `.expr` on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.typed_values import DataView, TypedValue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.debugger.session import Session


@pytest.fixture(autouse=True)
def _masm_again(session: Session) -> Iterator[None]:
    yield
    session.environment.is_cplusplus = False


def text(session: Session, command: str) -> str:
    return "\n".join(filter(None, (to_text(result) for result in execute(session, command))))


def test_a_number_has_type_and_value(session: Session) -> None:
    assert text(session, "?? 8+8") == "int 0n16"
    assert text(session, "?? sizeof(nt!_EPROCESS)") == "unsigned int64 0xa40"
    (value,) = execute(session, "?? @rsp + 8")
    assert isinstance(value, TypedValue)
    assert int(value) == session.registers.get("rsp") + 8


def test_a_struct_is_shown_as_dt_does(session: Session) -> None:
    lines = text(session, "?? nt!PsActiveProcessHead").split("\n")
    assert lines[0] == "struct _LIST_ENTRY"
    assert lines[1:] == text(session, "dt nt!_LIST_ENTRY nt!PsActiveProcessHead").split("\n")
    (value,) = execute(session, "?? nt!PsActiveProcessHead")
    with pytest.raises(TypeError):
        int(value)  # type: ignore[call-overload]  # a struct is no number


def test_dx_has_a_row_for_each_field(session: Session) -> None:
    (view,) = execute(session, "dx -r1 nt!PsActiveProcessHead")
    assert isinstance(view, DataView)
    flink = session.evaluate("poi(nt!PsActiveProcessHead)")
    assert to_text(view).split("\n")[:2] == [
        "nt!PsActiveProcessHead [Type: _LIST_ENTRY]",
        f"    [+0x000] Flink            : 0x{flink:x} [Type: _LIST_ENTRY *]",
    ]
    assert text(session, "dx -r0 1+1") == "1+1 : 2 [Type: int]"
    assert text(session, "dx @$curprocess->ImageFileName").split("\n")[1].startswith("    [0] ")


def test_a_typed_variable_keeps_its_type_until_its_number_changes(session: Session) -> None:
    assert text(session, "r? $t1=@$proc; ?? @$t1->UniqueProcessId").startswith("void * 0x")
    assert text(session, "? $t1") == text(session, "? $proc")
    assert text(session, "r $t1=5; ?? @$t1") == "unsigned int64 0x5"
    assert text(session, "r? $t2=1, $t3=sizeof(int); ? $t2+$t3").endswith("00000000`00000005")


def test_the_evaluator_of_all_commands_can_be_chosen(session: Session) -> None:
    assert text(session, ".expr") == "Current expression evaluator: MASM - Microsoft Assembler expressions"
    assert text(session, ".expr /s c++") == "Current expression evaluator: C++ - C++ source expressions"
    assert text(session, "? 10").endswith("00000000`0000000a")
    by_pointer = text(session, "dq &nt!PsActiveProcessHead L1")
    assert text(session, ".expr /q").count("\n") == 3
    execute(session, ".expr /s masm")
    assert text(session, "dq nt!PsActiveProcessHead L1") == by_pointer


@pytest.mark.parametrize(
    "command",
    ["??", "dx", "dx -q 1", "dx -g 1", "dx @$cursession.Processes", ".expr /s pascal", "r? rax=1", "?? foo!Bar"],
)
def test_what_is_wrong_is_one_line(session: Session, command: str) -> None:
    with pytest.raises(CommandError) as error:
        execute(session, command)
    assert "\n" not in error.value.message
