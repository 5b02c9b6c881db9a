"""Chains in target memory: LIST_ENTRY and single links, with guards against loops, holes and corruption.

What a list says is not to be trusted: a walk ends at the first thing that can't be true, and says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.errors import MemoryReadError
from kdnb.results.addresses import format_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.debugger.memory import MemoryCache

__all__ = ["LIST_LIMIT", "ListWalk", "walk_chain", "walk_list"]

LIST_LIMIT = 65_536
"""Entries after which a list counts as endless; the longest of a healthy kernel have some ten thousand."""


@dataclass(frozen=True, slots=True)
class ListWalk:
    """Addresses of the links, in order."""

    links: tuple[int, ...]
    note: str = ""
    """Why the walk ended before the list did; empty for a whole list."""

    def __iter__(self) -> Iterator[int]:
        return iter(self.links)

    def __len__(self) -> int:
        return len(self.links)


def walk_list(
    memory: MemoryCache,
    head: int,
    *,
    limit: int = LIST_LIMIT,
    backwards: bool = False,
    around: tuple[int, int] | None = None,
) -> ListWalk:
    """The LIST_ENTRYs behind the list head at `head`, which is not one of them; each must point back.

    `around` is the offset of the links in structs that will be read anyway, and the structs' size: each is fetched
    as a whole when the walk comes to it, so that a live target is asked once for it.
    """
    size = memory.pointer_size
    forward, back = (size, 0) if backwards else (0, size)
    links: list[int] = []
    seen = {head}
    try:
        last, at = head, memory.read_pointer(head + forward)
        while at != head:
            problem = _impossible(at, seen, size)
            if not problem:
                if around is not None:
                    memory.read_available(at - around[0], around[1])
                answer = memory.read_pointer(at + back)
                if answer != last:
                    word = "Flink" if backwards else "Blink"
                    problem = f"{word} of {_hex(at, size)} is {_hex(answer, size)}, not {_hex(last, size)}"
            if problem:
                return ListWalk(tuple(links), f"the list is damaged: {problem}")
            if len(links) >= limit:
                return ListWalk(tuple(links), f"cut after {limit} entries")
            seen.add(at)
            links.append(at)
            last, at = at, memory.read_pointer(at + forward)
    except MemoryReadError as error:
        return ListWalk(tuple(links), f"the list ends early: {error.message}")
    return ListWalk(tuple(links))


def walk_chain(
    memory: MemoryCache, start: int, *, offset: int = 0, limit: int = LIST_LIMIT, back_to: int = 0
) -> ListWalk:
    """`start` and what the pointers at `offset` lead to, up to NULL, the start again or the link `back_to`.

    `back_to` is a pointer value (a list head) that ends the chain. Nothing is known of links that point back here.
    """
    links: list[int] = []
    seen: set[int] = set()
    at = start
    try:
        while at and not (links and at in (start, back_to)):
            problem = _impossible(at, seen, 1)
            if problem:
                return ListWalk(tuple(links), f"the list is damaged: {problem}")
            if len(links) >= limit:
                return ListWalk(tuple(links), f"cut after {limit} entries")
            following = memory.read_pointer(at + offset)
            seen.add(at)
            links.append(at)
            at = following
    except MemoryReadError as error:
        return ListWalk(tuple(links), f"the list ends early: {error.message}")
    return ListWalk(tuple(links))


def _impossible(at: int, seen: set[int], alignment: int) -> str:
    if not at:
        return "a link is NULL"
    if at in seen:
        return f"it has a loop through {_hex(at, 8)}"
    return f"{_hex(at, 8)} is no aligned address" if at % alignment else ""


def _hex(address: int, size: int) -> str:
    return format_address(address, size)
