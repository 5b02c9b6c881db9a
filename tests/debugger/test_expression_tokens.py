"""Words of the expression language."""

from __future__ import annotations

import pytest

from kdnb.debugger.expression_tokens import Kind, next_token, parse_number


@pytest.mark.parametrize(
    ("text", "kind", "word"),
    [
        ("fffff803`5280b000+1", Kind.WORD, "fffff803`5280b000"),
        ("0x10+1", Kind.WORD, "0x10"),
        ("10h", Kind.WORD, "10h"),
        ("nt!Foo+8", Kind.WORD, "nt!Foo"),
        ("nt!?Foo@@YAXXZ", Kind.WORD, "nt!?Foo@@YAXXZ"),
        ("ns::Name)", Kind.WORD, "ns::Name"),
        ("7zip!x", Kind.WORD, "7zip!x"),
        ("!fade", Kind.WORD, "!fade"),
        ("@rax)", Kind.REGISTER, "rax"),
        ("@$t0", Kind.REGISTER, "$t0"),
        ("$ip", Kind.PSEUDO, "$ip"),
        ('@!"any text"', Kind.QUOTED_NAME, "any text"),
        ("@@c++(1)", Kind.EVALUATOR, "c++"),
        (">>> 1", Kind.OPERATOR, ">>>"),
        ("!= 1", Kind.OPERATOR, "!="),
        ("`mod!file.c:1`", Kind.SOURCE_LINE, "`mod!file.c:1`"),
        ("", Kind.END, ""),
        ("  ", Kind.END, ""),
        ("~", Kind.UNKNOWN, "~"),
    ],
)
def test_a_text_begins_with_a_token(text: str, kind: Kind, word: str) -> None:
    token = next_token(text, 0)
    assert (token.kind, token.text) == (kind, word)


def test_numbers_depend_on_the_radix_unless_they_say_theirs() -> None:
    assert parse_number("19", 8) is None
    assert parse_number("19", 10) == 19
    assert parse_number("19h", 8) == 0x19
    assert parse_number("0n19", 16) == 19
    assert parse_number("0t19", 16) is None
    assert parse_number("cat", 16) is None
    assert parse_number("ffff`ffff", 16) == 0xFFFFFFFF
