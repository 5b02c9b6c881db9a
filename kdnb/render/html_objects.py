"""HTML tables of kernel objects: what `!locks` and its like list."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from kdnb.render.html import table, to_html
from kdnb.results.addresses import format_address
from kdnb.results.handles import HandleList, HandleLists
from kdnb.results.hardware import CpuInfos
from kdnb.results.memory_usage import MemoryUsage
from kdnb.results.resources import ResourceList
from kdnb.results.security import AccessList, TokenInfo
from kdnb.results.vads import VadList

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


@to_html.register(HandleList)
def _handles(value: HandleList) -> str:
    return _handle_table((value,)) + noted(value.note)


@to_html.register(HandleLists)
def _handle_lists(value: HandleLists) -> str:
    return _handle_table(value.lists) + noted(value.note)


def _handle_table(lists: Iterable[HandleList]) -> str:
    rows: list[Sequence[Cell]] = [
        (
            each.process.image if each.process is not None else "",
            f"{handle.handle:04x}",
            handle.type or (handle.note or "free", "dim"),
            handle.name,
            (format_address(handle.object, each.address_size), "dim"),
            f"{handle.access:08x}",
        )
        for each in lists
        for handle in each
    ]
    return table(("process", "handle", "type", "name", "object", "access"), rows)


@to_html.register(MemoryUsage)
def _usage(value: MemoryUsage) -> str:
    def amount(pages: int | None) -> str:
        return "" if pages is None else f"{pages * value.page_size // 1024} Kb"

    counters = [(each.name, str(each.pages), amount(each.pages)) for each in value.counters]
    processes = [
        (f"{each.pid:x}", each.image, amount(each.commit), amount(each.shared_commit)) for each in value.processes
    ]
    missing = f"Not known in this build: {', '.join(value.missing)}" if value.missing else ""
    below = table(("pid", "image", "commit", "shared commit"), processes) if processes else ""
    return table(("", "pages", ""), counters) + below + noted(missing) + noted(value.note)


@to_html.register(CpuInfos)
def _cpus(value: CpuInfos) -> str:
    rows = [
        (str(each.number), f"{each.family},{each.model},{each.stepping}", each.manufacturer, f"{each.mhz} MHz")
        for each in value
    ]
    return table(("cpu", "family, model, stepping", "manufacturer", ""), rows)


@to_html.register(TokenInfo)
def _token(value: TokenInfo) -> str:
    names = [("user", value.user), *((f"group {index}", group.sid) for index, group in enumerate(value.groups))]
    people = [(word, sid.text or sid.note, sid.name) for word, sid in names if sid is not None]
    rights = [
        (
            str(each.number),
            each.name,
            "enabled" if each.is_enabled else "",
            ("default" if each.is_default else "", "dim"),
        )
        for each in value.privileges
    ]
    return table(("", "identifier", "name"), people) + table(("", "privilege", "", ""), rights) + noted(value.note)


@to_html.register(AccessList)
def _acl(value: AccessList) -> str:
    rows = [
        (f"{each.type:x}", f"{each.mask:08x}", each.sid.text if each.sid else "", each.sid.name if each.sid else "")
        for each in value
    ]
    return table(("type", "mask", "identifier", "name"), rows) + noted(value.note)


@to_html.register(VadList)
def _vads(value: VadList) -> str:
    rows = [
        (
            format_address(each.start, value.address_size),
            format_address(each.end, value.address_size),
            str(each.commit),
            "private" if each.is_private else "mapped",
            each.protection_words,
            each.name,
        )
        for each in value
    ]
    return table(("start", "end", "commit", "", "protection", "file"), rows) + noted(value.note)
