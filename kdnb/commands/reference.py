"""The reference page of commands, made from their declarations: `python -m kdnb.commands.reference`."""

from __future__ import annotations

import sys
from pathlib import Path

from kdnb.commands.declare import Command, declared_commands
from kdnb.commands.families import FAMILIES

__all__ = ["page"]

PAGE = Path("docs/reference/commands.md")


def page() -> str:
    """The page as Markdown, family by family."""
    parts = [
        "# Commands",
        "",
        "Made by `python -m kdnb.commands.reference` from the declarations in `kdnb/commands/`; don't edit by hand.",
        "Numbers are hexadecimal unless said otherwise. `.hh NAME` shows the same help in a session.",
    ]
    for family in FAMILIES:
        name = family.__name__.rpartition(".")[2]
        title = (family.__doc__ or name).strip().split("\n")[0]
        parts += ["", f"## {name.replace('_', ' ').capitalize()}", "", title]
        for declared in declared_commands():
            if declared.family == name:
                parts += _entry(declared)
    return "\n".join(parts) + "\n"


def _entry(declared: Command) -> list[str]:
    lines = ["", f"### {' '.join(f'`{name}`' for name in declared.names)}", "", declared.summary]
    lines += ["", "```", *declared.syntax.split("\n"), "```"]
    if declared.details:
        lines += ["", declared.details]
    if declared.changes_target:
        lines += ["", "Changes the target: refused in a read-only session."]
    if declared.dangerous:
        lines += ["", "Dangerous: it can bring the target down."]
    if declared.examples:
        lines += ["", "Examples: " + ", ".join(f"`{example}`" for example in declared.examples)]
    return lines


if __name__ == "__main__":
    (Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE).write_text(page(), encoding="utf-8")
