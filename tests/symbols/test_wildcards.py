from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdnb.symbols.wildcards import compile_wildcard, has_wildcard


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("Nt*File", "ntCreateFile", True),
        ("Nt*File", "NtCreateFileEx", False),
        ("K?BugCheck", "KeBugCheck", True),
        ("K?BugCheck", "KBugCheck", False),
        ("[n-z]t*", "NtClose", True),
        ("[a-c]t*", "NtClose", False),
        ("a#b", "b", True),
        ("a#b", "aaab", True),
        ("a+b", "b", False),
        ("[0-9]+", "4711", True),
        ("a\\*b", "a*b", True),
        ("a\\*b", "axb", False),
        ("x.y", "xzy", False),
        ("[z-a]", "-", True),
        ("a[", "a[", True),
        ("#a", "#a", True),
    ],
)
def test_signs_mean_what_windbg_says(pattern: str, text: str, matches: bool) -> None:
    assert (compile_wildcard(pattern).fullmatch(text) is not None) == matches


def test_a_leading_underscore_stands_for_any_number_of_them_in_symbols_only() -> None:
    symbol = compile_wildcard("_memcpy", symbols=True)
    assert symbol.fullmatch("memcpy")
    assert symbol.fullmatch("__memcpy")
    assert not compile_wildcard("_memcpy").fullmatch("memcpy")


@given(st.text("ab*?[]#+\\_-^.", max_size=12), st.text("ab_*", max_size=8))
def test_every_text_is_a_pattern(pattern: str, text: str) -> None:
    found = compile_wildcard(pattern, symbols=True).fullmatch(text)
    if not has_wildcard(pattern) and not pattern.startswith("_"):
        assert (found is not None) == (pattern == text)
