"""Help on the command under the cursor (Shift-Tab, `bp?`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import find_command, help_text
from kdnb.commands.parse import command_name

if TYPE_CHECKING:
    from collections.abc import Container

__all__ = ["inspect_command"]


def inspect_command(code: str, cursor: int, bound: Container[str]) -> str | None:
    """Help text of the command on the cursor's line; None where it is Python's business."""
    start = code.rfind("\n", 0, cursor) + 1
    end = code.find("\n", cursor)
    line = code[start : len(code) if end < 0 else end].strip().rstrip("?")
    explicit = line.startswith("%")
    line = line.lstrip("%").removeprefix("kd ").strip()
    name = command_name(line)
    if name is None or (not explicit and name in bound):
        return None
    declared = find_command(name)
    return None if declared is None else help_text(declared)
