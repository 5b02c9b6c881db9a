"""C++ expressions, on the simulated machine's types."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdnb.debugger.cplusplus import evaluate_cplusplus, parse_leading_cplusplus
from kdnb.debugger.cplusplus_types import c_words
from kdnb.errors import ExpressionError, KdnbError, MemoryReadError, UnknownNameError, UnsupportedError

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def words(session: Session, text: str) -> tuple[str, int | float | None]:
    value = evaluate_cplusplus(text, session)
    return c_words(value.type), value.number


@pytest.mark.parametrize(
    ("text", "kind", "number"),
    [
        ("sizeof(nt!_LIST_ENTRY)", "unsigned int64", 16),
        ("sizeof(_LIST_ENTRY *)", "unsigned int64", 8),
        ("sizeof(unsigned short)", "unsigned int64", 2),
        ("sizeof(@$proc->ImageFileName)", "unsigned int64", 15),
        ("sizeof(*(nt!_EPROCESS *)0)", "unsigned int64", 0xA40),
        ("#FIELD_OFFSET(nt!_EPROCESS, ImageFileName)", "int", 0x5A8),
        ("#FIELD_OFFSET(_EPROCESS, Pcb.ThreadListHead)", "int", 0x30),
        ("&((nt!_EPROCESS *)0x1000)->Pcb.ProfileListHead", "struct _LIST_ENTRY *", 0x1018),
        ("&((nt!_EPROCESS *)0)->ImageFileName[2]", "char *", 0x5AA),
        ("true", "bool", 1),
        ("@@masm(10)", "unsigned int64", 16),
    ],
)
def test_numbers_and_types_follow_c(session_of_module: Session, text: str, kind: str, number: float) -> None:
    assert words(session_of_module, text) == (kind, number)


def test_a_variable_is_what_it_holds(session_of_module: Session) -> None:
    session = session_of_module
    head = session.evaluate("nt!PsActiveProcessHead")
    first = session.evaluate("poi(nt!PsActiveProcessHead)")
    assert words(session, "nt!PsActiveProcessHead.Flink") == ("struct _LIST_ENTRY *", first)
    assert words(session, "&nt!PsActiveProcessHead") == ("struct _LIST_ENTRY *", head)
    assert words(session, "nt!PsActiveProcessHead.Flink->Blink") == ("struct _LIST_ENTRY *", head)
    assert words(session, "*(unsigned int64 *)&nt!PsActiveProcessHead") == ("unsigned int64", first)
    assert words(session, "((unsigned int64 *)&nt!PsActiveProcessHead)[0]") == ("unsigned int64", first)
    record = words(session, "#CONTAINING_RECORD(nt!PsActiveProcessHead.Flink, nt!_EPROCESS, ActiveProcessLinks)")
    assert record == ("struct _EPROCESS *", first - 0x448)
    assert evaluate_cplusplus("nt!PsActiveProcessHead", session).address == head


def test_registers_that_name_objects_are_typed(session_of_module: Session) -> None:
    session = session_of_module
    process = session.evaluate("@$proc")
    assert words(session, "@$proc") == ("struct _EPROCESS *", process)
    assert words(session, "@$curprocess") == ("struct _EPROCESS *", process)
    assert words(session, "@$thread")[0] == "struct _ETHREAD *"
    assert words(session, "@$proc->UniqueProcessId") == ("void *", session.evaluate("poi(@$proc+440)"))
    assert words(session, "@$proc.UniqueProcessId") == words(session, "@$proc->UniqueProcessId")
    assert words(session, "@rsp + 8") == ("unsigned int64", session.registers.get("rsp") + 8)


def test_inside_masm_it_is_a_number(session_of_module: Session) -> None:
    session = session_of_module
    assert session.evaluate("@@c++(sizeof(_LIST_ENTRY*)) + 10") == 0x18
    assert session.evaluate("1 + @@(10)") == 11
    assert session.evaluate("@@c++((@rsp + 8))") == session.evaluate("@rsp + 8")
    assert session.evaluate("@@c++(&nt!PsActiveProcessHead)") == session.evaluate("nt!PsActiveProcessHead")
    assert session.evaluate("@@c++(nt!PsActiveProcessHead)") == session.evaluate("nt!PsActiveProcessHead")
    assert session.evaluate("@@c++(-1)") == 2**64 - 1


def test_local_variables_are_known_in_registers_and_in_memory(session: Session) -> None:
    session.go(until=session.evaluate("nt!KeClockInterruptNotify"), timeout=30.0)
    frame = session.registers.get("rcx")
    assert words(session, "TrapFrame") == ("struct _KTRAP_FRAME *", frame)
    offset = evaluate_cplusplus("#FIELD_OFFSET(nt!_KTRAP_FRAME, Rip)", session).number
    assert words(session, "TrapFrame->Rip") == ("unsigned int64", session.memory.read_u64(frame + int(offset or 0)))


def test_the_rest_of_a_text_is_left(session_of_module: Session) -> None:
    value, rest = parse_leading_cplusplus("(1 + 2) L4", session_of_module)
    assert (value.number, rest) == (3, "L4")


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", ExpressionError, "Syntax error at '<EOL>'"),
        ("1 +", ExpressionError, "Syntax error at '<EOL>'"),
        ("(1", ExpressionError, "Syntax error at '<EOL>'"),
        ("1 2", ExpressionError, "Extra character error in '2'"),
        ("@$proc->Nosuch", ExpressionError, "no field"),
        ("@nosuch", ExpressionError, "Bad register error"),
        ("rsp", ExpressionError, "registers have @"),
        ("foo->bar", UnknownNameError, "Couldn't resolve error at 'foo->bar'"),
        ("(nt!_NOSUCH *)0", UnknownNameError, "Symbol nt!_NOSUCH not found"),
        ("sizeof(nt!_NOSUCH)", UnknownNameError, "Couldn't resolve"),
        ("*(int *)0", MemoryReadError, "can't read 0x0"),
        ("nt!PsActiveProcessHead.Flink = 5", UnsupportedError, "don't change anything"),
        ("++nt!PsActiveProcessHead.Flink", UnsupportedError, "don't change anything"),
        ("nt!KeBugCheckEx(1)", UnsupportedError, "can't be called"),
        ("(" * 200 + "1", ExpressionError, "Syntax error"),
        ("- " * 200 + "1", ExpressionError, "nested too deeply"),
    ],
)
def test_what_is_wrong_is_one_clear_line(
    session_of_module: Session, text: str, error: type[KdnbError], message: str
) -> None:
    with pytest.raises(error) as raised:
        evaluate_cplusplus(text, session_of_module)
    assert re.search(message, f"{raised.value.message} {raised.value.hint}")
    assert "\n" not in raised.value.message


@given(text=st.text(alphabet="0123456789abx+-*/%&|^~!<>()[].?:,= @$'nt_", max_size=24))
def test_any_text_is_a_value_or_one_error(session_of_module: Session, text: str) -> None:
    with contextlib.suppress(KdnbError):
        evaluate_cplusplus(text, session_of_module)


def test_typedefs_of_the_pdb_are_types(session_of_module: Session) -> None:
    kernel = session_of_module.modules.kernel
    assert kernel is not None
    assert kernel.pdb is not None
    assert kernel.pdb.typedef("nosuch") is None
    assert kernel.pdb.typedef("KPCR") == kernel.pdb.typedef("kpcr")
    assert words(session_of_module, "sizeof(KPCR)") == words(session_of_module, "sizeof(nt!_KPCR)")
