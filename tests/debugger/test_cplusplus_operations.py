"""The operators of C++ expressions: C's rules on typed values, pointers in steps, what counts and is read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from kdnb.debugger.cplusplus import evaluate_cplusplus
from kdnb.debugger.cplusplus_types import c_words
from kdnb.errors import ExpressionError

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def words(session: Session, text: str) -> tuple[str, int | float | None]:
    value = evaluate_cplusplus(text, session)
    return c_words(value.type), value.number


@pytest.mark.parametrize(
    ("text", "kind", "number"),
    [
        ("10", "int", 10),
        ("010", "int", 8),
        ("0x10", "int", 16),
        ("0n10", "int", 10),
        ("0y101", "int", 5),
        ("0xffffffff", "unsigned int", 0xFFFFFFFF),
        ("4294967296", "int64", 1 << 32),
        ("3000000000", "int64", 3_000_000_000),
        ("0xffffffffffffffff", "unsigned int64", 2**64 - 1),
        ("1ui64", "unsigned int64", 1),
    ],
)
def test_a_literal_has_the_type_that_c_gives_it(session_of_module: Session, text: str, kind: str, number: int) -> None:
    assert words(session_of_module, text) == (kind, number)


@pytest.mark.parametrize(
    ("text", "kind", "number"),
    [
        ("1.5 * 2", "double", 3.0),
        ("7 / 2.0", "double", 3.5),
        ("1 + 2 * 3", "int", 7),
        ("(1 + 2) * 3", "int", 9),
        ("-5 / 2", "int", -2),
        ("-5 % 3", "int", -2),
        ("5 % -3", "int", 2),
        ("0u - 1", "unsigned int", 0xFFFFFFFF),
        ("1 << 40", "int", 0),
        ("1i64 << 40", "int64", 1 << 40),
        ("-8 >> 1", "int", -4),
        ("2147483647 + 1", "int", -(2**31)),
        ("~0", "int", -1),
        ("!5", "bool", 0),
        ("!0", "bool", 1),
        ("6 & 3 | 8 ^ 1", "int", (6 & 3) | (8 ^ 1)),
        ("1 < 2 == 1", "bool", 1),
        ("2 && 4", "bool", 1),
        ("0 || 0", "bool", 0),
        ("3 > 2 ? 10 : 20", "int", 10),
        ("0 ? 10 : 1 ? 20 : 30", "int", 20),
        ("(unsigned long)-1", "unsigned long", 0xFFFFFFFF),
        ("(UCHAR)300", "unsigned char", 44),
        ("(char)200", "char", -56),
        ("(bool)7", "bool", 1),
        ("(long long)1 + 1", "int64", 2),
        ("(int)2.9", "int", 2),
        ("(double)1 / 4", "double", 0.25),
        ("(nt!_EPROCESS *)0", "struct _EPROCESS *", 0),
        ("(struct _LIST_ENTRY **)16", "struct _LIST_ENTRY **", 16),
        ("(PVOID)5", "void *", 5),
        ("(PULONG)4 + 1", "unsigned long *", 8),
        ("(_LIST_ENTRY *)0x1000 + 1", "struct _LIST_ENTRY *", 0x1010),
        ("1 + (_LIST_ENTRY *)0x1000", "struct _LIST_ENTRY *", 0x1010),
        ("(_LIST_ENTRY *)0x1020 - (_LIST_ENTRY *)0x1000", "int64", 2),
        ("(_LIST_ENTRY *)16 == 16", "bool", 1),
    ],
)
def test_numbers_and_types_follow_c(session_of_module: Session, text: str, kind: str, number: float) -> None:
    assert words(session_of_module, text) == (kind, number)


def test_what_does_not_count_is_not_read(session_of_module: Session) -> None:
    assert words(session_of_module, "0 && *(int *)0") == ("bool", 0)
    assert words(session_of_module, "1 || *(int *)0") == ("bool", 1)
    assert words(session_of_module, "1 ? 2 : *(int *)0") == ("int", 2)
    assert words(session_of_module, "0 ? *(int *)0 : 3") == ("int", 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("089", "Syntax error at '089'"),
        ("0x11111111111111111", "Numeric value overflow"),
        ("1 / 0", "Operand error"),
        ("1.5 % 2", "Operand error"),
        ("&5", "Operand error"),
        ("*5", "int is no pointer"),
        ("@$proc->Pcb + 1", "is no number"),
        ("5.Flink", "Extra character|has no fields"),
        ("(nt!_LIST_ENTRY)0", "cast to a pointer"),
    ],
)
def test_an_operand_that_does_not_fit_is_one_clear_line(session_of_module: Session, text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        evaluate_cplusplus(text, session_of_module)
    assert re.search(message, f"{raised.value.message} {raised.value.hint}")
    assert "\n" not in raised.value.message
