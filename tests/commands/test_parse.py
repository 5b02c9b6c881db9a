"""What a user types, as a list of commands (command reference, 1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdnb.commands.declare import exact_name
from kdnb.commands.lines import cut
from kdnb.commands.not_built import NOT_BUILT
from kdnb.commands.parse import command_name, parse, pieces, split
from kdnb.errors import UsageError


@pytest.mark.parametrize(
    ("text", "name", "suffix", "arguments"),
    [
        ("bp0", "bp", "0", ""),
        ("bp0 nt!X", "bp", "0", "nt!X"),
        ("bp nt!X", "bp", "", "nt!X"),
        ("lmvm nt", "lm", "vm", "nt"),
        ("lm v m nt", "lm", "", "v m nt"),
        ("lm1m", "lm", "1m", ""),
        ("dd@rsp", "dd", "", "@rsp"),
        ("r$t0=5", "r", "", "$t0=5"),
        ("r rax=5", "r", "", "rax=5"),
        ("k5", "k", "", "5"),
        ("kL", "k", "L", ""),
        ("kbn 3", "k", "bn", "3"),
        ("kd 4", "kd", "", "4"),
        ("ub.", "ub", "", "."),
        ("u .", "u", "", "."),
        ("~1s", "~", "", "1s"),
        ("? 1+1", "?", "", "1+1"),
        ("?1+1", "?", "", "1+1"),
        ("DD nt", "dd", "", "nt"),
        ("dD nt", "dD", "", "nt"),
        ("dW nt", "dW", "", "nt"),
        ("BP nt!X", "bp", "", "nt!X"),
        ("rM 80", "rM", "", "80"),
        ("rm", "rm", "", ""),
        ("s-a nt L100 'x'", "s", "", "-a nt L100 'x'"),
        (".reload /f nt", ".reload", "", "/f nt"),
        (".ECHO x", ".echo", "", "x"),
        ("!dq @cr3", "!dq", "", "@cr3"),
        ("g&", "g", "", "&"),
        ("ba w4 nt!X", "ba", "", "w4 nt!X"),
        ("p10", "p", "", "10"),
    ],
)
def test_the_longest_known_name_is_the_command(text: str, name: str, suffix: str, arguments: str) -> None:
    found = parse(text)
    assert (found.name, found.suffix, found.arguments) == (name, suffix, arguments)


@pytest.mark.parametrize("text", ["print(x)", "kernel = 3", "goto", "rax", ".reloadx", "import os", "1", ""])
def test_a_word_that_only_begins_like_a_command_is_none(text: str) -> None:
    assert command_name(text) is None


def test_an_unknown_command_is_told_with_close_ones() -> None:
    with pytest.raises(UsageError, match=r"Unknown command '\.relaod'; did you mean \.reload"):
        parse(".relaod")


def test_what_windbg_has_and_we_do_not_is_said_in_one_line() -> None:
    with pytest.raises(UsageError, match=r"^!htrace is not built yet; see docs/explanation/differences-from-windbg"):
        parse("!htrace -v")
    with pytest.raises(UsageError, match=r"^\.fnret is not built yet"):
        parse(".Fnret 5")
    with pytest.raises(UsageError, match=r"^ur is not built yet"):
        parse("ur 1000")
    assert command_name("!htrace; k") == "!htrace"
    assert (command_name("ux f0000"), command_name("uxbridge = 1")) == ("ux", None)
    assert command_name("!ls") is None


def test_nothing_that_is_not_built_is_built() -> None:
    assert not [name for name in NOT_BUILT if exact_name(name) is not None]


def test_a_processor_prefix_names_the_processor() -> None:
    found = parse("1k 5")
    assert (found.processor, found.name, found.arguments) == (1, "k", "5")
    assert parse("k 5").processor is None


def test_a_line_is_cut_at_semicolons_outside_quotes_and_braces() -> None:
    texts = [text for _, text in pieces('bp nt!X "k; g"; .echo "a;b" ;; {a; b} ; r')]
    assert texts == ['bp nt!X "k; g"', '.echo "a;b"', "{a; b}", "r"]


def test_comments_are_left_out() -> None:
    assert [text for _, text in pieces("k $$ not cut here\n* all; of; it\n$$ up to here; r\nr")] == [
        "k $$ not cut here",
        "r",
        "r",
    ]


def test_each_command_knows_its_line() -> None:
    assert [(one.line, one.name) for one in split("k\n\nr; db nt")] == [(1, "k"), (3, "r"), (3, "db")]


@given(st.text(max_size=30))
def test_any_text_is_a_command_or_a_clear_error(text: str) -> None:
    message = "Unknown"
    try:
        split(text)
    except UsageError as error:
        message = error.message
    assert "Unknown" in message


def test_a_path_may_hold_semicolons_but_none_before_a_blank() -> None:
    assert cut(r".sympath c:\a;srv*d:\b*http://127.0.0.1/x; .reload /f") == [
        r".sympath c:\a;srv*d:\b*http://127.0.0.1/x",
        ".reload /f",
    ]
    assert cut(".sympath+ /a;") == [".sympath+ /a"]
    assert cut(".sympath;k") == [".sympath", "k"]
    assert cut(".echo a;k") == [".echo a", "k"]


def test_an_extension_may_be_named_with_its_module() -> None:
    assert parse("!kdexts.process 0 0").name == "!process"
    assert parse("!ext.ANALYZE -v").name == "!analyze"
    assert command_name("!kdexts.locks") == "!locks"
    with pytest.raises(UsageError, match=r"Unknown extension '!kdexts\.nosuch'"):
        parse("!kdexts.nosuch 1")
