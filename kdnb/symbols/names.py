"""Names in files of symbols are anyone's text."""

from __future__ import annotations

__all__ = ["printable_name"]


def printable_name(text: str) -> str:
    """A name without what would end a line or steer a terminal: each such character becomes `.`."""
    return text if text.isprintable() else "".join(one if one.isprintable() else "." for one in text)
