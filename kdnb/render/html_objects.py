"""HTML tables of kernel objects: what `!locks` and its like list."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from kdnb.render.html import table, to_html
from kdnb.results.addresses import format_address
from kdnb.results.resources import ResourceList

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kdnb.render.html import Cell

__all__: list[str] = []


def _addresses(values: Iterable[int], size: int) -> str:
    return " ".join(format_address(value, size) for value in values)


def noted(note: str) -> str:
    """A line below a table; nothing without text."""
    return f'<div class="kdnb dim">{escape(note)}</div>' if note else ""


@to_html.register(ResourceList)
def _resources(value: ResourceList) -> str:
    size = value.address_size
    rows: list[Sequence[Cell]] = []
    for each in value:
        owners = (owner.thread or owner.value for owner in each.owners)
        state = "free" if not each.owners else "exclusive" if each.is_exclusive else "shared"
        rows.append(
            (
                format_address(each.address, size),
                each.symbol,
                state,
                _addresses(owners, size),
                _addresses(each.waiters, size) or str(each.shared_waiter_count + each.exclusive_waiter_count),
                (str(each.contention_count), "dim"),
            )
        )
    head = ("resource", "name", "held", "owners", "waiters", "contention")
    circles = "".join(noted(f"Deadlock: {_addresses(circle.threads, size)}") for circle in value.deadlocks)
    return table(head, rows) + circles + noted(value.note)
