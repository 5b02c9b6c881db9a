"""Text of `sx` (the command reference, 7.14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.render.lines import lines
from kdnb.results.filters import EventFilterRow, EventFilterTable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []

_ACTIONS = {"second": "second-chance break"}


@lines.register(EventFilterTable)
def _table(value: EventFilterTable) -> Iterator[str]:
    exceptions = False
    for row in value.filters:
        if row.handled is not None and not exceptions:
            exceptions = True
            yield ""
        yield from _row(row)


@lines.register(EventFilterRow)
def _row(value: EventFilterRow) -> Iterator[str]:
    line = f"{value.name:>4} - {value.title} - {_ACTIONS.get(value.action, value.action)}"
    if value.handled is not None:
        line += " - handled" if value.handled else " - not handled"
    if value.pattern:
        line += f" (only for {value.pattern})"
    yield line
    for what, text in (("", value.commands), ("second chance ", value.second_commands)):
        if text:
            yield f'       Command on {what}break: "{text}"'
