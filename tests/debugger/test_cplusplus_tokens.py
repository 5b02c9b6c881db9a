"""The words of C++ expressions."""

from __future__ import annotations

import pytest

from kdnb.debugger.cplusplus_tokens import Tokens, character_number
from kdnb.errors import ExpressionError, KdnbError


def test_words_are_taken_one_after_the_other() -> None:
    tokens = Tokens(" @$proc -> Pcb.Nt!x")
    found = tokens.peek()
    assert found is not None
    assert found["register"] == "$proc"
    tokens.at = found.end()
    assert tokens.sign(".") == ""
    assert tokens.sign("->", ".") == "->"
    assert tokens.rest == "Pcb.Nt!x"


def test_a_bracket_is_taken_with_all_that_it_holds() -> None:
    tokens = Tokens("1 + (2)) + 3")
    assert tokens.bracketed() == "1 + (2)"
    assert tokens.rest == "+ 3"
    with pytest.raises(ExpressionError, match="Syntax error"):
        tokens.bracketed()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("= 5", "don't change"),
        ("++", "don't change"),
        ("(1)", "can't be called"),
        ("2", "Extra character"),
    ],
)
def test_what_is_left_over_is_named(text: str, message: str) -> None:
    Tokens("  ").end()
    with pytest.raises(KdnbError, match=message):
        Tokens(text).end()


def test_characters_are_numbers() -> None:
    assert [character_number(text) for text in ("A", "AB", r"\n", r"\0", r"\\")] == [0x41, 0x4142, 10, 0, 0x5C]
