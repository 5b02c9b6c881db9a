"""WinDbg's string wildcards as regular expressions (the command reference, section 5).

`*` any run, `?` one character, `[a-f0]` a set, `#` zero or more and `+` one or more of the item before,
`\\` takes the next character as it is. Letters match in either case.
"""

from __future__ import annotations

import re

__all__ = ["compile_wildcard", "has_wildcard"]


def has_wildcard(text: str) -> bool:
    """Whether `text` is a pattern rather than a plain name."""
    return any(sign in text for sign in "*?[#+\\")


def compile_wildcard(pattern: str, *, symbols: bool = False) -> re.Pattern[str]:
    """`pattern` for `fullmatch`. With `symbols`, a leading `_` matches any number of underscores."""
    items: list[str] = []
    at = 0
    if symbols and pattern.startswith("_"):
        items.append("_*")
        at = len(pattern) - len(pattern.lstrip("_"))
    while at < len(pattern):
        sign = pattern[at]
        at += 1
        if sign == "*":
            items.append(".*")
        elif sign == "?":
            items.append(".")
        elif sign == "[" and (end := pattern.find("]", at + 1)) > 0:
            items.append(_character_set(pattern[at:end]))
            at = end + 1
        elif sign in "#+" and items and items[-1][-1] not in "*+":
            items[-1] += "*" if sign == "#" else "+"
        elif sign == "\\" and at < len(pattern):
            items.append(re.escape(pattern[at]))
            at += 1
        else:
            items.append(re.escape(sign))
    return re.compile("".join(items), re.IGNORECASE | re.DOTALL)


def _character_set(text: str) -> str:
    """A regular expression for the set between the brackets; a range whose ends are reversed is taken as written."""
    parts: list[str] = []
    at = 0
    while at < len(text):
        if at + 2 < len(text) and text[at + 1] == "-" and text[at] <= text[at + 2]:
            parts.append(f"{re.escape(text[at])}-{re.escape(text[at + 2])}")
            at += 3
        else:
            parts.append(re.escape(text[at]))
            at += 1
    return f"[{''.join(parts)}]"
