"""Values of C++ expressions in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.debugger.cplusplus import evaluate_cplusplus
from kdnb.debugger.cplusplus_operations import Value
from kdnb.debugger.cplusplus_values import data_view, describe
from kdnb.symbols.types import Array, BitField, Enumeration, Scalar

if TYPE_CHECKING:
    from kdnb.debugger.session import Session

MODE = Enumeration("_MODE", Scalar("Int4B", 4, True), {0: "KernelMode", 1: "UserMode"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("3", "int 0n3"),
        ("-3", "int 0n-3"),
        ("16u", "unsigned int 0x10"),
        ("(char)65", "char 0n65 'A'"),
        ("(UCHAR)7", "unsigned char 0x7 ''"),
        ("1 == 1", "bool true"),
        ("1.5", "double 1.5"),
        ("(wchar_t *)0", "wchar_t * 0x00000000`00000000"),
    ],
)
def test_numbers(session_of_module: Session, text: str, words: str) -> None:
    value = describe(session_of_module, evaluate_cplusplus(text, session_of_module))
    assert f"{value.type} {value.text}" == words


def test_enums_say_their_names(session_of_module: Session) -> None:
    assert describe(session_of_module, Value(MODE, 1)).text == "UserMode (0n1)"
    assert describe(session_of_module, Value(MODE, 9)).text == "<No matching enumerant> (0n9)"
    assert data_view(session_of_module, "m", Value(MODE, 1), 1).fields[0].text == "UserMode (1)"


def test_bit_fields_are_numbers_of_their_base(session_of_module: Session) -> None:
    value = describe(session_of_module, Value(BitField(Scalar("Uint4B", 4), 3, 2), 3, 0x1000))
    assert (value.type, value.text) == ("unsigned long", "0x3")


def test_structs_and_pointers_to_them_have_their_fields(session_of_module: Session) -> None:
    session = session_of_module
    head = describe(session, evaluate_cplusplus("nt!PsActiveProcessHead", session))
    assert head.dump is not None
    assert [field.name for field in head.dump] == ["Flink", "Blink"]
    pointer = describe(session, evaluate_cplusplus("&nt!PsActiveProcessHead", session))
    assert pointer.dump is not None
    assert pointer.dump.address == int(pointer) == head.address
    assert describe(session, evaluate_cplusplus("(nt!_LIST_ENTRY *)0", session)).dump is None


def test_text_is_shown_behind_pointers_and_in_arrays(session_of_module: Session) -> None:
    session = session_of_module
    name = evaluate_cplusplus(
        "#CONTAINING_RECORD(nt!PsActiveProcessHead.Flink, nt!_EPROCESS, ActiveProcessLinks)->ImageFileName", session
    )
    assert describe(session, name).text.endswith(' "System"')
    pointer = evaluate_cplusplus(f"(char *){name.address:#x}", session)
    assert describe(session, pointer).text.endswith(' "System"')
    function = describe(session, evaluate_cplusplus("nt!KeBugCheckEx", session))
    assert function.text.endswith(" nt!KeBugCheckEx")
    assert function.type == "<function>"


def test_a_hole_is_an_unknown_value(session_of_module: Session) -> None:
    session = session_of_module
    view = data_view(session, "x", evaluate_cplusplus("(nt!_LIST_ENTRY *)0x1000", session), 1)
    assert [field.text for field in view][1:] == ["<unknown>", "<unknown>"]
    text = describe(session, Value(Array(Scalar("Char", 1, True, False, True), 4, 4), None, 0x1000)).text
    assert text == '0x00000000`00001000 ""'


def test_levels_are_opened_as_far_as_asked(session_of_module: Session) -> None:
    session = session_of_module
    value = evaluate_cplusplus("@$proc", session)
    members = len(value.type.target.fields)
    assert members > 1
    assert [len(data_view(session, "p", value, depth).fields) for depth in (0, 1)] == [1, 1 + members]
    deep = data_view(session, "p", value, 2)
    assert max(field.depth for field in deep) == 2
    assert deep.df.shape[0] == len(deep.rows())
    assert deep["UniqueProcessId"] == session.evaluate("poi(@$proc+440)")
