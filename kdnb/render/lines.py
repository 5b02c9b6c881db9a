"""A value as lines of text: the dispatch that the `text_*` modules fill, and what they share."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import singledispatch
from typing import TYPE_CHECKING

from kdnb.results.base import Result

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["file_time", "lines", "printable"]

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@singledispatch
def lines(value: object) -> Iterable[str]:
    """The lines that show `value`; lazily where there may be many."""
    # A result's own repr asks the presenter, which asks here.
    return [f"{type(value).__name__} {value.to_dict()}" if isinstance(value, Result) else repr(value)]


def printable(text: str) -> str:
    """Text from a target without what would steer a terminal: control characters and direction marks become `.`."""
    return _UNPRINTABLE.sub(".", text.replace("\r\n", "\n"))


def file_time(number: int) -> str:
    """A FILETIME (100 ns since 1601) without its zone."""
    try:
        moment = datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=number // 10)
    except OverflowError:
        return "***** Invalid FILETIME"
    day, year = moment.ctime().rsplit(" ", 1)
    return f"{day}.{moment.microsecond // 1000:03d} {year}"
