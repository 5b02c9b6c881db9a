"""Address ranges: `A`, `A B`, `A L n`, `A L? n`, `A L- n` (the command reference, 4)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.debugger.expression import MASK, leading_segment, parse_leading
from kdnb.errors import ExpressionError

if TYPE_CHECKING:
    from kdnb.debugger.expression import Environment
    from kdnb.results.addresses import Segment

__all__ = ["Range", "parse_leading_range", "parse_range"]

LIMIT = 256 << 20
"""Bytes that a range may span without `L?`."""

_COUNT = re.compile(r"[lL]\s*([?-]?)\s*")


@dataclass(frozen=True, slots=True)
class Range:
    """`count` objects of `unit` bytes from `start` on."""

    start: int
    count: int
    unit: int
    explicit: bool = False
    """An end or a count was written."""
    has_end: bool = False
    """It was an end address."""
    segment: Segment | None = None
    """In which the start was given; `start` is linear."""

    @property
    def size(self) -> int:
        """Bytes."""
        return self.count * self.unit


def parse_range(text: str, unit: int, default_count: int, environment: Environment, radix: int = 16) -> Range:
    """The range that `text` is; `unit` bytes an object. Raises `ExpressionError`, also when anything is left over."""
    found, rest = parse_leading_range(text, unit, default_count, environment, radix)
    if rest:
        raise ExpressionError(f"Extra character error in '{rest[:60]}'")
    return found


def parse_leading_range(
    text: str, unit: int, default_count: int | None, environment: Environment, radix: int = 16
) -> tuple[Range, str]:
    """The range that `text` starts with, and what stands behind it. `default_count` None: a bare start is an error."""
    start, rest = parse_leading(text, environment, radix)
    segment = leading_segment(text, environment, radix)
    rest = _without_comma(rest)
    if not rest:
        if default_count is None:
            raise ExpressionError(f"Range error in '{text[:60]}'", "give an end or a count: A B, A L n")
        return Range(start, default_count, unit, segment=segment), ""
    counted = _COUNT.match(rest)
    has_end = counted is None
    if counted is not None:
        count, rest = parse_leading(rest[counted.end() :], environment, radix)
        if counted[1] == "-":
            start = (start - count * unit) & MASK
        elif counted[1] != "?":
            _check(count * unit, text)
    else:
        end, rest = parse_leading(rest, environment, radix)
        if end < start:
            raise ExpressionError(f"Range error in '{text[:60]}'", "the end lies before the start")
        count = -(-(end - start + 1) // unit)
        _check(count * unit, text)
    return Range(start, count, unit, True, has_end, segment), _without_comma(rest)


def _check(size: int, text: str) -> None:
    if size > LIMIT:
        raise ExpressionError(f"Range error in '{text[:60]}'", "more than 256 MB: write L? before the count")


def _without_comma(text: str) -> str:
    return text.lstrip(" \t,")
