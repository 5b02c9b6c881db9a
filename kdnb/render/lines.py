"""A value as lines of text: the dispatch that the `text_*` modules fill, and what they share."""

from __future__ import annotations

import re
from functools import singledispatch
from typing import TYPE_CHECKING

from kdnb.results.base import Result

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["lines", "printable"]

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@singledispatch
def lines(value: object) -> Iterable[str]:
    """The lines that show `value`; lazily where there may be many."""
    # A result's own repr asks the presenter, which asks here.
    return [f"{type(value).__name__} {value.to_dict()}" if isinstance(value, Result) else repr(value)]


def printable(text: str) -> str:
    """Text from a target without what would steer a terminal: control characters and direction marks become `.`."""
    return _UNPRINTABLE.sub(".", text.replace("\r\n", "\n"))
