"""Address ranges (command reference, 4)."""

from __future__ import annotations

import pytest

from kdnb.debugger.ranges import parse_leading_range, parse_range
from kdnb.errors import ExpressionError


class NoNames:
    """An environment that knows nothing: the ranges here are numbers."""

    pointer_size = 8
    instruction_pointer = 0
    sign_extend = False
    is_cplusplus = False

    def register(self, name: str) -> None: ...

    def pseudo_register(self, name: str) -> None: ...

    def symbol(self, name: str) -> int | None:
        return 0x2000 if name == "nt" else None

    def near(self, name: str) -> list[str]:
        return []

    def read(self, address: int, size: int) -> bytes:
        return bytes(size)

    read_physical = read


NAMES = NoNames()


def test_a_range_has_a_start_and_an_end_or_a_count() -> None:
    assert parse_range("nt", 4, 32, NAMES).count == 32
    assert parse_range("1000 1007", 1, 128, NAMES).size == 8
    assert parse_range("1000 L8", 4, 32, NAMES).size == 32
    assert parse_range("1000 l 8", 4, 32, NAMES).count == 8
    backwards = parse_range("80000000 L-20", 1, 1, NAMES)
    assert (backwards.start, backwards.size) == (0x7FFFFFE0, 0x20)


def test_a_range_ends_before_what_follows_it() -> None:
    found, rest = parse_leading_range("1000 L8 20 21", 1, None, NAMES)
    assert (found.size, rest) == (8, "20 21")


def test_256_mb_is_the_limit_unless_asked_for() -> None:
    with pytest.raises(ExpressionError, match="Range error"):
        parse_range("0 L20000000", 1, 1, NAMES)
    assert parse_range("0 L?20000000", 1, 1, NAMES).size == 0x20000000


def test_an_end_before_the_start_is_refused() -> None:
    with pytest.raises(ExpressionError, match="Range error"):
        parse_range("1000 fff", 1, 1, NAMES)
