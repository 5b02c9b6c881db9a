"""Text files of this computer that a command names: command files, words for `.foreach`, texts for aliases."""

from __future__ import annotations

from pathlib import Path

from kdnb.errors import UsageError

__all__ = ["read_text"]

SIZE_LIMIT = 1 << 20


def read_text(name: str, failure: str = "") -> str:
    """The text of a file, at most 1 MB. Raises `UsageError` where it can't be read; `failure` begins its text."""
    path = Path(name).expanduser()
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_LIMIT + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{failure}{name[:200]}: {reason}", "check the path") from error
    if len(data) > SIZE_LIMIT:
        raise UsageError(f"{name[:200]} is longer than 1 MB", "is it the right file?")
    return data.decode("utf-8-sig", "replace")
